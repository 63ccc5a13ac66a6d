"""Python's garbage collector in a process with very many actors.

A full collection looks at every container object that lives: with a million actors that stops the
whole process for half a second, to find nothing, since idle actors are no garbage. So, while a
system with ``tune_collector=True`` is open:

* the youngest generation is collected as always, though more rarely; what survives is frozen, that
  is moved out of the collector's sight, instead of being looked at again and again. What is frozen
  is still freed at once when nothing refers to it any more, only cycles are not found;
* a full collection runs when cycles may have gathered among the frozen: when the process holds
  more than twice the memory blocks that the last one left, not counting `BLOCKS_PER_ACTOR` for
  each actor that lives beyond those that lived then; or, while the system has nothing to do, when
  as many actors have ended since as are alive (of each a minimum). So a million actors that start,
  work and stop are never looked through for their number alone, and what garbage can take is
  bounded by what is no garbage;
* when the system has nothing to do, the young are collected then, not in the middle of the next
  load;
* every pause is measured.

All this is the process's, so it is off by default, only one system at a time does it, and it is
undone when the system stops. The freezing is what Instagram did before forking ("Copy-on-write
friendly Python garbage collection"), done over and over.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Self

from actors.observing.events import CollectorPause
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.observing.reports import Reporter

THRESHOLDS: Final = (40_000, 1_000_000, 1_000_000)
"""Above what a busy system has in flight, which comes and goes without ever being garbage; a pause
of some ten milliseconds. The older generations are emptied by freezing, never collected by
themselves."""
MIN_BLOCKS: Final = 1_000_000
"""Memory blocks gained since the last full collection before another is thought of; some 100 MB."""
BLOCKS_PER_ACTOR: Final = 16
"""Memory blocks that an actor may hold before it is suspected of being garbage; some 1.5 kB. One
with a few attributes has five to ten."""
MIN_ENDED: Final = 50_000
"""Actors ended before a full collection is thought of."""
MAX_PAUSES: Final = 100
"""Pauses kept until they are told, after the slice."""
IDLE_OBJECTS: Final = 5_000
"""With fewer young objects than this, an idle system leaves the collector alone."""


class Collector:
    """The tuning, for the duration of a ``with`` block."""

    def __init__(self, reporter: Reporter, stopwatch: Callable[[], float]) -> None:
        self._reporter = reporter
        self._counters = reporter.counters
        self._pauses: deque[CollectorPause] = deque(maxlen=MAX_PAUSES)
        self._stopwatch = stopwatch
        self._thresholds: tuple[int, int, int] | None = None
        self._began = 0.0
        self._survivors = False
        self._blocks_at_full = 0
        self._ended_at_full = 0
        self._alive_at_full = 0

    def __enter__(self) -> Self:
        """Take over the collector, unless another system of this process has it."""
        if any(isinstance(getattr(hook, "__self__", None), Collector) for hook in gc.callbacks):
            return self
        self._thresholds = gc.get_threshold()
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(self._measure)
        self._full()
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
        """Freeze what has survived, look through everything if that is due."""
        if self._survivors and self._thresholds is not None:
            self._freeze()
        if self._pauses:
            self._tell_pauses()

    def when_idle(self) -> None:
        """Collect what the load that has just ended has left."""
        if self._thresholds is None:
            return
        if self._counters.ended - self._ended_at_full >= max(MIN_ENDED, self._alive()):
            self._full()
        elif gc.get_count()[0] > IDLE_OBJECTS:
            gc.collect(0)
        self.after_slice()

    def _alive(self) -> int:
        return self._counters.spawned - self._counters.ended

    def _freeze(self) -> None:
        explained = BLOCKS_PER_ACTOR * max(0, self._alive() - self._alive_at_full)
        gained = sys.getallocatedblocks() - self._blocks_at_full - explained
        if gained >= max(MIN_BLOCKS, self._blocks_at_full):
            self._full()
        else:
            self._survivors = False
            gc.freeze()

    def _full(self) -> None:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._survivors = False
        self._blocks_at_full = sys.getallocatedblocks()
        self._ended_at_full = self._counters.ended
        self._alive_at_full = self._alive()

    def _measure(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = self._stopwatch()
            return
        self._survivors = True
        counters = self._counters
        pause = int((self._stopwatch() - self._began) * 1e6)
        counters.gc_pauses += 1
        counters.gc_total_us += pause
        counters.gc_longest_us = max(counters.gc_longest_us, pause)
        if CollectorPause in self._reporter.listeners:
            self._pauses.append(CollectorPause(pause / 1e6, int(info["generation"])))

    def _tell_pauses(self) -> None:
        # Not from within a collection, which may come in the middle of anything.
        while self._pauses:
            self._reporter.tell(self._pauses.popleft())


protect(Collector)
