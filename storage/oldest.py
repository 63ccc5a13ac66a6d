"""The age of the oldest open obligation, kept up with every commit at the cost of a heap push."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

SPARE = 1024
"""Outdated heap entries that are tolerated beside as many as there are pending streams."""


class OldestPending:
    """Pending streams with the time of their oldest open record, ms UTC.

    One thread writes; `since_ms` and ``len()`` may be read by any.
    """

    def __init__(self) -> None:
        self._since: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        self.since_ms: int | None = None

    def __len__(self) -> int:
        return len(self._since)

    def put(self, stream: str, since_ms: int) -> None:
        """A stream is pending since then."""
        if self._since.get(stream) != since_ms:
            self._since[stream] = since_ms
            heappush(self._heap, (since_ms, stream))
            self._tidy()

    def drop(self, stream: str) -> None:
        """A stream is pending no more."""
        if self._since.pop(stream, None) is not None:
            self._tidy()

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._since) + SPARE:
            self._heap = [(since, stream) for stream, since in self._since.items()]
            heapify(self._heap)
        while self._heap and self._since.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        self.since_ms = self._heap[0][0] if self._heap else None
