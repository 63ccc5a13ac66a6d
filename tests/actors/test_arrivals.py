"""Waiting for a name or a key: until somebody has it, in time, and with nothing left behind."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    CalleeDied,
    CallError,
    Registry,
    SystemStopped,
    Via,
    WaitTimeout,
    open_system,
)
from supervision import Backoff, ChildSpec, Supervisor
from tests.actors.kit import Add, Do, Worker


@pytest.fixture
async def system():
    async with open_system("names", seed=1) as system:
        yield system
        assert not system._scheduler.arrivals.waits


async def later(system, seconds, *names):
    await trio.sleep(seconds)
    for name in names:
        await system.spawn(Worker, name=name)


async def test_a_name_that_somebody_has_is_found_at_once(system):
    ref = await system.spawn(Worker, name="here")
    assert await system.wait_for("here") is ref
    assert await system.wait_for("here", timeout=0) is ref


async def test_a_task_and_a_handler_wait_until_somebody_has_the_name(system, autojump_clock):
    worker = await system.spawn(Worker)
    found = []

    async def look(wait):
        found.append((await wait, trio.current_time() - begun))

    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look, system.wait_for("late", timeout=None))
        nursery.start_soon(look, system.wait_for("late"))
        nursery.start_soon(look, worker.call(Do(lambda me: me.system.wait_for("late"))))
        nursery.start_soon(later, system, 2, "other", "late")
    ref = system.whereis("late")
    assert found == [(ref, pytest.approx(2, abs=0.01))] * 3


async def test_a_name_given_to_a_living_actor_is_found(system):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.wait_for, "late")
        await wait_all_tasks_blocked()
        system.register("late", await system.spawn(Worker))


async def test_a_child_that_crashed_is_found_when_it_runs_again(system, autojump_clock):
    spec = ChildSpec("worker", Worker, name="worker", backoff=Backoff(first=3.0, maximum=3.0))
    await system.spawn(Supervisor, [spec])
    first = await system.wait_for("worker")
    with pytest.raises(CallError):
        await first.call(Do(lambda me: 1 / 0))
    assert system.whereis("worker") is None
    second = await system.wait_for("worker")
    assert second is not first
    assert await second.call(Add(1)) == 2


@pytest.mark.parametrize("in_handler", [True, False])
async def test_a_name_that_nobody_gets_in_time_is_an_error(system, autojump_clock, in_handler):
    worker = await system.spawn(Worker)
    begun = trio.current_time()
    sentence = "^no actor has got the name 'nobody' within 3 s$"

    async def look(me):
        with pytest.raises(WaitTimeout, match=sentence):
            await system.wait_for("nobody", timeout=3)

    await (worker.call(Do(look)) if in_handler else look(None))
    assert trio.current_time() - begun == pytest.approx(3, abs=0.01)


async def test_the_time_is_not_begun_anew_by_an_actor_whose_start_fails(system, autojump_clock):
    worker = await system.spawn(Worker)
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def look():
            with pytest.raises(WaitTimeout):
                await system.wait_for("broken", timeout=3)

        await trio.sleep(1)

        class Broken(Worker):
            def init(self):
                raise OSError("no disk")

        # In one turn, so that it has failed before the waiter can look.
        with pytest.raises(CalleeDied, match="Broken did not start"):
            await worker.call(Do(lambda me: me.spawn(Broken, name="broken")))
    assert trio.current_time() - begun == pytest.approx(3, abs=0.01)


async def test_who_gave_up_leaves_nothing_behind(system, autojump_clock):
    worker = await system.spawn(Worker)
    with trio.move_on_after(1):
        await system.wait_for("nobody")

    async def give_up(me):
        with trio.move_on_after(1):
            await system.wait_for("nobody")

    await worker.call(Do(give_up))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(later, system, 1, "somebody")
        worker.cast(Do(lambda me: system.wait_for("nobody", None)))
    assert len(system._scheduler.arrivals.waits) == 1
    system.kill(worker)
    await system.join(worker)
    assert not system._scheduler.arrivals.waits
    assert len(system._scheduler.wheel) == 0


async def test_the_end_of_the_system_ends_the_wait():
    async with trio.open_nursery() as nursery, open_system("short") as system:

        @nursery.start_soon
        async def look():
            with pytest.raises(SystemStopped, match="'nobody', and the system 'short' has sto"):
                await system.wait_for("nobody", None)

        await wait_all_tasks_blocked()
    with pytest.raises(SystemStopped):
        await system.wait_for("nobody")


@pytest.mark.parametrize("keys", ["unique", "duplicate"])
async def test_a_key_of_a_registry_is_waited_for_likewise(system, autojump_clock, keys):
    registry, other = Registry(system, "rooms", keys=keys), Registry(system, "other")
    ref = await system.spawn(Worker)
    with pytest.raises(WaitTimeout, match="under 'lobby' in 'rooms' within 1 s"):
        await registry.wait_for("lobby", timeout=1)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def look():
            assert await registry.wait_for("lobby") is ref

        await wait_all_tasks_blocked()
        other.register("lobby", ref=await system.spawn(Worker, name="lobby"))
        await wait_all_tasks_blocked()
        registry.register("lobby", ref=ref)
    assert await registry.wait_for("lobby") is ref


async def test_a_key_as_a_name_is_waited_for_likewise(system):
    name = Registry(system).via("lobby")
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def look():
            assert await system.wait_for(name) is name.whereis()

        await wait_all_tasks_blocked()
        await system.spawn(Worker, name=name)


async def test_what_cannot_be_waited_for_is_refused(system):
    with pytest.raises(TypeError, match="wait_for takes a name or a key of a Registry"):
        await system.wait_for(None)
    with pytest.raises(TypeError, match="a table of your own has to tell who waits by itself"):
        await system.wait_for(Via())
    with pytest.raises(TypeError, match="unhashable"):
        await system.wait_for([])
    with pytest.raises(TypeError, match="wait_for takes a number of seconds, not 'soon'"):
        await system.wait_for("nobody", "soon")
