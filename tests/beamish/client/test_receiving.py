"""Updates: every visible record is handed over once, in order, and acknowledged after that."""

from __future__ import annotations

from random import Random

import pytest
import trio

from beamish.client import (
    Connected,
    ConversationChanged,
    Disconnected,
    Marks,
    MemoryStore,
    Message,
    OtherItem,
    Receipt,
    Settings,
    Snapshot,
    open_client,
)
from tests.beamish.client.fake_server import FakeServer, until

ROOM = "g:1"


@pytest.fixture
def server():
    server = FakeServer()
    server.add_user("alice")
    server.add_user("bob")
    assert server.group("alice", "bob") == ROOM
    return server


class Heard:
    """A bulk consumer that keeps what it is handed."""

    def __init__(self):
        self.records: list[tuple[str, int]] = []
        self.texts: list[str] = []
        self.events: list[object] = []

    def on_records(self, conversation, records):
        assert records
        self.records += [(conversation, record["n"]) for record in records]
        self.texts += [record["text"] for record in records if record["type"] == "message"]

    def numbers(self, conversation=ROOM):
        return [n for c, n in self.records if c == conversation]

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def heard():
    return Heard()


def alice(server, heard=None, **options):
    options.setdefault("random", Random(1))
    if heard is not None:
        options.update(on_records=heard.on_records, on_event=heard.events.append)
    return open_client(
        "ws://fake", user="alice", password="password", connect=server.connect, **options
    )


def everything(server, conversation=ROOM):
    return [record["n"] for record in server.conversations[conversation].records]


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_a_new_device_reads_its_inbox_from_the_start(server, heard, codec):
    server.say(ROOM, "bob", "before")
    async with alice(server, heard, codec=codec):
        server.say(ROOM, "bob", "after")
        await trio.testing.wait_all_tasks_blocked()
    assert heard.numbers() == [1, 2, 3]
    assert heard.texts == ["before", "after"]


async def test_the_iterator_gives_typed_events_in_order(server):
    async with alice(server) as client:
        server.say(ROOM, "bob", "hi")
        server.tell("alice", {"type": "marks", "conversation": ROOM, "read": 1, "delivered": 2,
                              "unread": 1})  # fmt: skip
        server.tell("alice", {"type": "receipt", "conversation": ROOM, "user": None,
                              "read": 1, "delivered": 2})  # fmt: skip
        server.tell("alice", {"type": "weather", "sky": "blue"})
        events = client.events()
        got = [await anext(events) for _ in range(6)]
    record = server.conversations[ROOM].records[1]
    assert got[0] == Connected("ws://fake", 0)
    assert got[1][:4] == (ROOM, 1, "create", "alice")
    assert isinstance(got[1], ConversationChanged)
    assert got[2] == Message(ROOM, 2, 1, "bob", record["at"], "hi", record)
    assert got[3] == Marks(ROOM, 1, 2, 1)
    assert got[4] == Receipt(ROOM, None, 2, 1)
    assert isinstance(got[5], OtherItem)
    assert got[5].item["sky"] == "blue"


async def test_updates_told_again_are_dropped_and_counted(server, heard):
    server.mangle = lambda event: [event, event]
    async with alice(server, heard) as client:
        server.say(ROOM, "bob", "x")
        await trio.testing.wait_all_tasks_blocked()
        assert client.repeats == 2
    assert heard.numbers() == [1, 2]


async def test_of_an_overlapping_update_only_the_new_part_is_applied(server, heard):
    def whole_inbox(event):
        user = server.users["alice"]
        return [{**event, "from": 1, "items": user.items(1, event["to"])}]

    async with alice(server, heard) as client:
        server.mangle = whole_inbox
        server.say(ROOM, "bob", "x")
        server.say(ROOM, "bob", "y")
        await trio.testing.wait_all_tasks_blocked()
        assert client.repeats == 3
    assert heard.numbers() == [1, 2, 3]


async def test_a_gap_is_fetched(server, heard):
    async with alice(server, heard) as client:
        await trio.testing.wait_all_tasks_blocked()
        server.mangle = lambda event: []
        for i in range(20):
            server.say(ROOM, "bob", str(i))
        server.mangle = lambda event: [event]
        server.say(ROOM, "bob", "last")
        await trio.testing.wait_all_tasks_blocked()
        assert heard.numbers() == everything(server)
        assert client.cursor == (1, 22)
    assert [c["from"] for c in server.commands("fetch")] == [2, 9, 16]


