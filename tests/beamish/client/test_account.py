"""The account's lane, devices, and what a client says by the way."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from random import Random

import pytest
import trio

from beamish.client import (
    FOREVER,
    Account,
    AuthenticationFailed,
    Blocked,
    ClientClosed,
    ConversationSettings,
    Device,
    FileStore,
    MemoryStore,
    NotAllowed,
    OtherItem,
    Presence,
    PrivacyChanged,
    ProfileChanged,
    Snapshot,
    Subscription,
    Typing,
    open_client,
)
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
    options.setdefault("password", "password")
    return open_client("ws://fake", user="alice", connect=server.connect, **options)


async def test_changes_of_the_account_are_numbered_in_a_lane_of_their_own(server):
    async with alice(server) as client:
        await client.set_profile(status="at sea")
        await client.set_privacy(last_seen="nobody", read_marks=False)
        await client.set_conversation(ROOM, muted_until=FOREVER, pinned=True)
        await client.block("bob")
        await client.unblock("bob")
        await client.subscribe("c:1", link="secret")
        await client.unsubscribe_nowait("c:1").result()
        await client.send(ROOM, "x")
    lane = [item for item in server.log if item.get("conversation") == "@"]
    assert [item["number"] for item in lane] == [1, 2, 3, 4, 5, 6, 7]
    fields = [
        {k: v for k, v in item.items() if k not in ("id", "conversation", "number", "tag")}
        for item in lane
    ]
    assert fields == [
        {"command": "set_profile", "status": "at sea"},
        {"command": "set_privacy", "last_seen": "nobody", "read_marks": False},
        {"command": "set_conversation", "target": ROOM, "muted_until": FOREVER, "pinned": True},
        {"command": "block", "user": "bob"},
        {"command": "unblock", "user": "bob"},
        {"command": "subscribe", "target": "c:1", "link": "secret"},
        {"command": "unsubscribe", "target": "c:1"},
    ]


async def test_commands_of_groups_carry_what_is_given_and_nothing_else(server):
    async with alice(server) as client:
        pending = [
            client.set_info_nowait(ROOM, title="Tea", description=""),
            client.set_permissions_nowait(ROOM, post="admin"),
            client.set_slow_mode_nowait(ROOM, 60),
            client.ban_nowait(ROOM, "carol"),
            client.unban_nowait(ROOM, "carol"),
            client.revoke_link_nowait(ROOM, "id"),
            client.join_nowait(ROOM, link="secret"),
        ]
        for command in pending:
            await command.result()
    meta = ("id", "command", "conversation", "number", "tag")
    sent = [
        (item["command"], {k: v for k, v in item.items() if k not in meta})
        for item in server.log
        if item.get("conversation") == ROOM
    ]
    assert sent == [
        ("set_info", {"title": "Tea", "description": ""}),
        ("set_permissions", {"post": "admin"}),
        ("set_slow_mode", {"seconds": 60}),
        ("ban", {"user": "carol"}),
        ("unban", {"user": "carol"}),
        ("revoke_link", {"link": "id"}),
        ("join", {"link": "secret"}),
    ]


async def test_the_secret_of_a_link_is_drawn_here_and_its_id_follows_from_it(server):
    async with alice(server) as client:
        link = await client.create_link(ROOM, uses=3)
        again = await client.create_link(ROOM)
    assert len(link.secret) == 32
    assert link.secret != again.secret
    digest = hashlib.sha256(link.secret.encode()).digest()
    assert link.id == urlsafe_b64encode(digest).decode()[:16]
    first, second = server.commands("create_link")
    assert (first["link"], first["uses"]) == (link.secret, 3)
    assert "uses" not in second


async def test_a_link_that_an_earlier_program_asked_for_is_answered_as_one(server, autojump_clock):
    store = MemoryStore()
    async with alice(server, store=store) as client:
        server.deaf = True
        client.create_link_nowait(ROOM)
        await trio.testing.wait_all_tasks_blocked()
        server.cut()
    server.deaf = False
    async with alice(server, store=store, random=Random(2)) as client:
        await client.settled()
    assert len(server.commands("create_link")) == 1


async def test_items_of_the_account_are_events(server, autojump_clock):
    events = []
    async with alice(server, on_records=lambda *_: None, on_event=events.append):
        for item in (
            {"type": "profile", "display": "Alice", "status": "at sea"},
            {"type": "privacy", "last_seen": "shared", "read_marks": True},
            {"type": "settings", "conversation": ROOM, "muted_until": 0, "archived": True,
             "pinned": False},
            {"type": "block", "user": "bob", "on": True},
            {"type": "subscription", "channel": "c:1", "on": True, "since": 3, "read": 4,
             "ordinal": 2},
            {"type": "subscription", "channel": "c:1", "on": False},
            {"type": "later", "x": 1},
        ):  # fmt: skip
            server.tell("alice", item)
        await until(lambda: any(isinstance(event, OtherItem) for event in events))
    assert events[1:-1] == [
        ProfileChanged("Alice", "at sea"),
        PrivacyChanged("shared", True),
        ConversationSettings(ROOM, 0, True, False),
        Blocked("bob", True),
        Subscription("c:1", True, 3, 4, 2),
        Subscription("c:1", False, 0, 0, 0),
    ]


async def test_the_account_is_asked_for_and_comes_with_a_snapshot(server, autojump_clock):
    privacy = {"last_seen": "nobody", "read_marks": False}
    server.account = {"display": "Al", "status": "x", "privacy": privacy, "blocks": ["bob"]}
    server.truncate("alice", keep=0)
    events = []
    async with alice(server, on_records=lambda *_: None, on_event=events.append) as client:
        assert await client.account() == Account("Al", "x", "nobody", False, ["bob"], [])
        await until(lambda: any(isinstance(event, Snapshot) for event in events))
    [snapshot] = [event for event in events if isinstance(event, Snapshot)]
    assert snapshot.account == server.account


async def test_the_file_keeps_the_newest_of_each_level(server, tmp_path, autojump_clock):
    store = FileStore(tmp_path / "alice")
    async with alice(server, store=store) as client:
        for read in (1, 2):
            server.tell("alice", {"type": "marks", "conversation": ROOM, "read": read,
                                  "delivered": 2, "unread": 0})  # fmt: skip
        server.tell("alice", {"type": "receipt", "conversation": ROOM, "user": None,
                              "delivered": 1, "read": 1})  # fmt: skip
        await until(lambda: client.cursor[1] == server.users["alice"].number)
        assert [item["read"] for item in (await store.levels("marks")).values()] == [2]
        assert list(await store.levels("receipt")) == [f"{ROOM} "]
        server.truncate("alice", keep=0)
        server.cut()
        server.tell("alice", {"type": "profile", "display": "A", "status": ""})
        server.truncate("alice", keep=0)
        await until(lambda: client.reconnects and client.cursor[1] == server.users["alice"].number)
        assert await store.levels("marks") == {}
        assert list(await store.levels("row")) == [ROOM]
        assert await store.levels("account") == {"": server.account}


async def test_a_file_of_the_format_before_is_taken_over(server, tmp_path, autojump_clock):
    import sqlite3

    path = tmp_path / "alice"
    async with alice(server, store=FileStore(path)) as client:
        device = client.device
        await until(lambda: client.cursor[1] == 1)
    with sqlite3.connect(path) as database:
        for statement in (
            "DROP TABLE levels", "DROP TABLE following", "ALTER TABLE records DROP COLUMN rev",
            "PRAGMA user_version = 1",
        ):  # fmt: skip
            database.execute(statement)
    database.close()
    store = FileStore(path)
    async with alice(server, store=store, random=Random(2)) as client:
        assert client.device == device
        assert [record["n"] for record in await store.records(ROOM)] == [1]
        assert await store.levels("marks") == {}


async def test_devices_are_listed_named_and_revoked(server):
    async with alice(server) as first, alice(server, random=Random(2)) as client:
        assert await client.devices() == [
            Device(first.device, "", 1, 2, True, False),
            Device(client.device, "", 1, 2, True, True),
        ]
        await client.name_device(first.device, "tablet")
        await client.revoke_device(first.device)
        assert [row.device for row in await client.devices()] == [client.device]
        assert server.commands("name_device")[0]["name"] == "tablet"


async def test_revoking_the_own_device_ends_the_client(server):
    store = MemoryStore()
    async with alice(server, store=store) as client:
        await client.revoke_device(client.device)
        assert isinstance(client.failure, ClientClosed)
    assert (await store.load()).identity is None


async def test_a_new_password_is_the_one_to_log_in_with_from_then_on(server, autojump_clock):
    async with alice(server) as client:
        with pytest.raises(AuthenticationFailed):
            await client.set_password("wrong", "another one")
        await client.set_password("password", "another one")
        server.devices.clear()
        server.cut()
        await until(lambda: client.reconnects == 1)
    assert server.commands("login")[-1]["password"] == "another one"
    assert server.commands("set_password")[-1]["logout_others"] is True


@pytest.mark.parametrize(
    ("leave", "why"),
    [
        (lambda client: client.logout_everywhere(except_this=False), "all devices"),
        (lambda client: client.delete_account("password"), "the account was deleted"),
    ],
)
async def test_leaving_for_good_ends_the_client_and_empties_the_store(server, leave, why):
    store = MemoryStore()
    async with alice(server, store=store) as client:
        await client.logout_everywhere()
        assert client.failure is None
        await leave(client)
        with pytest.raises(ClientClosed, match=why):
            await client.send(ROOM, "x")
    assert (await store.load()).identity is None


async def test_a_disabled_account_ends_the_client_and_keeps_its_token(server, autojump_clock):
    store = MemoryStore()

    def script(connection, item):
        if item["command"] != "resume":
            return None
        error = {"code": "forbidden", "message": "disabled", "retryable": False}
        return [{"id": item["id"], "error": error}]

    async with alice(server, store=store) as client:
        device = client.device
        server.script = script
        server.cut(4401)
        assert isinstance(await client.wait_failed(), NotAllowed)
    server.script = lambda *_: None
    async with alice(server, store=store, random=Random(2)) as client:
        assert client.device == device
    assert len(server.commands("login")) == 1


async def test_a_long_wait_of_one_conversation_holds_up_no_other(server, autojump_clock):
    """Slow mode refuses with the time of a day; a pace of the connection holds everything."""
    slow = []

    def script(connection, item):
        if item["command"] != "send" or item["conversation"] != ROOM or slow:
            return None
        slow.append(item)
        error = {
            "code": "rate_limited", "message": "", "retryable": True, "retry_after_ms": 60_000
        }  # fmt: skip
        return [{"id": item["id"], "error": error}]

    server.script = script
    async with alice(server) as client:
        waiting = client.send_nowait(ROOM, "slow")
        await until(lambda: slow)
        with trio.fail_after(5):
            await client.send("d:alice:bob", "quick")
        assert not waiting.done
        await waiting.result()
        assert trio.current_time() >= 60


async def test_looking_tells_who_is_there_and_what_changes(server, autojump_clock):
    events = []
    async with alice(server, on_records=lambda *_: None, on_event=events.append) as client:
        [bob] = await client.look(["bob"], [ROOM])
        assert bob == Presence("bob", True, None, "Bob", "at sea")
        gone = {**server.presence("bob", online=False), "last_seen": 5}
        server.connections[0].push({"event": "presence", "users": [gone]})
        server.connections[0].push({"event": "typing", "conversation": ROOM, "user": "bob"})
        await until(lambda: len(events) == 3)
    assert events[1:] == [Presence("bob", False, 5, "Bob", "at sea"), Typing(ROOM, "bob")]


async def test_what_is_on_screen_is_said_again_in_time_and_on_each_connection(
    server, autojump_clock
):
    async with alice(server) as client:
        await client.look(["bob"])
        await trio.sleep(100)
        assert len(server.looks) == 3
        server.cut()
        await until(lambda: client.reconnects == 1 and len(server.looks) == 4)
        client.look_nowait()
        await until(lambda: len(server.looks) == 5)
        await trio.sleep(200)
        server.cut()
        await until(lambda: client.reconnects == 2)
        await trio.sleep(100)
    assert server.looks == [{"users": ["bob"], "conversations": []}] * 4 + [
        {"users": [], "conversations": []}
    ]


async def test_typing_is_said_at_most_every_four_seconds_and_only_when_connected(
    server, autojump_clock
):
    async with alice(server) as client:
        for _ in range(90):
            client.typing_nowait(ROOM)
            await trio.sleep(0.1)
        assert len(server.commands("typing")) == 3
        server.unreachable = True
        server.cut()
        await until(lambda: not client.connected)
        client.typing_nowait(ROOM)
        server.unreachable = False
        await until(lambda: client.connected)
        await trio.sleep(1)
        assert len(server.commands("typing")) == 3
        client.typing_nowait("d:alice:bob")
        await until(lambda: len(server.commands("typing")) == 4)
    assert "id" not in server.commands("typing")[0]
