"""How long to wait before a restart: exponential, with jitter, forgotten after a quiet time.

Contract:

* The n-th restart in a row waits `first * factor ** (n - 1)` seconds, at most `maximum`, and then
  a share of that drawn evenly from `1 - jitter` to `1 + jitter`, so that children that crashed
  together do not come back together. `first=0` waits nothing at all.
* Restarts are "in a row" as long as the child does not stay up for `reset_after` seconds between
  them; after such a quiet time the next crash counts as the first.
* A delay never exceeds `maximum * (1 + jitter)`.

Source of the idea: Akka's backoff supervisor (minimum, maximum, random factor, reset after quiet).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from random import Random


class BackoffError(ValueError):
    """A backoff that cannot be meant; the sentence shows what to write instead."""


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and isfinite(value)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between the restarts of one child, in seconds.

    Args:
        first: delay of the first restart in a row, from 0 up.
        maximum: upper bound of the delay before jitter, from `first` up.
        factor: growth from one restart to the next, from 1 up.
        jitter: share of the delay that is random, from 0 to 1.
        reset_after: seconds of uninterrupted life that end the row, above 0.

    Raises:
        BackoffError: if one of them is out of its range.

    """

    first: float = 0.1
    maximum: float = 30.0
    factor: float = 2.0
    jitter: float = 0.2
    reset_after: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what would not wait, or wait for ever."""
        if not _is_number(self.first) or self.first < 0:
            self._refuse("first", "a number of seconds from 0 up", "Backoff(first=0.1)")
        if not _is_number(self.maximum) or self.maximum < self.first:
            self._refuse("maximum", "a number of seconds from `first` up", "Backoff(maximum=30.0)")
        if not _is_number(self.factor) or self.factor < 1:
            self._refuse("factor", "a number from 1 up", "Backoff(factor=2.0)")
        if not _is_number(self.jitter) or not 0 <= self.jitter <= 1:
            self._refuse("jitter", "a share from 0 to 1", "Backoff(jitter=0.2)")
        if not _is_number(self.reset_after) or self.reset_after <= 0:
            self._refuse("reset_after", "a number of seconds above 0", "Backoff(reset_after=30.0)")

    def _refuse(self, field: str, wanted: str, example: str) -> None:
        value = getattr(self, field)
        raise BackoffError(f"{field}={value!r} is not {wanted}. Write it as in {example}.")

    def delay(self, attempt: int, random: Random) -> float:
        """Seconds to wait before the `attempt`-th restart in a row, counted from 1."""
        if self.first == 0:
            return 0.0
        try:
            base = min(self.first * float(self.factor) ** (attempt - 1), self.maximum)
        except OverflowError:
            base = self.maximum
        return base * (1 + self.jitter * random.uniform(-1, 1))
