"""The session: commands, what comes, and starting from the store, against a node in memory."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from beamish.chat.commands import COMMANDS, carry_out
from beamish.chat.model import HOME
from beamish.chat.session import Session
from beamish.client import FileStore, Settings, open_client
from tests.beamish.client.fake_server import until
from tests.beamish.client.wide_server import WideServer

ROOM = "g:1"
QUICK = Settings(backoff_first=0.02, backoff_cap=0.1, ack_delay=0.02)


@pytest.fixture
def server():
    server = WideServer()
    server.add_user("alice")
    server.add_user("bob")
    server.group("alice", "bob")
    return server


@asynccontextmanager
async def chatting(server, file, seed=1):
    store = FileStore(file)
    async with (
        open_client(
            "ws://fake", user="alice", password="password", store=store, wait=False,
            connect=server.connect, random=Random(seed), settings=QUICK,
        ) as client,
        trio.open_nursery() as nursery,
    ):  # fmt: skip
        session = Session(client, store, lambda: None)
        ended = []

        async def run():
            ended.append(await session.run())

        nursery.start_soon(run)
        session.ended = ended
        yield session
        session.leave()


def said(session, where=None):
    return [notice.text for notice in (where or session.open).notices]


async def do(session, line):
    await carry_out(session, line)


async def test_what_is_said_goes_to_the_open_conversation_and_is_read_there(server, tmp_path):
    async with chatting(server, tmp_path / "alice") as session:
        await until(lambda: session.online and ROOM in session.model.conversations)
        await do(session, "/open g:1")
        session.send("hello @bob, @nobody")
        server.say(ROOM, "bob", "hi")
        await until(lambda: session.open.newest == 3)
        await until(lambda: server.commands("read"))
        assert session.open.unread == 0
        assert session.waiting() == []
        [send] = server.commands("send")
        assert (send["text"], send["mentions"]) == ("hello @bob, @nobody", ["bob"])
        assert server.looks[-1] == {"users": ["bob"], "conversations": [ROOM]}


async def test_messages_are_changed_by_number_or_the_last_one_is_meant(server, tmp_path):
    async with chatting(server, tmp_path / "alice") as session:
        await until(lambda: session.online and ROOM in session.model.conversations)
        await do(session, "/open g:1")
        session.send("frist")
        await until(lambda: session.open.newest == 2)
        server.say(ROOM, "bob", "what?")
        await until(lambda: session.open.newest == 3)
        for line in ("/edit first", "/react #2 :+1:", "/react -", "/reply nothing", "/me leaves",
                     "/reply #2 indeed"):  # fmt: skip
            await do(session, line)
        await until(lambda: session.open.newest >= 8)
        assert session.open.records[2]["text"] == "first"
        await do(session, "/delete #2")
        await until(lambda: "deleted" in session.open.records[2])
    sent = [(c["text"], c.get("reply"), c.get("action")) for c in server.commands("send")]
    assert sent == [
        ("frist", None, None),
        ("nothing", 3, None),
        ("leaves", None, True),
        ("indeed", 2, None),
    ]
    assert [(c["target"], c["emoji"]) for c in server.commands("react")] == [(2, "👍"), (3, "")]


async def test_mistakes_are_told_and_send_nothing(server, tmp_path):
    async with chatting(server, tmp_path / "alice") as session:
        await until(lambda: session.online and ROOM in session.model.conversations)
        for line in ("/nonsense", "/reply x", "/msg alice", "/open nothing", "/help nonsense"):
            await do(session, line)
        await do(session, "/open g:1")
        for line in ("/edit", "/react #x +1", "/delete #77", "/role bob", "/slow fast", "/l"):
            await do(session, line)
        home = session.model.get(HOME)
        assert said(session, home) == [
            "There is no command /nonsense: /help lists them.",
            "Open a conversation first: /msg USER, or /open NAME. Usage: /reply [#N] TEXT",
            "That is you. Usage: /msg USER [TEXT]",
            "There is none of that name. Usage: /open NAME",
            "There is no command /nonsense. Usage: /help [COMMAND]",
        ]
        assert said(session) == [
            "There is no message yet. Usage: /edit [#N] TEXT",
            "A message is a number, not #x. Usage: /react [#N] EMOJI",
            "There is no message #77 here. Usage: /delete [#N]",
            "Something is missing. Usage: /role USER ROLE",
            "The time is a number, not fast. Usage: /slow SECONDS",
            "There is no command /l: /help lists them.",
        ]
    assert {c["command"] for c in server.log} <= {
        "hello", "login", "attach", "ack", "conversation", "read", "look"
    }  # fmt: skip


async def test_a_refusal_is_told_where_it_was_asked_for(server, tmp_path):
    async with chatting(server, tmp_path / "alice") as session:
        await until(lambda: session.online)
        await do(session, "/msg nobody hello")
        await until(lambda: said(session))
        assert said(session) == ["Not sent: refused: not_found: hello"]
        session.start(carry_out, session, "/leave")
        await until(lambda: len(said(session)) == 2)
        assert said(session)[1] == "Refused: refused: not_found"


async def test_groups_channels_and_the_account_are_commands(server, tmp_path):
    async with chatting(server, tmp_path / "alice") as session:
        await until(lambda: session.online)
        await do(session, "/group Tea and cake @bob")
        group = session.open.id
        for line in ("/invite @carol", "/remove carol", "/ban carol", "/unban carol",
                     "/role bob admin", "/title Cake", "/about Good", "/slow 5", "/link 3",
                     "/unlink abc", "/mute 10", "/mute", "/archive", "/pin", "/name Al",
                     "/status at sea", "/block bob", "/unblock bob", "/devices", "/who",
                     "/leave"):  # fmt: skip
            await do(session, line)
        await do(session, "/channel News")
        await do(session, "/subscribe c:9 secret")
        await do(session, "/unsubscribe")
        await do(session, "/join g:1 secret")
        await do(session, "/help")
        await do(session, "/home")
        assert session.open.id == HOME
        names = [c["command"] for c in server.log]
        for name in ("create_group", "invite", "remove", "ban", "unban", "set_role", "set_info",
                     "set_slow_mode", "create_link", "revoke_link", "set_conversation",
                     "set_profile", "block", "unblock", "devices", "conversation", "leave",
                     "create_channel", "subscribe", "unsubscribe", "join"):  # fmt: skip
            assert name in names, name
        [made] = server.commands("create_group")
        assert (made["title"], made["members"]) == ("Tea and cake", ["bob"])
        words = "\n".join(said(session, session.model.get(group)))
        assert f"/join {group} {server.commands('create_link')[0]['link']}" in words
        assert all(f"/{name}" in "\n".join(said(session, session.model.get(ROOM)))
                   for name in COMMANDS)  # fmt: skip


async def test_a_start_without_a_node_shows_what_the_file_has_and_sends_later(server, tmp_path):
    file = tmp_path / "alice"
    async with chatting(server, file) as session:
        await until(lambda: session.online and ROOM in session.model.conversations)
        for i in range(150):
            server.say(ROOM, "bob", f"line {i}")
        server.touch(ROOM, "bob", "edit", 151, text="the last")
        server.tell("alice", {"type": "marks", "conversation": ROOM, "read": 101,
                              "delivered": 0, "unread": 50, "mentions": 0})  # fmt: skip
        await until(lambda: session.model.get(ROOM).read == 101)
    server.unreachable = True
    async with chatting(server, file, 2) as session:
        await session.loaded.wait()
        room = session.model.get(ROOM)
        assert (room.unread, room.read, session.online) == (50, 101, False)
        assert room.records[151]["text"] == "the last"
        assert not room.complete
        await do(session, "/open g:1")
        for _ in range(2):
            await session.load_older(room)
        assert room.order == list(range(1, 153))
        assert room.complete
        session.send("written on a train")
        session.start(carry_out, session, "/react +1")
        await until(lambda: "No connection: it is done when there is one." in said(session))
        assert [fields["text"] for fields in session.waiting()] == ["written on a train"]
    async with chatting(server, file, 3) as session:
        await until(lambda: ROOM in session.model.conversations)
        session.show(session.model.get(ROOM))
        assert [fields["text"] for fields in session.waiting()] == ["written on a train"]
        server.unreachable = False
        await until(lambda: session.waiting() == [] and server.has(ROOM, "written on a train"))


async def test_a_message_of_an_earlier_start_that_is_refused_is_told(server, tmp_path):
    file = tmp_path / "alice"
    async with chatting(server, file) as session:
        await until(lambda: session.online)
    server.unreachable = True
    async with chatting(server, file, 2) as session:
        await do(session, "/msg nobody hello")
        await until(lambda: session.waiting())
    server.unreachable = False
    async with chatting(server, file, 3) as session:
        room = session.model.get("d:alice:nobody")
        await until(lambda: said(session, room) == ["Not sent: refused: not_found: hello"])


async def test_subscribed_channels_are_followed_and_counted(server, tmp_path):
    news = server.channel()
    async with chatting(server, tmp_path / "alice") as session:
        await until(lambda: session.online)
        server.tell("alice", {"type": "subscription", "channel": news, "on": True, "since": 0,
                              "read": 0, "ordinal": 0})  # fmt: skip
        server.say(news, "editor", "first")
        channel = session.model.get(news)
        await until(lambda: session.model.waiting(channel) == 1)
        session.show(channel)
        await until(lambda: [c["upto"] for c in server.commands("read")] == [2])
        assert session.model.waiting(channel) == 0


async def test_a_deleted_message_is_not_unread_any_more(server, tmp_path):
    async with chatting(server, tmp_path / "alice") as session:
        await until(lambda: session.online)
        server.say(ROOM, "bob", "one")
        server.say(ROOM, "bob", "two")
        await until(lambda: session.model.get(ROOM).unread == 2)
        server.touch(ROOM, "bob", "delete", 2)
        await until(lambda: session.model.get(ROOM).unread == 1)


async def test_who_types_is_shown_for_six_seconds(server, tmp_path):
    async with chatting(server, tmp_path / "alice") as session:
        await until(lambda: session.online)
        push = server.connections[0].push
        push({"event": "typing", "conversation": ROOM, "user": "bob"})
        await until(lambda: session.model.get(ROOM).typing)


async def test_leaving_ends_the_session_and_a_void_device_is_told(server, tmp_path):
    async with chatting(server, tmp_path / "alice") as session:
        await until(lambda: session.online)
        await do(session, "/quit")
        await until(lambda: session.ended)
        assert session.ended == [None]
    async with chatting(server, tmp_path / "alice", 2) as session:
        await until(lambda: session.online)
        server.connections[0].end(4409)
        await until(lambda: session.ended)
        assert "another client uses this device" in str(session.ended[0])
