"""What a node tells the program around it."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.events import (
    ConversationChanged,
    EventHub,
    EventsDropped,
    MembersChanged,
    MessageAppended,
    UserOffline,
    UserOnline,
    event_of,
)


async def following(events, wanted):
    """The events up to the first that is `wanted`."""
    seen = []
    with trio.fail_after(30):
        async for event in events:
            seen.append(event)
            if wanted(event):
                return seen
    raise AssertionError(f"ended after {seen}")


async def test_messages_and_memberships_are_told_in_the_order_of_the_log(make_world):
    async with make_world() as world, world.running() as node:
        ann, bob = await world.talker("ann"), await world.talker("bob")
        async with node.events() as events:
            group = await ann.create_group("team", ["bob"])
            await ann.send(group, "hello @bob")
            await ann.command("set_info", group, title="the team")
            await bob.command("leave", group)
            seen = await following(events, lambda event: getattr(event, "what", "") == "leave")
        assert [event.n for event in seen] == [1, 2, 3, 4]
        made, said, named, left = seen
        assert isinstance(made, MembersChanged)
        assert (made.what, made.joined, made.by) == ("create", ("ann", "bob"), "ann")
        assert isinstance(said, MessageAppended)
        assert (said.conversation, said.by, said.text) == (group, "ann", "hello @bob")
        assert isinstance(named, ConversationChanged)
        assert (named.what, dict(named.details)) == ("info", {"title": "the team"})
        assert isinstance(left, MembersChanged)
        assert (left.left, left.joined) == (("bob",), ())


async def test_a_user_is_online_from_the_first_connection_to_the_last(make_world):
    async with make_world() as world, world.running() as node, node.events() as events:
        ann = await world.talker("ann")
        assert await following(events, lambda _: True) == [UserOnline("ann")]
        other = node.environment.connections
        (session,) = other.sessions()
        other.logged_in(trio, "ann", "a second device")
        other.closed(trio)
        await ann.go_offline()
        assert await following(events, lambda _: True) == [UserOffline("ann")]
        assert not session.is_alive()


async def test_a_listener_that_is_slow_is_told_how_much_it_missed(make_world):
    async with make_world() as world, world.running() as node:
        ann, _ = await world.talker("ann"), await world.talker("bob")
        async with node.events(capacity=2) as events:
            for number in range(4):
                await ann.send("d:ann:bob", f"{number}")
            first, second, dropped = [await anext(events) for _ in range(3)]
            assert (first.n, second.n) == (1, 2)  # the creation and "0"
            assert dropped == EventsDropped(3)
            assert events.dropped == node.statistics()["events_dropped"] == 3
            await ann.send("d:ann:bob", "4")
            assert (await anext(events)).text == "4"


async def test_nothing_is_told_before_and_after_the_block_and_the_node_ends_it(make_world):
    async with make_world() as world, world.running() as node:
        ann, _ = await world.talker("ann"), await world.talker("bob")
        await ann.send("d:ann:bob", "before")
        async with node.events() as events:
            await ann.send("d:ann:bob", "within")
            assert node.environment.events.wanted
        assert not node.environment.events.wanted
        assert [event.text async for event in events] == ["within"]
        async with node.events() as last:
            node.stop_accepting()
            assert [event async for event in last] == []
        async with node.events() as late:
            assert [event async for event in late] == []


async def test_a_capacity_of_nothing_is_refused(make_world):
    async with make_world() as world, world.running() as node:
        with pytest.raises(ValueError, match="at least 1"):
            node.events(capacity=0)


@given(st.integers(1, 4), st.lists(st.booleans(), max_size=60))
def test_each_event_is_handed_out_once_or_counted_where_it_is_missing(capacity, steps):
    """`steps`: an event comes (true), or one is taken. Against a list of numbers."""

    async def run():
        hub = EventHub()
        async with node_events(hub, capacity) as stream:
            taken = told = 0
            for comes in steps:
                if comes:
                    hub.tell(UserOnline(str(told)))
                    told += 1
                elif stream._waiting:
                    taken += amount(await anext(stream), taken)
                assert len(stream._waiting) <= capacity + 1
            stream.end()
            async for event in stream:
                taken += amount(event, taken)
            assert taken == told

    trio.run(run)


def node_events(hub, capacity):
    from beamish.messenger.events import EventStream

    return EventStream(hub, capacity)


def amount(event, expected):
    """How many events this one stands for; it must be the one that was to come."""
    if isinstance(event, EventsDropped):
        return event.count
    assert event.user == str(expected)
    return 1


async def test_a_message_that_was_deleted_at_once_and_its_deletion_are_told_without_a_text():
    common = {"by": "alice", "at": 1}
    gone = {"n": 2, "type": "message", "ordinal": 1, "rev": 3, "deleted": 3, **common}
    touch = {"n": 3, "type": "delete", "target": 2, **common}
    told, deletion = (event_of("d:alice:bob", fields) for fields in (gone, touch))
    assert isinstance(told, ConversationChanged)
    assert isinstance(deletion, ConversationChanged)
    assert deletion.details["target"] == 2
