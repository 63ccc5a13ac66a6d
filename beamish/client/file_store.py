"""A device's memory in a file: SQLite, one transaction for each batch, synced before it counts.

Beside what every store keeps it holds, for the application to read, all records received by
conversation and number, as they stood when last told (`records`, `conversations`), and the newest
of each level: read marks, how conversations are shown, the profile, ... (`levels`). The file is the
device: it holds the token (mode 0600), one client at a time may use it (an exclusive lock, released
with the process), and a copy put back later is not the same device any more: its command numbers
are used.

SQLite runs in a worker thread, one call at a time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from beamish.client import file_tables as tables
from beamish.client.errors import StoreError
from beamish.client.events import Record
from beamish.client.store import Batch, StoredState
from beamish.client.wire import Item

T = TypeVar("T")


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
        self,
        conversation: str,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
    ) -> list[Record]:
        """At most `limit` records, ascending, while a client uses the store.

        The first above `after`; with `before`, the last below it that are above `after`.
        """
        return await self._in_thread(
            lambda: tables.read_records(self._open, conversation, after, before, limit)
        )

    async def record(self, conversation: str, n: int) -> Record | None:
        """One record, if the store has it, while a client uses the store."""
        found = await self.records(conversation, after=n - 1, limit=1)
        return found[0] if found and found[0]["n"] == n else None

    async def levels(self, kind: str) -> dict[str, Item]:
        """The newest item of each key of a kind, while a client uses the store.

        By conversation "row" (of a snapshot), "about" (`kind`, `title`, `description`, `open` as
        its records say, up to record `n`), "marks", "settings" and "receipt" (the conversation, a
        blank, the user); by user "block"; by channel "subscription"; "profile", "privacy" and
        "account" (of a snapshot) have the one key "".
        """
        return await self._in_thread(lambda: tables.read_levels(self._open, kind))

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
            tables.prepare(database, self.path)
            state = tables.read_state(database)
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
            tables.write_device(database, batch)
            tables.write_commands(database, batch)
            tables.write_received(database, batch)
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
