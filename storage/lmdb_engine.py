"""The journal on LMDB: one process, one directory, a thread for commits and a thread for reads.

The trio thread only queues and is only told. The commit thread takes all that has arrived while the
last commit ran, writes it in one transaction with a sync, and hands all completions over in one
batch. The reader thread answers what waits in one short transaction and does the same. Both are
threads of the journal's own, apart from trio's pool, so that nothing else can fill it.

**What stays on the disk.** Truncated and amended records are in no value any more once the commit
that dropped them is synced (those of many truncated records are removed in idle time, in steps).
LMDB overwrites nothing in place, though: the old bytes stay in ``data.mdb``, in pages that are free
and in the unused middle of others, until it happens to write there again, and nobody can say when.
A backup (`storage.backup`) taken after that commit does not hold them, nor what is restored from
it; `storage.compact` rewrites the directory of a stopped journal without them.

A busy trio thread gives up the interpreter once in a switch interval only, and a commit asks for it
several times. Measured with a trio thread that never idles: at Python's 5 ms half as many commits a
second as at 0.5 ms, and several times the p99. A program of its own sets
``sys.setswitchinterval(0.0005)``; a library does not decide that for others.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio

from storage import host
from storage.directory import Ballast, Directory
from storage.intake import Intake, Ticket
from storage.journal import Journal, answer
from storage.lmdb_commits import PROBE_S, Committer
from storage.lmdb_open import open_store
from storage.operations import (
    EPOCH_LIMIT,
    Append,
    Loaded,
    Operation,
    OutcomeUnknown,
    Query,
    QueryOutcome,
    Records,
    Refused,
    Settle,
    Snapshot,
    Truncate,
)
from storage.rules import query_fault, shape_fault
from storage.statistics import Counters, JournalStatistics

R = TypeVar("R")
Done = Callable[[Any], None]
WRITES = (Append, Snapshot, Settle, Truncate)

READ_BATCH = 256
READ_BATCH_BYTES = 16 << 20
READ_BATCH_S = 0.02

logger = logging.getLogger("storage")


def new_epoch() -> int:
    """A random epoch."""
    return host.RANDOM.randrange(1, EPOCH_LIMIT)


@asynccontextmanager
async def open_lmdb(
    path: str | Path,
    *,
    reserve_bytes: int = 256 << 20,
    ballast_bytes: int = 16 << 20,
    max_queued: int = 65_536,
    max_queued_bytes: int = 64 << 20,
    sync_delay_s: float = 0.0,
    sync_hook: Callable[[Callable[[], None]], None] | None = None,
    close_timeout_s: float = 30.0,
) -> AsyncIterator[LmdbJournal]:
    """The journal in a directory, which is made if it does not exist, for as long as the context.

    ``reserve_bytes``: below so much free space commands are refused. ``ballast_bytes``: size of the
    file given up when the disk is truly full (0: none). The queues hold at most ``max_queued``
    writes, as many reads, and ``max_queued_bytes`` of writes. For tests and benches, in the commit
    thread: ``sync_delay_s`` passes before each commit, and ``sync_hook`` is given the function that
    commits and syncs, to call it when it likes; an `OSError` from it is a failed commit. At the end
    what was submitted is still committed; what is not after ``close_timeout_s`` becomes unknown.

    Raises `storage.DirectoryError`, a sentence, if the directory is foreign, damaged, newer or in
    use.
    """
    place = Path(path)
    directory = await trio.to_thread.run_sync(Directory, place)
    clean = True
    try:

        def sync(commit: Callable[[], None]) -> None:
            if sync_delay_s:
                host.sleep(sync_delay_s)
            if sync_hook is None:
                commit()
            else:
                sync_hook(commit)

        counters = Counters()

        def open_committer() -> Committer:
            store = open_store(directory, new_epoch)
            ballast = Ballast(place, ballast_bytes)
            return Committer(place, store, ballast, counters, reserve=reserve_bytes, sync=sync)

        committer = await trio.to_thread.run_sync(open_committer)
        journal = LmdbJournal(committer, counters, max_queued, max_queued_bytes)
        journal._start()
        try:
            yield journal
        finally:
            with trio.CancelScope(shield=True):
                clean = await journal._stop(close_timeout_s)
    finally:
        if clean:  # else a stuck thread may still write: the lock goes with the process
            directory.close()


class LmdbJournal(Journal):
    """See the module's docstring. Made by `open_lmdb`."""

    def __init__(
        self, committer: Committer, counters: Counters, max_queued: int, max_queued_bytes: int
    ) -> None:
        assert committer.store is not None
        self.slots = committer.store.slots
        self._committer = committer
        self._counters = counters
        self._token = trio.lowlevel.current_trio_token()
        self._intake = Intake(max_queued, max_queued_bytes)
        self._writes = host.Condition()
        self._reads: deque[tuple[Query, Done]] = deque()
        self._reading = host.Condition()
        self._max_reads = max_queued
        self._replies: list[tuple[object, Done, Refused]] = []
        self._closing = False
        self._backing_up = False
        self._abandoned = False
        self._in_commit: list[Ticket] = []
        self._committed: deque[tuple[list[Ticket], list[Any]]] = deque()
        self._threads: list[Any] = []
        self._ended = [trio.Event(), trio.Event()]

    # -- in the trio thread -----------------------------------------------------------------------

    @trio.lowlevel.enable_ki_protection
    def submit(self, op: Operation[R], done: Callable[[R], None]) -> None:
        """See `Journal.submit`."""
        refusal: Refused | None
        if self._closing:
            refusal = Refused("closed", "the journal is closed; open it again")
        elif isinstance(op, WRITES):
            refusal = shape_fault(op)
            if refusal is None:
                with self._writes:
                    refusal = self._intake.offer(op, done)
                    self._writes.notify()
        else:
            refusal = self._submit_query(op, done)  # type: ignore[arg-type]
        if refusal is not None:
            if not self._replies:
                self._token.run_sync_soon(self._deliver_replies)
            self._replies.append((op, done, refusal))

    def _submit_query(self, op: Query, done: Done) -> Refused | None:
        fault = query_fault(op)
        if fault is not None:
            return fault
        with self._reading:
            if len(self._reads) >= self._max_reads:
                return Refused("busy", f"{len(self._reads)} reads wait already; try again later")
            self._reads.append((op, done))
            self._reading.notify()
        return None

    def statistics(self) -> JournalStatistics:
        """See `Journal.statistics`."""
        committer, store = self._committer, self._committer.store
        oldest = None if store is None else store.oldest.since_ms
        return self._counters.view(
            queued_commands=self._intake.commands,
            queued_obligations=self._intake.obligations,
            queued_bytes=self._intake.bytes,
            queued_reads=len(self._reads),
            pending_streams=0 if store is None else len(store.oldest),
            oldest_pending_ms=0 if oldest is None else max(0, host.wall_ms() - oldest),
            disk_free_bytes=committer.free,
            low=committer.low,
            failing=committer.failing is not None,
        )

    def _deliver_replies(self) -> None:
        replies, self._replies = self._replies, []
        for op, done, refusal in replies:
            self._counters.told(op, refusal)
            answer(done, refusal)

    def _deliver_writes(self) -> None:
        while self._committed and not self._abandoned:
            for ticket, outcome in zip(*self._committed.popleft(), strict=True):
                self._counters.told(ticket.op, outcome)
                answer(ticket.done, outcome)

    def _deliver_reads(self, batch: list[tuple[Query, Done]], outcomes: list[QueryOutcome]) -> None:
        if self._abandoned:
            return
        self._counters.reads += len(batch)
        for (op, done), outcome in zip(batch, outcomes, strict=True):
            self._counters.told(op, outcome)
            answer(done, outcome)

    # -- beginning and end ------------------------------------------------------------------------

    def _start(self) -> None:
        self._threads = [
            host.start_thread("journal commits", self._run_commits),
            host.start_thread("journal reads", self._run_reads),
        ]

    async def _stop(self, timeout_s: float) -> bool:
        """Carry out what waits, then end the threads; whether they ended in time."""
        self._closing = True
        for condition in (self._writes, self._reading):
            with condition:
                condition.notify()
        with trio.move_on_after(timeout_s) as scope:
            for ended in self._ended:
                await ended.wait()
        if not scope.cancelled_caught:
            for thread in self._threads:
                thread.join()
            self._committer.close()
            self._deliver_replies()
            return True
        self._give_up(timeout_s)
        return False

    def _give_up(self, timeout_s: float) -> None:
        logger.error("the journal's disk did not answer within %s s of closing", timeout_s)
        unknown = OutcomeUnknown("the journal was closed while its disk did not answer")
        with self._writes:
            left = self._in_commit + self._intake.drain()
            self._committed.append((left, [unknown] * len(left)))
            self._deliver_writes()
            self._abandoned = True
        with self._reading:
            reads = list(self._reads)
            self._reads.clear()
        refusal = Refused("closed", "the journal was closed before it could read")
        for op, done in reads:
            self._counters.told(op, refusal)
            answer(done, refusal)

    def _post(self, function: Callable[..., object], *args: object) -> None:
        try:
            self._token.run_sync_soon(function, *args)
        except trio.RunFinishedError:
            logger.warning("the trio run ended before the journal was closed")

    # -- the commit thread ------------------------------------------------------------------------

    def _run_commits(self) -> None:
        tidy = False
        while True:
            with self._writes:
                while not (self._intake or self._closing or tidy):
                    if not self._writes.wait(PROBE_S if self._committer.troubled else None):
                        break
                if self._closing and not self._intake:
                    break
                group = self._in_commit = self._intake.take()
            if group:
                outcomes = self._commit(group)
                with self._writes:
                    self._committed.append((group, outcomes))
                    self._in_commit = []
                self._post(self._deliver_writes)
            elif self._committer.troubled:
                self._committer.look()
            tidy = self._committer.tidy()
        self._committer.recall()
        self._post(self._ended[0].set)

    def _commit(self, group: list[Ticket]) -> list[Any]:
        try:
            return list(self._committer.commit(group))
        except Exception as error:
            logger.exception("a commit failed in an unforeseen way")
            return [OutcomeUnknown(f"the commit failed: {error!r}")] * len(group)

    # -- the reader thread ------------------------------------------------------------------------

    def _run_reads(self) -> None:
        while True:
            with self._reading:
                while not (self._reads or self._closing):
                    self._reading.wait()
                if not self._reads:
                    break
                count = min(len(self._reads), READ_BATCH)
                batch = [self._reads.popleft() for _ in range(count)]
            outcomes = self._read(batch)
            if len(outcomes) < len(batch):
                with self._reading:
                    self._reads.extendleft(reversed(batch[len(outcomes) :]))
            self._post(self._deliver_reads, batch[: len(outcomes)], outcomes)
        self._post(self._ended[1].set)

    def _read(self, batch: list[tuple[Query, Done]]) -> list[QueryOutcome]:
        until = host.monotonic() + READ_BATCH_S
        volume = 0

        def enough(outcome: QueryOutcome) -> bool:
            nonlocal volume
            volume += volume_of(outcome)
            return volume > READ_BATCH_BYTES or host.monotonic() > until

        with self._committer.lock:
            store = self._committer.store
            cause = self._committer.failing
            try:
                if store is not None:
                    return store.query([op for op, _ in batch], enough)
            except Exception as error:
                logger.exception("a batch of reads failed")
                cause = str(error)
        refusal = Refused("io", f"the journal cannot be read now: {cause}; check its disk")
        return [refusal] * len(batch)


def volume_of(outcome: QueryOutcome) -> int:
    """Bytes that an answer holds."""
    if isinstance(outcome, Loaded):
        return sum(map(len, outcome.records)) + len(outcome.snapshot or b"")
    if isinstance(outcome, Records):
        return sum(map(len, outcome.records))
    return 0
