"""Stopping from outside: terminate runs, the caller hears of the end, of another end, of none."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    CallCycle,
    CallTimeout,
    Crashed,
    Exit,
    Killed,
    NoProc,
    Normal,
    Shutdown,
    Stop,
    StopFailed,
    TaskActor,
    open_system,
)
from supervision import ChildSpec, Supervisor, WhichChildren
from tests.actors.kit import Do, Note, Worker, seen


@pytest.fixture
async def system():
    async with open_system(seed=1) as system:
        yield system


class Slow(Worker):
    async def terminate(self, reason):
        super().terminate(reason)
        await self.sleep(10)


class Broken(Worker):
    def terminate(self, reason):
        raise ValueError("terminate failed")


async def test_stop_runs_terminate_and_returns_when_the_actor_has_ended(system, autojump_clock):
    log = []
    ref = await system.spawn(Slow, log=log, name="slow")
    begun = trio.current_time()
    await system.stop(ref)
    assert log == [("terminate", Normal())]
    assert ref.exit_reason == Normal()
    assert system.whereis("slow") is None
    assert trio.current_time() - begun == pytest.approx(10, abs=0.1)


async def test_stop_gives_its_reason_to_terminate_and_to_links(system, autojump_clock):
    log = []
    watcher = await system.spawn(Worker, trap=True)
    ref = await watcher.call(Do(lambda me: me.spawn(Worker, log=log)))
    await system.stop(ref, Shutdown("upgrade"))
    assert log == [("terminate", Shutdown("upgrade"))]
    await wait_all_tasks_blocked()
    assert seen(watcher) == [Exit(ref, Shutdown("upgrade"))]


async def test_stop_overtakes_waiting_messages_but_not_the_one_in_hand(system, autojump_clock):
    ref = await system.spawn(Worker)
    done = []

    async def work(me):
        await me.sleep(1)
        done.append("in hand")

    ref.cast(Do(work))
    ref.cast(Note("waiting"))
    await wait_all_tasks_blocked()
    await system.stop(ref)
    assert done == ["in hand"]
    assert system.statistics()["dead_letters"] == 1


async def test_a_suspended_actor_can_be_stopped(system, autojump_clock):
    ref = await system.spawn(Worker)
    await system.suspend(ref)
    await system.stop(ref)
    assert not ref.is_alive()


async def test_stop_raises_when_the_actor_ends_with_another_reason(system, autojump_clock):
    ref = await system.spawn(Broken)
    with pytest.raises(StopFailed, match="ended with: ValueError: terminate failed") as info:
        await system.stop(ref)
    assert info.value.reason == Crashed("ValueError", "terminate failed")


async def test_stop_raises_when_the_actor_is_killed_meanwhile(system, autojump_clock):
    ref = await system.spawn(Slow)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def kill():
            await trio.sleep(1)
            system.kill(ref)

        with pytest.raises(StopFailed) as info:
            await system.stop(ref)
    assert info.value.reason == Killed()


async def test_stopping_the_dead_says_that_there_was_none(system, autojump_clock):
    ref = await system.spawn(Worker)
    await system.stop(ref)
    with pytest.raises(StopFailed) as info:
        await system.stop(ref)
    assert info.value.reason == NoProc()


@pytest.mark.parametrize("inside", [True, False])
async def test_a_stop_that_takes_too_long_raises_and_goes_on(system, autojump_clock, inside):
    ref, other = await system.spawn(Slow), await system.spawn(Worker)

    async def stop(me):
        with pytest.raises(CallTimeout, match="has not ended within 2 s"):
            await system.stop(ref, timeout=2)

    begun = trio.current_time()
    await (other.call(Do(stop)) if inside else stop(None))
    assert trio.current_time() - begun == pytest.approx(2, abs=0.1)
    assert await system.join(ref) == Normal()
    assert system.statistics()["deadlines"] == 0


async def test_a_handler_stops_another_actor_without_trio(system, autojump_clock):
    ref, other = await system.spawn(Slow), await system.spawn(Worker)
    await other.call(Do(lambda me: me.system.stop(ref)), timeout=20)
    assert ref.exit_reason == Normal()


async def test_an_actor_that_would_wait_for_its_own_end_is_told_so(system, autojump_clock):
    ref = await system.spawn(Worker)

    async def stop_me(me):
        with pytest.raises(CallCycle):
            await me.system.stop(me.ref)
        return "alive"

    assert await ref.call(Do(stop_me)) == "alive"


async def test_stopping_ones_caller_and_calling_ones_stopper_are_cycles(system, autojump_clock):
    front, back = await system.spawn(Worker), await system.spawn(Worker)

    async def stop_front(me):
        with pytest.raises(CallCycle):
            await me.system.stop(front)

    await front.call(Do(lambda me: back.call(Do(stop_front))))

    class Calls(Worker):
        async def terminate(self, reason):
            with pytest.raises(CallCycle):
                await front.call(Note("never"))

    victim = await system.spawn(Calls)
    await front.call(Do(lambda me: me.system.stop(victim)))
    assert victim.exit_reason == Normal()


async def test_a_transient_child_that_is_stopped_stays_down_and_a_permanent_one_comes_back(
    system, autojump_clock
):
    specs = [
        ChildSpec("transient", Worker, restart="transient"),
        ChildSpec("permanent", Worker),
    ]
    top = await system.spawn(Supervisor, specs)
    for child in await top.call(WhichChildren()):
        await system.stop(child.ref)
    await wait_all_tasks_blocked()
    states = [(child.id, child.state) for child in await top.call(WhichChildren())]
    assert states == [("transient", "ended"), ("permanent", "running")]


class Loop(TaskActor):
    def __init__(self, log, *, trap):
        self.log = log
        self.trap_exit = trap

    async def run(self):
        try:
            while not isinstance(await self.receive(), Exit):
                pass
            self.log.append("left run")
        finally:
            self.log.append("finally")

    def terminate(self, reason):
        self.log.append(reason)


async def test_a_task_actor_that_traps_is_asked_by_exit_and_ends_with_the_reason(
    system, autojump_clock
):
    log = []
    ref = await system.spawn(Loop, log, trap=True)
    await wait_all_tasks_blocked()
    await system.stop(ref, Shutdown("now"))
    assert log == ["left run", "finally", Shutdown("now")]


async def test_a_task_actor_that_does_not_trap_is_unwound(system, autojump_clock):
    log = []
    ref = await system.spawn(Loop, log, trap=False)
    await wait_all_tasks_blocked()
    await system.stop(ref)
    assert log == ["finally"]
    assert ref.exit_reason == Normal()


async def test_a_task_actor_may_be_stopped_before_it_runs(system, autojump_clock):
    log = []
    ref = await system.spawn(Loop, log, trap=False)
    await system.stop(ref)
    assert log == [Normal()]


async def test_a_stop_by_the_actor_itself_that_came_first_counts(system, autojump_clock):
    ref = await system.spawn(Slow)

    def give_up(me):
        raise Stop(Shutdown("own"))

    ref.cast(Do(give_up))
    await wait_all_tasks_blocked()
    with pytest.raises(StopFailed) as info:
        await system.stop(ref)
    assert info.value.reason == Shutdown("own")
