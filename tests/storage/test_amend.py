"""Amended records: what every engine owes, and what the LMDB engine does to its batches."""

from __future__ import annotations

import lmdb
import pytest

from storage import (
    MAX_AMENDMENTS,
    MAX_APPEND_BYTES,
    MAX_RECORD_BYTES,
    Append,
    Appended,
    Conflict,
    MemoryDisk,
    OutcomeUnknown,
    Refused,
    Snapshot,
    Truncate,
    open_lmdb,
    open_memory,
)
from storage.rows import BATCH_BYTES, decode_batch, is_row_key, record_key, split_key
from tests.storage.test_lmdb_engine import HeldSync, Told

SECRET = b"what nobody should have read"


def quiet(path, **options):
    return open_lmdb(path, **{"reserve_bytes": 0, "ballast_bytes": 0} | options)


@pytest.fixture(params=["memory", "lmdb"])
def opener(request, tmp_path):
    if request.param == "memory":
        disk = MemoryDisk()
        return lambda: open_memory(disk)
    return lambda: quiet(tmp_path / "journal")


async def records(journal, stream="s"):
    return (await journal.read(stream, 1, limit=10_000, max_bytes=16 << 20)).records


async def test_an_amended_record_reads_as_amended_at_once_and_after_reopening(opener):
    async with opener() as journal:
        await journal.append("s", 0, b"1", SECRET, b"3")
        outcome = await journal.append("s", 3, b"2 was deleted", amend=((2, b""),))
        assert outcome == Appended(outcome.epoch, 4)
        assert await records(journal) == (b"1", b"", b"3", b"2 was deleted")
        assert (await journal.load("s")).records == (b"1", b"", b"3", b"2 was deleted")
        assert journal.statistics().amendments == 1
    async with opener() as journal:
        assert await records(journal) == (b"1", b"", b"3", b"2 was deleted")


INVALID = [
    Append("s", 3, (), amend=((1, b"x"),)),
    Append("s", 3, (b"4",), amend=((4, b"x"),)),
    Append("s", 3, (b"4",), amend=((0, b"x"),)),
    Append("s", 3, (b"4",), amend=((-1, b"x"),)),
    Append("s", 3, (b"4",), amend=((2, b"x"), (1, b""), (2, b"x"))),
    Append("new", 0, (b"4",), amend=((1, b"x"),)),
]
TOO_LARGE = [
    Append("s", 3, (b"4",), amend=((1, bytes(MAX_RECORD_BYTES + 1)),)),
    Append(
        "s", 3, (bytes(MAX_RECORD_BYTES),) * 2, amend=tuple((n, bytes(800_000)) for n in (1, 2, 3))
    ),
    Append(
        "s",
        MAX_AMENDMENTS + 1,
        (b"4",),
        amend=tuple((n + 1, b"") for n in range(MAX_AMENDMENTS + 1)),
    ),
]


@pytest.mark.parametrize("op", INVALID + TOO_LARGE)
async def test_amendments_out_of_bounds_are_refused_and_nothing_is_written(opener, op):
    async with opener() as journal:
        await journal.append("s", 0, b"1", b"2", b"3")
        outcome = await journal.perform(op)
        assert isinstance(outcome, Refused)
        assert outcome.code == ("invalid" if op in INVALID else "too_large")
        assert len(outcome.message.split()) > 5
        assert await records(journal) == (b"1", b"2", b"3")


async def test_as_many_amendments_as_allowed_are_taken_with_all_the_bytes_of_an_append(opener):
    async with opener() as journal:
        await journal.append("s", 0, *(b"old",) * MAX_AMENDMENTS)
        size = (MAX_APPEND_BYTES - 1000) // MAX_AMENDMENTS
        amended = tuple((n, b"%d" % n + bytes(size - 10)) for n in range(MAX_AMENDMENTS, 0, -1))
        outcome = await journal.append("s", MAX_AMENDMENTS, b"new", amend=amended)
        assert isinstance(outcome, Appended)
        expected = tuple(raw for _, raw in reversed(amended))
        assert await records(journal) == (*expected, b"new")


async def test_a_conflict_leaves_the_old_content(opener):
    async with opener() as journal:
        await journal.append("s", 0, b"1", b"2")
        epoch = (await journal.describe("s")).streams[0].epoch
        assert isinstance(await journal.append("s", 1, b"x", amend=((1, b"y"),)), Conflict)
        outcome = await journal.append("s", 2, b"x", amend=((1, b"y"),), epoch=epoch ^ 1 or 5)
        assert isinstance(outcome, Conflict)
        assert await records(journal) == (b"1", b"2")


