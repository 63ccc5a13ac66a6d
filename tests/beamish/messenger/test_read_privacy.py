"""Whoever keeps read marks private tells nobody, and is told by nobody; all else goes on."""

from __future__ import annotations

import msgpack
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.users.state import Levels, UserState

LANE = "@"


async def private(talker, *, on=True):
    await talker.command("set_privacy", LANE, read_marks=not on)


async def read_of(talker, conversation, n, user):
    rows = (await talker.question("marks", conversation=conversation, n=n))["members"]
    (row,) = [row for row in rows if row["user"] == user]
    return row["delivered"], row["read"]


async def conversation_of(kind, alice, bob):
    if kind == "group":
        return await alice.create_group("g", ["bob"])
    await alice.send("d:alice:bob", "zero")
    return "d:alice:bob"


@pytest.mark.parametrize("kind", ["direct", "group"])
async def test_others_hear_of_delivery_but_of_no_further_reading(make_world, autojump_clock, kind):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        conversation = await conversation_of(kind, alice, bob)
        first = (await alice.send(conversation, "one"))["n"]
        await bob.until(lambda: "one" in bob.texts(conversation))
        await bob.question("read", conversation=conversation, upto=first)
        await alice.until(lambda: alice.receipt(conversation, "bob") == (first, first))
        await private(bob)
        second = (await alice.send(conversation, "two"))["n"]
        await bob.until(lambda: "two" in bob.texts(conversation))
        told = await bob.question("read", conversation=conversation, upto=second)
        assert (told["read"], told["unread"]) == (second, 0)
        await alice.until(lambda: alice.receipt(conversation, "bob")[0] == second)
        await trio.sleep(5)
        assert alice.receipt(conversation, "bob") == (second, first)
        assert await read_of(alice, conversation, second, "bob") == (second, first)
        await private(bob, on=False)
        third = (await alice.send(conversation, "three"))["n"]
        await bob.until(lambda: "three" in bob.texts(conversation))
        await bob.question("read", conversation=conversation, upto=third)
        await alice.until(lambda: alice.receipt(conversation, "bob") == (third, third))


@pytest.mark.parametrize("kind", ["direct", "group"])
async def test_whoever_tells_nobody_is_told_by_nobody(make_world, autojump_clock, kind):
    async with make_world() as world, world.running(snapshot_every=5):
        alice, bob = await world.talker("alice"), await world.talker("bob")
        conversation = await conversation_of(kind, alice, bob)
        await private(alice)
        n = (await alice.send(conversation, "one"))["n"]
        await bob.until(lambda: "one" in bob.texts(conversation))
        await bob.question("read", conversation=conversation, upto=n)
        await alice.until(lambda: alice.receipt(conversation, "bob")[0] == n)
        await trio.sleep(5)
        assert alice.receipt(conversation, "bob") == (n, 0)
        assert await read_of(alice, conversation, n, "bob") == (n, 0)
        row = (await alice.question("snapshot"))["conversations"][0]
        assert [r["read"] for r in row["receipts"]] == [0]
        assert (await read_of(bob, conversation, n, "alice"))[1] == 0


reads = st.lists(
    st.one_of(st.booleans(), st.tuples(st.sampled_from("ab"), st.integers(0, 9))), max_size=30
)


@given(reads)
def test_what_others_may_know_never_falls_and_never_rises_while_it_is_private(steps):
    state, told, shown = UserState("bob"), {"a": 0, "b": 0}, True

    def apply(record):
        state.take(state.version + 1, msgpack.packb(record))

    apply({"t": "account", "display": "Bob", "hash": "h", "at": 1})
    for step in steps:
        if isinstance(step, bool):
            shown = step
            apply({"t": "privacy", "last_seen": "everyone", "read_marks": step})
        else:
            conversation, read = step
            known = state.conversation(conversation).levels
            read = max(read, known.read)
            apply({"t": "marks", "a": 0, "m": [[conversation, read, read, 0, 0]]})
        state = UserState.load("bob", state.dump())
        for conversation, before in told.items():
            levels = state.told(conversation)
            own = state.conversation(conversation).levels
            assert levels.delivered == own.delivered
            assert levels.read == (own.read if shown else before)
            told[conversation] = levels.read


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_what_one_is_told_of_others_reading_does_not_rise_while_ones_own_is_private(steps):
    state, read = UserState("bob"), 0
    state.apply(1, {"t": "account", "display": "Bob", "hash": "h", "at": 1})
    for shown, delivered, further in steps:
        privacy = {"t": "privacy", "last_seen": "everyone", "read_marks": shown}
        state.take(state.version + 1, msgpack.packb(privacy))
        levels = Levels(max(delivered, further), further)
        record = state.propose_receipts([("c", "alice", levels)])
        if record is not None:
            state.take(state.version + 1, msgpack.packb(record))
        read = max(read, further) if shown else read
        known = (state.conversation("c").receipts or {}).get("alice", Levels(0, 0))
        assert known.read == read