async def test_updates_out_of_order_are_put_right(server, heard):
    held = []

    def swap(event):
        held.append(event)
        return [] if len(held) % 2 else [held[-1], held[-2]]

    async with alice(server, heard):
        await trio.testing.wait_all_tasks_blocked()
        server.mangle = swap
        for i in range(10):
            server.say(ROOM, "bob", str(i))
        await trio.testing.wait_all_tasks_blocked()
    assert heard.numbers() == everything(server)


async def test_after_a_lost_connection_updates_go_on_at_the_cursor(server, heard, autojump_clock):
    async with alice(server, heard) as client:
        for i in range(5):
            server.say(ROOM, "bob", str(i))
            client.drop_connection()
            server.say(ROOM, "bob", f"{i} meanwhile")
            await until(lambda: client.cursor[1] == server.users["alice"].number)
        assert client.reconnects == 5
        assert client.repeats == 0
    assert heard.numbers() == everything(server)
    assert [type(e) for e in heard.events] == [Connected, *[Disconnected, Connected] * 5]


async def test_the_acknowledgement_follows_the_hand_over(server, autojump_clock):
    async with alice(server) as client:
        server.say(ROOM, "bob", "x")
        await trio.sleep(10)
        assert server.commands("ack") == []
        events = client.events()
        assert isinstance(await anext(events), Connected)
        assert (await anext(events)).n == 1
        assert (await anext(events)).n == 2
        await trio.sleep(10)
        assert [c["number"] for c in server.commands("ack")] == [1]
        with trio.move_on_after(1):
            await anext(events)
        await trio.sleep(10)
        assert [c["number"] for c in server.commands("ack")] == [1, 2]


async def test_acknowledgements_are_coalesced_and_repeated_on_a_new_connection(
    server, heard, autojump_clock
):
    async with alice(server, heard, settings=Settings(ack_delay=0.2)) as client:
        await trio.sleep(1)
        for i in range(50):
            server.say(ROOM, "bob", str(i))
            await trio.sleep(0.01)
        await trio.sleep(1)
        numbers = [c["number"] for c in server.commands("ack")]
        assert numbers[-1] == 51
        assert len(numbers) <= 5
        assert all("id" not in c for c in server.commands("ack"))
        client.drop_connection()
        await trio.sleep(1)
        assert [c["number"] for c in server.commands("ack")][-2:] == [51, 51]


async def test_a_slow_consumer_bounds_memory_and_still_gets_everything(server, autojump_clock):
    async with alice(server, settings=Settings(event_limit=10)) as client:
        await trio.testing.wait_all_tasks_blocked()
        for i in range(500):
            server.say(ROOM, "bob", str(i))
            await trio.sleep(0.01)
        assert client._core.delivery._waiting <= 11
        assert (await client.send("d:alice:bob", "replies still pass")).n == 1
        got = []
        async for event in client.events():
            if isinstance(event, (Message, ConversationChanged)) and event.conversation == ROOM:
                got.append(event.n)
            if len(got) == 501:
                break
    assert got == everything(server)


async def test_too_old_takes_a_snapshot_and_reads_what_is_lacking_from_history(
    server, heard, autojump_clock
):
    store = MemoryStore()
    other = server.group("bob", "alice")
    async with alice(server, heard, store=store):
        server.say(ROOM, "bob", "seen")
        await trio.testing.wait_all_tasks_blocked()
    for i in range(23):
        server.say(ROOM, "bob", str(i))
        server.say(other, "bob", str(i))
    server.truncate("alice", keep=3)
    async with alice(server, heard, store=store, random=Random(2)) as client:
        await until(lambda: client.cursor[1] == server.users["alice"].number)
        server.say(ROOM, "bob", "live")
        await until(lambda: heard.texts[-1] == "live")
        assert client.repeats == 0
    assert heard.numbers(ROOM) == everything(server, ROOM)
    assert heard.numbers(other) == everything(server, other)
    [snapshot] = heard.of(Snapshot)
    assert snapshot.reason == "too_old"
    assert [row["conversation"] for row in snapshot.conversations] == [ROOM, other]


