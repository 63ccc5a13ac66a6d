"""A latency histogram with buckets of equal ratio (idea: Gil Tene's HdrHistogram).

128 buckets for each doubling, so a percentile is at most 0.6 % above the true value, over a range
from a microsecond to days, in a few thousand counters at most.
"""

from __future__ import annotations

import math

BUCKETS_PER_DOUBLING = 128
SMALLEST_MS = 0.001


class Histogram:
    """Counts values in milliseconds."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.max = 0.0

    def add(self, value: float) -> None:
        """Counts one value; what is below a microsecond counts as one."""
        bucket = int(math.log2(max(value, SMALLEST_MS) / SMALLEST_MS) * BUCKETS_PER_DOUBLING)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.count += 1
        self.max = max(self.max, value)

    def percentile(self, percent: float) -> float | None:
        """The value that `percent` of all values do not exceed; None without values."""
        if not self.count:
            return None
        rank = max(1, math.ceil(self.count * percent / 100))
        passed = 0
        for bucket in sorted(self._counts):
            passed += self._counts[bucket]
            if passed >= rank:
                return min(self.max, SMALLEST_MS * 2 ** ((bucket + 1) / BUCKETS_PER_DOUBLING))
        return self.max

    def summary(self) -> dict[str, float | None]:
        """`{p50, p99, p999, max}` in ms, rounded to a microsecond."""
        points = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
        values = {name: self.percentile(percent) for name, percent in points.items()}
        values["max"] = self.max if self.count else None
        return {k: None if v is None else round(v, 3) for k, v in values.items()}
