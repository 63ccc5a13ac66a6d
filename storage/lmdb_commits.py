"""Group commits and what becomes of a group that fails: the writing half of the LMDB engine.

`Committer.commit` runs in the commit thread and never raises. A group meets, in this order:

1. A disk below its *reserve*: commands are refused, everything else goes on, since it ends work
   that was accepted while there was room.
2. A disk that failed a moment ago: writes are refused until a probe commit passes.
3. The commit. If it fails because of one of its operations, each is tried alone. If the disk is
   full, the *ballast* is given up and each is tried alone; those that still do not fit are refused.
   After any other failure the environment counts as poisoned: it is closed and opened again, and
   the group's outcome is unknown.

Full is told from failing by asking the filesystem, not by the exception: LMDB reports the short
write of a filling disk as an I/O error.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import lmdb

from storage import host
from storage.backup_manifest import BackupError
from storage.directory import Ballast, DirectoryError, check_data_file
from storage.intake import Ticket, is_command
from storage.lmdb_store import CommitError, LmdbStore
from storage.operations import OutcomeUnknown, Refused, WriteOutcome
from storage.rows import DamagedError
from storage.statistics import Counters

FREE_CHECK_S = 0.1
PROBE_S = 0.25
FULL_MARGIN = 1 << 20
FULL_IN_A_ROW = 4
"""Writes of a group that may fail for want of space, one after the other, before the rest is
refused untried: a small one may still fit where a large one does not."""

_FULL = Refused("full", "the disk is full; free some space")

logger = logging.getLogger("storage")


class Borrower(Protocol):
    """Who reads the environment in a thread of its own; ``left`` is clear meanwhile."""

    left: host.Event

    def give_up(self, why: str) -> None:
        """End soon; any thread may call it."""


class Committer:
    """Owns the open store. All but `lend` and the attributes belongs to the commit thread."""

    def __init__(
        self,
        path: Path,
        store: LmdbStore,
        ballast: Ballast,
        counters: Counters,
        *,
        reserve: int,
        sync: Callable[[Callable[[], None]], None],
    ) -> None:
        self.store: LmdbStore | None = store
        self.lock = host.Lock()  # held by whoever reads, and by us while we reopen
        self.low = False
        self.failing: str | None = None
        self.free = host.free_bytes(path)
        self.path = path
        self.reserve = reserve
        self._borrower: Borrower | None = None
        self._closed = False
        self._new_epoch = store._new_epoch
        store.alone = self._alone
        self._ballast = ballast
        self._counters = counters
        self._sync = sync
        self._checked_at = float("-inf")
        self._written = 0
        self._probe_at = float("-inf")
        self._check_disk()

    def commit(self, group: list[Ticket]) -> list[WriteOutcome]:
        """The outcome of each, in order."""
        self._check_disk()
        outcomes: list[WriteOutcome | None] = [self._refusal(ticket) for ticket in group]
        left = [ticket for ticket, outcome in zip(group, outcomes, strict=True) if outcome is None]
        rest = iter(self._attempt(left) if left else [])
        return [next(rest) if outcome is None else outcome for outcome in outcomes]

    @property
    def troubled(self) -> bool:
        """Whether the state of the disk must be looked at even when nothing is written."""
        return self.low or self.failing is not None

    def look(self) -> None:
        """Look at the disk again."""
        self._check_disk()
        if self.failing is not None:
            self._probe()

    def tidy(self) -> bool:
        """Use idle time to remove truncated records; whether more remain."""
        store = self.store
        if store is None or self.failing is not None or not store.must_sweep:
            return False
        try:
            store.sweep()
        except (CommitError, DamagedError) as error:
            self._poisoned(str(error))
            return False
        return store.must_sweep

    @contextmanager
    def lend(self, borrower: Borrower) -> Iterator[LmdbStore]:
        """Let somebody read the environment in a thread of its own for as long as the context.

        Before the environment is closed, it is told to give up, and waited for. One at a time;
        raises `BackupError`.
        """
        with self.lock:
            if self.store is None or self._closed:
                raise BackupError("the journal is closed, or its disk fails; open it again")
            if self._borrower is not None:
                raise BackupError("a backup of this journal is under way; wait for its end")
            store, self._borrower = self.store, borrower
            borrower.left.clear()
        try:
            yield store
        finally:
            self._borrower = None
            borrower.left.set()

    def recall(self) -> None:
        """Have a backup that reads the environment give up; lend it no more."""
        with self.lock:
            self._closed = True
            self._take_back()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.lock:
            self._take_back()
            yield

    def _take_back(self) -> None:
        borrower = self._borrower
        if borrower is not None:
            borrower.give_up("the journal was closed, or a write failed, during the backup")
            borrower.left.wait()

    def close(self) -> None:
        """Close the environment."""
        with self.lock:
            self._take_back()
            if self.store is not None:
                self.store.close()
                self.store = None

    # -- admission --------------------------------------------------------------------------------

    def _check_disk(self) -> None:
        now = host.monotonic()
        if now < self._checked_at + FREE_CHECK_S and self._written < self.reserve // 16:
            return
        self._checked_at, self._written = now, 0
        try:
            self.free = host.free_bytes(self.path)
        except OSError as error:
            logger.warning("the free space of %s cannot be asked: %s", self.path, error)
            return
        low = self.free < self.reserve
        if low != self.low:
            self.low = low
            self._tell_disk()
        if not low and self.free > self.reserve + 2 * self._ballast.size:
            self._ballast.restore()

    def _tell_disk(self) -> None:
        free, reserve = self.free / (1 << 20), self.reserve / (1 << 20)
        if self.low:
            logger.warning(
                "the disk of %s has %.1f MiB free, less than the reserve of %.0f MiB: new messages"
                " are refused until there is room; free some space",
                self.path,
                free,
                reserve,
            )
        else:
            logger.info(
                "the disk of %s has %.1f MiB free: new messages are taken again", self.path, free
            )

    def _refusal(self, ticket: Ticket) -> Refused | None:
        if self.low and is_command(ticket.op):
            return Refused(
                "full",
                f"the disk has {self.free} bytes free, less than the reserve of {self.reserve}; "
                "free some space",
            )
        if self.failing is not None:
            self._probe()
        if self.failing is not None:
            return Refused("io", f"the disk fails: {self.failing}; check it")
        return None

    def _probe(self) -> None:
        now = host.monotonic()
        if now < self._probe_at:
            return
        self._probe_at = now + PROBE_S
        try:
            if self.store is None:
                self._reopen()
            if self.store is not None:
                self.store.probe()
                self.failing = None
                logger.info("the disk of %s takes writes again", self.path)
        except CommitError as error:
            self._poisoned(str(error))

    # -- committing -------------------------------------------------------------------------------

    def _attempt(self, group: list[Ticket]) -> list[WriteOutcome]:
        try:
            return self._commit(group)
        except CommitError as error:
            return self._after_failure(group, error)
        except Exception as error:
            return self._one_by_one(group, error)

    def _commit(self, group: list[Ticket]) -> list[WriteOutcome]:
        assert self.store is not None
        took: list[float] = []

        def sync(commit: Callable[[], None]) -> None:
            begun = host.monotonic()
            self._sync(commit)
            took.append(host.monotonic() - begun)

        outcomes = self.store.commit([ticket.op for ticket in group], host.wall_ms(), sync)
        if took:
            self._counters.committed(len(group), took[0] * 1000)
        self._written += sum(ticket.size for ticket in group)
        return outcomes

    def _after_failure(self, group: list[Ticket], error: CommitError) -> list[WriteOutcome]:
        logger.error("a commit of %d writes failed: %s", len(group), error)
        if error.maybe:
            self._poisoned(str(error))
            return [OutcomeUnknown(f"the commit failed: {error}")] * len(group)
        if self._is_full(group, error):
            return self._after_full(group)
        if not error.syncing:
            return self._one_by_one(group, error)
        self._poisoned(str(error))
        return [OutcomeUnknown(f"the commit failed: {error}")] * len(group)

    def _one_by_one(self, group: list[Ticket], error: Exception) -> list[WriteOutcome]:
        if len(group) > 1:
            return [outcome for ticket in group for outcome in self._single(ticket)]
        if isinstance(error, DamagedError):
            return [Refused("damaged", str(error))]
        logger.error("a write was refused: %r", group[0].op.stream, exc_info=error)
        return [Refused("io", f"the write cannot be carried out: {error}")]

    def _single(self, ticket: Ticket) -> list[WriteOutcome]:
        refusal = self._refusal(ticket)
        return self._attempt([ticket]) if refusal is None else [refusal]

    # -- a full disk ------------------------------------------------------------------------------

    def _is_full(self, group: list[Ticket], error: CommitError) -> bool:
        if isinstance(error.cause, lmdb.MapFullError):
            return True
        number = getattr(error.cause, "code", None) or getattr(error.cause, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT):
            return True
        try:
            self.free = host.free_bytes(self.path)
        except OSError:
            return False
        return self.free < FULL_MARGIN + 4 * sum(ticket.size for ticket in group)

    def _after_full(self, group: list[Ticket]) -> list[WriteOutcome]:
        self._reopen()
        self._checked_at = float("-inf")
        released = self._ballast.release()
        if released:
            logger.error(
                "the disk of %s is full: its ballast is given up to finish what was accepted, new"
                " messages are refused; free some space",
                self.path,
            )
        outcomes: list[WriteOutcome] = []
        in_a_row = 0
        for ticket in group:
            outcome = self._when_full(ticket) if in_a_row < FULL_IN_A_ROW else _FULL
            in_a_row = in_a_row + 1 if outcome is _FULL else 0
            outcomes.append(outcome)
        return outcomes

    def _when_full(self, ticket: Ticket) -> WriteOutcome:
        if self.store is not None:
            try:
                return self._commit([ticket])[0]
            except CommitError as error:
                if error.maybe or not self._is_full([ticket], error):
                    self._poisoned(str(error))
                    return OutcomeUnknown(f"the commit failed: {error}")
                self._reopen()
            except Exception as error:
                return self._one_by_one([ticket], error)[0]
        return _FULL

    # -- a failing disk ---------------------------------------------------------------------------

    def _poisoned(self, cause: str) -> None:
        self.failing = cause
        self._probe_at = host.monotonic() + PROBE_S
        self._reopen()

    def _reopen(self) -> None:
        """Read again what is true: nothing that a failed commit left in memory may be trusted."""
        with self.lock:
            self._take_back()
            if self.store is not None:
                self.store.close()
                self.store = None
            self._counters.reopened += 1
            try:
                check_data_file(self.path)
                self.store = LmdbStore(self.path, self._new_epoch)
                self.store.alone = self._alone
            except (lmdb.Error, OSError, DirectoryError, DamagedError) as error:
                self.failing = f"the journal cannot be opened again: {error}"
                logger.error("%s: %s", self.path, self.failing)  # noqa: TRY400 - a sentence
