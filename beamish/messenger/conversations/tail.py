"""The newest records of a log, at hand for the notices of one activation.

With the touches among them come their targets. Whatever of it is changed is replaced by what it
became; what somebody else may have changed is forgotten, and read from the journal when needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from beamish.messenger.streams.log_part import LogPart
from beamish.messenger.streams.records import Record

TAIL_RECORDS = 256
TAIL_BYTES = 512 << 10
"""Newest records, with their targets, that travel with a notice at most."""


class Tail:
    """Consecutive records up to the newest that this activation has committed."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque()
        self._targets: dict[int, Record] = {}
        self._bytes = 0

    def append(self, record: Record, amended: Mapping[int, Record]) -> None:
        """Take a committed record; `amended` holds its target, if it is a touch."""
        if self._records and record.n != self._records[-1].n + 1:
            # What lies between was committed unseen, by an append whose answer was lost.
            self.clear()
        if record.target:
            target = self._at(record.target) or amended.get(record.target)
            if target is None:
                self.clear()
                return
            if record.target not in self._targets:
                self._bytes += len(target.raw)
            self._targets[record.target] = target
        self._records.append(record)
        self._bytes += len(record.raw)
        while len(self._records) > TAIL_RECORDS or self._bytes > TAIL_BYTES:
            self._drop_first()

    def _drop_first(self) -> None:
        first = self._records.popleft()
        self._bytes -= len(first.raw)
        if first.target and not any(other.target == first.target for other in self._records):
            self._bytes -= len(self._targets.pop(first.target).raw)

    def _at(self, n: int) -> Record | None:
        at = n - self._records[0].n if self._records else -1
        return self._records[at] if 0 <= at < len(self._records) else None

    def replace(self, record: Record) -> None:
        """A record has become this one."""
        known = self._at(record.n)
        if known is not None:
            self._records[record.n - self._records[0].n] = record
            self._bytes += len(record.raw) - len(known.raw)
        target = self._targets.get(record.n)
        if target is not None:
            self._targets[record.n] = record
            self._bytes += len(record.raw) - len(target.raw)

    def forget(self, n: int) -> None:
        """A record was changed into nobody knows what."""
        if n in self._targets or self._at(n) is not None:
            self.clear()

    def clear(self) -> None:
        """Hold nothing."""
        self._records.clear()
        self._targets.clear()
        self._bytes = 0

    def behind(self, base: int) -> LogPart | None:
        """What it holds behind record `base`."""
        newest = [record for record in self._records if record.n > base]
        if not newest:
            return None
        if not self._targets:
            return LogPart(newest)
        return LogPart(newest, {r.target: self._targets[r.target] for r in newest if r.target})
