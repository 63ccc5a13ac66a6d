"""Waiting between attempts: exponential with full jitter, so that no crowd comes back at once.

Source: the AWS Architecture Blog's "full jitter", a random time between 0 and the doubling bound.
"""

from __future__ import annotations

from random import Random


class Backoff:
    """Attempt k (from 0) waits a random time between 0 and min(cap, first * 2**k) seconds."""

    __slots__ = ("_cap", "_first", "_random", "attempts")

    def __init__(self, first: float, cap: float, random: Random) -> None:
        self._first = first
        self._cap = cap
        self._random = random
        self.attempts = 0

    def next(self, at_least: float = 0.0) -> float:
        """Seconds to wait before the next attempt, never less than `at_least`."""
        bound = min(self._cap, self._first * 2.0 ** min(self.attempts, 32))
        self.attempts += 1
        return max(at_least, self._random.uniform(0.0, bound))

    def reset(self) -> None:
        """The last attempt has succeeded: begin from the shortest wait again."""
        self.attempts = 0
