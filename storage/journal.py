"""The journal: append-only streams of records, the only place where anything becomes true.

**Streams.** A stream has a name (`storage.names`), an *epoch* that is new whenever the stream is
created or restored, and records with *numbers*, dense from 1. Its *version* is the number of its
last record. An absent stream has epoch and version 0; the first append creates it.

**Append** names the version it expects, and may name the epoch. That is the fence: of two writers
that hold the same state at most one gets on. It ends in exactly one of four ways.

* `Appended`: the records are on disk, all of them, and numbered. It is said after the sync only.
* `Conflict`: nothing was written, the stream stands elsewhere.
* `Refused`: nothing was written nor will be (disk full, queue full, name too long, closing, ...).
* `OutcomeUnknown`: the answer was lost, or the disk failed in the middle. The append may have been
  written, or may yet be: an append of which nobody waits any more can land until another one takes
  its place. The writer loads the stream from its own version on and decides again from its first
  check; whatever it then appends meets the late one as a `Conflict`, or the other way round.

A writer keeps one append of a stream in flight. State in memory changes after `Appended` only.

**Amendments.** ``Append(amend=((n, raw), ...))`` gives earlier records other bytes in the same
write: from its commit on no read gives the old ones, and what did not commit left them alone. A
reader that holds state learns of it by the new record that comes along, hence no amendment without
one. Numbers, times and obligations stay as they are; the snapshot too, so who keeps a text in it
replaces it as well. Numbers that were truncated meanwhile are passed over. How long the disk still
holds the old bytes is the engine's matter: see `storage.lmdb_engine`.

**Obligations.** ``Append(pending=True)`` says that something must happen because of these records
(fan-out, receipts). They are *pending* until ``Settle`` at their last number or above. Streams with
pending records are indexed by slot, so whoever owns a slot finds its open work after any failure.

**Snapshots and truncation.** A snapshot holds the state at a version and only ever gives way to a
newer one. ``Truncate`` drops records up to at most min(snapshot, first pending - 1). ``Settle``
only advances. Each guard is checked inside the transaction that writes.

**Reads** see every append acknowledged before the read was submitted, and of each stream one
moment. `Load`, `Read` and `Describe` answer for absent streams too.

**Order.** Nothing is promised between operations in flight together, except that a commit takes
waiting commands (appends with ``obligation=False``) before obligations and upkeep, and the latter
in slices, so that a large fan-out does not hold up the next message.

**Calling.** `Journal.submit` never blocks and never raises for what the operation says. Its
callback is called exactly once, later (never inside `submit`), in the trio thread in which the
journal was opened; it must not raise. Ctrl-C interrupts neither. Every queue is bounded by count
and bytes; above: `Refused` with code ``busy``. Nothing spans two streams. No type of an engine
shows.

Engines: `storage.open_lmdb` (embedded, one process per directory) and `storage.open_memory` (the
same contract with injectable faults, deterministic, for simulation).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

import outcome as outcomes
import trio

from storage.names import SLOTS, slot_of
from storage.operations import (
    Append,
    AppendOutcome,
    Describe,
    Described,
    Load,
    Loaded,
    Names,
    Operation,
    Pending,
    PendingStreams,
    Read,
    Records,
    Refused,
    Scan,
    Settle,
    Snapshot,
    Truncate,
    UpkeepOutcome,
)
from storage.statistics import JournalStatistics

R = TypeVar("R")

logger = logging.getLogger("storage")


class Journal(ABC):
    """What every engine offers; see the module's docstring for the contract."""

    slots: int = SLOTS
    """Number of slots that streams belong to, fixed when the data was made."""

    @abstractmethod
    def submit(self, op: Operation[R], done: Callable[[R], None]) -> None:
        """Begin an operation; ``done(outcome)`` is called once, later, in the trio thread."""

    @abstractmethod
    def statistics(self) -> JournalStatistics:
        """Counters and gauges as of now; cheap enough to ask for every second."""

    def slot_of(self, stream: str) -> int:
        """The slot of a stream in this journal."""
        return slot_of(stream, self.slots)

    # -- the same for a trio task that waits ------------------------------------------------------

    async def perform(self, op: Operation[R]) -> R:
        """Submit an operation and wait for its outcome.

        Cancelled while it waits, it raises `trio.Cancelled`; a write goes on nevertheless, so its
        outcome is then as unknown as after `OutcomeUnknown`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        task = trio.lowlevel.current_task()
        waiting = True

        def done(value: R) -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                trio.lowlevel.reschedule(task, outcomes.Value(value))

        def give_up(_: object) -> trio.lowlevel.Abort:
            nonlocal waiting
            waiting = False
            return trio.lowlevel.Abort.SUCCEEDED

        self.submit(op, done)
        value: R = await trio.lowlevel.wait_task_rescheduled(give_up)
        return value

    async def append(
        self,
        stream: str,
        expected: int,
        *records: bytes,
        pending: bool = False,
        obligation: bool = False,
        epoch: int | None = None,
        amend: tuple[tuple[int, bytes], ...] = (),
    ) -> AppendOutcome:
        """See `Append`."""
        op = Append(stream, expected, records, pending, obligation, epoch, amend)
        return await self.perform(op)

    async def snapshot(
        self, stream: str, version: int, data: bytes, *, epoch: int | None = None
    ) -> UpkeepOutcome:
        """See `Snapshot`."""
        return await self.perform(Snapshot(stream, version, data, epoch))

    async def settle(self, stream: str, upto: int, *, epoch: int | None = None) -> UpkeepOutcome:
        """See `Settle`."""
        return await self.perform(Settle(stream, upto, epoch))

    async def truncate(self, stream: str, upto: int, *, epoch: int | None = None) -> UpkeepOutcome:
        """See `Truncate`."""
        return await self.perform(Truncate(stream, upto, epoch))

    async def load(
        self, stream: str, *, max_records: int = 4096, max_bytes: int = 4 << 20
    ) -> Loaded | Refused:
        """See `Load`."""
        return await self.perform(Load(stream, max_records, max_bytes))

    async def read(
        self, stream: str, start: int, *, limit: int = 1024, max_bytes: int = 1 << 20
    ) -> Records | Refused:
        """See `Read`."""
        return await self.perform(Read(stream, start, limit, max_bytes))

    async def describe(self, *streams: str) -> Described | Refused:
        """See `Describe`."""
        return await self.perform(Describe(streams))

    async def pending(
        self, slots: range | None = None, *, after: str | None = None, limit: int = 1024
    ) -> PendingStreams | Refused:
        """See `Pending`."""
        return await self.perform(Pending(slots, after, limit))

    async def scan(
        self, prefix: str = "", *, after: str | None = None, limit: int = 1024
    ) -> Names | Refused:
        """See `Scan`."""
        return await self.perform(Scan(prefix, after, limit))


def answer(done: Callable[[R], None], outcome: R) -> None:
    """Call a completion; one that raises is a mistake of its owner and must not stop the others."""
    try:
        done(outcome)
    except Exception:
        logger.exception("a journal completion raised; completions must not raise")
