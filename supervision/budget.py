"""How many restarts within how many seconds: the budget and its sliding window.

Contract (OTP's restart intensity and period):

* A `Budget(max_restarts, seconds)` allows `max_restarts` restarts within any span of `seconds`;
  the one after that exceeds it. `Budget(0, 5.0)` allows none at all.
* A restart counts as long as it is at most `seconds` old, the bound included.
* `RestartWindow` keeps the times of the counted restarts and nothing else: at most
  `max_restarts` of them, oldest first. `spend(now)` is amortised O(1): a time is appended once
  and leaves once, and the window is never scanned (OTP takes the length of a list at each
  restart, which makes a storm quadratic).
* An attempt to restart that itself fails is a restart too and is spent like any other.

Times are seconds of any monotonic clock, given by the caller.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import isfinite


class BudgetError(ValueError):
    """A budget that cannot be meant; the sentence shows what to write instead."""


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `max_restarts` restarts (an int >= 0) within `seconds` (a finite number > 0).

    Raises:
        BudgetError: if one of the two is out of its range.

    """

    max_restarts: int
    seconds: float

    def __post_init__(self) -> None:
        """Refuse what cannot be counted."""
        restarts, seconds = self.max_restarts, self.seconds
        if type(restarts) is not int or restarts < 0:
            raise BudgetError(
                f"max_restarts={restarts!r} is no count of restarts. "
                "Write a whole number from 0 up, as in Budget(3, 5.0)."
            )
        if type(seconds) not in (int, float) or not (seconds > 0 and isfinite(seconds)):
            raise BudgetError(
                f"seconds={seconds!r} is no span of time. "
                "Write a finite number of seconds above 0, as in Budget(3, 5.0)."
            )


class RestartWindow:
    """The restarts that still count against one budget."""

    __slots__ = ("_times", "budget")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._times: deque[float] = deque()

    def spend(self, now: float) -> bool:
        """Count a restart at `now`; False, and nothing is counted, if it exceeds the budget."""
        times = self._times
        oldest_that_counts = now - self.budget.seconds
        while times and times[0] < oldest_that_counts:
            times.popleft()
        if len(times) >= self.budget.max_restarts:
            return False
        times.append(now)
        return True

    def spent(self, now: float) -> int:
        """How many restarts count at `now`."""
        oldest_that_counts = now - self.budget.seconds
        return sum(time >= oldest_that_counts for time in self._times)

    def quiet(self, now: float) -> bool:
        """True if no restart counts any more at `now`."""
        return not self._times or self._times[-1] < now - self.budget.seconds
