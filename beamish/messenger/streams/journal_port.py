"""The journal as actors use it: wait for an outcome without leaving the actors' scheduler.

An actor that waits here is parked by the runtime, not bound to a trio task, and its messages wait
in its mailbox.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TypeVar

from actors import Signal
from storage import Journal, Operation, Read, Records, Refused

R = TypeVar("R")

PAGE_RECORDS = 512
PAGE_BYTES = 512 << 10


class JournalUnavailable(Exception):
    """A read was refused: the journal is closing, too busy or damaged."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(f"the journal refused to read ({refused.code}): {refused.message}")
        self.refused = refused


class JournalPort:
    """One journal, for any number of actors."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def perform(self, op: Operation[R]) -> R:
        """Submit `op` and park until its outcome is there."""
        signal: Signal[R] = Signal()
        self.journal.submit(op, partial(_set, signal))
        return await signal.wait()

    def begin(self, op: Operation[R]) -> None:
        """Submit an operation whose outcome nobody waits for: upkeep that is repeated anyway."""
        self.journal.submit(op, _ignore)

    async def read(self, stream: str, start: int, limit: int, max_bytes: int) -> Records:
        """Records of a stream from `start` on; raises JournalUnavailable when refused."""
        outcome = await self.perform(Read(stream, start, limit, max_bytes))
        if isinstance(outcome, Refused):
            raise JournalUnavailable(outcome)
        return outcome

    async def read_each(self, stream: str, numbers: Iterable[int]) -> dict[int, bytes]:
        """Single records of a stream, asked for all at once; those that are not there are left out.

        Raises JournalUnavailable when the journal refuses one of them.
        """
        asked: dict[int, Signal[Records | Refused]] = {}
        for n in numbers:
            asked[n] = Signal()
            self.journal.submit(Read(stream, n, 1, PAGE_BYTES), partial(_set, asked[n]))
        found: dict[int, bytes] = {}
        for n, signal in asked.items():
            outcome = await signal.wait()
            if isinstance(outcome, Refused):
                raise JournalUnavailable(outcome)
            if outcome.start == n and outcome.records:
                found[n] = outcome.records[0]
        return found


def _set(signal: Signal[R], outcome: R) -> None:
    signal.set(outcome)


def _ignore(_outcome: object) -> None:
    pass
