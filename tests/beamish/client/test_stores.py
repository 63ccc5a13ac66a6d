"""Stores: what was committed is there after any end, the same in memory and in a file."""

from __future__ import annotations

import functools
import shutil
import sqlite3
import stat
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from beamish.client import (
    Batch,
    FileStore,
    Identity,
    MemoryStore,
    StoredCommand,
    StoreError,
    open_client,
)
from tests.beamish.client.fake_server import FakeServer, until
from tests.examples import examples

ROOM = "g:1"


@pytest.fixture
def server():
    server = FakeServer()
    server.add_user("alice")
    server.add_user("bob")
    assert server.group("alice", "bob") == ROOM
    return server


def alice(server, store, seed=1, **options):
    return open_client(
        "ws://fake",
        user="alice",
        password="password",
        connect=server.connect,
        store=store,
        random=Random(seed),
        **options,
    )


async def next_records(client, count):
    got = []
    async for event in client.events():
        if hasattr(event, "record"):
            got.append(event.n)
            if len(got) == count:
                return got
    raise AssertionError("the client ended")


async def test_a_file_keeps_device_cursor_and_records(server, tmp_path):
    store = FileStore(tmp_path / "alice")
    async with alice(server, store) as client:
        device = client.device
        server.say(ROOM, "bob", "x")
        assert await next_records(client, 2) == [1, 2]
    async with alice(server, FileStore(tmp_path / "alice"), 2) as client:
        assert client.device == device
        server.say(ROOM, "bob", "y")
        assert await next_records(client, 2) == [2, 3]  # 2 was given out, and not asked beyond
        store = client._core.store
        assert await store.conversations() == {ROOM: 3}
        assert (
            await store.records(ROOM, after=1, limit=1) == server.conversations[ROOM].records[1:2]
        )
        assert [r["n"] for r in await store.records(ROOM)] == [1, 2, 3]
    with pytest.raises(StoreError, match="is closed"):
        await store.records(ROOM)


async def test_with_a_durable_store_the_acknowledgement_follows_the_commit(server, tmp_path):
    async with alice(server, FileStore(tmp_path / "alice")):
        await until(lambda: server.commands("ack"))
    assert server.commands("ack") == [{"command": "ack", "number": 1}]


async def test_a_command_is_in_the_file_before_its_first_byte_is_written(server, tmp_path):
    """The files as they are when the node sees the command are what a crash would leave."""
    copies = []

    def script(connection, item):
        if item["command"] == "send" and not copies:
            copies.extend(
                shutil.copy(tmp_path / name, tmp_path / f"copy{name[5:]}")
                for name in ("alice", "alice-wal")
            )
            return []
        return None

    server.script = script
    async with alice(server, FileStore(tmp_path / "alice")) as client:
        pending = client.send_nowait(ROOM, "x")
        await until(lambda: copies)
        copy = FileStore(tmp_path / "copy")
        state = await copy.load()
        await copy.release()
        [command] = state.commands
        assert (command.lane, command.number, command.tag) == (ROOM, 1, pending.tag)
        assert command.fields["text"] == "x"
        assert state.numbers == {ROOM: 1}
        assert state.identity is not None


async def test_a_crash_at_any_moment_neither_loses_nor_doubles(server, tmp_path):
    """Each round dies with commands unanswered and its files as the last commit left them."""
    heard: dict[int, str] = {}
    sent = 0
    for round_ in range(6):
        crashing = trio.CancelScope()
        store = FileStore(tmp_path / "alice")

        def on_records(conversation, records):
            heard.update({r["n"]: r.get("text", "") for r in records})

        with crashing:
            async with alice(server, store, round_, on_records=on_records) as client:
                server.say(ROOM, "bob", f"said in round {round_}")
                for _ in range(5):
                    client.send_nowait(ROOM, f"mine {sent}")
                    sent += 1
                server.hold = round_ % 2 == 0
                last = f"mine {sent - 1}"
                await until(functools.partial(server.has, ROOM, last))
                for name in ("alice", "alice-wal"):
                    shutil.copy(tmp_path / name, tmp_path / f"crashed{name[5:]}")
                server.hold = False
                server.cut()
                crashing.cancel()
        for name in ("alice", "alice-wal"):
            shutil.copy(tmp_path / f"crashed{name[5:]}", tmp_path / name)
    async with alice(server, FileStore(tmp_path / "alice"), 9, on_records=on_records) as client:
        await client.settled()
        await until(lambda: client.cursor[1] == server.users["alice"].number)
    mine = [text for text in server.texts(ROOM) if text.startswith("mine")]
    assert mine == [f"mine {i}" for i in range(sent)]
    assert [text for _, text in sorted(heard.items()) if text] == server.texts(ROOM)


async def test_a_file_serves_one_client_at_a_time(server, tmp_path):
    async with alice(server, FileStore(tmp_path / "alice")):
        with pytest.raises(StoreError, match="in use by another client"):
            await FileStore(tmp_path / "alice").load()


