"""Following channels: each post once, from a cursor of the device's own."""

from __future__ import annotations

from random import Random

import pytest
import trio

from beamish.client import (
    BadRequest,
    ChannelRestarted,
    ConversationChanged,
    Edited,
    FileStore,
    Followed,
    MemoryStore,
    Message,
    Settings,
    Unfollowed,
    open_client,
)
from tests.beamish.client.fake_server import until
from tests.beamish.client.wide_server import WideServer


@pytest.fixture
def server():
    server = WideServer()
    server.add_user("alice")
    return server


class Heard:
    def __init__(self):
        self.events = []

    def on_records(self, conversation, records):
        self.events += [(conversation, record["n"], record["type"]) for record in records]

    @property
    def numbers(self):
        return [event[1] for event in self.events if type(event) is tuple]

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def heard():
    return Heard()


def alice(server, heard=None, **options):
    if heard is not None:
        options |= {"on_records": heard.on_records, "on_event": heard.events.append}
    options.setdefault("random", Random(1))
    return open_client(
        "ws://fake", user="alice", password="password", connect=server.connect, **options
    )


async def test_posts_come_from_the_given_record_on_and_go_on_as_they_come(
    server, heard, autojump_clock
):
    news = server.channel()
    for i in range(3):
        server.say(news, "editor", str(i))
    async with alice(server, heard) as client:
        client.follow_nowait({news: 2})
        await until(lambda: heard.numbers == [3, 4])
        server.say(news, "editor", "live")
        await until(lambda: heard.numbers == [3, 4, 5])
    assert heard.of(Followed) == [Followed(news, 4, 3, "News")]


async def test_the_iterator_gets_posts_as_messages_and_their_changes(server, autojump_clock):
    news = server.channel()
    async with alice(server) as client:
        client.follow_nowait({news: 0})
        server.say(news, "editor", "helo")
        server.touch(news, "editor", "edit", 2, text="hello")
        told = []
        async for event in client.events():
            if isinstance(event, (Message, Edited, ConversationChanged)):
                told.append((type(event), event.n))
            if len(told) == 2:
                break
    assert told == [(ConversationChanged, 1), (Message, 2)]


async def test_following_goes_on_after_a_cut_and_after_a_restart(
    server, heard, tmp_path, autojump_clock
):
    news = server.channel()
    path = tmp_path / "alice"
    async with alice(server, heard, store=FileStore(path)) as client:
        client.follow_nowait({news: 0})
        await until(lambda: heard.numbers == [1])
        server.cut()
        server.say(news, "editor", "while away")
        await until(lambda: heard.numbers == [1, 2])
    server.say(news, "editor", "later")
    async with alice(server, heard, store=FileStore(path), random=Random(2)) as client:
        await trio.sleep(5)
        assert heard.numbers == [1, 2]
        client.follow_nowait({news: 0})
        await until(lambda: heard.numbers == [1, 2, 3])
    assert [c["channels"][0]["after"] for c in server.commands("follow")] == [0, 1, 2]


async def test_repeated_late_and_missing_posts_lose_and_double_nothing(
    server, heard, autojump_clock
):
    news = server.channel()
    async with alice(server, heard) as client:
        client.follow_nowait({news: 0})
        await until(lambda: heard.numbers == [1])
        whole = lambda _: server.posts(news, 0)
        for mangle in (lambda e: [e, e], whole, lambda e: [], lambda e: [e]):
            server.mangle = lambda e, mangle=mangle: [e] if e["event"] != "posts" else mangle(e)
            server.say(news, "editor", "post")
            await trio.testing.wait_all_tasks_blocked()
        await until(lambda: heard.numbers == [1, 2, 3, 4, 5])
        assert client.repeats > 0


