"""A session's mailbox has room for its own turns, however many hints there are for it."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.connections import Connections
from beamish.messenger.messages import Head
from beamish.messenger.sessions.outbox import Outbox
from beamish.messenger.sessions.session import Session
from beamish.messenger.sessions.session_handle import SessionLink
from beamish.messenger.sessions.watcher import HINTS_AHEAD, HINTS_TOLD, Watcher
from beamish.messenger.settings import MAX_IN_HAND, MessengerSettings
from storage import Read

DIRECT = "d:alice:bob"


class HeldReads:
    """Holds all reads of one stream back until they are released."""

    def __init__(self, journal, stream):
        self.inner = journal.submit
        self.stream = stream
        self.held = []
        self.closed = False
        journal.submit = self.submit

    def submit(self, op, done):
        if self.closed and isinstance(op, Read) and op.stream == self.stream:
            self.held.append((op, done))
        else:
            self.inner(op, done)

    def release(self):
        self.closed = False
        held, self.held = self.held, []
        for op, done in held:
            self.inner(op, done)


def session_of(world, user):
    (ref,) = [
        r for r, name in world.node.environment.connections.logged_in_sessions() if name == user
    ]
    return ref


async def test_a_session_that_waits_gets_a_bounded_number_of_hints_and_misses_nothing(
    make_world, autojump_clock
):
    async with make_world() as world, world.running(head_check_s=1e6, cache_bytes=1):
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await alice.send(DIRECT, "first")
        await bob.until(lambda: bob.texts(DIRECT) == ["first"])
        reads = HeldReads(world.node.journal, f"c/{DIRECT}")
        reads.closed = True
        history = trio.Event()

        async def ask():
            await bob.ask("history", conversation=DIRECT)
            history.set()

        world.nursery.start_soon(ask)
        await trio.sleep(1)
        assert reads.held
        for i in range(5 * HINTS_AHEAD):
            await alice.send(DIRECT, str(i))
            await trio.sleep(0.05)
        assert session_of(world, "bob").queue_length <= HINTS_AHEAD + 5
        before = trio.current_time()
        reads.release()
        await history.wait()
        wanted = ["first", *map(str, range(5 * HINTS_AHEAD))]
        await bob.until(lambda: bob.texts(DIRECT) == wanted)
        assert trio.current_time() - before < 1
        assert not bob.closes
        # And hints flow again.
        await alice.send(DIRECT, "last")
        await bob.until(lambda: bob.texts(DIRECT) == [*wanted, "last"], within=1)


async def test_heads_do_not_pile_up_in_a_session_that_waits(make_world, autojump_clock):
    async with make_world() as world, world.running(cache_bytes=1):
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await alice.send(DIRECT, "first")
        reads = HeldReads(world.node.journal, f"c/{DIRECT}")
        reads.closed = True
        world.nursery.start_soon(lambda: bob.ask("history", conversation=DIRECT))
        await trio.sleep(600)
        assert reads.held
        assert session_of(world, "bob").queue_length <= 5
        reads.release()


@given(st.lists(st.one_of(st.just("hint"), st.integers(0, 300)), max_size=300))
def test_outstanding_hints_never_exceed_the_bound(steps):
    watcher = Watcher()
    sent = handled = owed = 0
    for step in steps:
        if step == "hint":
            if watcher.may_hint():
                sent += 1
            else:
                owed = 1
        else:
            handled = max(handled, min(step, sent))
            if watcher.took(step):
                owed = 0
        assert sent - handled <= HINTS_AHEAD
    if watcher.took(sent):
        owed = 0
    assert owed == 0


def test_all_who_send_to_a_session_find_room_together():
    assert HINTS_AHEAD % HINTS_TOLD == 0
    assert Session.mailbox_limit > MAX_IN_HAND + 4 * HINTS_AHEAD
    with pytest.raises(ValueError, match="session_in_hand"):
        MessengerSettings(session_in_hand=MAX_IN_HAND + 1)


def test_a_head_is_told_again_only_after_the_session_looked():
    class Box(list):
        def cast(self, message):
            self.append(message)

        def __hash__(self):
            return id(self)

    box, link, connections = Box(), SessionLink(Outbox(1, 1), 1), Connections()
    connections.opened(box, link)
    connections.tell_head(box, 1)
    connections.tell_head(box, 2)
    link.head_told = False
    connections.tell_head(box, 3)
    assert box == [Head(1), Head(3)]
