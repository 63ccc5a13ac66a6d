"""The tables of a file store: what is in them, how they are written and read.

Format 2 added the revision of each record, the levels and the channels' cursors to format 1, whose
files it takes over. Records are replaced by those of a higher revision only, and what is replaced
or deleted is overwritten in the file (`secure_delete`).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgpack

from beamish.client.errors import StoreError
from beamish.client.events import Record
from beamish.client.following import RESTARTED
from beamish.client.inbox import SNAPSHOT
from beamish.client.store import Batch, Identity, StoredCommand, StoredState
from beamish.client.wire import Item

FORMAT = 2
_APPLICATION_ID = 0x42656D43  # "BemC"
_SCHEMA_1 = """
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
_SCHEMA_2 = """
ALTER TABLE records ADD COLUMN rev INTEGER NOT NULL DEFAULT 0;
CREATE TABLE levels (
    kind TEXT, key TEXT, item BLOB NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE following (
    channel TEXT PRIMARY KEY, epoch INTEGER, number INTEGER NOT NULL, since INTEGER NOT NULL
) WITHOUT ROWID;
"""
_UPGRADES = (_SCHEMA_1, _SCHEMA_2)
_KEEP = """
INSERT INTO records (conversation, n, record, rev) VALUES (?, ?, ?, ?)
ON CONFLICT (conversation, n) DO UPDATE SET record = excluded.record, rev = excluded.rev
WHERE excluded.rev > records.rev
"""
_ABOUT = ("kind", "title", "description", "open")
_LEVEL_KEYS = {
    "marks": ("conversation",),
    "settings": ("conversation",),
    "receipt": ("conversation", "user"),
    "profile": (),
    "privacy": (),
    "block": ("user",),
    "subscription": ("channel",),
}


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Lock the file and make the tables, or check that they are ours."""
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA secure_delete = ON")
    database.execute("BEGIN EXCLUSIVE")
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    ours = database.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION_ID
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if tables and not ours:
        raise StoreError(f"{path} is another program's database: name another file")
    if version > FORMAT:
        raise StoreError(
            f"{path} has format {version}, this client knows {FORMAT}: use the program that wrote"
            " it, or name another file"
        )
    if version < FORMAT:
        for upgrade in _UPGRADES[version:]:
            for statement in upgrade.split(";"):
                database.execute(statement)
        database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {FORMAT}")
    database.execute("COMMIT")


def read_state(database: sqlite3.Connection) -> StoredState:
    """Everything that a client begins with."""
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
        following={c: (a, b, d) for c, a, b, d in query("SELECT * FROM following")},
        numbers=dict(query("SELECT conversation, number FROM numbers").fetchall()),
        commands=[StoredCommand(a, b, c, d, msgpack.unpackb(e)) for a, b, c, d, e in commands],
        items=[msgpack.unpackb(row[0]) for row in items],
        sequence=device[5],
    )


def write_device(database: sqlite3.Connection, batch: Batch) -> None:
    """Who this is, and how far the inbox is stored."""
    if batch.identity is not None or batch.forget_identity:
        identity: tuple[str | None, ...] = batch.identity or (None, None, None)
        database.execute("UPDATE device SET user = ?, device = ?, token = ?", identity)
    if batch.cursor is not None:
        database.execute("UPDATE device SET epoch = ?, number = ?", batch.cursor)


def write_commands(database: sqlite3.Connection, batch: Batch) -> None:
    """Commands that are to be answered, and those that were."""
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


def write_received(database: sqlite3.Connection, batch: Batch) -> None:
    """What came: how far, the items to be handed over, and what they say of records and levels."""
    if batch.restart:
        for table in ("known", "plan", "records", "levels", "following"):
            database.execute(f"DELETE FROM {table}")  # noqa: S608  # five constant names
    if batch.known:
        database.executemany("REPLACE INTO known VALUES (?, ?)", batch.known.items())
    for conversation, step in (batch.plan or {}).items():
        if step is None:
            database.execute("DELETE FROM plan WHERE conversation = ?", (conversation,))
        else:
            database.execute("REPLACE INTO plan VALUES (?, ?, ?)", (conversation, *step))
    for channel, cursor in (batch.following or {}).items():
        database.execute("REPLACE INTO following VALUES (?, ?, ?, ?)", (channel, *cursor))
    if batch.items:
        first = batch.sequence - len(batch.items) + 1
        rows = [(number, _pack(item)) for number, item in enumerate(batch.items, first)]
        database.executemany("INSERT INTO items VALUES (?, ?)", rows)
        database.execute("UPDATE device SET sequence = ?", (batch.sequence,))
        for item in batch.items:
            _keep(database, item)


def _keep(database: sqlite3.Connection, item: Item) -> None:
    """Keep what an item says of records and levels."""
    kind = item["type"]
    if kind == "records":
        records = [*item["records"], *item.get("amended", ())]
        rows = [(item["conversation"], r["n"], _pack(r), r.get("rev", 0)) for r in records]
        database.executemany(_KEEP, rows)
        for record in records:
            if record["type"] in ("create", "info"):
                _keep_about(database, item["conversation"], record)
    elif kind == SNAPSHOT:
        levels = [("row", row["conversation"], _pack(row)) for row in item["conversations"]]
        levels.append(("account", "", _pack(item.get("account") or {})))
        for told in ("marks", "settings", "profile", "privacy", "block", "subscription"):
            database.execute("DELETE FROM levels WHERE kind = ?", (told,))
        database.executemany("REPLACE INTO levels VALUES (?, ?, ?)", levels)
    elif kind == RESTARTED:
        database.execute("DELETE FROM records WHERE conversation = ?", (item["channel"],))
    elif kind in _LEVEL_KEYS:
        key = " ".join(item[name] or "" for name in _LEVEL_KEYS[kind])
        database.execute("REPLACE INTO levels VALUES (?, ?, ?)", (kind, key, _pack(item)))


def _keep_about(database: sqlite3.Connection, conversation: str, record: Record) -> None:
    """Keep what a conversation is called, from the records that say so."""
    query = "SELECT item FROM levels WHERE kind = 'about' AND key = ?"
    found = database.execute(query, (conversation,)).fetchone()
    about = {"n": 0} if found is None else msgpack.unpackb(found[0])
    if record["n"] > about["n"]:
        about["n"] = record["n"]
        about |= {name: record[name] for name in _ABOUT if name in record}
        row = "about", conversation, _pack(about)
        database.execute("REPLACE INTO levels VALUES (?, ?, ?)", row)


def read_records(
    database: sqlite3.Connection, conversation: str, after: int, before: int | None, limit: int
) -> list[Record]:
    """Records of a conversation, ascending: the first above `after` or the last below `before`."""
    query = "SELECT record FROM records WHERE conversation = ? AND n > ?"
    if before is None:
        rows = database.execute(f"{query} ORDER BY n LIMIT ?", (conversation, after, limit))
        return [msgpack.unpackb(row[0]) for row in rows]
    values = conversation, after, before, limit
    rows = database.execute(f"{query} AND n < ? ORDER BY n DESC LIMIT ?", values)
    return [msgpack.unpackb(row[0]) for row in rows][::-1]


def read_levels(database: sqlite3.Connection, kind: str) -> dict[str, Item]:
    """The levels of a kind by their keys."""
    query = "SELECT key, item FROM levels WHERE kind = ? ORDER BY key"
    return {key: msgpack.unpackb(item) for key, item in database.execute(query, (kind,))}


def _pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value))
