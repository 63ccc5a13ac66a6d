"""Whatever people write, no item of the node is larger than its frames, and all can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.sessions.outbox import Outbox
from beamish.messenger.sessions.pages import (
    ENVELOPE_BYTES,
    MEMBER_BYTES,
    REACTION_BYTES,
    fitting,
)
from beamish.messenger.settings import MessengerSettings
from beamish.protocol import JSON, MSGPACK, Limits, Refusal, validators

DIRECT = "d:alice:bob"
FRAME = Limits().server_frame_bytes
ESCAPED = "\x01" * 16_384
WIDEST = "\U0001f600"


@pytest.fixture
def sizes(monkeypatch):
    """The sizes of all items that the node hands to connections."""
    seen = []
    put = Outbox.put

    def noting(self, item):
        seen.append(len(item))
        put(self, item)

    monkeypatch.setattr(Outbox, "put", noting)
    return seen


async def pages_of_history(talker, conversation, way):
    """Record numbers page by page, from one end to the other."""
    edge, pages = {}, []
    if way == "after":
        edge = {"after": 0}
    while True:
        ok = await talker.ask("history", conversation=conversation, limit=200, **edge)
        assert ok["records"]
        ns = [r["n"] for r in ok["records"]]
        pages.append(ns)
        if not ok["more"]:
            return pages
        edge = {way: ns[0] if way == "before" else ns[-1]}


@pytest.mark.parametrize("way", ["before", "after"])
async def test_history_of_escaped_texts_comes_in_pages_that_fit(
    make_world, autojump_clock, sizes, way
):
    async with make_world() as world, world.running():
        alice, _bob = await world.talker("alice"), await world.talker("bob")
        for _ in range(30):
            await alice.send(DIRECT, ESCAPED)
        pages = await pages_of_history(alice, DIRECT, way)
        assert max(sizes) <= FRAME - 2
        in_order = pages[::-1] if way == "before" else pages
        assert [n for page in in_order for n in page] == list(range(1, 32))
        assert len(pages) > 4


async def test_inbox_and_updates_of_escaped_texts_come_in_items_that_fit(
    make_world, autojump_clock, sizes
):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await bob.go_offline()
        for _ in range(30):
            await alice.send(DIRECT, ESCAPED)
        bob.go_online()
        await bob.until(lambda: len(bob.texts(DIRECT)) == 30)
        start, told = 1, []
        while True:
            ok = await bob.ask("fetch", epoch=bob.epoch, **{"from": start})
            told += [r["n"] for i in ok["items"] if i["type"] == "records" for r in i["records"]]
            if ok["to"] == ok["number"]:
                break
            assert ok["to"] >= start
            start = ok["to"] + 1
        assert told == list(range(1, 32))
        assert max(sizes) <= FRAME - 2


async def test_a_page_of_many_long_rows_is_cut_where_it_no_longer_fits(
    make_world, autojump_clock, sizes
):
    limits = Limits(text_bytes=16, reactions=16, members=64, server_frame_bytes=420_000)
    async with make_world() as world, world.running(limits=limits):
        alice = await world.talker("alice")
        groups = []
        for i in range(150):
            ok = await alice.ask(
                "create_group", number=1, tag=f"group{i:09d}", title=WIDEST * 128, members=[]
            )
            groups.append(ok["conversation"])
        groups.sort()
        await alice.until(lambda: len(alice.records) == 150)
        user = world.node.system.whereis(("user", "alice"))
        for group in groups:
            held = user.actor.state.conversations[group]
            held.receipts = {f"{'x' * 60}{i:04d}": held.levels for i in range(64)}
        after, rows, pages = {}, [], 0
        while True:
            ok = await alice.ask("snapshot", **after)
            rows += [row["conversation"] for row in ok["conversations"]]
            pages += 1
            if "next" not in ok:
                break
            after = {"after": ok["next"]}
        assert rows == groups
        assert pages > 2
        assert max(sizes) <= 420_000 - 2


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
def test_the_largest_member_takes_no_more_than_is_reckoned(codec):
    member = {
        "user": "u" * 64,
        "display": WIDEST * 64,
        "role": "member",
        "joined": 2**53 - 1,
    }
    assert len(codec.encode(member)) + 1 <= MEMBER_BYTES
    assert len(codec.encode(["u" * 64, WIDEST * 64, "member"])) + 1 <= MEMBER_BYTES


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
def test_the_largest_reaction_takes_no_more_than_is_reckoned(codec):
    assert len(codec.encode(["u" * 64, "\U0001f600" * 16, 2**53 - 1])) + 1 <= REACTION_BYTES
    with pytest.raises(Refusal):
        validators.emoji("\u0fff" * 32, Limits(), "emoji")


def test_limits_under_which_a_message_would_not_fit_are_refused():
    MessengerSettings(limits=Limits())
    for limits in (
        Limits(text_bytes=120_000),
        Limits(server_frame_bytes=300_000),
        Limits(members=3_000),
        Limits(reactions=4_000),
    ):
        with pytest.raises(ValueError, match="server_frame_bytes"):
            MessengerSettings(limits=limits)


@given(st.lists(st.binary(max_size=9)), st.integers(0, 40))
def test_as_many_parts_are_taken_as_fit_and_at_least_one(parts, room):
    taken = fitting(iter(parts), room)
    assert taken == parts[: len(taken)]
    size = sum(len(part) + 1 for part in taken)
    assert size <= room or len(taken) == 1
    if len(taken) < len(parts):
        assert taken
        assert size + len(parts[len(taken)]) + 1 > room


def test_what_surrounds_a_record_fits_into_what_is_set_aside_for_it():
    around = {
        "id": 2**53 - 1,
        "ok": {"status": "resumed", "epoch": 2**53 - 1, "number": 2**53 - 1, "from": 1, "to": 1},
        "item": {"n": 2**53 - 1, "type": "records", "conversation": "d:" + "x" * 129},
        "record": {
            "n": 2**53 - 1,
            "type": "message",
            "by": "u" * 64,
            "at": 2**53 - 1,
            "device": "d" * 32,
            "number": 2**53 - 1,
            "tag": "t" * 32,
        },
    }
    assert len(JSON.encode(around)) < ENVELOPE_BYTES // 2
