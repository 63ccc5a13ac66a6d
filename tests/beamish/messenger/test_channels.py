"""Channels: posts reach all who follow, from each client's own cursor, and cost the log nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from actors.lifecycle.start_and_end import send_kill
from beamish.messenger.channels import relay as relay_module
from beamish.messenger.ids import conversation_stream
from beamish.messenger.sessions.outbox import Outbox
from beamish.protocol import Limits
from storage import Describe
from tests.beamish.messenger.talker import Refused, Talker

SECRET = "s" * 22


class Reader(Talker):
    """A talker that follows channels from cursors of its own."""

    def __init__(self, *args, **kwargs):
        self.posts = {}
        self.amended = {}
        self.cursors = {}
        self.following = {}
        self.unfollowed = []
        super().__init__(*args, **kwargs)

    async def follow(self, *channels):
        self.following = dict.fromkeys(channels)
        wanted = [{"channel": c, "after": self.cursors.get(c, 0)} for c in channels]
        ok = await self.ask("follow", channels=wanted)
        self.following = {row["channel"]: row for row in ok["channels"]}
        return self.following

    def _item(self, item):
        if item.get("event") == "posts":
            channel = item["channel"]
            assert item["from"] == self.cursors.get(channel, 0) + 1, "a gap, or twice"
            self.cursors[channel] = item["to"]
            self.posts.setdefault(channel, []).extend(item["records"])
            changed = {record["n"]: record for record in item.get("amended", ())}
            self.amended.setdefault(channel, {}).update(changed)
        elif item.get("event") == "unfollowed":
            self.unfollowed.append((item["channel"], item["code"]))
        else:
            super()._item(item)

    def read_texts(self, channel):
        return [r["text"] for r in self.posts.get(channel, ()) if "text" in r]


async def join(world, user):
    reader = Reader(world.node, world.nursery, user)
    await reader.until(lambda: reader.ready)
    return reader


async def join_late(reader):
    """Another device of the same user."""
    other = Reader(reader.node, reader._nursery, reader.user)
    await other.until(lambda: other.ready)
    return other


async def channel_of(talker, title="News", **fields):
    ok = await talker.command("create_channel", None, tag=f"ch{title}", title=title, **fields)
    talker._numbers[ok["conversation"]] = 1
    return ok["conversation"]


async def subscribe(reader, channel, **fields):
    return await reader.command("subscribe", "@", target=channel, **fields)


@asynccontextmanager
async def staged(make_world, **settings):
    async with make_world() as world, world.running(**settings):
        alice, bob = await join(world, "alice"), await join(world, "bob")
        yield world, alice, bob


async def version_of(world, channel):
    described = await world.node.journal.perform(Describe((conversation_stream(channel),)))
    return described.streams[0].version


async def test_posts_reach_followers_and_subscribing_writes_nothing_into_the_channel(
    make_world, autojump_clock
):
    async with staged(make_world) as (world, alice, bob):
        channel = await channel_of(alice, public=True)
        await alice.send(channel, "before")
        before = await version_of(world, channel)
        await subscribe(bob, channel)
        row = (await bob.follow(channel))[channel]
        assert (row["n"], row["ordinal"], row["title"]) == (2, 1, "News")
        assert await version_of(world, channel) == before
        await bob.until(lambda: bob.read_texts(channel) == ["before"])
        await alice.send(channel, "after")
        await bob.until(lambda: bob.read_texts(channel) == ["before", "after"])
        assert channel not in bob.records  # nothing of it comes by the inbox


async def test_each_client_continues_at_its_own_cursor(make_world, autojump_clock):
    async with staged(make_world) as (world, alice, bob):
        channel = await channel_of(alice, public=True)
        await subscribe(bob, channel)
        await bob.follow(channel)
        await alice.send(channel, "one")
        await bob.until(lambda: bob.read_texts(channel) == ["one"])
        await bob.go_offline()
        for text in ("two", "three"):
            await alice.send(channel, text)
        bob.go_online()
        await bob.until(lambda: bob.ready)
        await bob.follow(channel)
        await bob.until(lambda: bob.read_texts(channel) == ["one", "two", "three"])
        other = await join(world, "carol")
        other.cursors[channel] = 3
        await other.follow(channel)
        await other.until(lambda: other.read_texts(channel) == ["three"])


async def test_a_closed_channel_is_read_by_subscribers_who_came_by_a_link(
    make_world, autojump_clock
):
    async with staged(make_world) as (_world, alice, bob):
        channel = await channel_of(alice)
        await alice.send(channel, "secret")
        for attempt in (
            bob.ask("history", conversation=channel),
            bob.ask("conversation", conversation=channel),
            subscribe(bob, channel),
            subscribe(bob, channel, link=SECRET),
        ):
            with pytest.raises(Refused, match="not_member"):
                await attempt
        assert (await bob.follow(channel))[channel] == {"channel": channel, "error": "not_member"}
        with pytest.raises(Refused, match="bad_request"):
            await alice.command("create_link", channel, link=SECRET, uses=3)
        await alice.command("create_link", channel, link=SECRET)
        seen = await bob.ask("conversation", conversation=channel, link=SECRET)
        assert (seen["title"], seen["members"], seen["kind"]) == ("News", [], "channel")
        await subscribe(bob, channel, link=SECRET)
        page = await bob.ask("history", conversation=channel)
        assert [r["type"] for r in page["records"]] == ["create", "message"]
        assert "error" not in (await bob.follow(channel))[channel]
        assert (await bob.ask("conversation", conversation=channel))["members"] == []


async def test_readers_neither_post_nor_join_nor_see_what_the_staff_does(
    make_world, autojump_clock
):
    async with staged(make_world) as (world, alice, bob):
        channel = await channel_of(alice, public=True, description="What is new")
        carol = await join(world, "carol")
        await alice.command("invite", channel, user="carol")
        await alice.command("set_role", channel, user="carol", role="admin")
        await alice.command("ban", channel, user="carol")
        await alice.command("unban", channel, user="carol")
        await alice.send(channel, "post")
        await subscribe(bob, channel)
        await bob.follow(channel)
        await bob.until(lambda: bob.read_texts(channel) == ["post"])
        assert [r["type"] for r in bob.posts[channel]] == ["create", "message"]
        page = await bob.ask("history", conversation=channel, after=1, limit=1)
        assert [r["type"] for r in page["records"]] == ["message"]
        assert not page["more"]
        page = await bob.ask("history", conversation=channel, before=6, limit=2)
        assert [r["type"] for r in page["records"]] == ["create"]
        with pytest.raises(Refused, match="not_member"):
            await bob.send(channel, "me too")
        with pytest.raises(Refused, match="forbidden"):
            await bob.command("join", channel)
        assert carol.records[channel]  # staff is told by the inbox, as members of a group are


async def test_a_banned_reader_is_cut_off_and_kept_out(make_world, autojump_clock):
    async with staged(make_world) as (_world, alice, bob):
        channel = await channel_of(alice, public=True)
        await subscribe(bob, channel)
        await bob.follow(channel)
        await alice.send(channel, "one")
        await bob.until(lambda: bob.read_texts(channel) == ["one"])
        await alice.command("ban", channel, user="bob")
        await bob.until(lambda: bob.unfollowed == [(channel, "forbidden")])
        await alice.send(channel, "two")
        with pytest.raises(Refused, match="forbidden"):
            await bob.ask("history", conversation=channel)
        with pytest.raises(Refused, match="forbidden"):
            await subscribe(bob, channel)
        assert (await bob.follow(channel))[channel]["error"] == "forbidden"
        await trio.sleep(20)
        assert bob.read_texts(channel) == ["one"]


async def test_unread_counts_posts_above_the_read_mark_for_all_devices(make_world, autojump_clock):
    async with staged(make_world) as (_world, alice, bob):
        channel = await channel_of(alice, public=True)
        await alice.send(channel, "old")
        await subscribe(bob, channel)
        sent = [await alice.send(channel, f"post {n}") for n in range(3)]
        other = await channel_of(alice, "Other")
        with pytest.raises(Refused, match="not_member"):
            await bob.ask("read", conversation=other, upto=1)
        assert await bob.ask("read", conversation=channel, upto=0) == {
            "read": 2,
            "unread": 3,
            "mentions": 0,
        }
        told = await bob.ask("read", conversation=channel, upto=sent[1]["n"])
        assert (told["read"], told["unread"]) == (sent[1]["n"], 1)
        told = await bob.ask("read", conversation=channel, upto=1)
        assert (told["read"], told["unread"]) == (sent[1]["n"], 1)  # marks never fall
        page = await bob.ask("snapshot")
        (kept,) = page["account"]["subscriptions"]
        assert kept == {"channel": channel, "since": 2, "read": sent[1]["n"], "ordinal": 3}
        items = [item for item in bob.items if item["type"] == "subscription"]
        assert [(item["on"], item["ordinal"]) for item in items] == [(True, 1), (True, 3)]
        await bob.command("unsubscribe", "@", target=channel)
        with pytest.raises(Refused, match="not_found"):
            await bob.command("unsubscribe", "@", target=channel)
        assert (await bob.ask("snapshot"))["account"]["subscriptions"] == []


async def test_subscribing_again_keeps_the_read_mark(make_world, autojump_clock):
    async with staged(make_world) as (_world, alice, bob):
        channel = await channel_of(alice, public=True)
        await subscribe(bob, channel)
        sent = await alice.send(channel, "one")
        await bob.ask("read", conversation=channel, upto=sent["n"])
        await alice.send(channel, "two")
        await subscribe(bob, channel)
        told = await bob.ask("read", conversation=channel, upto=0)
        assert (told["read"], told["unread"]) == (sent["n"], 1)


async def test_subscriptions_survive_a_restart(make_world, autojump_clock):
    async with make_world() as world:
        async with world.running():
            alice, bob = await join(world, "alice"), await join(world, "bob")
            channel = await channel_of(alice, public=True)
            await subscribe(bob, channel)
            token = bob.token
        async with world.running():
            again = Reader(world.node, world.nursery, "bob", token=token)
            await again.until(lambda: again.ready)
            (kept,) = (await again.ask("snapshot"))["account"]["subscriptions"]
            assert kept["channel"] == channel


async def test_a_lost_hint_is_made_up_for_by_a_look_at_the_journal(
    make_world, autojump_clock, monkeypatch
):
    async with staged(make_world) as (_world, alice, bob):
        channel = await channel_of(alice, public=True)
        await bob.follow(channel)
        monkeypatch.setattr(
            "beamish.messenger.conversations.conversation.Conversation._tell_relay",
            lambda _self: None,
        )
        await alice.send(channel, "unheard of")
        await bob.until(lambda: bob.read_texts(channel) == ["unheard of"])


async def test_followers_go_on_when_the_relay_was_killed(make_world, autojump_clock):
    async with staged(make_world) as (world, alice, bob):
        channel = await channel_of(alice, public=True)
        await bob.follow(channel)
        await alice.send(channel, "one")
        await bob.until(lambda: bob.read_texts(channel) == ["one"])
        for n in range(3):
            send_kill(world.node.environment.directory.find("relay", channel))
            await alice.send(channel, f"after kill {n}")
            await bob.until(lambda n=n: bob.read_texts(channel)[-1] == f"after kill {n}")
        assert len(bob.read_texts(channel)) == 4


async def test_many_posts_at_once_come_whole_and_in_order(make_world, autojump_clock):
    async with staged(make_world, outbox_bytes=4_000) as (world, alice, bob):
        channels = [await channel_of(alice, f"T{n}", public=True) for n in range(3)]
        readers = [bob, *[await join(world, f"reader{n}") for n in range(5)]]
        for reader in readers:
            await reader.follow(*channels)
        async with trio.open_nursery() as nursery:
            for n in range(150):
                for channel in channels:
                    nursery.start_soon(alice.send, channel, f"{n} {'x' * 200}")
        for reader in readers:
            for channel in channels:
                await reader.until(lambda r=reader, c=channel: len(r.read_texts(c)) == 150)
        assert len({tuple(r.read_texts(channels[0])) for r in readers}) == 1


async def test_a_relay_leaves_memory_when_nobody_follows(make_world, autojump_clock):
    async with staged(make_world) as (world, alice, bob):
        channel = await channel_of(alice, public=True)
        find = world.node.environment.directory.find
        await bob.follow(channel)
        await trio.sleep(60)
        assert find("relay", channel) is not None
        await bob.follow()
        await trio.sleep(60)
        assert find("relay", channel) is None
        await bob.follow(channel)
        await bob.go_offline()
        await trio.sleep(60)
        assert find("relay", channel) is None


async def test_a_round_is_cut_into_slices(make_world, autojump_clock, monkeypatch):
    monkeypatch.setattr(relay_module, "SLICE", 2)
    async with staged(make_world) as (world, alice, bob):
        channel = await channel_of(alice, public=True)
        readers = [bob, *[await join(world, f"reader{n}") for n in range(6)]]
        for reader in readers:
            await reader.follow(channel)
        for n in range(5):
            await alice.send(channel, f"{n}")
        for reader in readers:
            await reader.until(lambda r=reader: r.read_texts(channel) == list("01234"))


async def test_what_is_no_channel_cannot_be_followed(make_world, autojump_clock):
    async with staged(make_world) as (_world, alice, bob):
        group = await alice.create_group("G", ["bob"])
        with pytest.raises(Refused, match="bad_request"):
            await bob.ask("follow", channels=[{"channel": group, "after": 0}])
        none = "c:" + "a" * 24
        assert (await bob.follow(none))[none] == {"channel": none, "error": "not_found"}
        with pytest.raises(Refused, match="not_found"):
            await subscribe(bob, none)


async def test_followers_are_told_what_was_changed_and_read_nothing_that_was_deleted(
    make_world, autojump_clock
):
    async with staged(make_world) as (_, alice, bob):
        channel = await channel_of(alice, public=True)
        edited = (await alice.send(channel, "helo"))["n"]
        deleted = (await alice.send(channel, "oh no"))["n"]
        await bob.follow(channel)
        await bob.until(lambda: bob.read_texts(channel) == ["helo", "oh no"])
        edit = (await alice.command("edit", channel, target=edited, text="hello"))["n"]
        gone = (await alice.command("delete", channel, target=deleted))["n"]
        with pytest.raises(Refused):
            await bob.command("react", channel, target=edited, emoji="+")
        await bob.until(lambda: bob.cursors[channel] == gone)
        assert bob.amended[channel][edited]["text"] == "hello"
        assert bob.amended[channel][deleted]["deleted"] == gone
        late = await join_late(bob)
        await late.follow(channel)
        await late.until(lambda: late.cursors.get(channel) == gone)
        assert late.read_texts(channel) == ["hello"]
        told = await late.question("history", conversation=channel)
        for shown in (late.posts, late.amended, told):
            assert "oh no" not in str(shown)
        last = await late.question("history", conversation=channel, after=edit)
        assert [record["n"] for record in last["amended"]] == [deleted]


async def test_many_large_posts_come_in_events_that_fit_into_a_frame(
    make_world, autojump_clock, monkeypatch
):
    sizes = []
    put = Outbox.put
    monkeypatch.setattr(Outbox, "put", lambda box, item: (sizes.append(len(item)), put(box, item)))
    async with staged(make_world) as (_, alice, bob):
        channel = await channel_of(alice, public=True)
        for _ in range(30):
            await alice.send(channel, "\x01" * 16_384)
        await bob.follow(channel)
        await bob.until(lambda: len(bob.read_texts(channel)) == 30)
    assert max(sizes) <= Limits().server_frame_bytes
