"""What a journal in memory keeps: streams with dated records, snapshots, open obligations."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field

from storage.names import SLOTS, slot_of
from storage.operations import (
    Describe,
    Described,
    Load,
    Loaded,
    Names,
    Pending,
    PendingStream,
    PendingStreams,
    Query,
    QueryOutcome,
    Read,
    Records,
    Scan,
)
from storage.rules import ABSENT, Change, Header


@dataclass(slots=True)
class _Stored:
    header: Header = ABSENT
    records: list[bytes] = field(default_factory=list)  # numbers header.first and up
    times: list[int] = field(default_factory=list)
    snapshot: bytes | None = None


class MemoryDisk:
    """Durable content; survives the journals opened on it, one at a time."""

    def __init__(self, slots: int = SLOTS) -> None:
        self.slots = slots
        self.pending: dict[str, int] = {}  # stream -> since_ms
        self._streams: dict[str, _Stored] = {}
        self._names: list[bytes] = []
        self._index: list[tuple[int, bytes]] = []  # (slot, name) of pending streams, sorted

    def header(self, stream: str) -> Header:
        """The header of a stream, `ABSENT` if there is none."""
        stored = self._streams.get(stream)
        return ABSENT if stored is None else stored.header

    def time_of(self, stream: str, number: int, default: int) -> int:
        """When a record was appended; ``default`` if it is not on the disk (yet)."""
        stored = self._streams.get(stream)
        if stored is None or not stored.header.first <= number <= stored.header.version:
            return default
        return stored.times[number - stored.header.first]

    def apply(self, stream: str, change: Change, now_ms: int) -> None:
        """Write a change, all of it."""
        stored = self._streams.get(stream)
        if stored is None:
            stored = self._streams[stream] = _Stored()
            insort(self._names, stream.encode())
        stored.records.extend(change.records)
        stored.times.extend([now_ms] * len(change.records))
        for number, raw in change.amended:
            stored.records[number - stored.header.first] = raw
        dropped = change.header.first - stored.header.first
        if dropped:
            del stored.records[:dropped]
            del stored.times[:dropped]
        if change.snapshot is not None:
            stored.snapshot = change.snapshot
        stored.header = change.header
        self._index_pending(stream, change.header)

    def records(self, stream: str, start: int, limit: int, volume: int) -> tuple[bytes, ...]:
        """At most ``limit`` records and ``volume`` bytes from ``start`` on, at least one."""
        stored = self._streams.get(stream)
        if stored is None:
            return ()
        taken: list[bytes] = []
        at = start - stored.header.first
        for record in stored.records[at : at + limit]:
            volume -= len(record)
            if taken and volume < 0:
                break
            taken.append(record)
        return tuple(taken)

    def snapshot(self, stream: str) -> bytes | None:
        """The snapshot's bytes."""
        stored = self._streams.get(stream)
        return None if stored is None else stored.snapshot

    def pending_after(self, position: tuple[int, bytes], stop: int) -> list[str]:
        """Pending streams behind a position in the index, below slot ``stop``."""
        low = bisect_right(self._index, position)
        high = bisect_left(self._index, (stop, b""))
        return [name.decode() for _, name in self._index[low:high]]

    def names_from(self, low: bytes) -> list[bytes]:
        """All names from ``low`` on, in order."""
        return self._names[bisect_left(self._names, low) :]

    def oldest_pending_ms(self) -> int | None:
        """When the oldest record with an open obligation was appended."""
        return min(self.pending.values(), default=None)

    def _index_pending(self, stream: str, header: Header) -> None:
        entry = (slot_of(stream, self.slots), stream.encode())
        if header.obliged:
            if stream not in self.pending:
                insort(self._index, entry)
            self.pending[stream] = header.since_ms
        elif self.pending.pop(stream, None) is not None:
            self._index.remove(entry)


def answer_query(disk: MemoryDisk, op: Query) -> QueryOutcome:
    """Answer a read from a disk."""
    if isinstance(op, Load):
        return _load(disk, op)
    if isinstance(op, Read):
        header = disk.header(op.stream)
        start = max(op.start, header.first)
        records = disk.records(op.stream, start, op.limit, op.max_bytes)
        return Records(header.info(op.stream), start, records)
    if isinstance(op, Describe):
        return Described(tuple(disk.header(stream).info(stream) for stream in op.streams))
    if isinstance(op, Pending):
        return _pending(disk, op)
    return _scan(disk, op)


def _load(disk: MemoryDisk, op: Load) -> Loaded:
    header = disk.header(op.stream)
    start = max(header.snapshot_version + 1, header.first)
    records = disk.records(op.stream, start, op.max_records, op.max_bytes)
    more = start + len(records) <= header.version
    return Loaded(header.info(op.stream), disk.snapshot(op.stream), start, records, more)


def _pending(disk: MemoryDisk, op: Pending) -> PendingStreams:
    slots = range(disk.slots) if op.slots is None else op.slots
    position = (slots.start, b"")
    if op.after is not None:
        position = max(position, (slot_of(op.after, disk.slots), op.after.encode()))
    names = disk.pending_after(position, slots.stop)
    page = tuple(_pending_stream(disk, name) for name in names[: op.limit])
    return PendingStreams(page, len(names) > op.limit)


def _pending_stream(disk: MemoryDisk, stream: str) -> PendingStream:
    header = disk.header(stream)
    return PendingStream(stream, header.settled + 1, header.version, header.since_ms)


def _scan(disk: MemoryDisk, op: Scan) -> Names:
    prefix = op.prefix.encode()
    low = prefix if op.after is None else max(prefix, op.after.encode() + b"\0")
    found: list[str] = []
    for name in disk.names_from(low):
        if not name.startswith(prefix):
            break
        if len(found) == op.limit:
            return Names(tuple(found), more=True)
        found.append(name.decode())
    return Names(tuple(found), more=False)
