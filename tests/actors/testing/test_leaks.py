"""The leak check names what a block has left over, precisely."""

from __future__ import annotations

import pytest
import trio

from actors import NO_REPLY, Registry
from actors.testing import LeakError, drop, leak_check, open_test_system
from tests.actors.kit import Add, Do, DoSync, Worker


@pytest.fixture
async def system():
    async with open_test_system() as system:
        yield system


async def leaks(system, block):
    """What is left when `block` has run."""
    with pytest.raises(LeakError) as caught:
        async with leak_check(system):
            await block()
    return caught.value.left


async def test_a_block_that_cleans_up_passes_also_if_an_actor_is_just_ending(
    autojump_clock, system
):
    old = await system.spawn(Worker, name="old")
    async with leak_check(system):
        worker = await system.spawn(Worker, name="short")
        await old.call(DoSync(lambda me: me.monitor(worker)))
        await old.call(DoSync(lambda me: me.send_after(0.5, "soon")))
        system.kill(worker)


async def test_a_living_actor_is_named_with_class_name_and_what_it_does(autojump_clock, system):
    async def block():
        await system.spawn(Worker, name="forgotten")
        busy = await system.spawn(Worker)
        busy.cast(Do(lambda me: me.sleep(1000)))

    left = await leaks(system, block)
    assert left[0] == "the actor <Worker 'forgotten' test#1>, idle"
    assert left[1] == "the name 'forgotten', of <Worker 'forgotten' test#1>"
    assert left[2].startswith("the actor <Worker test#2>, in the handler of Do(")
    assert any(line.startswith("the handler of Do(") for line in left[3:])


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (lambda me, _: me.send_after(60, "later") and None, "a timer of <Worker test#1>, due at"),
        (lambda me, other: me.monitor(other) and None, "monitor of it by <Worker test#1>"),
        (lambda me, other: me.link(other), "a link of <Worker test#1> with <Worker test#2>"),
    ],
    ids=["timer", "monitor", "link"],
)
async def test_what_an_older_actor_holds_is_named(autojump_clock, system, act, line):
    old, other = await system.spawn(Worker), await system.spawn(Worker)

    async def block():
        await old.call(DoSync(lambda me: act(me, other)))

    assert any(line in found for found in await leaks(system, block))


async def test_owed_replies_bound_handlers_suspensions_and_faults_are_named(autojump_clock, system):
    old = await system.spawn(Worker)
    owing, held = await system.spawn(Worker), await system.spawn(Worker)

    async def block():
        async def owe(me):
            kept.append(me.reply_to())
            return NO_REPLY

        async def sleep_in_trio(me):
            await trio.sleep(1000)

        with trio.move_on_after(0.01):
            await owing.call(Do(owe), timeout=None)
        old.cast(Do(sleep_in_trio))
        await system.suspend(held)
        drop(held, only=Add)

    kept = []
    text = "\n".join(await leaks(system, block))
    assert "a reply that <Worker test#2> owes: Do(" in text
    assert "the trio task of a handler of <Worker test#1>" in text
    assert "<Worker test#3> is suspended" in text
    assert "a fault: <Drop of <Worker test#3>, 0 hits>" in text


async def test_a_registration_left_over_is_named(autojump_clock, system):
    registry = Registry(system, "sessions")
    old = await system.spawn(Worker)

    async def block():
        registry.register("key", ref=old)

    assert (await leaks(system, block))[0].startswith("a watch of <Worker test#1>")


async def test_an_error_of_the_block_is_not_hidden_by_its_leaks(autojump_clock, system):
    with pytest.raises(LookupError):
        async with leak_check(system):
            await system.spawn(Worker)
            raise LookupError


async def test_many_leaks_are_counted_beyond_the_first(autojump_clock, system):
    with pytest.raises(LeakError, match="… 30 more") as caught:
        async with leak_check(system, within=0):
            for _ in range(50):
                await system.spawn(Worker)
    assert len(caught.value.left) == 50
