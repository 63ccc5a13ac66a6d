"""Every engine keeps the journal's contract, unknown outcomes and late appends included.

One random state machine plays operations against an engine and against `stream_model`; engines
differ only in how they are opened and in how their faults are ordered.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from random import Random

import hypothesis.strategies as st
import trio.testing
from hypothesis import HealthCheck
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage import (
    Append,
    Conflict,
    Describe,
    Load,
    MemoryDisk,
    MemoryFaults,
    OutcomeUnknown,
    Pending,
    Read,
    Refused,
    Scan,
    Settle,
    Snapshot,
    Truncate,
    check,
    open_lmdb,
    open_memory,
    slot_of,
)
from tests.examples import examples
from tests.storage.driver import Driver
from tests.storage.stream_model import StreamModel

NAMES = ["a", "a/1", "a/1#marks", "b", "ü/名", "z" * 400]
names = st.sampled_from(NAMES)
small = st.integers(0, 12)
offsets = st.sampled_from([0, 0, 0, 0, 0, 1, -1, 5])
bodies = st.lists(
    st.one_of(st.binary(max_size=6), st.integers(900, 6000).map(lambda n: b"x" * n)),
    min_size=1,
    max_size=5,
).map(tuple)
amendments = st.lists(
    st.tuples(
        st.integers(0, 12), st.one_of(st.binary(max_size=6), st.integers(900, 6000).map(bytes))
    ),
    max_size=4,
    unique_by=lambda entry: entry[0],
)
snapshots = st.one_of(st.binary(max_size=10), st.integers(4000, 13000).map(lambda n: b"s" * n))


def amending(expected, behind):
    """Amendments of records that lie so far behind a version, without those before the first."""
    return tuple((expected - back, raw) for back, raw in behind if back < expected)


class JournalMachine(RuleBasedStateMachine):
    """Rules; subclasses say how to open, and how to order a fault for the next commit."""

    def open(self):
        raise NotImplementedError

    def order_fault(self, kind: str) -> None:
        raise NotImplementedError

    def end_fault(self) -> None:
        raise NotImplementedError

    def begin_late(self, op: Append) -> None:
        """Submit an append of which nobody will wait; it may land any time."""
        raise NotImplementedError

    def end_late(self) -> None:
        """From now on no such append can land."""
        raise NotImplementedError

    def dispose(self) -> None:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.models = {name: StreamModel(name) for name in NAMES}
        self.driver: Driver | None = None
        self.clock: trio.testing.MockClock | None = None
        self.turn = 0

    @initialize()
    def start(self) -> None:
        self.driver = Driver(self.open, self.clock)

    def teardown(self) -> None:
        if self.driver is not None:
            self.driver.close()
        self.dispose()

    def write(self, op):
        model = self.models[op.stream]
        model.begin(land=False)
        outcome = self.driver.perform(op)
        model.begin(land=False)
        model.wrote(op, outcome)
        return outcome

    def version(self, name: str) -> int:
        return max(world.version for world in self.models[name].worlds)

    def epoch(self, name: str, kind: str) -> int | None:
        known = self.models[name].epoch or 0
        return {"none": None, "known": known, "wrong": known + 1}[kind]

    # -- writes -----------------------------------------------------------------------------------

    @rule(
        name=names,
        offset=offsets,
        records=bodies,
        pending=st.booleans(),
        obligation=st.booleans(),
        epoch=st.sampled_from(["none", "none", "known", "wrong"]),
        behind=amendments,
    )
    def append(self, *, name, offset, records, pending, obligation, epoch, behind) -> None:
        expected = max(0, self.version(name) + offset)
        fence = self.epoch(name, epoch)
        amend = amending(expected, behind)
        outcome = self.write(Append(name, expected, records, pending, obligation, fence, amend))
        if epoch == "wrong":
            assert isinstance(outcome, Conflict)

    @rule(name=names, upto=small, epoch=st.sampled_from(["none", "known", "wrong"]))
    def settle(self, name, upto, epoch) -> None:
        self.write(Settle(name, upto, self.epoch(name, epoch)))

    @rule(name=names)
    def settle_all(self, name) -> None:
        self.write(Settle(name, self.version(name)))

    @rule(name=names, back=st.integers(-1, 3), data=snapshots)
    def snapshot(self, name, back, data) -> None:
        self.write(Snapshot(name, max(0, self.version(name) - back), data))

    @rule(name=names, upto=small)
    def truncate(self, name, upto) -> None:
        self.write(Truncate(name, upto))

    @rule(
        chosen=st.lists(names, min_size=2, unique=True),
        pending=st.booleans(),
        upto=small,
        behind=amendments,
    )
    def many_at_once(self, chosen, pending, upto, behind) -> None:
        ops = []
        for index, name in enumerate(chosen):
            self.models[name].begin(land=False)
            if index % 3 == 2:
                ops.append(Settle(name, upto))
            else:
                version = self.version(name)
                amend = amending(version, behind)
                records, obligation = (b"m", b"n"), index % 2 == 1
                ops.append(Append(name, version, records, pending, obligation, amend=amend))
        for op, outcome in zip(ops, self.driver.perform_all(ops), strict=True):
            self.models[op.stream].begin(land=False)
            self.models[op.stream].wrote(op, outcome)

    @rule(name=names, rivals=st.integers(2, 5))
    def rivals_expecting_the_same_version_win_at_most_once(self, name, rivals) -> None:
        model = self.models[name]
        model.begin(land=False)
        expected = self.version(name)
        ops = [
            Append(name, expected, (b"%d" % i,), amend=amending(expected, [(0, b"by %d" % i)]))
            for i in range(rivals)
        ]
        for op, outcome in zip(ops, self.driver.perform_all(ops), strict=True):
            model.begin(land=False)
            if not isinstance(outcome, Conflict):
                model.wrote(op, outcome)
        info = self.driver.perform(Describe((name,))).streams[0]
        model.saw(info)

    @rule(name=names, records=bodies, amend=amendments, more=amendments)
    def writes_of_one_stream_in_one_group_build_on_each_other(
        self, name, records, amend, more
    ) -> None:
        model = self.models[name]
        if model.world is None:
            return
        version = self.version(name)
        after = version + len(records)
        ops = [
            Append(name, version, records, obligation=True, amend=amending(version, amend)),
            Snapshot(name, after, b"as of then"),
            Truncate(name, after - 1),
            Append(name, after, (b"then",), obligation=True, amend=amending(after, more)),
        ]
        for op, outcome in zip(ops, self.driver.perform_all(ops), strict=True):
            model.wrote(op, outcome)

    # -- reads ------------------------------------------------------------------------------------

    @rule(name=names, limit=st.integers(1, 9))
    def load_a_page(self, name, limit) -> None:
        self.load(name, limit)

    @rule(name=names, start=st.integers(0, 20), limit=st.integers(1, 9))
    def read_a_page(self, name, start, limit) -> None:
        self.read(name, start, limit)

    @rule(name=names)
    def a_read_of_no_bytes_still_gives_one_record(self, name) -> None:
        outcome = self.driver.perform(Read(name, 1, 10, 0))
        self.models[name].begin(land=False)
        self.models[name].saw(outcome.info)
        assert len(outcome.records) >= min(1, outcome.info.version - outcome.info.first + 1)
        assert not any(outcome.records[1:])

    @invariant()
    def some_stream_reads_as_modelled(self) -> None:
        """Each in turn, from its first records on or from the middle of an append."""
        self.turn += 1
        name = NAMES[self.turn % len(NAMES)]
        self.read(name, self.turn % 4, 1000)
        if self.turn % 2:
            self.load(name, 1000)

    @invariant()
    def pending_streams_are_as_modelled(self) -> None:
        self.pending(None, 1000)

    def read(self, name, start, limit) -> None:
        outcome = self.driver.perform(Read(name, start, limit, 1 << 20))
        self.models[name].begin(land=False)
        self.models[name].read(outcome, start, limit)

    def load(self, name, limit) -> None:
        outcome = self.driver.perform(Load(name, limit, 1 << 20))
        self.models[name].begin(land=False)
        self.models[name].loaded(outcome, limit)

    def pending(self, slots, limit) -> None:
        found, after = [], None
        while True:
            page = self.driver.perform(Pending(slots, after, limit))
            found += page.streams
            if not page.more:
                break
            assert len(page.streams) == limit
            after = page.streams[-1].stream
        self.check_pending(found, slots)

    @rule(slots=st.sampled_from([None, range(2048), range(2048, 4096)]), limit=st.integers(1, 3))
    def pending_in_pages(self, slots, limit) -> None:
        self.pending(slots, limit)

    def check_pending(self, found, slots) -> None:
        order = [(slot_of(entry.stream), entry.stream.encode()) for entry in found]
        assert order == sorted(set(order))
        by_name = {entry.stream: entry for entry in found}
        for name in NAMES:
            world = self.models[name].world
            if world is None or (slots is not None and slot_of(name) not in slots):
                continue
            entry = by_name.get(name)
            if world.settled == world.version:
                assert entry is None
            else:
                assert (entry.first_pending, entry.version) == (world.settled + 1, world.version)
                assert entry.since_ms > 0

    @rule(prefix=st.sampled_from(["", "a", "a/1", "ü", "q"]), limit=st.integers(1, 3))
    def scan(self, prefix, limit) -> None:
        found, after = [], None
        while True:
            page = self.driver.perform(Scan(prefix, after, limit))
            found += page.names
            if not page.more:
                break
            after = page.names[-1]
        assert found == sorted(set(found), key=str.encode)
        for name in NAMES:
            world = self.models[name].world
            if world is not None:
                there = bool(world.records) and name.startswith(prefix)
                assert (name in found) == there

    # -- faults -----------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(["done", "undone"]),
        name=names,
        records=bodies,
        pending=st.booleans(),
        upkeep=st.booleans(),
        behind=amendments,
    )
    def a_failing_commit(self, *, kind, name, records, pending, upkeep, behind) -> None:
        self.order_fault(kind)
        version = self.version(name)
        if upkeep:
            outcome = self.write(Settle(name, version))
        else:
            amend = amending(version, behind)
            outcome = self.write(Append(name, version, records, pending, amend=amend))
            assert not isinstance(outcome, Refused)
        if not isinstance(outcome, (OutcomeUnknown, Refused, Conflict)):
            assert self.nothing_to_write(upkeep)
        self.end_fault()

    def nothing_to_write(self, upkeep: bool) -> bool:
        return upkeep

    @precondition(lambda self: sum(len(model.strays) for model in self.models.values()) < 2)
    @rule(name=names, offset=offsets, records=bodies, pending=st.booleans(), behind=amendments)
    def an_append_of_which_nobody_waits(self, name, offset, records, pending, behind) -> None:
        expected = max(0, self.version(name) + offset)
        op = Append(name, expected, records, pending, amend=amending(expected, behind))
        self.begin_late(op)
        self.models[name].strays.append(op)

    @rule()
    def late_appends_have_landed_or_never_will(self) -> None:
        self.end_late()
        for model in self.models.values():
            model.begin(land=True)

    @rule()
    def close_and_open_again(self) -> None:
        self.driver.close()
        self.driver = Driver(self.open, self.clock)
        for model in self.models.values():
            model.begin(land=True)

    @invariant()
    def heads_are_as_modelled(self) -> None:
        if self.driver is None:
            return
        described = self.driver.perform(Describe(tuple(NAMES)))
        for info in described.streams:
            self.models[info.stream].begin(land=False)
            self.models[info.stream].saw(info)


class MemoryMachine(JournalMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = trio.testing.MockClock()
        self.disk = MemoryDisk()
        self.faults = MemoryFaults()

    def open(self):
        return open_memory(
            self.disk, faults=self.faults, random=Random(7), now_ms=lambda: 1_700_000_000_000
        )

    def order_fault(self, kind: str) -> None:
        self.faults.commit_fails_done = float(kind == "done")
        self.faults.commit_fails_undone = float(kind == "undone")

    def end_fault(self) -> None:
        self.faults.commit_fails_done = self.faults.commit_fails_undone = 0.0

    def nothing_to_write(self, upkeep: bool) -> bool:
        return False

    def begin_late(self, op: Append) -> None:
        self.faults.answer_late, self.faults.late_s = 1.0, 1.0
        assert isinstance(self.driver.perform(op), OutcomeUnknown)
        self.faults.answer_late = 0.0

    def end_late(self) -> None:
        self.clock.jump(1.0)
        self.driver.perform(Append("late", 0, (b"flush",)))

    def dispose(self) -> None:
        pass

    @rule(name=names, records=bodies, pending=st.booleans(), behind=amendments)
    def a_lost_answer(self, name, records, pending, behind) -> None:
        self.faults.answer_lost = 1.0
        version = self.version(name)
        amend = amending(version, behind)
        outcome = self.write(Append(name, version, records, pending, amend=amend))
        assert isinstance(outcome, OutcomeUnknown)
        self.faults.answer_lost = 0.0

    @rule(keep=st.booleans(), name=names, records=bodies, behind=amendments)
    def a_crash_in_a_commit(self, keep, name, records, behind) -> None:
        self.faults.sync_s = 1.0
        version = self.version(name)
        op = Append(name, version, records, amend=amending(version, behind))
        before = set(self.models[name].worlds)
        certain = len(before) == 1 and not self.models[name].strays
        outcome = self.driver.call(self._crash, op, keep)
        self.faults.sync_s = 0.0
        assert isinstance(outcome, OutcomeUnknown)
        for model in self.models.values():
            model.begin(land=True)
        self.models[name].wrote(op, outcome)
        if certain:
            info = self.driver.perform(Describe((name,))).streams[0]
            assert info.version == next(iter(before)).version + keep * len(records)

    async def _crash(self, op, keep):
        outcome = None

        def done(value):
            nonlocal outcome
            outcome = value
            told.set()

        told = trio.Event()
        self.driver.journal.submit(op, done)
        await trio.testing.wait_all_tasks_blocked()
        self.driver.journal.crash(keep=keep)
        await told.wait()
        return outcome


class LmdbMachine(JournalMachine):
    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="journal-"))
        self.fault: str | None = None

    def open(self):
        return open_lmdb(self.path, reserve_bytes=0, ballast_bytes=0, sync_hook=self.sync)

    def sync(self, commit) -> None:
        fault = self.fault
        if fault == "undone":
            raise OSError(5, "a fault on order")
        commit()
        if fault == "done":
            raise OSError(5, "a fault on order")

    def order_fault(self, kind: str) -> None:
        self.fault = kind

    def end_fault(self) -> None:
        self.fault = None
        self.driver.call_sync(self.forgive)

    def forgive(self) -> None:
        """The next write may try the disk at once."""
        self.driver.journal._committer._probe_at = 0.0

    def begin_late(self, op: Append) -> None:
        self.driver.call_sync(self.driver.journal.submit, op, lambda _: None)

    def end_late(self) -> None:
        self.driver.perform(Append("late", 0, (b"flush",)))

    def dispose(self) -> None:
        if self.driver is not None:
            assert list(check(self.path)) == []
        shutil.rmtree(self.path)


FEW = examples(
    25,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestMemory = MemoryMachine.TestCase
TestMemory.settings = FEW
TestLmdb = LmdbMachine.TestCase
TestLmdb.settings = FEW
