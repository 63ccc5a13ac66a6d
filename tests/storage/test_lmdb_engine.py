from __future__ import annotations

import errno
import threading

import lmdb
import pytest
import trio
import trio.testing

from storage import (
    Append,
    Appended,
    Load,
    OutcomeUnknown,
    Refused,
    Settle,
    open_lmdb,
)
from storage.intake import SLICE_COUNT
from storage.lmdb_store import SWEEP_BATCHES
from storage.rows import row_key


class Disk:
    """Free space as a test wants it."""

    def __init__(self, free) -> None:
        self.free = free

    def __call__(self, _path) -> int:
        return self.free


class HeldSync:
    """A sync that waits in the commit thread until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.leave = threading.Semaphore(0)
        self.groups = 0

    def __call__(self, commit) -> None:
        self.groups += 1
        self.entered.release()
        assert self.leave.acquire(timeout=30)
        commit()

    async def wait_entered(self) -> None:
        assert await trio.to_thread.run_sync(self.entered.acquire, True, 30)


class Told:
    """Outcomes in the order in which they came."""

    def __init__(self) -> None:
        self.outcomes = []
        self._more = trio.Event()

    def __call__(self, outcome) -> None:
        self.outcomes.append(outcome)
        self._more.set()

    async def wait(self, count) -> list:
        with trio.fail_after(30):
            while len(self.outcomes) < count:
                await self._more.wait()
                self._more = trio.Event()
        return self.outcomes


def quiet(path, **options):
    return open_lmdb(path, **{"reserve_bytes": 0, "ballast_bytes": 0} | options)


async def test_no_acknowledgement_and_no_trace_before_the_sync_returns(tmp_path):
    held = HeldSync()
    told = Told()
    async with quiet(tmp_path, sync_hook=held) as journal:
        journal.submit(Append("s", 0, (b"x",), pending=True), told)
        await held.wait_entered()
        assert (await journal.load("s")).info.version == 0
        assert (await journal.pending()).streams == ()
        assert told.outcomes == []
        held.leave.release()
        assert isinstance((await told.wait(1))[0], Appended)
        assert (await journal.load("s")).records == (b"x",)


async def test_all_that_arrives_while_a_commit_runs_goes_into_the_next_one(tmp_path):
    held = HeldSync()
    told = Told()
    async with quiet(tmp_path, sync_hook=held) as journal:
        journal.submit(Append("first", 0, (b"x",)), told)
        await held.wait_entered()
        for number in range(1000):
            journal.submit(Append(f"s{number}", 0, (b"x",)), told)
        held.leave.release()
        await held.wait_entered()
        assert len(told.outcomes) <= 1
        held.leave.release()
        await told.wait(1001)
        assert held.groups == 2
        assert journal.statistics().group_max == 1000


async def test_commands_go_before_obligations_and_these_in_slices(tmp_path):
    held = HeldSync()
    order = []
    told = Told()

    def done(kind):
        def called(outcome) -> None:
            order.append(kind)
            told(outcome)

        return called

    async with quiet(tmp_path, sync_hook=held) as journal:
        journal.submit(Append("first", 0, (b"x",)), done("first"))
        await held.wait_entered()
        for number in range(SLICE_COUNT + 6):
            journal.submit(Append(f"o{number}", 0, (b"x",), obligation=True), done("obligation"))
        for number in range(10):
            journal.submit(Append(f"c{number}", 0, (b"x",)), done("command"))
        for _ in range(3):
            held.leave.release()
        await told.wait(SLICE_COUNT + 17)
    assert held.groups == 3
    assert order == (
        ["first"] + ["command"] * 10 + ["obligation"] * SLICE_COUNT + ["obligation"] * 6
    )


async def test_a_full_queue_refuses_at_once_and_later_takes_again(tmp_path):
    held = HeldSync()
    told = Told()
    async with quiet(tmp_path, sync_hook=held, max_queued=10) as journal:
        journal.submit(Append("first", 0, (b"x",)), told)
        await held.wait_entered()
        for number in range(20):
            journal.submit(Append(f"s{number}", 0, (b"x",)), told)
        outcomes = list(await told.wait(10))
        assert {outcome.code for outcome in outcomes} == {"busy"}
        held.leave.release()
        held.leave.release()
        outcomes = (await told.wait(21))[10:]
        assert [type(outcome) for outcome in outcomes] == [Appended] * 11
        held.leave.release()
        assert isinstance(await journal.append("again", 0, b"x"), Appended)


async def test_reads_have_a_bounded_queue_too(tmp_path):
    async with quiet(tmp_path, max_queued=10) as journal:
        told = Told()
        with journal._committer.lock:
            for _ in range(400):
                journal.submit(Load("s"), told)
            refused = [o for o in await told.wait(1) if isinstance(o, Refused)]
            assert {outcome.code for outcome in refused} == {"busy"}
        assert len(await told.wait(400)) == 400


@pytest.mark.parametrize("written", [True, False])
async def test_an_io_error_in_a_commit_makes_its_outcomes_unknown_and_is_then_read_again(
    tmp_path, written
):
    failing = False

    def sync(commit) -> None:
        if failing and not written:
            raise OSError(5, "Input/output error")
        commit()
        if failing:
            raise OSError(5, "Input/output error")

    async with quiet(tmp_path, sync_hook=sync) as journal:
        await journal.append("s", 0, b"1", pending=True)
        failing = True
        told = Told()
        for name in ("s", "t"):
            journal.submit(Append(name, int(name == "s"), (b"2",)), told)
        for outcome in await told.wait(2):
            assert isinstance(outcome, (OutcomeUnknown, Refused))
        assert any(isinstance(outcome, OutcomeUnknown) for outcome in told.outcomes)
        failing = False
        refused = await journal.append("u", 0, b"x")
        assert isinstance(refused, Refused)
        assert refused.code == "io"
        assert journal.statistics().failing
        with trio.fail_after(10):
            while journal.statistics().failing:  # noqa: ASYNC110 - what the disk says is polled
                await trio.sleep(0.01)
        loaded = await journal.load("s")
        assert loaded.records in {(b"1",), (b"1", b"2")}
        if not written:
            assert loaded.records == (b"1",)
        assert isinstance(await journal.append("s", loaded.info.version, b"3"), Appended)
        assert [entry.stream for entry in (await journal.pending()).streams] == ["s"]
        assert journal.statistics().reopened >= 1


async def test_a_group_that_one_write_spoils_is_tried_one_by_one(tmp_path):
    async with quiet(tmp_path) as journal:
        for name in ("good", "bad"):
            await journal.append(name, 0, b"x")
    environment = lmdb.open(str(tmp_path), max_dbs=8)
    streams = environment.open_db(b"streams")
    with environment.begin(write=True) as txn:
        txn.put(row_key(2), b"no row", db=streams)
    environment.close()
    held = HeldSync()
    told = Told()
    async with quiet(tmp_path, sync_hook=held) as journal:
        journal.submit(Append("first", 0, (b"x",)), told)
        await held.wait_entered()
        for name, expected in (("good", 1), ("bad", 1), ("new", 0)):
            journal.submit(Append(name, expected, (b"y",)), told)
        for _ in range(3):
            held.leave.release()
        outcomes = await told.wait(4)
        assert [type(outcome) for outcome in outcomes] == [Appended, Appended, Refused, Appended]
        assert outcomes[2].code == "damaged"
        assert outcomes[2].message == (
            "the header of stream 'bad' is damaged; restore the directory from a backup"
        )
        assert (await journal.load("good")).records == (b"x", b"y")
        assert (await journal.load("bad")).code == "damaged"
        assert (await journal.describe("good", "bad")).code == "damaged"


async def test_closing_carries_out_what_was_submitted(tmp_path):
    told = Told()
    async with quiet(tmp_path) as journal:
        for number in range(500):
            journal.submit(Append(f"s{number}", 0, (b"x",), obligation=True), told)
        journal.submit(Load("s1"), told)
    assert len(told.outcomes) == 501
    assert (await journal.append("late", 0, b"x")).code == "closed"
    async with quiet(tmp_path) as journal:
        assert len((await journal.scan()).names) == 500


async def test_a_disk_that_never_answers_does_not_hold_up_closing_for_ever(tmp_path):
    held = HeldSync()
    told = Told()
    async with quiet(tmp_path, sync_hook=held, close_timeout_s=0.05) as journal:
        journal.submit(Append("s", 0, (b"x",)), told)
        await held.wait_entered()
        journal.submit(Append("t", 0, (b"x",)), told)
    assert [type(outcome) for outcome in told.outcomes] == [OutcomeUnknown] * 2
    held.leave.release()
    held.leave.release()
    for thread in journal._threads:
        await trio.to_thread.run_sync(thread.join)
    journal._committer.close()
    await trio.testing.wait_all_tasks_blocked()
    assert len(told.outcomes) == 2


async def test_a_cancelled_waiter_gives_up_waiting_only(tmp_path):
    held = HeldSync()
    async with quiet(tmp_path, sync_hook=held) as journal:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.append, "s", 0, b"x")
            await held.wait_entered()
            nursery.cancel_scope.cancel()
        held.leave.release()
        held.leave.release()
        await journal.append("t", 0, b"x")
        assert (await journal.load("s")).records == (b"x",)


async def test_truncated_records_are_removed_from_the_disk_in_idle_time(tmp_path):
    count = 3 * SWEEP_BATCHES
    async with quiet(tmp_path) as journal:
        for number in range(count):
            journal.submit(Append("s", number, (b"x",)), lambda _: None)
        await journal.append("s", count, b"last")
        await journal.snapshot("s", count, b"s" * 9000)
        assert (await journal.truncate("s", count)).first == count + 1
        assert (await journal.read("s", 1)).records == (b"last",)
        with trio.fail_after(10):
            while journal._committer.store.must_sweep:  # noqa: ASYNC110 - another thread's state
                await trio.sleep(0.005)
        await journal.snapshot("s", count + 1, b"short")
    environment = lmdb.open(str(tmp_path), max_dbs=8)
    with environment.begin() as txn:
        entries = {
            name: txn.stat(environment.open_db(name, txn=txn))["entries"]
            for name in (b"streams", b"snapshots", b"sweep", b"pending")
        }
    environment.close()
    assert entries == {b"streams": 2, b"snapshots": 1, b"sweep": 0, b"pending": 0}


async def test_a_sweep_that_closing_interrupts_goes_on_after_the_next_opening(tmp_path):
    count = 3 * SWEEP_BATCHES
    async with quiet(tmp_path) as journal:
        for number in range(count):
            journal.submit(Append("s", number, (b"x",)), lambda _: None)
        await journal.snapshot("s", count, b"")
        journal._committer.tidy = lambda: False
        await journal.truncate("s", count)
    async with quiet(tmp_path) as journal:
        assert journal._committer.store.must_sweep
        await journal.append("wake", 0, b"x")
        with trio.fail_after(10):
            while journal._committer.store.must_sweep:  # noqa: ASYNC110 - another thread's state
                await trio.sleep(0.005)
        assert (await journal.load("s")).info.first == count + 1


async def test_damaged_records_are_refused_not_returned(tmp_path):
    async with quiet(tmp_path) as journal:
        await journal.append("s", 0, b"a" * 100)
        await journal.append("t", 0, b"b" * 100)
    data = tmp_path / "data.mdb"
    content = data.read_bytes()
    assert b"a" * 100 in content
    data.write_bytes(content.replace(b"a" * 100, b"a" * 99 + b"?"))
    async with quiet(tmp_path) as journal:
        outcome = await journal.load("s")
        assert isinstance(outcome, Refused)
        assert outcome.code == "damaged"
        assert outcome.message == (
            "records up to number 1 of a stream are damaged; restore the directory from a backup"
        )
        assert (await journal.load("t")).records == (b"b" * 100,)


async def test_statistics_tell_of_the_sync_the_queue_and_the_oldest_pending(tmp_path):
    async with quiet(tmp_path, sync_delay_s=0.03) as journal:
        await journal.append("s", 0, b"12345", pending=True)
        await journal.append("s", 0, b"x")
        statistics = journal.statistics()
        assert statistics.commits == statistics.appends == statistics.records == 1
        assert (statistics.bytes, statistics.conflicts, statistics.pending_streams) == (5, 1, 1)
        assert statistics.sync_last_ms >= 30
        assert statistics.disk_free_bytes > 0
        await trio.sleep(0.01)
        assert journal.statistics().oldest_pending_ms >= 10
    async with quiet(tmp_path) as journal:
        assert journal.statistics().oldest_pending_ms >= 10
        await journal.perform(Settle("s", 1))
        assert journal.statistics().oldest_pending_ms == 0


class FillingDisk:
    """A disk without room as long as ``full()`` says so; counts the attempts."""

    def __init__(self) -> None:
        self.full = lambda: False
        self.attempts = 0

    def __call__(self, commit) -> None:
        self.attempts += 1
        if self.full():
            raise OSError(errno.ENOSPC, "No space left on device")
        commit()


async def test_the_ballast_is_given_up_when_an_obligation_finds_no_room(tmp_path):
    disk = FillingDisk()
    ballast = tmp_path / "ballast"
    async with open_lmdb(
        tmp_path, reserve_bytes=0, ballast_bytes=1 << 20, sync_hook=disk
    ) as journal:
        assert ballast.stat().st_size == 1 << 20
        disk.full = ballast.exists
        told = Told()
        for number in range(5):
            journal.submit(Append(f"s{number}", 0, (b"x",), obligation=True), told)
        assert [type(outcome) for outcome in await told.wait(5)] == [Appended] * 5
        assert not ballast.exists()
        with trio.fail_after(10):
            while not ballast.exists():
                disk.full = lambda: False
                await journal.append("t", journal.statistics().appends - 5, b"x")
                await trio.sleep(0.02)


async def test_on_a_full_disk_a_group_is_not_tried_write_by_write_without_end(tmp_path):
    disk = FillingDisk()
    async with quiet(tmp_path, sync_hook=disk) as journal:
        disk.full = lambda: True
        held = Told()
        with journal._writes:
            for number in range(60):
                journal.submit(Append(f"s{number}", 0, (b"x",)), held)
        outcomes = await held.wait(60)
        assert {outcome.code for outcome in outcomes} == {"full"}
        assert disk.attempts <= 10
        disk.full = lambda: False
        assert isinstance(await journal.append("s1", 0, b"x"), Appended)


async def test_a_disk_below_its_reserve_is_told_with_what_to_do_and_its_recovery_is_no_warning(
    tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO", logger="storage")
    disk = Disk(100 << 20)
    monkeypatch.setattr("storage.host.free_bytes", disk)
    monkeypatch.setattr("storage.lmdb_commits.FREE_CHECK_S", 0.0)
    async with quiet(tmp_path, reserve_bytes=64 << 20) as journal:
        disk.free = 10 << 20
        refused = await journal.perform(Append("s", 0, (b"x",)))
        assert isinstance(refused, Refused)
        disk.free = 100 << 20
        await journal.perform(Append("s", 0, (b"x",)))
    low, recovered = [record for record in caplog.records if "MiB free" in record.message]
    assert (low.levelname, recovered.levelname) == ("WARNING", "INFO")
    assert "10.0 MiB free, less than the reserve of 64 MiB: new messages are refused" in low.message
    assert low.message.endswith("free some space")
    assert recovered.message.endswith("100.0 MiB free: new messages are taken again")