async def test_another_epoch_of_a_channel_begins_it_anew_and_says_so(
    server, heard, tmp_path, autojump_clock
):
    news = server.channel()
    store = FileStore(tmp_path / "alice")
    async with alice(server, heard, store=store) as client:
        client.follow_nowait({news: 0})
        server.say(news, "editor", "lost")
        server.say(news, "editor", "lost too")
        await until(lambda: heard.numbers == [1, 2, 3])
        server.epochs[news] = 2
        del server.conversations[news].records[1:]
        server.say(news, "editor", "after the restore")
        server.cut()
        await until(lambda: heard.numbers == [1, 2, 3, 1, 2])
        assert [record["n"] for record in await store.records(news)] == [1, 2]
        assert (await store.record(news, 2))["text"] == "after the restore"
    assert heard.of(ChannelRestarted) == [ChannelRestarted(news)]


async def test_a_channel_that_may_not_be_read_is_told_and_the_others_go_on(
    server, heard, autojump_clock
):
    news = server.channel()
    async with alice(server, heard) as client:
        client.follow_nowait({"c:none": 0, news: 0})
        await until(lambda: heard.numbers == [1])
        assert heard.of(Unfollowed) == [Unfollowed("c:none", "not_found")]
        server.connections[0].push({"event": "unfollowed", "channel": news, "code": "forbidden"})
        await until(lambda: len(heard.of(Unfollowed)) == 2)
        server.say(news, "editor", "not for alice")
        await trio.sleep(5)
    assert heard.numbers == [1]
    assert len(server.commands("follow")) == 1


async def test_a_node_that_knows_no_channels_ends_nothing_but_the_following(server, heard):
    def script(connection, item):
        if item["command"] != "follow":
            return None
        error = {"code": "unknown_command", "message": "", "retryable": False}
        return [{"id": item["id"], "error": error}]

    server.script = script
    async with alice(server, heard) as client:
        client.follow_nowait({"c:1": 0})
        await until(lambda: heard.of(Unfollowed) == [Unfollowed("c:1", "unknown_command")])
        assert client.connected


async def test_what_the_inbox_tells_the_staff_is_not_told_again_as_posts(
    server, heard, autojump_clock
):
    """A follower becomes one of the staff: the inbox tells all from then on."""
    news = server.channel()
    async with alice(server, heard) as client:
        client.follow_nowait({news: 0})
        server.say(news, "editor", "before")
        await until(lambda: heard.numbers == [1, 2])
        server.mangle = lambda event: [] if event["event"] == "posts" else [event]
        server.say(news, "editor", "missed")
        server.conversations[news].members["alice"] = "admin"
        server._append(news, {"type": "join", "by": "alice"})
        server.say(news, "editor", "by the inbox")
        await until(lambda: heard.numbers == [1, 2, 4, 5])
        server.mangle = lambda event: [event]
        server.say(news, "editor", "by both")
        await until(lambda: 3 in heard.numbers and 6 in heard.numbers)
        await trio.sleep(1)
    assert sorted(heard.numbers) == [1, 2, 3, 4, 5, 6]


async def test_who_is_full_takes_posts_when_there_is_room(server, autojump_clock):
    news = server.channel()
    async with alice(server, settings=Settings(event_limit=4), store=MemoryStore()) as client:
        client.follow_nowait({news: 0})
        for i in range(30):
            server.say(news, "editor", str(i))
            await trio.testing.wait_all_tasks_blocked()
        texts = []
        async for event in client.events():
            if isinstance(event, Message):
                texts.append(event.text)
            if len(texts) == 30:
                break
    assert texts == [str(i) for i in range(30)]


async def test_following_too_many_is_refused(server):
    async with alice(server) as client:
        with pytest.raises(BadRequest, match="at most 256 channels at a time, these are 257"):
            client.follow_nowait({f"c:{i}": 0 for i in range(257)})


async def test_a_channel_is_created_and_written_like_a_group(server):
    async with alice(server) as client:
        made = await client.create_channel("News", description="new", public=True)
        assert made.conversation.startswith("c:")
        await client.send(made.conversation, "first")
    [create] = server.commands("create_channel")
    assert (create["number"], create["title"], create["public"]) == (1, "News", True)
    assert server.commands("send")[0]["number"] == 2
