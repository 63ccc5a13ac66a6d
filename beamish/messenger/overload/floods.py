"""How fast a user may command and a conversation be written to, whoever else is quiet.

A bucket for each user over all devices of this node, and one in each conversation. Both refuse
before anything is decided, with the time to wait. The table of users is bounded: who was quiet for
longest goes first, and comes back with a full bucket.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from beamish.rate import TokenBucket

MAX_USERS = 50_000


class Floods:
    """The buckets of one node's users. `now` is a steady clock in seconds."""

    def __init__(self, rate: float, burst: int, now: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()
        self.refused = 0
        """Commands refused, of users and of conversations."""

    def wait_s(self, user: str) -> float:
        """Seconds until this user may command again; 0.0: now, and it is counted."""
        now = self._now()
        bucket = self._buckets.get(user)
        if bucket is None:
            bucket = self._buckets[user] = TokenBucket(self._rate, self._burst, now)
            if len(self._buckets) > MAX_USERS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(user)
        if bucket.take(1, now):
            return 0.0
        self.refused += 1
        return bucket.wait_for(1)
