"""The runtime's only way to the time.

Deadlines live on trio's clock, so they follow a `trio.testing.MockClock`. The stopwatch measures
how long handlers and slices take; in a deterministic system it stands still, so that neither wall
time nor simulated time ever ends a slice or makes a report.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import isnan
from time import perf_counter

import trio

from actors.scheduling.protection import protect


def trio_clock() -> Callable[[], float]:
    """The current time of the current trio run, in seconds."""
    return trio.lowlevel.current_clock().current_time


def deadline_after(now: float, seconds: float, what: str = "a timeout is") -> float:
    """The moment `seconds` after `now`.

    Raises TypeError or ValueError if `seconds` is no number. To be asked before anything is done.
    """
    try:
        deadline = now + seconds
    except (TypeError, OverflowError):
        deadline = None
    if not isinstance(deadline, float):
        raise TypeError(f"{what} a number of seconds, not {seconds!r}; give a finite number")
    if isnan(deadline):
        raise ValueError(f"{what} a number of seconds, not nan; give a finite number")
    return deadline


def stopwatch(*, deterministic: bool) -> Callable[[], float]:
    """A clock for measuring durations, in seconds."""
    return _still if deterministic else perf_counter


def is_simulated() -> bool:
    """Whether the current trio run has a clock that only moves when told."""
    # Not imported: trio.testing loads pytest where that is installed, which would be half of what
    # importing this package costs. Whoever has made a MockClock has it loaded.
    testing = sys.modules.get("trio.testing")
    return testing is not None and isinstance(trio.lowlevel.current_clock(), testing.MockClock)


def _still() -> float:
    return 0.0


protect(deadline_after)
