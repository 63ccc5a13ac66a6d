"""A mailbox that strangers have filled keeps nobody from going on with what he has begun."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from beamish.messenger.conversations import intake as intake_module
from beamish.messenger.conversations.conversation import Conversation
from tests.beamish.messenger.test_hard_cases import DIRECT, Gate, raw


class Stranger:
    """A message that neither knows."""


def fill(ref):
    limit = ref.behaviour.mailbox_limit
    while ref.queue_length < limit:
        ref.cast(Stranger())
    dropped = ref.scheduler.counters.dropped
    ref.cast(Stranger())
    assert ref.scheduler.counters.dropped == dropped + 1


async def test_a_conversation_whose_mailbox_is_full_goes_on_with_its_next_batch(
    make_world, autojump_clock, monkeypatch
):
    monkeypatch.setattr(intake_module, "MAX_BATCH", 1)
    async with make_world() as world, world.running() as node:
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await raw(alice, 1, "one")
        await trio.sleep(5)
        [ref] = [ref for ref in node.system.actors() if isinstance(ref.actor, Conversation)]
        gate = Gate(node.journal)
        gate.rule = lambda op: "hold" if op.stream == f"c/{DIRECT}" else None
        await node.system.suspend(ref)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(raw, alice, 2, "two")
            nursery.start_soon(raw, bob, 1, "three")
            await wait_all_tasks_blocked()
            await node.system.resume(ref)
            await wait_all_tasks_blocked()
            assert len(gate.held) == 1
            assert len(ref.actor._waiting) == 1
            fill(ref)
            gate.rule = lambda op: None
            gate.release()
        await bob.until(lambda: sorted(bob.texts(DIRECT)) == ["one", "three", "two"])
        assert node.system.statistics()["dropped_own"] == 0
