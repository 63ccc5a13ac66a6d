"""Messages that are edited, reacted to and deleted: told as levels, no message twice."""

from __future__ import annotations

from random import Random

import pytest
import trio

from beamish.client import (
    BadRequest,
    Changed,
    Deleted,
    Edited,
    FileStore,
    MemoryStore,
    Message,
    Reacted,
    Reaction,
    Withheld,
    event_of,
    open_client,
)
from beamish.client.telling import events_of_records
from tests.beamish.client.fake_server import until
from tests.beamish.client.wide_server import WideServer

ROOM = "g:1"


@pytest.fixture
def server():
    server = WideServer()
    server.add_user("alice")
    server.add_user("bob")
    server.group("alice", "bob")
    return server


def alice(server, **options):
    options.setdefault("random", Random(1))
    return open_client(
        "ws://fake", user="alice", password="password", connect=server.connect, **options
    )


async def take(client, kind, count=1):
    """The next `count` events of these kinds."""
    found = []
    async for event in client.events():
        if isinstance(event, kind):
            found.append(event)
            if len(found) == count:
                return found
    return found


async def test_edit_delete_and_react_name_the_message_and_wait_for_the_disk(server):
    async with alice(server) as client:
        sent = await client.send(ROOM, "helo")
        edited = await client.edit(ROOM, sent.n, "hello", mentions=["bob"])
        assert edited == Changed(ROOM, 3, server.now)
        assert (await client.react(ROOM, sent.n, "👍")).n == 4
        assert (await client.delete_nowait(ROOM, sent.n).result()).n == 5
    [edit] = server.commands("edit")
    told = {k: edit[k] for k in ("target", "text", "mentions", "number")}
    assert told == {"target": 2, "text": "hello", "mentions": ["bob"], "number": 2}
    assert server.commands("react")[0]["emoji"] == "👍"


async def test_an_edit_without_a_text_is_refused_before_it_is_numbered(server):
    async with alice(server) as client:
        with pytest.raises(BadRequest, match="at least one character"):
            await client.edit(ROOM, 2, "")
    assert server.commands("edit") == []


async def test_what_becomes_of_a_message_is_told_by_its_number(server):
    async with alice(server) as client:
        said = server.say(ROOM, "bob", "helo")
        [message] = await take(client, Message)
        assert (message.n, message.text, message.reactions) == (said["n"], "helo", [])
        server.touch(ROOM, "bob", "edit", said["n"], text="hello")
        server.touch(ROOM, "alice", "react", said["n"], emoji="👍")
        server.touch(ROOM, "bob", "delete", said["n"])
        edited, reacted, deleted = await take(client, (Edited, Reacted, Deleted), 3)
    assert (edited.n, edited.by, edited.text) == (2, "bob", "hello")
    assert (reacted.n, reacted.reactions) == (2, [Reaction("alice", "👍", 4)])
    assert (deleted.n, deleted.deleted_by) == (2, "bob")
    assert "text" not in deleted.record


async def test_the_bulk_hook_gets_each_record_once_and_changes_as_events(server, autojump_clock):
    records, events = [], []
    async with alice(
        server, on_records=lambda _, told: records.extend(told), on_event=events.append
    ):
        server.say(ROOM, "bob", "helo")
        await until(lambda: len(records) == 2)
        server.touch(ROOM, "bob", "edit", 2, text="hello")
        await until(lambda: len(records) == 3)
    assert [record["n"] for record in records] == [1, 2, 3]
    assert [event.text for event in events if isinstance(event, Edited)] == ["hello"]


async def test_a_message_that_was_touched_before_it_came_is_handed_over_as_it_is(server):
    server.say(ROOM, "bob", "helo")
    server.say(ROOM, "bob", "secret")
    server.touch(ROOM, "bob", "edit", 2, text="hello")
    server.touch(ROOM, "bob", "delete", 3)
    async with alice(server) as client:
        first, second = await take(client, (Message, Deleted, Edited), 2)
    assert (first.n, first.text, type(first)) == (2, "hello", Message)
    assert (second.n, type(second)) == (3, Deleted)


def record(n, **fields):
    return {"n": n, "type": "message", "by": "bob", "at": 5, "ordinal": n, **fields}


