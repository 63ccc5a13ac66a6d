"""Aliases: ordinary messages while they are active, nothing afterwards."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from actors import ActorError, CalleeDied, NoProc, open_system
from tests.actors.kit import Add, DoSync, Note, Worker, seen


@pytest.fixture
async def system():
    async with open_system(seed=1) as system:
        yield system


async def alias_of(ref, **options):
    return await ref.call(DoSync(lambda me: me.alias(**options)))


async def test_an_alias_delivers_until_it_is_taken_back(system, autojump_clock):
    ref = await system.spawn(Worker)
    alias = await alias_of(ref)
    alias.cast(Note(0))
    await alias.send(Note(1))
    assert await alias.call(Add(1)) == 2
    assert alias.is_alive()
    assert alias.unalias()
    assert not alias.unalias()
    alias.cast(Note(2))
    await alias.send(Note(3))
    with pytest.raises(CalleeDied) as info:
        await alias.call(Add(1))
    assert info.value.reason == NoProc()
    await wait_all_tasks_blocked()
    assert seen(ref) == [0, 1]
    assert not alias.is_alive()
    assert await ref.call(Add(1)) == 2


async def test_an_alias_for_one_message_is_used_up_by_it(system, autojump_clock):
    ref = await system.spawn(Worker)
    alias = await alias_of(ref, once=True)
    alias.cast(Note(1))
    alias.cast(Note(2))
    await wait_all_tasks_blocked()
    assert seen(ref) == [1]
    assert repr(alias) == "<alias, over>"


async def test_what_is_sent_through_the_alias_of_a_dead_actor_is_no_letter(system, autojump_clock):
    ref = await system.spawn(Worker)
    alias = await alias_of(ref)
    await system.stop(ref)
    alias.cast(Note(1))
    assert not alias.is_alive()
    assert not alias.unalias()
    assert system.statistics()["dead_letters"] == 0


async def test_an_alias_is_for_sending_only(system, autojump_clock):
    ref, other = await system.spawn(Worker), await system.spawn(Worker)
    alias = await alias_of(ref)
    with pytest.raises(ActorError, match="is not an actor of this process"):
        other.actor.monitor(alias)
