"""Streams in an LMDB environment: the synchronous half of the engine.

`LmdbStore.commit` writes a group in one transaction, `LmdbStore.query` answers reads in one short
transaction. Every key and value is `storage.rows`'s. What is here is what LMDB itself asks for,
each learnt by experiment:

* The map is opened once at 2**40 bytes, sparse, and never resized.
* Values are copied on read; a read transaction lasts one batch.
* Every call of py-lmdb on an item gives up the interpreter, and a busy trio thread takes it for a
  whole switch interval. So headers are cached here and a group is written with one ``putmulti``
  for each database.
* A commit that fails while it writes pages (a full disk, a short write, which LMDB reports as EIO)
  leaves the last committed state untouched. One that fails while it writes the meta page may have
  been written: LMDB then refuses further transactions, and that is how the two are told apart.
* py-lmdb has the end of an aborted write transaction wait for all calls under way in the
  environment, and a backup is one call. So a transaction that changed nothing is committed, which
  writes nothing, and one that did is only aborted when nobody else is in the environment
  (`LmdbStore.alone`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import lmdb

from storage import host
from storage.lmdb_query import LmdbQueries
from storage.names import slot_of
from storage.oldest import OldestPending
from storage.operations import Write, WriteOutcome
from storage.rows import (
    NO_ROW,
    DamagedError,
    Row,
    amend_batch,
    batch_time,
    chunk_count,
    chunk_key,
    decode_id,
    decode_row,
    encode_batches,
    encode_chunks,
    encode_id,
    encode_row,
    is_row_key,
    missing,
    pending_key,
    record_key,
    row_key,
    snapshot_crc,
    split_key,
)
from storage.rules import Change, Surroundings, plan

MAP_BYTES = 1 << 40
CACHED_ROWS = 65_536
SWEEP_BATCHES = 256
"""Batches of truncated records that one transaction removes; the rest follows in idle time."""

DATABASES = (b"meta", b"names", b"streams", b"snapshots", b"pending", b"sweep")
Items = list[tuple[bytes, bytes]]


class CommitError(Exception):
    """A group was not committed; ``maybe``: unless the disk has it nevertheless."""

    def __init__(self, cause: Exception, *, maybe: bool, syncing: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.maybe = maybe
        self.syncing = syncing


class LmdbStore:
    """An open environment. Not for several threads, except that `query` may run beside the rest."""

    def __init__(self, path: Path, new_epoch: Callable[[], int]) -> None:
        """Open the environment in a directory; raises `lmdb.Error`, `OSError`, `DamagedError`."""
        self.environment = _open(path)
        try:
            self._main = self.environment.open_db(None)
            self.databases = {name: self.environment.open_db(name) for name in DATABASES}
            self._cache: dict[bytes, Row] = {}
            self._new_epoch = new_epoch
            self.oldest = OldestPending()
            self._load()
        except BaseException:
            self.environment.close()
            raise
        self.query = LmdbQueries(self.environment, self.databases, self.slots).query
        self.alone: Callable[[], AbstractContextManager[None]] = nullcontext
        """Whoever copies the environment has given up as long as the context."""

    def _load(self) -> None:
        with self.environment.begin(buffers=False) as txn:
            meta = self.databases[b"meta"]
            self.format = int(txn.get(b"format", b"0", db=meta) or b"0")
            self.slots = int(txn.get(b"slots", b"0", db=meta) or b"0")
            self.id = (txn.get(b"id", b"", db=meta) or b"").decode()
            self._next_id = int(txn.get(b"next_id", b"1", db=meta) or b"1")
            for key, value in txn.cursor(self.databases[b"pending"]):
                self.oldest.put(key[2:].decode(), decode_id(value))
            self._sweeps = {
                decode_id(key): name for key, name in txn.cursor(self.databases[b"sweep"])
            }

    def initialize(self, *, format: int, slots: int, directory_id: str) -> None:  # noqa: A002
        """Fill in the metadata of a new environment."""
        with self.environment.begin(write=True, db=self.databases[b"meta"]) as txn:
            txn.put(b"format", str(format).encode())
            txn.put(b"slots", str(slots).encode())
            txn.put(b"id", directory_id.encode())
        self.format, self.slots, self.id = format, slots, directory_id
        self.query = LmdbQueries(self.environment, self.databases, slots).query

    def set_format(self, format: int) -> None:  # noqa: A002
        """What an upgrade does last."""
        with self.environment.begin(write=True, db=self.databases[b"meta"]) as txn:
            txn.put(b"format", str(format).encode())
        self.format = format

    def close(self) -> None:
        """Close the environment."""
        self.environment.close()

    def used_bytes(self, txn: lmdb.Transaction) -> int:
        """Bytes of all pages in use as of a transaction: the size of a compacted copy."""
        parts = [txn.stat(database) for database in (self._main, *self.databases.values())]
        pages = sum(p["branch_pages"] + p["leaf_pages"] + p["overflow_pages"] for p in parts)
        page_bytes: int = parts[0]["psize"]
        return (pages + 2) * page_bytes

    def probe(self) -> None:
        """Commit something; raises `CommitError` if the disk does not take it."""
        with _Transaction(self) as txn:
            txn.changed = True
            stamp = encode_id(host.wall_ms())
            txn.raw.put(b"probe", stamp, db=self.databases[b"meta"])
            txn.commit()

    # -- writing ----------------------------------------------------------------------------------

    def commit(
        self, ops: Sequence[Write], now_ms: int, sync: Callable[[Callable[[], None]], None]
    ) -> list[WriteOutcome]:
        """Carry out a group in one transaction; raises `CommitError` or `DamagedError`.

        ``sync`` is given the function that commits, and calls it.
        """
        with _Transaction(self) as txn:
            group = _Group(self, txn.raw, now_ms)
            outcomes: list[WriteOutcome] = [group.add(op) for op in ops]
            if group.changed:
                txn.changed = True
                group.write()
                txn.commit(sync)
                group.remember()
        return outcomes

    def _remember(self, rows: dict[bytes, Row]) -> None:
        self._cache.update(rows)
        if len(self._cache) > CACHED_ROWS:
            for name in list(islice(self._cache, CACHED_ROWS // 4)):
                del self._cache[name]

    @property
    def must_sweep(self) -> bool:
        """Whether bytes of truncated records remain."""
        return bool(self._sweeps)

    def sweep(self) -> None:
        """Remove some bytes of truncated records; raises `CommitError` or `DamagedError`."""
        name = next(iter(self._sweeps.values()))
        with _Transaction(self) as txn:
            group = _Group(self, txn.raw, host.wall_ms())
            group.sweep(name)
            txn.changed = True
            group.write()
            txn.commit()
            group.remember()


def _open(path: Path) -> lmdb.Environment:
    options: dict[str, Any] = {
        "map_size": MAP_BYTES,
        "max_dbs": len(DATABASES) + 2,
        "max_readers": 8,
        "readahead": False,  # a map larger than memory is read at random
        "writemap": False,  # a stray write or a full disk would hit the map itself
        "metasync": True,
        "sync": True,
        "mode": 0o600,
        "lib_version": 0,  # the data format of LMDB 0.9, whatever the default is
    }
    return lmdb.open(str(path), **options)


class _Transaction:
    """A write transaction that is aborted unless committed; failures become `CommitError`."""

    def __init__(self, store: LmdbStore) -> None:
        self._store = store
        self.changed = False
        self._syncing = False
        self._committed = False
        try:
            self.raw = store.environment.begin(write=True)
        except lmdb.Error as error:
            raise CommitError(error, maybe=False, syncing=True) from error

    def __enter__(self) -> Self:
        return self

    def commit(self, sync: Callable[[Callable[[], None]], None] | None = None) -> None:
        """Write and sync."""
        self._syncing = True
        if sync is None:
            self._commit()
        else:
            sync(self._commit)

    def _commit(self) -> None:
        self.raw.commit()
        self._committed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if not self._committed:
            self._abort()
        if isinstance(error, (lmdb.Error, OSError)):
            maybe = self._committed or (self._syncing and self._refuses_more())
            raise CommitError(error, maybe=maybe, syncing=self._syncing) from error

    def _abort(self) -> None:
        if not self.changed:
            self.raw.commit()
            return
        with self._store.alone():
            self.raw.abort()

    def _refuses_more(self) -> bool:
        try:
            self._store.environment.begin(write=True).commit()
        except lmdb.Error:
            return True
        return False


class _Group:
    """What one transaction writes, collected first and then put with one call a database."""

    def __init__(self, store: LmdbStore, txn: Any, now_ms: int) -> None:
        self._store = store
        self._txn = txn
        self._now_ms = now_ms
        self._rows: dict[bytes, Row] = {}
        self._before: dict[bytes, Row] = {}
        self._records: Items = []
        self._amended: dict[bytes, dict[int, bytes]] = {}
        self._snapshots: dict[bytes, bytes] = {}
        self._truncated: dict[bytes, None] = {}
        self._next_id = store._next_id
        self._new_names: Items = []
        self._pending_changed: list[bytes] = []
        self._sweeps: dict[int, bytes | None] = {}
        self._now_ms = now_ms

    def add(self, op: Write) -> WriteOutcome:
        """Plan one operation on top of those before it."""
        name = op.stream.encode()
        row = self._row(name)
        # Not kept: a group that refers to itself would be left to the garbage collector.
        around = Surroundings(self._now_ms, self._store._new_epoch, self._time_of)
        outcome, change = plan(op, row.header, around)
        if change is not None:
            self._stage(name, row, change)
        return outcome

    def sweep(self, name: bytes) -> None:
        """Remove more of a truncated stream."""
        self._rows[name] = self._row(name)
        self._truncated[name] = None

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._rows)

    def write(self) -> None:
        """Put everything into the transaction."""
        databases = self._store.databases
        self._put(b"names", self._new_names)
        for name, data in self._snapshots.items():
            self._write_snapshot(name, data)
        if self._truncated or self._amended:
            self._put(b"streams", self._records)
            self._records = []
            for name, amended in self._amended.items():
                self._amend(self._rows[name], amended)
            for name in self._truncated:
                self._sweep(name)
        rows = self._records + [(row_key(row.id), encode_row(row)) for row in self._rows.values()]
        self._put(b"streams", rows)
        self._write_pending()
        if self._next_id != self._store._next_id:
            value = str(self._next_id).encode()
            self._txn.put(b"next_id", value, db=databases[b"meta"])

    def remember(self) -> None:
        """After the commit: what the store keeps in memory."""
        store = self._store
        store._next_id = self._next_id
        store._remember(self._rows)
        for name in self._pending_changed:
            header = self._rows[name].header
            if header.obliged:
                store.oldest.put(name.decode(), header.since_ms)
            else:
                store.oldest.drop(name.decode())
        for stream_id, left in self._sweeps.items():
            if left is None:
                store._sweeps.pop(stream_id, None)
            else:
                store._sweeps[stream_id] = left

    # -- collecting -------------------------------------------------------------------------------

    def _row(self, name: bytes) -> Row:
        row = self._rows.get(name)
        if row is not None:
            return row
        row = self._store._cache.get(name)
        if row is None:
            row = self._read_row(name)
        self._before[name] = row
        return row

    def _read_row(self, name: bytes) -> Row:
        databases = self._store.databases
        stream_id = self._txn.get(name, db=databases[b"names"])
        if stream_id is None:
            return NO_ROW
        key = row_key(decode_id(stream_id))
        return decode_row(name, self._txn.get(key, db=databases[b"streams"]))

    def _time_of(self, stream: str, number: int) -> int:
        before = self._before[stream.encode()]
        if number > before.header.version:
            return self._now_ms
        cursor = self._txn.cursor(self._store.databases[b"streams"])
        if not cursor.set_range(record_key(before.id, number)) or is_row_key(cursor.key()):
            raise DamagedError(f"record {number} of stream {stream!r} is missing")
        return batch_time(cursor.value())

    def _stage(self, name: bytes, row: Row, change: Change) -> None:
        if not row.id:
            row = row._replace(id=self._next_id)
            self._new_names.append((name, encode_id(self._next_id)))
            self._next_id += 1
        if change.records:
            first = row.header.version + 1
            self._records += encode_batches(row.id, first, change.records, self._now_ms)
        if change.amended:  # behind those of earlier appends of this group: the last one holds
            self._amended.setdefault(name, {}).update(change.amended)
        if change.snapshot is not None:
            self._snapshots[name] = change.snapshot
        if change.header.first > row.header.first:
            self._truncated[name] = None
        stream_id, _, swept, size, crc = row
        self._rows[name] = Row(stream_id, change.header, swept, size, crc)

    # -- writing ----------------------------------------------------------------------------------

    def _put(self, database: bytes, items: Items) -> None:
        if not items:
            return
        items.sort()
        self._txn.cursor(self._store.databases[database]).putmulti(items)

    def _write_snapshot(self, name: bytes, data: bytes) -> None:
        row = self._rows[name]
        self._put(b"snapshots", list(encode_chunks(row.id, data)))
        for index in range(chunk_count(len(data)), chunk_count(row.snapshot_size)):
            self._txn.delete(chunk_key(row.id, index), db=self._store.databases[b"snapshots"])
        self._rows[name] = row._replace(snapshot_size=len(data), snapshot_crc=snapshot_crc(data))

    def _amend(self, row: Row, amended: dict[int, bytes]) -> None:
        first, done = row.header.first, 0
        cursor = self._txn.cursor(self._store.databases[b"streams"])
        items: Items = []
        for number in sorted(amended):
            if number < first or number <= done:
                continue
            found = cursor.set_range(record_key(row.id, number))
            key, value = cursor.item()
            stream_id, done = split_key(key) if found else (0, 0)
            if stream_id != row.id or is_row_key(key):
                raise DamagedError(missing(number))
            items += amend_batch(key, value, number, amended, first)
        self._put(b"streams", items)

    def _sweep(self, name: bytes) -> None:
        row = self._rows[name]
        first, swept = row.header.first, row.swept
        cursor = self._txn.cursor(self._store.databases[b"streams"])
        found = cursor.set_range(record_key(row.id, swept))
        left = SWEEP_BATCHES
        done = True
        while found:
            stream_id, last = split_key(cursor.key())
            if stream_id != row.id or last >= first:
                break
            if not left:
                done = False
                break
            cursor.delete()
            left -= 1
            swept = last + 1
            found = bool(cursor.key())
        self._rows[name] = row._replace(swept=first if done else swept)
        self._note_sweep(row.id, name, done=done)

    def _note_sweep(self, stream_id: int, name: bytes, *, done: bool) -> None:
        database = self._store.databases[b"sweep"]
        if not done:
            self._txn.put(encode_id(stream_id), name, db=database)
        elif stream_id in self._store._sweeps:
            self._txn.delete(encode_id(stream_id), db=database)
        self._sweeps[stream_id] = None if done else name

    def _write_pending(self) -> None:
        items: Items = []
        for name, row in self._rows.items():
            before, after = self._before[name].header, row.header
            if bool(before.obliged) == bool(after.obliged) and before.since_ms == after.since_ms:
                continue
            self._pending_changed.append(name)
            key = pending_key(slot_of(name.decode(), self._store.slots), name)
            if after.obliged:
                items.append((key, encode_id(after.since_ms)))
            else:
                self._txn.delete(key, db=self._store.databases[b"pending"])
        self._put(b"pending", items)