def touch(n, kind, target):
    return {"n": n, "type": kind, "by": "bob", "at": 6, "target": target}


def item(*records, amended=()):
    return {
        "type": "records", "conversation": ROOM, "records": records, "amended": list(amended)
    }  # fmt: skip


def test_a_text_that_may_not_be_seen_is_withheld():
    assert event_of(ROOM, record(2, withheld=True)) == Withheld(
        ROOM, 2, 2, "bob", 5, record(2, withheld=True)
    )


def test_several_touches_of_a_kind_are_one_event_where_the_first_of_them_stands():
    now = record(2, text="c", rev=6, reactions=[["bob", "👍", 5]])
    events = events_of_records(
        item(
            touch(3, "edit", 2), touch(4, "edit", 2), touch(5, "react", 2), touch(6, "edit", 2),
            amended=[now],
        )
    )  # fmt: skip
    assert [(type(event), event.n) for event in events] == [(Edited, 2), (Reacted, 2)]


def test_touches_of_what_is_not_seen_or_still_withheld_tell_nothing():
    assert events_of_records(item(touch(3, "edit", 1))) == []
    withheld = record(2, withheld=True)
    assert events_of_records(item(touch(3, "edit", 2), amended=[withheld])) == []


def test_a_deletion_that_came_before_its_touch_is_a_deletion():
    gone = record(2, rev=9, deleted=9, deleted_by="bob")
    [event] = events_of_records(item(touch(3, "edit", 2), touch(4, "react", 2), amended=[gone]))
    assert isinstance(event, Deleted)


async def test_history_tells_what_its_touches_changed(server):
    server.say(ROOM, "bob", "helo")
    server.touch(ROOM, "bob", "edit", 2, text="hello")
    async with alice(server) as client:
        page = await client.history(ROOM, after=2)
        assert [record["type"] for record in page.records] == ["edit"]
        assert [(record["n"], record["text"]) for record in page.amended] == [(2, "hello")]
        assert (await client.history(ROOM)).amended == []


async def test_filling_from_history_tells_changes_of_what_this_device_has(server, autojump_clock):
    store = MemoryStore()
    async with alice(server, store=store) as client:
        server.say(ROOM, "bob", "helo")
        await take(client, Message)
        with trio.move_on_after(1):
            await anext(client.events())
    server.say(ROOM, "bob", "more")
    server.touch(ROOM, "bob", "edit", 2, text="hello")
    server.truncate("alice", keep=0)
    async with alice(server, store=store, random=Random(2)) as client:
        more, edited = await take(client, (Message, Edited), 2)
    assert (more.text, edited.n, edited.text) == ("more", 2, "hello")


async def test_the_file_keeps_messages_as_they_are_now(server, tmp_path, autojump_clock):
    store = FileStore(tmp_path / "alice")
    async with alice(server, store=store) as client:
        server.say(ROOM, "bob", "first wording")
        server.say(ROOM, "bob", "soon to be gone")
        await take(client, Message, 2)
        server.touch(ROOM, "bob", "edit", 2, text="second wording")
        server.touch(ROOM, "bob", "delete", 3)
        await take(client, Deleted)
        stored = await store.records(ROOM)
        assert [record.get("text") for record in stored[1:3]] == ["second wording", None]
        assert [record["n"] for record in await store.records(ROOM, before=4, limit=2)] == [2, 3]
        assert (await store.record(ROOM, 3))["deleted_by"] == "bob"
        assert await store.record(ROOM, 9) is None
    assert b"soon to be gone" not in (tmp_path / "alice").read_bytes()


async def test_an_older_state_of_a_record_takes_the_place_of_no_newer_one(tmp_path):
    from beamish.client import Batch

    store = FileStore(tmp_path / "alice")
    await store.load()
    older, newer = record(2, text="a"), record(2, text="b", rev=3)
    for sequence, amended in enumerate([older, newer, older], 1):
        told = item(touch(3, "edit", 2), amended=[amended])
        await store.commit(Batch(cursor=(1, sequence), items=[told], sequence=sequence))
    assert (await store.record(ROOM, 2))["text"] == "b"
    await store.release()