async def test_numbers_that_were_truncated_are_passed_over(opener):
    async with opener() as journal:
        await journal.append("s", 0, b"1", b"2", b"3", b"4")
        await journal.snapshot("s", 3, b"state")
        await journal.truncate("s", 2)
        outcome = await journal.append("s", 4, b"5", amend=((1, b"x"), (3, b"y"), (2, b"z")))
        assert isinstance(outcome, Appended)
        loaded = await journal.read("s", 1)
        assert (loaded.start, loaded.records) == (3, (b"y", b"4", b"5"))
        only_gone = await journal.append("s", 5, b"6", amend=((1, b"x"),))
        assert isinstance(only_gone, Appended)
        assert (await journal.load("s")).snapshot == b"state"


async def test_the_later_of_two_amendments_in_one_group_holds_also_of_a_record_of_that_group(
    tmp_path,
):
    held, told = HeldSync(), Told()
    async with quiet(tmp_path, sync_hook=held) as journal:
        journal.submit(Append("s", 0, (b"1", b"2")), told)
        await held.wait_entered()
        journal.submit(Append("s", 2, (b"3",), amend=((1, b"first"), (2, b"once"))), told)
        journal.submit(Append("s", 3, (b"4",), amend=((1, b"later"), (3, b"of the group"))), told)
        held.leave.release()
        held.leave.release()
        await told.wait(3)
        assert held.groups == 2
        assert await records(journal) == (b"later", b"once", b"of the group", b"4")


async def test_what_one_group_amends_and_then_truncates_is_gone(tmp_path):
    held, told = HeldSync(), Told()
    async with quiet(tmp_path, sync_hook=held) as journal:
        for version in range(3):
            journal.submit(Append("s", version, (SECRET,), obligation=True), told)
            held.leave.release()
            await told.wait(version + 1)
        journal.submit(Append("first", 0, (b"x",)), told)
        for _ in range(4):
            await held.wait_entered()
        amend = ((1, b"amended"), (2, b"amended"), (3, b"kept"))
        journal.submit(Append("s", 3, (b"4",), obligation=True, amend=amend), told)
        journal.submit(Snapshot("s", 4, b""), told)
        journal.submit(Truncate("s", 2), told)
        held.leave.release()
        held.leave.release()
        await told.wait(7)
        assert held.groups == 5
        assert (await journal.load("s")).info.first == 3
    assert batches(tmp_path) == [(3, 3, [b"kept"]), (4, 4, [b"4"])]


@pytest.mark.parametrize("keep", [True, False])
async def test_a_crash_in_the_commit_keeps_or_loses_the_amendment_with_the_record(keep):
    disk = MemoryDisk()
    async with open_memory(disk) as journal:
        await journal.append("s", 0, b"1")
        journal.hold_sync()
        told = Told()
        journal.submit(Append("s", 1, (b"2",), amend=((1, b"amended"),)), told)
        assert await records(journal) == (b"1",)
        journal.crash(keep=keep)
        assert isinstance((await told.wait(1))[0], OutcomeUnknown)
        journal.release_sync()
        assert await records(journal) == ((b"amended", b"2") if keep else (b"1",))


async def test_an_amendment_leaves_obligations_and_their_times_alone(opener):
    async with opener() as journal:
        await journal.append("s", 0, b"1", b"2", pending=True)
        since = (await journal.pending()).streams[0].since_ms
        await journal.append("s", 2, b"3", pending=True, amend=((1, b"x"), (2, b"y")))
        entry = (await journal.pending()).streams[0]
        assert (entry.first_pending, entry.version, entry.since_ms) == (1, 3, since)
        await journal.settle("s", 1)
        entry = (await journal.pending()).streams[0]
        assert (entry.first_pending, entry.since_ms) == (2, since)
        await journal.settle("s", 3)
        assert (await journal.pending()).streams == ()


# -- the LMDB engine -----------------------------------------------------------------------------


def batches(path):
    """Last number, first number and records of each batch of the first stream made."""
    environment = lmdb.open(str(path), max_dbs=8, readonly=True, lock=False)
    with environment.begin() as txn:
        cursor = txn.cursor(environment.open_db(b"streams", txn=txn, create=False))
        found = [
            (split_key(key)[1], *decode_batch(key, value))
            for key, value in cursor
            if not is_row_key(key) and split_key(key)[0] == 1
        ]
    environment.close()
    return found