async def test_a_snapshot_without_filling_leaves_history_to_the_application(
    server, heard, autojump_clock
):
    for i in range(9):
        server.say(ROOM, "bob", str(i))
    server.truncate("alice", keep=3)
    async with alice(server, heard, settings=Settings(fill_from_history=False)) as client:
        await until(lambda: client.cursor[1] == server.users["alice"].number)
        server.say(ROOM, "bob", "live")
        await until(lambda: "live" in heard.texts)
        page = await client.history(ROOM, before=11, limit=3)
        assert [r["n"] for r in page.records] == [8, 9, 10]
        assert page.more
    assert heard.numbers() == [11]


async def test_rows_of_a_snapshot_that_are_newer_than_its_cursor_tell_nothing_twice(
    server, heard, autojump_clock
):
    """Later pages are read later, so updates behind the cursor may tell again what they hold."""
    for _ in range(3):
        server.group("bob", "alice")
    for i in range(9):
        server.say("g:4", "bob", str(i))
    server.truncate("alice", keep=1)

    def script(connection, item):
        if item["command"] == "snapshot" and "after" in item:
            server.say("g:4", "bob", "between the pages")

    server.script = script
    async with alice(server, heard) as client:
        await until(lambda: client.cursor[1] == server.users["alice"].number)
        server.say("g:4", "bob", "live")
        await until(lambda: heard.texts[-1] == "live")
        assert client.repeats == 1
    assert heard.numbers("g:4") == everything(server, "g:4")


async def test_filling_goes_on_after_a_lost_connection_and_after_a_restart(
    server, heard, autojump_clock
):
    for i in range(40):
        server.say(ROOM, "bob", str(i))
    server.truncate("alice", keep=1)
    histories = []

    def script(connection, item):
        if item["command"] == "history":
            histories.append(item["after"])
            if len(histories) == 2:
                connection.end()
                return []
            if len(histories) == 5:
                server.deaf = True
        return None

    server.script = script
    store = MemoryStore()
    async with alice(server, heard, store=store):
        await until(lambda: len(histories) == 5)
    server.deaf = False
    async with alice(server, heard, store=store, random=Random(5)) as client:
        await until(lambda: client.cursor[1] == server.users["alice"].number and len(histories) > 9)
    assert heard.numbers() == everything(server)
    assert len(server.commands("snapshot")) == 1
    assert histories[:3] == [0, 5, 5]


async def test_another_epoch_starts_over_and_says_so(server, heard, autojump_clock):
    async with alice(server, heard) as client:
        server.say(ROOM, "bob", "old")
        await trio.testing.wait_all_tasks_blocked()
        server.restore("alice")
        await until(lambda: client.cursor[0] == 2)
        server.say(ROOM, "bob", "new")
        await until(lambda: heard.texts[-1] == "new")
    [snapshot] = heard.of(Snapshot)
    assert snapshot.reason == "other_epoch"
    assert heard.numbers() == [1, 2, 1, 2, 3]


async def test_an_update_of_another_epoch_is_not_applied_but_asked_about(
    server, heard, autojump_clock
):
    async with alice(server, heard) as client:
        await trio.testing.wait_all_tasks_blocked()
        stray = {"event": "updates", "epoch": 7, "from": 2, "to": 2, "items": []}
        server.connections[0].push(stray)
        await until(lambda: len(server.commands("attach")) == 2)
        server.say(ROOM, "bob", "still here")
        await until(lambda: heard.texts == ["still here"])
        assert client.cursor == (1, 2)
    assert not heard.of(Snapshot)


async def test_a_gap_that_cannot_be_fetched_any_more_leads_to_a_snapshot(
    server, heard, autojump_clock
):
    async with alice(server, heard) as client:
        await trio.testing.wait_all_tasks_blocked()
        server.mangle = lambda event: []
        for i in range(9):
            server.say(ROOM, "bob", str(i))
        server.truncate("alice", keep=2)
        server.mangle = lambda event: [event]
        server.say(ROOM, "bob", "last")
        await until(lambda: client.cursor[1] == server.users["alice"].number)
        assert [snapshot.reason for snapshot in heard.of(Snapshot)] == ["too_old"]
    assert heard.numbers() == everything(server)


async def test_a_gap_behind_which_there_is_nothing_is_forgotten(server, heard, autojump_clock):
    async with alice(server, heard) as client:
        await trio.testing.wait_all_tasks_blocked()
        phantom = {"event": "updates", "epoch": 1, "from": 9, "to": 9, "items": []}
        server.connections[0].push(phantom)
        await until(lambda: server.commands("fetch"))
        await trio.sleep(5)
        assert len(server.commands("fetch")) == 1
        assert client.cursor == (1, 1)


