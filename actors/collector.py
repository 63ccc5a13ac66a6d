"""Python's garbage collector in a process with very many actors.

A full collection looks at every container object that lives: with a million actors that stops the
whole process for half a second, to find nothing, since idle actors are no garbage. So, while a
system with ``tune_collector=True`` is open:

* after every `BATCH` starts the young objects are collected and the survivors frozen, that is moved
  out of the collector's sight (collected first, or garbage would be frozen with them); what is
  frozen is still freed at once when nothing refers to it any more, only cycles are not found;
* the thresholds suit a program that makes a few objects for each message;
* when the system has nothing to do, the collector runs then, not in the middle of the next load;
* every pause is measured.

All this is the process's, so it is off by default, only one system at a time does it, and it is
undone when the system stops.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Final, Self

from actors.protection import protect

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.reports import Counters

BATCH: Final = 20_000
"""Actors started between two freezes; the collection before a freeze takes some 10 ms."""
THRESHOLDS: Final = (20_000, 20, 50)
IDLE_OBJECTS: Final = 5_000
"""With fewer young objects than this, an idle system leaves the collector alone."""


class Collector:
    """The tuning, for the duration of a ``with`` block."""

    def __init__(self, counters: Counters, stopwatch: Callable[[], float]) -> None:
        self._counters = counters
        self._stopwatch = stopwatch
        self._thresholds: tuple[int, int, int] | None = None
        self._frozen_at = 0
        self._began = 0.0

    def __enter__(self) -> Self:
        """Take over the collector, unless another system of this process has it."""
        if any(isinstance(getattr(hook, "__self__", None), Collector) for hook in gc.callbacks):
            return self
        self._thresholds = gc.get_threshold()
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(self._measure)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the collector back as it was."""
        if self._thresholds is None:
            return
        gc.callbacks.remove(self._measure)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()
        self._thresholds = None

    def after_slice(self) -> None:
        """Freeze, if enough actors have been started since the last time."""
        if self._counters.spawned - self._frozen_at >= BATCH and self._thresholds is not None:
            self._frozen_at = self._counters.spawned
            gc.collect()
            gc.freeze()

    def when_idle(self) -> None:
        """Collect what the load that has just ended has left."""
        if self._thresholds is not None and gc.get_count()[0] > IDLE_OBJECTS:
            gc.collect(1)

    def _measure(self, phase: str, _: Any) -> None:
        if phase == "start":
            self._began = self._stopwatch()
            return
        counters = self._counters
        pause = int((self._stopwatch() - self._began) * 1e6)
        counters.gc_pauses += 1
        counters.gc_total_us += pause
        counters.gc_longest_us = max(counters.gc_longest_us, pause)


protect(Collector)