async def test_a_reader_that_began_before_sees_the_old_bytes_of_small_and_of_large_records(
    tmp_path,
):
    large = b"L" * 300_000
    async with quiet(tmp_path) as journal:
        await journal.append("s", 0, SECRET, large)
        store = journal._committer.store
        key = record_key(1, 2)
        with store.environment.begin(db=store.databases[b"streams"]) as txn:
            before = [txn.get(record_key(1, 1)), txn.get(key)]
            await journal.append("s", 2, b"3", amend=((1, b""), (2, b"short")))
            for number in range(3, 40):
                await journal.append("s", number, b"filler" * 10_000)
            assert [txn.get(record_key(1, 1)), txn.get(key)] == before
            assert decode_batch(key, txn.get(key)) == (2, [large])
        assert (await records(journal))[:3] == (b"", b"short", b"3")


async def test_a_batch_that_grows_is_cut_and_keeps_its_time(tmp_path, monkeypatch):
    now = 1000
    monkeypatch.setattr("storage.host.wall_ms", lambda: now)
    async with quiet(tmp_path) as journal:
        await journal.append("s", 0, b"1", b"2", b"3", b"4", pending=True)
        now = 2000
        big = b"b" * BATCH_BYTES
        await journal.append("s", 4, b"5", amend=((1, big), (3, big)), pending=True)
        assert await records(journal) == (big, b"2", big, b"4", b"5")
        await journal.settle("s", 1)
        assert (await journal.pending()).streams[0].since_ms == 1000
    assert [(last, first) for last, first, _ in batches(tmp_path)] == [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 4),
        (5, 5),
    ]
    async with quiet(tmp_path) as journal:
        assert await records(journal) == (big, b"2", big, b"4", b"5")


async def test_an_amended_batch_forgets_its_truncated_records_so_that_none_escapes_the_sweep(
    tmp_path,
):
    big = b"b" * BATCH_BYTES
    async with quiet(tmp_path) as journal:
        await journal.append("s", 0, b"1", SECRET, b"3", b"4")
        await journal.snapshot("s", 4, b"")
        await journal.truncate("s", 2)
        await journal.append("s", 4, b"5", amend=((3, big), (4, big)))
        await journal.truncate("s", 3)
        assert await records(journal) == (big, b"5")
    assert batches(tmp_path) == [(4, 4, [big]), (5, 5, [b"5"])]


async def test_a_group_that_a_damaged_batch_spoils_amends_all_the_others_once(tmp_path):
    async with quiet(tmp_path) as journal:
        for name in ("good", "bad"):
            await journal.append(name, 0, SECRET, b"2")
    environment = lmdb.open(str(tmp_path), max_dbs=8)
    with environment.begin(write=True) as txn:
        txn.put(record_key(2, 2), b"no batch", db=environment.open_db(b"streams", txn=txn))
    environment.close()
    held, told = HeldSync(), Told()
    async with quiet(tmp_path, sync_hook=held) as journal:
        journal.submit(Append("first", 0, (b"x",)), told)
        await held.wait_entered()
        for name in ("good", "bad"):
            journal.submit(Append(name, 2, (b"3",), amend=((1, b""),)), told)
        for _ in range(2):
            held.leave.release()
        outcomes = await told.wait(3)
        assert [type(outcome) for outcome in outcomes] == [Appended, Appended, Refused]
        assert outcomes[2].code == "damaged"
        assert await records(journal, "good") == (b"", b"2", b"3")
        assert (await journal.describe("bad")).streams[0].version == 2


async def test_an_amendment_of_a_record_that_is_missing_is_refused_as_damage(tmp_path):
    async with quiet(tmp_path) as journal:
        for version in range(3):
            await journal.append("s", version, SECRET)
    environment = lmdb.open(str(tmp_path), max_dbs=8)
    with environment.begin(write=True) as txn:
        streams = environment.open_db(b"streams", txn=txn)
        txn.delete(record_key(1, 3), db=streams)
    environment.close()
    async with quiet(tmp_path) as journal:
        refused = await journal.append("s", 3, b"4", amend=((3, b""),))
        assert (refused.code, refused.message) == (
            "damaged",
            "record 3 of a stream is missing; restore the directory from a backup",
        )


@pytest.mark.parametrize("written", [True, False])
async def test_a_commit_that_failed_amended_all_or_nothing(tmp_path, written):
    failing = False

    def sync(commit) -> None:
        if failing and not written:
            raise OSError(5, "Input/output error")
        commit()
        if failing:
            raise OSError(5, "Input/output error")

    async with quiet(tmp_path, sync_hook=sync) as journal:
        await journal.append("s", 0, b"1", b"2" * 5000)
        failing = True
        outcome = await journal.append("s", 2, b"3", amend=((1, b"x"), (2, b"y")))
        assert isinstance(outcome, OutcomeUnknown)
        failing = False
    async with quiet(tmp_path) as journal:
        found = await records(journal)
        assert found == ((b"x", b"y", b"3") if written else (b"1", b"2" * 5000))
