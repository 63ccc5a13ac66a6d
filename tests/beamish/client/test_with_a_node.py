"""Clients and a node over real sockets: the promises hold through cuts and restarts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from beamish.client import (
    FOREVER,
    AuthenticationFailed,
    Blocked,
    ClientClosed,
    ConversationSettings,
    Deleted,
    Disconnected,
    Edited,
    FileStore,
    MemoryStore,
    Message,
    NotAllowed,
    NotFound,
    ProfileChanged,
    Reaction,
    Settings,
    Snapshot,
    Typing,
    open_client,
    reactions_of,
)
from beamish.gateway import GatewayConfig, open_gateway
from beamish.messenger.settings import MessengerSettings
from beamish.node import NodeConfig, open_node
from beamish.protocol import Limits
from tests.beamish.client.fake_server import until

QUICK = Settings(backoff_first=0.02, backoff_cap=0.1, ack_delay=0.02)


@asynccontextmanager
async def running(data, port=0, snapshot_every=1000, **limits):
    settings = MessengerSettings(
        registration_open=True,
        argon2_memory_kib=8,
        argon2_time=1,
        snapshot_every=snapshot_every,
        limits=Limits(**limits),
    )
    config = NodeConfig(data, settings=settings)
    async with open_node(config) as node, trio.open_nursery() as nursery:
        gateway = await open_gateway(nursery, "127.0.0.1", port, node, GatewayConfig())
        yield gateway
        await gateway.close()
        nursery.cancel_scope.cancel()


class Member:
    """A user who keeps what it is handed."""

    def __init__(self, name, seed=1, **options):
        self.name = name
        self.options = {"store": MemoryStore(), "settings": QUICK, **options}
        self.random = Random(seed)
        self.heard: dict[str, list[tuple[int, str]]] = {}
        self.events: list[object] = []

    def on_records(self, conversation, records):
        told = self.heard.setdefault(conversation, [])
        told += [(record["n"], record.get("text", record["type"])) for record in records]

    def open(self, url):
        return open_client(
            url,
            user=self.name,
            password="a good password",
            register=True,
            random=self.random,
            on_records=self.on_records,
            on_event=self.events.append,
            **self.options,
        )


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_texts_arrive_unaltered(tmp_path, codec):
    texts = ["hello", "ünïcödé 🎈", "\x00\x01\x1f\x7f", "<img onerror=alert(1)>", " ", "x" * 16384]
    async with running(tmp_path) as gateway:
        alice, bob = Member("alice", codec=codec), Member("bob", 2)
        async with alice.open(gateway.ws_url) as client, bob.open(gateway.ws_url):
            room = client.direct("bob")
            for text in texts:
                await client.send(room, text)
            for member in (alice, bob):
                await until(lambda heard=member.heard: len(heard.get(room, [])) > len(texts))
            page = await client.history(room, limit=3)
    assert [text for _, text in bob.heard[room]][1:] == texts
    assert alice.heard == bob.heard
    assert page.records[-1]["text"] == texts[-1]


async def say_and_cut(member, client, room):
    for i in range(40):
        client.send_nowait(room, f"{member.name} {i}")
        if member.random.random() < 0.3:
            client.drop_connection()
        await trio.sleep(member.random.random() * 0.01)


async def test_cut_connections_lose_double_and_reorder_nothing(tmp_path):
    members = [
        Member(f"user{i}", i, codec="json" if i % 2 else "msgpack", store=store)
        for i, store in enumerate([FileStore(tmp_path / "store"), *(MemoryStore() for _ in "1234")])
    ]
    (tmp_path / "node").mkdir()
    async with running(tmp_path / "node") as gateway, trio.open_nursery() as nursery:
        group: list[str] = []
        ready, everybody = [], trio.Event()

        async def live(member):
            async with member.open(gateway.ws_url) as client:
                ready.append(member)
                await everybody.wait()
                if member is members[0]:
                    made = await client.create_group("all", [m.name for m in members[1:]])
                    group.append(made.conversation)
                await until(lambda: group)
                await say_and_cut(member, client, group[0])
                await client.settled()
                await until(lambda: len(member.heard.get(group[0], [])) == 1 + 5 * 40)
                assert client.reconnects > 0

        for member in members:
            nursery.start_soon(live, member)
        await until(lambda: len(ready) == 5)
        everybody.set()
    log = members[0].heard[group[0]]
    assert [n for n, _ in log] == list(range(1, 202))
    for member in members:
        assert member.heard[group[0]] == log
        own = [text for _, text in log if text.startswith(f"{member.name} ")]
        assert own == [f"{member.name} {i}" for i in range(40)]


async def test_a_node_that_goes_and_comes_back_is_found_again(tmp_path):
    alice, bob = Member("alice"), Member("bob", 2)
    room = "d:alice:bob"
    async with running(tmp_path) as gateway:
        port = int(gateway.ws_url.split(":")[2].split("/")[0])
        url = gateway.ws_url
        async with bob.open(url):
            pass
    async with trio.open_nursery() as nursery:
        stop, stopped = trio.Event(), trio.Event()

        async def life():
            async with running(tmp_path, port):
                await stop.wait()
            stopped.set()

        nursery.start_soon(life)
        async with alice.open(url) as client, bob.open(url) as other:
            for i in range(20):
                await client.send(room, str(i))
            stop.set()
            await stopped.wait()
            await until(lambda: not client.connected and not other.connected)
            pending = [client.send_nowait(room, str(i)) for i in range(20, 40)]
            stop = trio.Event()
            nursery.start_soon(life)
            for p in pending:
                await p.result()
            await until(lambda: len(bob.heard.get(room, [])) == 41)
            stop.set()
    assert [text for _, text in bob.heard[room]][1:] == [str(i) for i in range(40)]
    assert alice.heard == bob.heard
    assert any(isinstance(event, Disconnected) for event in bob.events)


async def test_who_was_away_too_long_reads_on_from_history(tmp_path):
    alice, bob = Member("alice"), Member("bob", 2)
    room = "d:alice:bob"
    async with running(tmp_path, inbox=10, snapshot_every=20) as gateway:
        async with bob.open(gateway.ws_url), alice.open(gateway.ws_url) as client:
            await client.send(room, "0")
            await until(lambda: len(bob.heard.get(room, [])) == 2)
        async with alice.open(gateway.ws_url) as client:
            for i in range(1, 60):
                await client.send(room, str(i))
            async with bob.open(gateway.ws_url):
                await until(lambda: len(bob.heard[room]) >= 61)
                await client.send(room, "live")
                await until(lambda: bob.heard[room][-1][1] == "live")
    assert [n for n, _ in bob.heard[room]] == list(range(1, 63))
    assert [event.reason for event in bob.events if isinstance(event, Snapshot)] == ["too_old"]


async def test_the_newer_of_two_clients_of_one_device_lives(tmp_path):
    async with running(tmp_path) as gateway:
        alice = Member("alice")
        async with alice.open(gateway.ws_url) as older:
            twin = Member("alice", 3, token=older.token)
            async with twin.open(gateway.ws_url) as newer:
                assert isinstance(await older.wait_failed(), ClientClosed)
                assert newer.device == older.device
                assert newer.connected


async def test_marks_receipts_and_unread_counts_come_as_levels(tmp_path):
    async with running(tmp_path) as gateway:
        alice, bob = Member("alice"), Member("bob", 2)
        async with alice.open(gateway.ws_url) as client, bob.open(gateway.ws_url) as other:
            room = client.direct("bob")
            sent = await client.send(room, "read me")
            await until(lambda: room in bob.heard)
            state = await other.read(room, sent.n)
            assert (state.read, state.unread) == (sent.n, 0)
            await until(lambda: any(getattr(e, "read", 0) == sent.n for e in alice.events))
            assert (await client.marks(room, sent.n))[0]["read"] == sent.n
            with pytest.raises(NotAllowed):
                await client.send("d:bob:carol", "not mine")
            assert (await client.user_info("bob"))["display"] == "bob"
            assert [row["conversation"] for row in await client.snapshot()] == [room]


async def test_groups_links_and_the_account_work_over_sockets(tmp_path):
    async with running(tmp_path) as gateway:
        alice, bob = Member("alice"), Member("bob", 2)
        async with alice.open(gateway.ws_url) as client, bob.open(gateway.ws_url) as other:
            room = (await client.create_group("tea")).conversation
            await client.set_info(room, title="Tea", description="at four")
            await client.set_permissions(room, info="member")
            link = await client.create_link(room, uses=1)
            told = await other.conversation(room, link=link.secret)
            assert (told["title"], told["description"], told["count"]) == ("Tea", "at four", 1)
            assert (await client.conversation(room))["links"][0]["link"] == link.id
            await other.join(room, link=link.secret)
            sent = await client.send(room, "hello", mentions=["bob"], action=True)
            answer = await other.send(room, "yes?", reply=sent.n)
            await until(lambda: (answer.n, "yes?") in alice.heard[room])
            row = next(row for row in await other.snapshot() if row["conversation"] == room)
            assert (row["unread"], row["mentions"]) == (1, 1)
            assert (await other.read(room, sent.n)).mentions == 0
            await client.ban(room, "bob")
            with pytest.raises(NotAllowed):
                await other.join(room, link=link.secret)
            await client.unban(room, "bob")
            await client.revoke_link(room, link.id)
            await other.set_profile(status="at sea")
            await other.set_privacy(last_seen="nobody", read_marks=False)
            await other.set_conversation(room, archived=True, muted_until=FOREVER)
            await until(lambda: any(isinstance(e, ConversationSettings) for e in bob.events))
            account = await other.account()
            assert account[:4] == ("bob", "at sea", "nobody", False)
    assert ProfileChanged("bob", "at sea") in bob.events
    assert ConversationSettings(room, FOREVER, True, False) in bob.events
    assert bob.heard[room] == [pair for pair in alice.heard[room] if 5 <= pair[0] <= 8]


async def test_changed_messages_come_as_levels_live_late_and_from_history(tmp_path):
    store = FileStore(tmp_path / "store")
    (tmp_path / "node").mkdir()
    async with running(tmp_path / "node", inbox=10, snapshot_every=20) as gateway:
        alice, bob = Member("alice"), Member("bob", 2, store=store)
        async with alice.open(gateway.ws_url) as client:
            room = client.direct("bob")
            async with bob.open(gateway.ws_url) as other:
                sent = [await client.send(room, text) for text in ("helo", "secret", "nice")]
                await client.edit(room, sent[0].n, "hello")
                await other.react(room, sent[0].n, "👍")
                await client.delete(room, sent[1].n)
                with pytest.raises(NotAllowed):
                    await other.edit(room, sent[2].n, "not mine")
                with pytest.raises(NotFound):
                    await client.react(room, sent[1].n, "👍")
                await until(lambda: any(isinstance(e, Deleted) for e in bob.events))
                stored = {record["n"]: record for record in await store.records(room)}
                assert stored[2]["text"] == "hello"
                assert reactions_of(stored[2]) == [Reaction("bob", "👍", 6)]
                assert "text" not in stored[3]
            for i in range(30):
                await client.send(room, str(i))
            await client.edit(room, sent[2].n, "nicer")
            await client.edit(room, sent[0].n, "hello again")
            async with bob.open(gateway.ws_url):
                await until(lambda: bob.heard[room][-1][0] == 39)
                await until(lambda: sum(isinstance(e, Edited) for e in bob.events) == 3)
                stored = {record["n"]: record for record in await store.records(room)}
                page = await client.history(room, after=0, limit=200)
                assert stored == {record["n"]: record for record in page.records}
    assert [n for n, _ in bob.heard[room]] == list(range(1, 40))
    edits = [(e.n, e.text) for e in bob.events if isinstance(e, Edited)]
    assert edits == [(2, "hello"), (4, "nicer"), (2, "hello again")]


async def test_devices_blocks_presence_and_typing_work_over_sockets(tmp_path):
    async with running(tmp_path) as gateway:
        alice, bob, tablet = Member("alice"), Member("bob", 2), Member("bob", 3)
        async with (
            alice.open(gateway.ws_url) as client,
            bob.open(gateway.ws_url) as other,
        ):
            room = client.direct("bob")
            await client.send(room, "hello")
            await until(lambda: room in bob.heard)
            [seen] = await client.look(["bob"], [room])
            assert (seen.user, seen.online) == ("bob", True)
            await other.set_profile(status="at sea")
            await until(lambda: any(getattr(e, "status", "") == "at sea" for e in alice.events))
            other.typing_nowait(room)
            await until(lambda: Typing(room, "bob") in alice.events)
            async with tablet.open(gateway.ws_url) as second:
                await other.name_device(second.device, "tablet")
                assert sorted(d.name for d in await other.devices()) == ["", "tablet"]
                first = second.device
                await other.revoke_device(first)
                await until(lambda: second.device not in (None, first))
            await other.block("alice")
            with pytest.raises(NotAllowed):
                await client.send(room, "are you there?")
            await until(lambda: Blocked("alice", True) in bob.events)
            assert (await other.account()).blocks == ["alice"]
            await other.unblock("alice")
            await client.send(room, "again")
            with pytest.raises(AuthenticationFailed):
                await other.set_password("a wrong password", "another password")
            await other.set_password("a good password", "another password")
            await other.delete_account("another password")
            assert (await client.user_info("bob"))["display"] == ""


async def test_the_iterator_works_over_sockets(tmp_path):
    async with running(tmp_path) as gateway:
        alice, bob = Member("alice"), Member("bob", 2)
        async with (
            bob.open(gateway.ws_url) as other,
            open_client(
                gateway.ws_url, user="carol", password="a good password", register=True
            ) as carol,
            alice.open(gateway.ws_url) as client,
        ):
            for i in range(3):
                await client.send(client.direct("carol"), f"to carol {i}")
            texts = []
            with trio.fail_after(10):
                async for event in carol.events():
                    if isinstance(event, Message):
                        texts.append(event.text)
                    if len(texts) == 3:
                        break
            assert other.connected
    assert texts == ["to carol 0", "to carol 1", "to carol 2"]
