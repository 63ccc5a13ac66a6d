"""A token bucket: so many at once, so many a second after that."""

from __future__ import annotations


class TokenBucket:
    """Holds at most `burst` tokens and gains `rate` a second. Starts full.

    The caller brings the time, in seconds of any steady clock.
    """

    __slots__ = ("_burst", "_rate", "_stamp", "_tokens")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._stamp = now

    def take(self, wanted: int, now: float) -> int:
        """Take up to `wanted` whole tokens; says how many there were."""
        self._tokens = min(self._burst, self._tokens + (now - self._stamp) * self._rate)
        self._stamp = now
        taken = min(wanted, int(self._tokens))
        self._tokens -= taken
        return taken

    def wait_for(self, wanted: int) -> float:
        """Seconds from the last `take` until `wanted` tokens will be there."""
        return max(0.0, (min(wanted, self._burst) - self._tokens) / self._rate)
