from __future__ import annotations

from random import Random

import pytest
import trio
import trio.testing

from storage import (
    Append,
    Appended,
    Conflict,
    MemoryDisk,
    MemoryFaults,
    OutcomeUnknown,
    Refused,
    open_memory,
)


def version(disk, stream="s"):
    return disk.header(stream).version


async def test_nothing_is_acknowledged_or_visible_before_the_sync_returns():
    async with open_memory() as journal:
        journal.hold_sync()
        told = []
        journal.submit(Append("s", 0, (b"x",)), told.append)
        await trio.testing.wait_all_tasks_blocked()
        assert told == []
        assert (await journal.load("s")).records == ()
        journal.release_sync()
        await trio.testing.wait_all_tasks_blocked()
        assert isinstance(told[0], Appended)
        assert (await journal.load("s")).records == (b"x",)


async def test_a_commit_takes_as_long_as_ordered(autojump_clock):
    faults = MemoryFaults(sync_s=5.0, read_s=2.0)
    async with open_memory(faults=faults) as journal:
        begun = trio.current_time()
        await journal.append("s", 0, b"x")
        assert trio.current_time() - begun == pytest.approx(5.0)
        await journal.load("s")
        assert trio.current_time() - begun == pytest.approx(7.0)
        assert journal.statistics().sync_last_ms == pytest.approx(5000)


@pytest.mark.parametrize("keep", [True, False])
async def test_a_crash_in_a_commit_keeps_or_loses_the_group_as_a_whole(keep):
    disk = MemoryDisk()
    async with open_memory(disk) as journal:
        await journal.append("kept", 0, b"x")
        journal.hold_sync()
        told = []
        for name in "abc":
            journal.submit(Append(name, 0, (b"x",)), told.append)
        await trio.testing.wait_all_tasks_blocked()
        journal.submit(Append("waiting", 0, (b"x",)), told.append)
        journal.crash(keep=keep)
        await trio.testing.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in told] == [OutcomeUnknown] * 4
        journal.release_sync()
        assert [version(disk, name) for name in ("kept", "waiting")] == [1, 0]
        assert {version(disk, name) for name in "abc"} == {int(keep)}
        assert isinstance(await journal.append("after", 0, b"x"), Appended)


async def test_a_late_append_lands_after_the_next_load_unless_its_place_is_taken(autojump_clock):
    disk = MemoryDisk()
    faults = MemoryFaults(answer_late=1.0, late_s=3.0)
    async with open_memory(disk, faults=faults) as journal:
        assert isinstance(await journal.append("s", 0, b"late"), OutcomeUnknown)
        assert isinstance(await journal.append("t", 0, b"late"), OutcomeUnknown)
        faults.answer_late = 0.0
        assert (await journal.load("s")).info.version == 0
        assert isinstance(await journal.append("t", 0, b"other"), Appended)
        await trio.sleep(4)
        assert (await journal.load("s")).records == (b"late",)
        assert (await journal.load("t")).records == (b"other",)
        assert isinstance(await journal.append("s", 0, b"again"), Conflict)


async def test_below_the_reserve_commands_are_refused_and_all_else_goes_on():
    faults = MemoryFaults()
    async with open_memory(faults=faults) as journal:
        await journal.append("s", 0, b"x", pending=True)
        faults.full = "reserve"
        assert journal.statistics().low
        refused = await journal.append("s", 1, b"y")
        assert isinstance(refused, Refused)
        assert refused.code == "full"
        assert (await journal.append("u", 0, b"o", obligation=True)).version == 1
        assert (await journal.settle("s", 1)).info.settled == 1
        assert (await journal.snapshot("s", 1, b"")).info.snapshot_version == 1
        assert (await journal.truncate("s", 1)).first == 2
        faults.full = "full"
        assert (await journal.settle("u", 1)).code == "full"
        faults.full = "no"
        assert (await journal.append("s", 1, b"y")).version == 2


async def test_what_is_on_the_disk_outlives_the_journal():
    disk = MemoryDisk()
    async with open_memory(disk, random=Random(1)) as journal:
        epoch = (await journal.append("s", 0, b"x", b"y", pending=True)).epoch
    async with open_memory(disk, random=Random(2)) as journal:
        loaded = await journal.load("s")
        assert (loaded.info.epoch, loaded.records) == (epoch, (b"x", b"y"))
        assert [entry.stream for entry in (await journal.pending()).streams] == ["s"]


async def test_closing_carries_out_what_was_submitted():
    disk = MemoryDisk()
    told = []
    async with open_memory(disk) as journal:
        for number in range(300):
            journal.submit(Append(f"s{number}", 0, (b"x",), obligation=True), told.append)
    assert [type(outcome) for outcome in told] == [Appended] * 300
    assert (await journal.settle("s1", 1)).code == "closed"
    assert (await journal.load("s1")).code == "closed"


async def test_closing_while_the_sync_is_held_makes_outcomes_unknown():
    told = []
    async with open_memory() as journal:
        journal.hold_sync()
        journal.submit(Append("s", 0, (b"x",)), told.append)
        await trio.testing.wait_all_tasks_blocked()
    assert [type(outcome) for outcome in told] == [OutcomeUnknown]


async def test_a_completion_that_raises_stops_nobody_else(caplog):
    async with open_memory() as journal:
        journal.submit(Append("s", 0, (b"x",)), lambda _: 1 / 0)
        assert isinstance(await journal.append("t", 0, b"x"), Appended)
    assert "completions must not raise" in caplog.text


async def test_the_age_of_the_oldest_pending_record_is_told():
    now = 1000
    async with open_memory(now_ms=lambda: now) as journal:
        await journal.append("s", 0, b"1", b"2", pending=True)
        now = 3000
        await journal.append("s", 2, b"3", pending=True)
        now = 5000
        assert journal.statistics().oldest_pending_ms == 4000
        await journal.settle("s", 2)
        assert journal.statistics().oldest_pending_ms == 2000
        await journal.settle("s", 3)
        statistics = journal.statistics()
        assert (statistics.oldest_pending_ms, statistics.pending_streams) == (0, 0)


async def history(seed):
    """Everything that three rivals see under all faults, as text."""
    faults = MemoryFaults(
        sync_s=lambda random: random.uniform(0, 0.1),
        commit_fails_undone=0.1,
        commit_fails_done=0.1,
        answer_lost=0.1,
        answer_late=0.1,
        busy=0.1,
        read_fails=0.1,
    )
    lines = []
    async with open_memory(faults=faults, random=Random(seed)) as journal:
        for turn in range(120):
            name = f"s{turn % 3}"
            loaded = await journal.load(name)
            lines.append(repr(loaded))
            if not isinstance(loaded, Refused):
                outcome = await journal.append(name, loaded.info.version, b"%d" % turn)
                lines.append(repr(outcome))
    return lines


def test_one_seed_gives_one_history_and_every_fault_occurs_in_it():
    runs = [
        trio.run(history, 5, clock=trio.testing.MockClock(autojump_threshold=0)) for _ in range(2)
    ]
    assert runs[0] == runs[1]
    text = "\n".join(runs[0])
    for seen in ("commit failed", "answer was lost", "delayed", "told to be busy", "told to fail"):
        assert seen in text
    assert "Appended" in text
    assert trio.run(history, 6, clock=trio.testing.MockClock(autojump_threshold=0)) != runs[0]
