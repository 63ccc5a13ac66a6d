"""A device's memory in a file: SQLite, one transaction for each batch, synced before it counts.

Beside what every store keeps it holds all records received, by conversation and number, for the
application to read (`records`, `conversations`). The file is the device: it holds the token (mode
0600), one client at a time may use it (an exclusive lock, released with the process), and a copy
put back later is not the same device any more: its command numbers are used.

SQLite runs in a worker thread, one call at a time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgpack
import trio

from beamish.client.errors import StoreError
from beamish.client.events import Record
from beamish.client.store import Batch, Identity, StoredCommand, StoredState

T = TypeVar("T")

FORMAT = 1
_APPLICATION_ID = 0x42656D43  # "BemC"
_SCHEMA = """
CREATE TABLE device (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    user TEXT, device TEXT, token TEXT, epoch INTEGER, number INTEGER NOT NULL,
    sequence INTEGER NOT NULL
);
INSERT INTO device VALUES (1, NULL, NULL, NULL, NULL, 0, 0);
CREATE TABLE known (conversation TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE plan (
    conversation TEXT PRIMARY KEY, position INTEGER NOT NULL, upto INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE numbers (conversation TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE commands (
    lane TEXT, tag TEXT, number INTEGER NOT NULL, command TEXT NOT NULL, fields BLOB NOT NULL,
    PRIMARY KEY (lane, tag)
) WITHOUT ROWID;
CREATE TABLE items (sequence INTEGER PRIMARY KEY, item BLOB NOT NULL);
CREATE TABLE records (
    conversation TEXT, n INTEGER, record BLOB NOT NULL, PRIMARY KEY (conversation, n)
) WITHOUT ROWID;
"""


class FileStore:
    """A durable store in the file `path`, made when it does not exist.

    Methods raise `StoreError` when the file is in use, damaged, of another program or of a newer
    format, or cannot be written.
    """

    durable = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._database: sqlite3.Connection | None = None
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._taken = 0
        self._forgotten = 0

    async def load(self) -> StoredState:
        """Claim the file and read what it holds."""
        return await self._in_thread(self._load)

    async def commit(self, batch: Batch) -> None:
        """Write `batch` in one transaction and sync it."""
        await self._in_thread(lambda: self._commit(batch))

    def taken(self, sequence: int) -> None:
        """Items up to `sequence` go with the next transaction."""
        self._taken = max(self._taken, sequence)

    async def release(self) -> None:
        """Write what was taken and close the file."""
        await self._in_thread(self._close)

    async def conversations(self) -> dict[str, int]:
        """The newest record number held of each conversation, while a client uses the store."""
        query = "SELECT conversation, max(n) FROM records GROUP BY conversation"
        return await self._in_thread(lambda: dict(self._open.execute(query).fetchall()))

    async def records(
        self, conversation: str, *, after: int = 0, limit: int = 1000
    ) -> list[Record]:
        """At most `limit` records above `after`, ascending, while a client uses the store."""
        query = "SELECT record FROM records WHERE conversation = ? AND n > ? ORDER BY n LIMIT ?"
        values = conversation, after, limit

        def read() -> list[Record]:
            return [msgpack.unpackb(row[0]) for row in self._open.execute(query, values)]

        return await self._in_thread(read)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await trio.to_thread.run_sync(work, limiter=self._one_at_a_time)
        except (sqlite3.OperationalError, OSError) as error:
            if "locked" in str(error):
                raise StoreError(
                    f"{self.path} is in use by another client: give each a store of its own"
                ) from None
            raise StoreError(f"{self.path} cannot be read or written: {error}") from None
        except sqlite3.Error as error:
            raise StoreError(
                f"{self.path} is no client's store, or damaged ({error}): name another file; the"
                " device logs in anew and reads everything again"
            ) from None

    @property
    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            raise StoreError(f"{self.path} is closed: it is open while a client uses it")
        return self._database

    # -- in the worker thread ---------------------------------------------------------------------

    def _load(self) -> StoredState:
        if self._database is not None:
            raise StoreError(
                f"{self.path} is in use by another client: give each a store of its own"
            )
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        database = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(database, self.path)
            state = _read(database)
        except BaseException:
            database.close()
            raise
        self._database = database
        self._taken = self._forgotten = state.sequence - len(state.items)
        return state

    def _commit(self, batch: Batch) -> None:
        database = self._open
        database.execute("BEGIN IMMEDIATE")
        try:
            _write_device(database, batch)
            _write_commands(database, batch)
            _write_received(database, batch)
            self._forget(database)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _forget(self, database: sqlite3.Connection) -> None:
        taken = self._taken
        if taken > self._forgotten:
            database.execute("DELETE FROM items WHERE sequence <= ?", (taken,))
            self._forgotten = taken

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is None:
            return
        try:
            self._forget(database)
        finally:
            database.close()


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    """Lock the file and make the tables, or check that they are ours."""
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("BEGIN EXCLUSIVE")
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    ours = database.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION_ID
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if not tables:
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {FORMAT}")
    elif not ours:
        raise StoreError(f"{path} is another program's database: name another file")
    elif version != FORMAT:
        raise StoreError(
            f"{path} has format {version}, this client knows {FORMAT}: use the program that wrote"
            " it, or name another file"
        )
    database.execute("COMMIT")


def _read(database: sqlite3.Connection) -> StoredState:
    query = database.execute
    device = query("SELECT user, device, token, epoch, number, sequence FROM device").fetchone()
    commands = query(
        "SELECT lane, number, tag, command, fields FROM commands ORDER BY lane, number"
    )
    items = query("SELECT item FROM items ORDER BY sequence")
    return StoredState(
        identity=None if device[0] is None else Identity(*device[:3]),
        cursor=(device[3], device[4]),
        known=dict(query("SELECT conversation, n FROM known").fetchall()),
        plan={c: (at, upto) for c, at, upto in query("SELECT * FROM plan")},
        numbers=dict(query("SELECT conversation, number FROM numbers").fetchall()),
        commands=[StoredCommand(a, b, c, d, msgpack.unpackb(e)) for a, b, c, d, e in commands],
        items=[msgpack.unpackb(row[0]) for row in items],
        sequence=device[5],
    )


def _write_device(database: sqlite3.Connection, batch: Batch) -> None:
    if batch.identity is not None or batch.forget_identity:
        identity: tuple[str | None, ...] = batch.identity or (None, None, None)
        database.execute("UPDATE device SET user = ?, device = ?, token = ?", identity)
    if batch.cursor is not None:
        database.execute("UPDATE device SET epoch = ?, number = ?", batch.cursor)


def _write_commands(database: sqlite3.Connection, batch: Batch) -> None:
    if batch.new_device:
        database.execute("DELETE FROM numbers")
        database.execute("DELETE FROM commands")
    if batch.numbers:
        database.executemany("REPLACE INTO numbers VALUES (?, ?)", batch.numbers.items())
    if batch.commands:
        rows = [(c.lane, c.tag, c.number, c.command, _pack(c.fields)) for c in batch.commands]
        database.executemany("REPLACE INTO commands VALUES (?, ?, ?, ?, ?)", rows)
    if batch.answered:
        database.executemany("DELETE FROM commands WHERE lane = ? AND tag = ?", batch.answered)


def _write_received(database: sqlite3.Connection, batch: Batch) -> None:
    if batch.restart:
        for table in ("known", "plan", "records"):
            database.execute(f"DELETE FROM {table}")  # noqa: S608  # three constant names
    if batch.known:
        database.executemany("REPLACE INTO known VALUES (?, ?)", batch.known.items())
    for conversation, step in (batch.plan or {}).items():
        if step is None:
            database.execute("DELETE FROM plan WHERE conversation = ?", (conversation,))
        else:
            database.execute("REPLACE INTO plan VALUES (?, ?, ?)", (conversation, *step))
    if batch.items:
        first = batch.sequence - len(batch.items) + 1
        rows = [(number, _pack(item)) for number, item in enumerate(batch.items, first)]
        database.executemany("INSERT INTO items VALUES (?, ?)", rows)
        database.execute("UPDATE device SET sequence = ?", (batch.sequence,))
        records = [
            (item["conversation"], record["n"], _pack(record))
            for item in batch.items
            if item["type"] == "records"
            for record in item["records"]
        ]
        database.executemany("REPLACE INTO records VALUES (?, ?, ?)", records)


def _pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value))
