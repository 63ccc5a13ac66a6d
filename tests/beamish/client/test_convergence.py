"""Whatever happens in between, in the end client and node agree: nothing lost, twice or astray.

Random histories of sending, speaking elsewhere, cut connections, lost frames, refusals, repeated,
late and missing updates, forgotten inboxes, revoked devices, restarts and crashes of the client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from beamish.client import (
    Batch,
    ClientClosed,
    ConversationChanged,
    Deleted,
    Edited,
    MemoryStore,
    Message,
    NotAllowed,
    OutboxFull,
    OutcomeUnknown,
    PendingCommand,
    Reacted,
    Settings,
    open_client,
)
from tests.beamish.client.fake_server import Item, until
from tests.beamish.client.wide_server import TOUCHES, WideServer
from tests.examples import examples

ROOMS = ["g:1", "d:alice:bob"]
rooms = st.sampled_from(ROOMS)
few = st.integers(1, 6)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), rooms, few),
        st.tuples(st.just("send"), rooms, st.just(40)),
        st.tuples(st.just("say"), rooms, few),
        st.tuples(st.just("touch"), rooms, st.sampled_from(TOUCHES), few),
        st.tuples(st.just("cut"), st.sampled_from([None, 1001, 4410])),
        st.tuples(st.just("lose_commands"), rooms, few),
        st.tuples(st.just("lose_answers"), rooms, few),
        st.tuples(
            st.just("refuse"), st.integers(0, 5), st.sampled_from(["busy", "internal", "final"])
        ),
        st.tuples(st.just("mangle"), st.sampled_from(["drop", "double", "late", "whole"])),
        st.tuples(st.just("fall_behind"), st.integers(0, 3), few),
        st.tuples(st.just("chatter"), few),
        st.tuples(st.just("revoke")),
        st.tuples(st.just("settle")),
        st.tuples(st.just("restart"), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 0.3, 40.0])),
    ),
    min_size=10,  # short stories, of which hypothesis likes to make most, meet nothing
    max_size=30,
)


class MortalStore(MemoryStore):
    """A store whose process can die: what it commits from then on never happened."""

    dead = False

    async def commit(self, batch: Batch) -> None:
        if not self.dead:
            await super().commit(batch)

    def taken(self, sequence: int) -> None:
        if not self.dead:
            super().taken(sequence)


@dataclass
class Said:
    """What the application knows of a message that it sent."""

    text: str
    pending: PendingCommand
    orphaned: bool = False

    @property
    def must_be_there(self) -> bool:
        return self.pending.done and self.pending.error is None

    @property
    def must_be_absent(self) -> bool:
        return isinstance(self.pending.error, NotAllowed)


@dataclass
class Story:
    iterate: bool
    codec: str
    server: WideServer = field(default_factory=WideServer)
    store: MortalStore = field(default_factory=MortalStore)
    heard: dict[str, list[int]] = field(default_factory=lambda: {room: [] for room in ROOMS})
    copies: dict[str, dict[int, Item]] = field(default_factory=lambda: {r: {} for r in ROOMS})
    said: dict[str, list[Said]] = field(default_factory=lambda: {room: [] for room in ROOMS})
    refusals: dict[int, str] = field(default_factory=dict)
    mangles: list[str] = field(default_factory=list)
    chatter: int = 0
    count: int = 0

    # -- faults ---------------------------------------------------------------------------------

    def script(self, connection, item: Item) -> list[Item] | None:
        if item["command"] in ("snapshot", "history", "fetch") and self.chatter:
            self.chatter -= 1
            for room in ROOMS:
                self.server.say(room, "bob", "in between")
        if item["command"] != "send":
            return None
        self.refusals = {left - 1: kind for left, kind in self.refusals.items()}
        kind = self.refusals.pop(-1, None)
        if kind is None:
            return None
        if kind == "final":
            known = self.server.conversations[item["conversation"]].results
            if item["tag"] in known.get(connection.device, {}):
                return None  # a node looks up what is done before it refuses
            error = {"code": "forbidden", "message": "", "retryable": False}
        elif kind == "internal":
            self.server._carry_out_quietly(connection, item)
            error = {"code": "internal", "message": "", "retryable": True}
        else:
            error = {"code": "overloaded", "message": "", "retryable": True, "retry_after_ms": 700}
        return [{"id": item["id"], "error": error}]

    def mangle(self, event: Item) -> list[Item]:
        kind = self.mangles.pop() if self.mangles else None
        user = self.server.users["alice"]
        if kind == "drop":
            return []
        if kind == "double":
            return [event, event]
        if kind == "late" and event["from"] - 2 > user.base:
            first = event["from"] - 2
            return [event, self.server._updates(user, first, first)]
        if kind == "whole":
            return [self.server._updates(user, user.base + 1, event["to"])]
        return [event]

    # -- the application ------------------------------------------------------------------------

    def on_records(self, conversation: str, records: list[Item]) -> None:
        if not self.store.dead:
            self.heard[conversation] += [record["n"] for record in records]
            self.copy(conversation, records)

    def on_event(self, event: object) -> None:
        if isinstance(event, (Edited, Reacted, Deleted)) and not self.store.dead:
            self.copy(event.conversation, [event.record])

    def copy(self, conversation: str, records: list[Item]) -> None:
        """Keep records by the rule of the protocol: the higher revision holds."""
        copies = self.copies[conversation]
        for record in records:
            known = copies.get(record["n"])
            if known is None or record.get("rev", 0) > known.get("rev", 0):
                copies[record["n"]] = record

    async def consume(self, client) -> None:
        async for event in client.events():
            told = self.copies.get(getattr(event, "conversation", ""), {})
            first = isinstance(event, Deleted) and event.n not in told
            if first or isinstance(event, (Message, ConversationChanged)):
                self.on_records(event.conversation, [event.record])
            self.on_event(event)
            await trio.sleep(0.001)

    def send(self, client, room: str, how_many: int) -> None:
        for _ in range(how_many):
            self.count += 1
            try:
                pending = client.send_nowait(room, str(self.count))
            except OutboxFull:
                return
            self.said[room].append(Said(str(self.count), pending))

    async def play(self, story: list[tuple]) -> None:
        self.server.limits["snapshot_rows"] = 1
        self.server.add_user("alice")
        self.server.add_user("bob")
        self.server.group("bob", "alice")
        self.server.conversations[ROOMS[1]] = type(self.server.conversations["g:1"])(
            ["alice", "bob"]
        )
        self.server.script, self.server.mangle = self.script, self.mangle
        story = list(story)
        life = 0
        while True:
            life += 1
            async with (
                trio.open_nursery() as nursery,
                open_client(
                    ["ws://a", "ws://b"],
                    user="alice",
                    password="password",
                    connect=self.server.connect,
                    store=self.store,
                    random=Random(life),
                    codec=self.codec,
                    on_records=None if self.iterate else self.on_records,
                    on_event=None if self.iterate else self.on_event,
                    settings=Settings(event_limit=8),
                    wait=life % 2 == 0,
                ) as client,
            ):
                if self.iterate:
                    nursery.start_soon(self.consume, client)
                while story:
                    step = story.pop(0)
                    if step[0] == "restart":
                        self.store.dead = step[1]
                        break
                    await self.take(client, step)
                else:
                    await self.finish(client)
                    return
                nursery.cancel_scope.cancel()
            self.store.dead = False

    async def take(self, client, step: tuple) -> None:
        match step:
            case ("send", room, how_many):
                self.send(client, room, how_many)
            case ("say", room, how_many):
                for _ in range(how_many):
                    self.server.say(room, "bob", "bob's")
            case ("touch", room, kind, back):
                messages = [
                    record["n"]
                    for record in self.server.conversations[room].records
                    if "text" in record and record["by"] == "bob"
                ]
                if messages:
                    words = {"edit": {"text": "edited"}, "react": {"emoji": "👍"}}.get(kind, {})
                    self.server.touch(room, "bob", kind, messages[-back:][0], **words)
            case ("cut", code):
                self.server.cut(code)
            case ("lose_commands", room, how_many):
                self.server.deaf = True
                self.send(client, room, how_many)
                await trio.testing.wait_all_tasks_blocked()
                self.server.deaf = False
                self.server.cut()
            case ("lose_answers", room, how_many):
                self.server.hold = True
                self.send(client, room, how_many)
                await trio.testing.wait_all_tasks_blocked()
                self.server.hold = False
                self.server.cut()
            case ("refuse", after, kind):
                self.refusals[after] = kind
            case ("mangle", kind):
                self.mangles.append(kind)
            case ("fall_behind", keep, how_far):
                self.server.cut()
                for _ in range(how_far):
                    self.server.say(ROOMS[how_far % 2], "bob", "missed")
                self.server.truncate("alice", keep)
            case ("chatter", how_often):
                self.chatter = how_often
            case ("settle",):
                await trio.testing.wait_all_tasks_blocked()
            case ("revoke",):
                self.server.devices.clear()
                self.server.cut()
            case ("wait", seconds):
                await trio.sleep(seconds)

    async def finish(self, client) -> None:
        self.refusals.clear()
        self.mangles.clear()
        self.chatter = 0
        await client.settled()
        for room in ROOMS:
            self.server.say(room, "bob", "the end")
        user = self.server.users["alice"]
        logs = self.server.conversations
        await until(
            lambda: (
                client.cursor == (1, user.number)
                and all(self.heard[room][-1:] == [len(logs[room].records)] for room in ROOMS)
            )
        )
        for room in ROOMS:
            self.judge(room)

    def judge(self, room: str) -> None:
        heard = self.heard[room]
        if self.iterate:  # at least once over restarts; in order otherwise
            heard = list(dict.fromkeys(heard))
        records = self.server.conversations[room].records
        shown = [r["n"] for r in records if not self.iterate or r["type"] not in TOUCHES]
        assert heard == shown
        for n in shown:
            assert self.copies[room][n] == records[n - 1], "an old state"
        mine = [text for text in self.server.texts(room) if text.isdigit()]
        assert mine == sorted(set(mine), key=int), "doubled or reordered"
        for said in self.said[room]:
            error = said.pending.error
            assert said.pending.done
            assert error is None or isinstance(error, (NotAllowed, OutcomeUnknown, ClientClosed))
            assert not said.must_be_there or said.text in mine, "lost"
            assert not said.must_be_absent or said.text not in mine, "refused and yet there"


@given(story=steps, iterate=st.booleans(), codec=st.sampled_from(["msgpack", "json"]))
@examples(60)
def test_client_and_node_agree_in_the_end(story, iterate, codec):
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(Story(iterate, codec).play, story, clock=clock)
