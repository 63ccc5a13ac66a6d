"""How many members are told at once."""

from __future__ import annotations

import trio

from beamish.messenger.conversations.window import SLICE, FanOutWindow
from beamish.messenger.messages import FanOutTurn
from storage import Append


class FakeRef:
    def __init__(self):
        self.turns = 0
        self.alive = True

    def cast(self, message):
        assert isinstance(message, FanOutTurn)
        self.turns += 1

    def is_alive(self):
        return self.alive


def refs(count):
    return [FakeRef() for _ in range(count)]


def test_slots_are_granted_until_there_are_none_and_then_in_turn():
    window = FanOutWindow(2 * SLICE)
    a, b, c, d = refs(4)
    assert [window.take(ref) for ref in (a, b, c, d)] == [SLICE, SLICE, 0, 0]
    assert (window.free, window.waiting) == (0, 2)
    window.give_back(a, SLICE)
    assert (c.turns, d.turns) == (1, 0)
    assert window.take(a) == 0
    assert window.take(c) == SLICE
    window.give_back(b, SLICE - 1)
    assert d.turns == 0
    window.give_back(b, 1)
    assert (d.turns, a.turns) == (1, 0)


def test_nobody_overtakes_those_who_wait():
    window = FanOutWindow(SLICE)
    a, b, c = refs(3)
    assert [window.take(ref) for ref in (a, b)] == [SLICE, 0]
    window.give_back(a, SLICE)
    assert window.take(c) == 0
    assert window.take(b) == SLICE


def test_a_conversation_that_ends_leaves_all_it_had_and_was_to_have():
    window = FanOutWindow(2 * SLICE)
    a, b, c, d = refs(4)
    for ref in (a, b, c, d):
        window.take(ref)
    window.leave(a)
    assert c.turns == 1
    window.leave(c)
    assert d.turns == 1
    assert window.take(d) == SLICE
    for ref in (b, d):
        window.leave(ref)
    assert (window.free, window.waiting) == (2 * SLICE, 0)


def test_more_is_never_given_back_than_was_taken():
    window = FanOutWindow(2 * SLICE)
    (a,) = refs(1)
    window.take(a)
    window.give_back(a, 5 * SLICE)
    window.give_back(a, 1)
    window.leave(a)
    assert window.free == 2 * SLICE


def test_slots_of_the_killed_are_found():
    window = FanOutWindow(SLICE)
    a, b, c = refs(3)
    for ref in (a, b, c):
        window.take(ref)
    a.alive = b.alive = False
    window.prune()
    assert c.turns == 1
    assert window.take(c) == SLICE


async def test_inboxes_are_written_a_window_at_a_time(make_world, autojump_clock):
    async with make_world() as world, world.running():
        world.node.environment.window = FanOutWindow(SLICE)
        alice = await world.talker("alice")
        users = [f"user{n:02}" for n in range(30)]
        others = [await world.talker(user) for user in users]
        groups = [await alice.create_group(f"g{n}", users[n::5]) for n in range(5)]
        world.journal_faults.sync_s = 0.05
        in_flight = most = 0
        submit = world.node.journal.submit

        def counted(op, done):
            nonlocal in_flight, most
            if not (isinstance(op, Append) and any(b"ranges" in raw for raw in op.records)):
                return submit(op, done)
            in_flight += 1
            most = max(most, in_flight)

            def counted_done(outcome):
                nonlocal in_flight
                in_flight -= 1
                done(outcome)

            return submit(op, counted_done)

        world.node.journal.submit = counted
        async with trio.open_nursery() as nursery:
            for group in groups:
                nursery.start_soon(alice.send, group, "hello")
        for n, other in enumerate(others):
            await other.until(lambda other=other, n=n: other.texts(groups[n % 5]) == ["hello"])
        assert 1 < most <= SLICE


async def test_a_killed_conversation_does_not_keep_its_share(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        group = await alice.create_group("g", ["bob"])
        window = world.node.environment.window
        conversation = world.node.system.whereis(("conversation", group))
        while window.take(conversation):
            pass
        assert window.free < SLICE
        world.node.system.kill(conversation)
        await alice.send(group, "hello")
        await bob.until(lambda: bob.texts(group) == ["hello"])
