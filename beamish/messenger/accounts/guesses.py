"""Failed logins by user and address, so that passwords cannot be tried out fast.

Ten failures are free; after that each doubles the wait, up to a minute, and a quiet quarter of an
hour forgives all. Counted by user *and* address, so nobody locks somebody else out. The table is
bounded; the least recently seen goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

FREE_FAILURES = 10
MAX_WAIT_S = 60.0
FORGIVEN_AFTER_S = 900.0
MAX_ENTRIES = 10_000


class Guesses:
    """Failed logins of one node; `now` is a steady clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def failed(self, user: str, address: str) -> None:
        """A login of `user` from `address` had the wrong password."""
        key = (user, address)
        count, last = self._failures.pop(key, (0, 0.0))
        if self._now() - last > FORGIVEN_AFTER_S:
            count = 0
        self._failures[key] = (count + 1, self._now())
        if len(self._failures) > MAX_ENTRIES:
            self._failures.popitem(last=False)

    def wait_s(self, user: str, address: str) -> float:
        """Seconds until the next try is allowed; 0 when it is now."""
        count, last = self._failures.get((user, address), (0, 0.0))
        if count <= FREE_FAILURES:
            return 0.0
        wait = min(MAX_WAIT_S, 2.0 ** (count - FREE_FAILURES))
        return max(0.0, last + wait - self._now())