async def test_pages_of_a_snapshot_that_differ_in_epoch_are_read_again(
    server, heard, autojump_clock
):
    rooms = [ROOM, *(server.group("bob", "alice") for _ in range(3))]
    server.truncate("alice", keep=1)
    changes = []

    def script(connection, item):
        if item["command"] == "snapshot" and "after" in item and not changes:
            changes.append(item)
            server.users["alice"].epoch = 5

    server.script = script
    async with alice(server, heard) as client:
        await until(lambda: client.cursor[0] == 5)
        assert [row["conversation"] for row in await client.snapshot()] == rooms
        await until(lambda: all(heard.numbers(room) for room in rooms))
    assert len(heard.of(Snapshot)) == 1


async def test_history_that_is_refused_for_good_is_left_out(server, heard, autojump_clock):
    other = server.group("bob", "alice")
    server.truncate("alice", keep=0)

    def script(connection, item):
        if item["command"] == "history" and item["conversation"] == ROOM:
            error = {"code": "not_member", "message": "", "retryable": False}
            return [{"id": item["id"], "error": error}]
        return None

    server.script = script
    async with alice(server, heard) as client:
        await until(lambda: client.cursor[1] == server.users["alice"].number)
        server.say(ROOM, "bob", "after")
        await until(lambda: heard.texts == ["after"])
    assert heard.numbers(other) == [1]
    assert heard.numbers(ROOM) == [2]


async def test_no_number_of_another_epoch_is_acknowledged(server, autojump_clock):
    async with alice(server) as client:
        for i in range(5):
            server.say(ROOM, "bob", str(i))
        await trio.testing.wait_all_tasks_blocked()
        server.restore("alice")
        await until(lambda: client.cursor[0] == 2)
        events = client.events()
        for _ in range(7):
            await anext(events)
        await trio.sleep(5)
        assert server.commands("ack") == []
        while not isinstance(await anext(events), Snapshot):
            pass
        for _ in range(6):
            last = await anext(events)
        assert last.n == 6
        with trio.move_on_after(5):
            await anext(events)
        assert [c["number"] for c in server.commands("ack")] == [1]


async def test_a_cursor_ahead_of_the_inbox_starts_over(server, heard, autojump_clock):
    store = MemoryStore()
    async with alice(server, heard, store=store):
        server.say(ROOM, "bob", "x")
        await trio.testing.wait_all_tasks_blocked()
    server.users["alice"].inbox.pop()
    async with alice(server, heard, store=store, random=Random(3)):
        await until(lambda: heard.of(Snapshot))
    assert heard.of(Snapshot)[0].reason == "ahead"


async def test_what_was_stored_and_not_taken_is_handed_to_the_next_client(server):
    store = MemoryStore()
    async with alice(server, store=store) as client:
        server.say(ROOM, "bob", "x")
        server.say(ROOM, "bob", "y")
        await trio.testing.wait_all_tasks_blocked()
        events = client.events()
        assert isinstance(await anext(events), Connected)
        assert (await anext(events)).n == 1
        assert (await anext(events)).n == 2  # handed out, and never asked for what follows
    async with alice(server, store=store, random=Random(2)) as client:
        events = client.events()
        assert (await anext(events)).n == 2
        assert (await anext(events)).n == 3


async def test_a_crash_of_the_hook_ends_the_client_as_itself(server):
    def crash(conversation, records):
        raise RuntimeError("the application's own bug")

    with pytest.raises(RuntimeError, match="own bug"):
        async with alice(server, on_records=crash):
            await trio.sleep_forever()


async def test_there_is_one_iterator_and_none_beside_the_hook(server, heard):
    async with alice(server, heard) as client:
        with pytest.raises(RuntimeError, match="on_records"):
            await anext(client.events())
    async with alice(server, random=Random(2)) as client, trio.open_nursery() as nursery:
        events = client.events()
        for _ in range(2):
            await anext(events)
        nursery.start_soon(anext, events)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="another task"):
            await anext(client.events())
        nursery.cancel_scope.cancel()


async def test_the_iterator_ends_with_the_client(server):
    async with alice(server) as client:
        pass
    assert {type(e) async for e in client.events()} == {Connected, ConversationChanged}
