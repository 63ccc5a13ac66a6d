"""Reads of an LMDB environment: a batch in one short transaction, everything copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lmdb

from storage.names import slot_of
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
    Refused,
    Scan,
    StreamInfo,
)
from storage.rows import (
    NO_ROW,
    DamagedError,
    Row,
    chunk_count,
    chunk_key,
    decode_batch,
    decode_id,
    decode_row,
    is_row_key,
    missing,
    pending_key,
    record_key,
    row_key,
    snapshot_crc,
    split_key,
)

CACHED_IDS = 65_536
"""Names whose stream id is remembered; an id never changes. All are forgotten at the bound."""


class LmdbQueries:
    """Answers reads of one open environment."""

    def __init__(
        self, environment: lmdb.Environment, databases: Mapping[bytes, Any], slots: int
    ) -> None:
        self._environment = environment
        self._databases = databases
        self._slots = slots
        self._ids: dict[bytes, int] = {}

    def query(
        self, ops: Sequence[Query], enough: Callable[[QueryOutcome], bool]
    ) -> list[QueryOutcome]:
        """Answers as of one moment, for at least one operation, until one is ``enough``."""
        outcomes: list[QueryOutcome] = []
        with self._environment.begin(buffers=False) as txn:
            reader = _Reader(txn, self._databases, self._slots, self._ids)
            for op in ops:
                outcomes.append(reader.answer(op))
                if enough(outcomes[-1]):
                    break
        return outcomes


class _Reader:
    def __init__(
        self, txn: Any, databases: Mapping[bytes, Any], slots: int, ids: dict[bytes, int]
    ) -> None:
        self._txn = txn
        self._databases = databases
        self._slots = slots
        self._ids = ids

    def answer(self, op: Query) -> QueryOutcome:
        try:
            if isinstance(op, Load):
                return self._load(op)
            if isinstance(op, Read):
                return self._read(op)
            if isinstance(op, Describe):
                return self._describe(op)
            if isinstance(op, Pending):
                return self._pending(op)
            return self._scan(op)
        except DamagedError as error:
            return Refused("damaged", str(error))
        except lmdb.Error as error:
            return Refused("io", f"the journal cannot be read: {error}; check its disk")

    def _row(self, stream: str) -> Row:
        name = stream.encode()
        stream_id = self._ids.get(name)
        if stream_id is None:
            found = self._txn.get(name, db=self._databases[b"names"])
            if found is None:
                return NO_ROW
            stream_id = self._remember(name, found)
        return decode_row(name, self._txn.get(row_key(stream_id), db=self._databases[b"streams"]))

    def _remember(self, name: bytes, value: bytes) -> int:
        if len(self._ids) >= CACHED_IDS:
            self._ids.clear()
        stream_id = self._ids[name] = decode_id(value)
        return stream_id

    def _load(self, op: Load) -> Loaded:
        row = self._row(op.stream)
        header = row.header
        start = max(header.snapshot_version + 1, header.first)
        records = self._records(row, start, op.max_records, op.max_bytes)
        more = start + len(records) <= header.version
        return Loaded(header.info(op.stream), self._snapshot(op.stream, row), start, records, more)

    def _read(self, op: Read) -> Records:
        row = self._row(op.stream)
        start = max(op.start, row.header.first)
        records = self._records(row, start, op.limit, op.max_bytes)
        return Records(row.header.info(op.stream), start, records)

    def _records(self, row: Row, start: int, limit: int, volume: int) -> tuple[bytes, ...]:
        taken: list[bytes] = []
        version = row.header.version
        cursor = self._txn.cursor(self._databases[b"streams"])
        found = start <= version and cursor.set_range(record_key(row.id, start))
        while found and len(taken) < limit and start + len(taken) <= version:
            key, value = cursor.item()
            if split_key(key)[0] != row.id or is_row_key(key):
                break
            first, records = decode_batch(key, value)
            expected = start + len(taken)
            if first > expected or (taken and first != expected):
                break
            for record in records[expected - first :]:
                volume -= len(record)
                if len(taken) == limit or (taken and volume < 0):
                    return tuple(taken)
                taken.append(record)
            found = cursor.next()
        if len(taken) < limit and start + len(taken) <= version:
            raise DamagedError(missing(start + len(taken)))
        return tuple(taken)

    def _snapshot(self, stream: str, row: Row) -> bytes | None:
        if not row.header.snapshot_version:
            return None
        count = chunk_count(row.snapshot_size)
        cursor = self._txn.cursor(self._databases[b"snapshots"])
        found = cursor.getmulti([chunk_key(row.id, index) for index in range(count)])
        data = b"".join(value for _, value in found)[: row.snapshot_size]
        if len(data) != row.snapshot_size or snapshot_crc(data) != row.snapshot_crc:
            raise DamagedError(
                f"the snapshot of stream {stream!r} is damaged; restore the directory from a backup"
            )
        return data

    def _describe(self, op: Describe) -> Described:
        names = [stream.encode() for stream in op.streams]
        unknown = [name for name in names if name not in self._ids]
        if unknown:
            for name, value in self._txn.cursor(self._databases[b"names"]).getmulti(unknown):
                self._remember(name, value)
        keys = {name: row_key(self._ids[name]) for name in names if name in self._ids}
        cursor = self._txn.cursor(self._databases[b"streams"])
        found = dict(cursor.getmulti(keys.values()))
        infos: list[StreamInfo] = []
        for stream, name in zip(op.streams, names, strict=True):
            row = decode_row(name, found.get(keys[name])) if name in keys else NO_ROW
            infos.append(row.header.info(stream))
        return Described(tuple(infos))

    def _pending(self, op: Pending) -> PendingStreams:
        slots = range(self._slots) if op.slots is None else op.slots
        low = pending_key(max(0, slots.start), b"")
        if op.after is not None:
            low = max(low, pending_key(slot_of(op.after, self._slots), op.after.encode() + b"\0"))
        cursor = self._txn.cursor(self._databases[b"pending"])
        page: list[PendingStream] = []
        found = cursor.set_range(low)
        while found:
            key, since = cursor.item()
            if int.from_bytes(key[:2], "big") >= slots.stop:
                break
            if len(page) == op.limit:
                return PendingStreams(tuple(page), more=True)
            stream = key[2:].decode()
            header = self._row(stream).header
            page.append(PendingStream(stream, header.settled + 1, header.version, decode_id(since)))
            found = cursor.next()
        return PendingStreams(tuple(page), more=False)

    def _scan(self, op: Scan) -> Names:
        prefix = op.prefix.encode()
        low = prefix if op.after is None else max(prefix, op.after.encode() + b"\0")
        cursor = self._txn.cursor(self._databases[b"names"])
        page: list[str] = []
        found = cursor.set_range(low) if low else cursor.first()
        while found:
            name = cursor.key()
            if not name.startswith(prefix):
                break
            if len(page) == op.limit:
                return Names(tuple(page), more=True)
            page.append(name.decode())
            found = cursor.next()
        return Names(tuple(page), more=False)
