"""The journal in memory: the same contract, without a disk, with every fault on order.

Deterministic: it runs in two trio tasks, takes time only through trio's clock, chance only from the
injected `random.Random`, wall time only from the injected ``now_ms``. So it can stand under a
simulation, where one seed must replay one history.

`MemoryDisk` is what would be on the disk. It outlives the journal that is opened on it, so a test
stops or crashes one journal and opens the next on the same disk. A group of writes is planned,
waits for its "sync", and only then is applied to the disk and acknowledged; `MemoryJournal.crash`
ends it in the middle, with what was not synced lost or kept, as chance or the caller decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeVar

import trio
import trio.lowlevel

from storage.intake import Intake, Ticket, is_command
from storage.journal import Journal, answer
from storage.memory_disk import MemoryDisk, answer_query
from storage.operations import (
    EPOCH_LIMIT,
    Append,
    Operation,
    OutcomeUnknown,
    Query,
    Refused,
    Settle,
    Snapshot,
    Truncate,
    Write,
    WriteOutcome,
)
from storage.rules import Change, Header, Surroundings, plan, query_fault, shape_fault
from storage.statistics import Counters, JournalStatistics

R = TypeVar("R")
Duration = float | Callable[[Random], float]
WRITES = (Append, Snapshot, Settle, Truncate)


@dataclass(slots=True)
class MemoryFaults:
    """Faults on order; change them at any time. Chances are 0 .. 1, times in seconds.

    ``sync_s``, ``read_s``: how long a commit or a batch of reads takes.
    ``commit_fails_undone``, ``commit_fails_done``: chance per group that the commit fails, with
    nothing or with everything written; all its writes end in `OutcomeUnknown`.
    ``answer_lost``: chance per write that it is done and its answer lost.
    ``answer_late``: chance per append that its caller is told `OutcomeUnknown` at once and it is
    carried out ``late_s`` later, if its expected version still holds then.
    ``busy``: chance per write to be refused at once. ``read_fails``: chance per read to be refused.
    ``full``: the disk is below its ``"reserve"`` (commands are refused) or ``"full"`` (all writes).
    """

    sync_s: Duration = 0.0
    read_s: Duration = 0.0
    commit_fails_undone: float = 0.0
    commit_fails_done: float = 0.0
    answer_lost: float = 0.0
    answer_late: float = 0.0
    late_s: Duration = 1.0
    busy: float = 0.0
    read_fails: float = 0.0
    full: Literal["no", "reserve", "full"] = "no"


@asynccontextmanager
async def open_memory(
    disk: MemoryDisk | None = None,
    *,
    faults: MemoryFaults | None = None,
    random: Random | None = None,
    now_ms: Callable[[], int] | None = None,
    max_queued: int = 65_536,
    max_queued_bytes: int = 64 << 20,
) -> AsyncIterator[MemoryJournal]:
    """A journal in memory, for as long as the context lasts.

    At its end what was submitted is still carried out, unless the sync is held: then it ends in
    `OutcomeUnknown`. ``now_ms`` defaults to trio's clock, read as ms since 1970. The queues hold at
    most ``max_queued`` operations and ``max_queued_bytes``.
    """
    journal = MemoryJournal(
        MemoryDisk() if disk is None else disk,
        MemoryFaults() if faults is None else faults,
        Random(0) if random is None else random,  # noqa: S311 - chance of faults, not secrets
        now_ms or _simulated_ms,
        Intake(max_queued, max_queued_bytes),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal._commit_loop)
        nursery.start_soon(journal._answer_loop)
        nursery.start_soon(journal._read_loop)
        try:
            yield journal
        finally:
            with trio.CancelScope(shield=True):
                await journal._finish()
            nursery.cancel_scope.cancel()


def _simulated_ms() -> int:
    return int(trio.current_time() * 1000)


class MemoryJournal(Journal):
    """See the module's docstring. Made by `open_memory`."""

    def __init__(
        self,
        disk: MemoryDisk,
        faults: MemoryFaults,
        random: Random,
        now_ms: Callable[[], int],
        intake: Intake,
    ) -> None:
        self.disk = disk
        self.faults = faults
        self.slots = disk.slots
        self._random = random
        self._now_ms = now_ms
        self._intake = intake
        self._reads: deque[tuple[Query, Callable[[Any], None]]] = deque()
        self._answers: deque[tuple[object, Callable[[Any], None], Any]] = deque()
        self._late: list[tuple[float, Append]] = []
        self._work = trio.lowlevel.ParkingLot()
        self._read_work = trio.lowlevel.ParkingLot()
        self._answer_work = trio.lowlevel.ParkingLot()
        self._released = trio.Event()
        self._released.set()
        self._held = trio.lowlevel.ParkingLot()
        self._crashed = trio.Event()
        self._keep = False
        self._in_sync = False
        self._reading = False
        self._progress = trio.lowlevel.ParkingLot()
        self._closed = False
        self._ended = False
        self._counters = Counters()

    # -- the contract -----------------------------------------------------------------------------

    @trio.lowlevel.enable_ki_protection
    def submit(self, op: Operation[R], done: Callable[[R], None]) -> None:
        """See `Journal.submit`."""
        refusal: Refused | None
        if isinstance(op, WRITES):
            refusal = self._refusal(op) or self._intake.offer(op, done)
            if refusal is None:
                self._work.unpark()
        else:
            refusal = self._query_refusal(op)
            if refusal is None:
                self._reads.append((op, done))  # type: ignore[arg-type]
                self._read_work.unpark()
        if refusal is not None:
            self._reply(op, done, refusal)

    def statistics(self) -> JournalStatistics:
        """See `Journal.statistics`."""
        oldest = self.disk.oldest_pending_ms()
        return self._counters.view(
            queued_commands=self._intake.commands,
            queued_obligations=self._intake.obligations,
            queued_bytes=self._intake.bytes,
            queued_reads=len(self._reads),
            pending_streams=len(self.disk.pending),
            oldest_pending_ms=0 if oldest is None else max(0, self._now_ms() - oldest),
            disk_free_bytes=-1,
            low=self.faults.full != "no",
            failing=False,
        )

    # -- faults that a test orders at a moment ----------------------------------------------------

    def hold_sync(self) -> None:
        """From now on no sync returns until `release_sync`."""
        if self._released.is_set():
            self._released = trio.Event()

    def release_sync(self) -> None:
        """Let held syncs return."""
        self._released.set()
        self._held.unpark_all()

    def crash(self, *, keep: bool | None = None) -> None:
        """The journal's process dies and is at once there again.

        The group in its sync is kept or lost as a whole (None: by chance), what waits is lost, late
        appends too; all their callers are told `OutcomeUnknown`, reads are refused.
        """
        self._keep = self._random.random() < 0.5 if keep is None else keep
        self._late.clear()
        for ticket in self._intake.drain():
            self._reply(ticket.op, ticket.done, OutcomeUnknown("the journal died before a commit"))
        while self._reads:
            op, done = self._reads.popleft()
            self._reply(op, done, Refused("io", "the journal died before it answered; read again"))
        self._counters.reopened += 1
        if self._in_sync:
            self._crashed.set()
            self._held.unpark_all()

    # -- admission --------------------------------------------------------------------------------

    def _refusal(self, op: Write) -> Refused | None:
        if self._closed:
            return Refused("closed", "the journal is closed; open it again")
        fault = shape_fault(op)
        if fault is not None:
            return fault
        if self.faults.busy and self._random.random() < self.faults.busy:
            return Refused("busy", "the journal was told to be busy; try again later")
        return None

    def _query_refusal(self, op: object) -> Refused | None:
        if self._closed:
            return Refused("closed", "the journal is closed; open it again")
        return query_fault(op)  # type: ignore[arg-type]

    def _full(self, op: Write) -> Refused | None:
        if self.faults.full == "full" or (self.faults.full == "reserve" and is_command(op)):
            return Refused("full", "the disk is full; free some space")
        return None

    # -- tasks ------------------------------------------------------------------------------------

    @trio.lowlevel.enable_ki_protection
    async def _commit_loop(self) -> None:
        while True:
            while not self._intake and not self._due():
                await self._wait_for_work()
            await self._commit(self._late_tickets() + self._intake.take())
            self._progress.unpark_all()

    async def _wait_for_work(self) -> None:
        soonest = min((at for at, _ in self._late), default=float("inf"))
        with trio.move_on_at(soonest):
            await self._work.park()

    def _due(self) -> bool:
        now = trio.current_time()
        return any(at <= now for at, _ in self._late)

    def _late_tickets(self) -> list[Ticket]:
        now = trio.current_time()
        due = [op for at, op in self._late if at <= now]
        self._late = [entry for entry in self._late if entry[0] > now]
        return [Ticket(op, _nobody, 0) for op in due]

    async def _commit(self, waiting: list[Ticket]) -> None:
        group = [ticket for ticket in waiting if not self._postponed(ticket)]
        if not group:
            await trio.lowlevel.checkpoint()
            return
        begun = trio.current_time()
        staged, verdicts = self._plan(group)
        self._in_sync = True
        written, cause = await self._sync()
        self._in_sync = False
        if written:
            for stream, change in staged:
                self.disk.apply(stream, change, self._now_ms())
        self._counters.committed(len(group), (trio.current_time() - begun) * 1000)
        for ticket, verdict in zip(group, verdicts, strict=True):
            outcome = self._outcome(verdict, cause)
            self._counters.told(ticket.op, outcome)
            answer(ticket.done, outcome)

    def _plan(self, group: list[Ticket]) -> tuple[list[tuple[str, Change]], list[WriteOutcome]]:
        overlay: dict[str, Header] = {}
        staged: list[tuple[str, Change]] = []
        outcomes: list[WriteOutcome] = []
        now_ms = self._now_ms()

        def time_of(stream: str, number: int) -> int:
            return self.disk.time_of(stream, number, now_ms)

        around = Surroundings(now_ms, self._epoch, time_of)
        for ticket in group:
            stream = ticket.op.stream
            full = self._full(ticket.op)
            if full is not None:
                outcomes.append(full)
                continue
            header = overlay.get(stream) or self.disk.header(stream)
            verdict, change = plan(ticket.op, header, around)
            if change is not None:
                overlay[stream] = change.header
                staged.append((stream, change))
            outcomes.append(verdict)
        return staged, outcomes

    def _epoch(self) -> int:
        return self._random.randrange(1, EPOCH_LIMIT)

    async def _sync(self) -> tuple[bool, str | None]:
        """Wait as long as a sync takes: whether the group is written, and why nobody knows it."""
        with trio.move_on_after(self._seconds(self.faults.sync_s)):
            await self._crashed.wait()
        while not (self._crashed.is_set() or self._released.is_set()):
            await self._held.park()
        if self._crashed.is_set():
            self._crashed = trio.Event()
            return self._keep, "the journal died in a commit"
        chance = self._random.random()
        if chance < self.faults.commit_fails_undone:
            return False, "the commit failed"
        if chance < self.faults.commit_fails_undone + self.faults.commit_fails_done:
            return True, "the commit failed"
        return True, None

    def _outcome(self, verdict: WriteOutcome, cause: str | None) -> WriteOutcome:
        if cause is not None:
            return OutcomeUnknown(cause)
        if self.faults.answer_lost and self._random.random() < self.faults.answer_lost:
            return OutcomeUnknown("the answer was lost")
        return verdict

    def _postponed(self, ticket: Ticket) -> bool:
        op = ticket.op
        if ticket.done is _nobody or not self.faults.answer_late or not isinstance(op, Append):
            return False
        if self._random.random() >= self.faults.answer_late:
            return False
        self._late.append((trio.current_time() + self._seconds(self.faults.late_s), op))
        self._reply(op, ticket.done, OutcomeUnknown("the append was delayed beyond its deadline"))
        return True

    def _seconds(self, duration: Duration) -> float:
        return duration(self._random) if callable(duration) else duration

    @trio.lowlevel.enable_ki_protection
    async def _read_loop(self) -> None:
        while True:
            while not self._reads:
                await self._read_work.park()
            self._reading = True
            await trio.sleep(self._seconds(self.faults.read_s))
            batch = list(self._reads)
            self._reads.clear()
            for op, done in batch:
                self._counters.reads += 1
                if self.faults.read_fails and self._random.random() < self.faults.read_fails:
                    answer(done, Refused("io", "the read was told to fail; read again"))
                else:
                    answer(done, answer_query(self.disk, op))
            self._reading = False
            self._progress.unpark_all()

    def _reply(self, op: object, done: Callable[[Any], None], outcome: object) -> None:
        if self._ended:
            trio.lowlevel.current_trio_token().run_sync_soon(answer, done, outcome)
            return
        self._answers.append((op, done, outcome))
        self._answer_work.unpark()

    @trio.lowlevel.enable_ki_protection
    async def _answer_loop(self) -> None:
        while True:
            while self._answers:
                op, done, outcome = self._answers.popleft()
                self._counters.told(op, outcome)
                answer(done, outcome)
            self._progress.unpark_all()
            await self._answer_work.park()

    async def _finish(self) -> None:
        self._closed = True
        self._late.clear()
        if not self._released.is_set():
            self.crash(keep=False)
            self.release_sync()
        while self._intake or self._in_sync or self._reads or self._reading or self._answers:
            await self._progress.park()
        self._ended = True


def _nobody(_: object) -> None:
    """Whom a late append tells."""
