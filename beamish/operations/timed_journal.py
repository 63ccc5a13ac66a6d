"""A journal that notes how long its appends take, from being handed over until their outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import trio

from beamish.messenger.traffic import Durations
from storage import Append, Journal, JournalStatistics, Operation

R = TypeVar("R")


class TimedJournal(Journal):
    """`inner` with the times of its appends added to `took`; all else is `inner`'s."""

    def __init__(self, inner: Journal, took: Durations) -> None:
        self.slots = inner.slots
        self._inner = inner
        self._took = took

    def submit(self, op: Operation[R], done: Callable[[Any], None]) -> None:
        """See `Journal.submit`."""
        if not isinstance(op, Append):
            self._inner.submit(op, done)
            return
        took, since = self._took, trio.current_time()

        def timed(outcome: object) -> None:
            took.add(trio.current_time() - since)
            done(outcome)

        self._inner.submit(op, timed)

    def statistics(self) -> JournalStatistics:
        """See `Journal.statistics`."""
        return self._inner.statistics()