async def test_the_same_store_cannot_be_claimed_twice(tmp_path):
    store = FileStore(tmp_path / "alice")
    await store.load()
    with pytest.raises(StoreError, match="in use by another client"):
        await store.load()
    await store.release()
    await store.load()
    await store.release()
    await store.release()


async def test_the_file_is_for_its_owner_alone(tmp_path):
    store = FileStore(tmp_path / "alice")
    await store.load()
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await store.release()


async def test_files_that_are_no_stores_are_refused_and_left_alone(tmp_path):
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="no client's store, or damaged"):
        await FileStore(garbage).load()
    assert garbage.read_bytes().startswith(b"not a database")
    foreign = tmp_path / "foreign"
    database = sqlite3.connect(foreign)
    database.execute("CREATE TABLE recipes (name)")
    database.close()
    with pytest.raises(StoreError, match="another program's database"):
        await FileStore(foreign).load()
    newer = tmp_path / "newer"
    store = FileStore(newer)
    await store.load()
    await store.release()
    database = sqlite3.connect(newer)
    database.execute("PRAGMA user_version = 3")
    database.close()
    with pytest.raises(StoreError, match="has format 3, this client knows 2"):
        await FileStore(newer).load()
    with pytest.raises(StoreError, match="cannot be read or written"):
        await FileStore(tmp_path / "no such folder" / "alice").load()


async def test_a_failing_file_ends_the_client_with_a_clear_error(server, tmp_path):
    store = FileStore(tmp_path / "alice")
    async with alice(server, store) as client:
        store._database.execute("DROP TABLE items")
        server.say(ROOM, "bob", "cannot be stored")
        assert isinstance(await client.wait_failed(), StoreError)
        with pytest.raises(StoreError, match="no such table: items"):
            await client.send(ROOM, "x")


async def test_a_failed_commit_leaves_nothing_of_its_batch(tmp_path):
    store = FileStore(tmp_path / "alice")
    await store.load()
    bad = Batch(cursor=(1, 5), known={ROOM: object()})  # type: ignore[dict-item]
    with pytest.raises(StoreError):
        await store.commit(bad)
    await store.release()
    assert (await store.load()).cursor == (None, 0)
    await store.release()


# -- both stores hold the same -------------------------------------------------------------------

names = st.sampled_from(["d:alice:bob", "g:1", "g:2"])
small = st.integers(0, 9)
tags = st.sampled_from(["a", "b", "c"])
items = st.one_of(
    st.builds(
        lambda c, n, kind: {
            "type": "records",
            "conversation": c,
            "records": [{"n": n, "type": kind}],
        },
        names,
        small,
        st.sampled_from(["message", "create"]),
    ),
    st.just({"type": "marks", "conversation": "g:1", "read": 1}),
)
commands = st.builds(StoredCommand, names, small, tags, st.just("send"), st.just({"text": "x"}))
batches = st.builds(
    Batch,
    identity=st.none() | st.just(Identity("alice", "d", "t")),
    new_device=st.booleans(),
    restart=st.booleans(),
    cursor=st.none() | st.tuples(small, small),
    known=st.none() | st.dictionaries(names, small),
    plan=st.none() | st.dictionaries(names, st.none() | st.tuples(small, small)),
    following=st.none() | st.dictionaries(names, st.tuples(st.none() | small, small, small)),
    items=st.none() | st.lists(items, max_size=3),
    numbers=st.none() | st.dictionaries(names, small),
    commands=st.none() | st.lists(commands, max_size=3, unique_by=lambda c: (c.lane, c.tag)),
    answered=st.none() | st.lists(st.tuples(names, tags)),
    forget_identity=st.booleans(),
)
steps = st.lists(st.one_of(batches, st.integers(0, 3), st.just("reopen")), max_size=12)


@given(steps=steps)
@examples(30)
def test_memory_and_file_keep_the_same(steps, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "alice"

    async def main():
        stores = [MemoryStore(), FileStore(path)]
        states = [await store.load() for store in stores]
        sequence = taken = 0
        for step in [*steps, "reopen"]:
            if isinstance(step, Batch):
                sequence += len(step.items or ())
                step.sequence = sequence
            elif isinstance(step, int):
                taken = min(sequence, taken + step)
            for i, store in enumerate(stores):
                if isinstance(step, Batch):
                    await store.commit(step)
                elif isinstance(step, int):
                    store.taken(taken)
                else:
                    await store.release()
                    states[i] = await store.load()
            if step == "reopen":
                in_memory, in_file = states
                in_memory.commands.sort(key=lambda c: (c.lane, c.number, c.tag))
                in_file.commands.sort(key=lambda c: (c.lane, c.number, c.tag))
                assert in_memory == in_file
                assert len(in_file.items) == sequence - taken
        for store in stores:
            await store.release()

    trio.run(main)
