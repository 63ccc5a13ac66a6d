"""Findings about supervision of pathosDev/actor-ts, issues 913, 696 and 796; those about the
runtime, and the table of all findings, are in `tests/actors/test_catalogue_actor_ts.py`.

Tested elsewhere: backoff (48: `test_backoff.py`, `test_supervisor.py`); a stop of everything within
one deadline (920: `test_application.py`).
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import Shutdown
from supervision import (
    Backoff,
    Budget,
    ChildSpec,
    CountChildren,
    DynamicSupervisor,
    StartChild,
    Supervisor,
    WhichChildren,
)
from tests.actors.kit import Add, Do, DoSync, Note, Worker


def crash(me):
    raise ValueError("boom")


class Fragile(Worker):
    """Its constructor raises as often as `plan` says."""

    def __init__(self, plan):
        super().__init__()
        if plan and plan.pop(0):
            raise ValueError("constructor")


async def end(system, name):
    ref = system.whereis(name)
    ref.cast(DoSync(crash))
    await system.join(ref)
    await wait_all_tasks_blocked()


async def test_914_a_constructor_that_throws_in_a_restart_is_a_failed_start(
    system, reports, autojump_clock
):
    plan = [False, True, True, False]
    top = await system.spawn(Supervisor, [ChildSpec("child", Fragile, (plan,), name="child")])
    await end(system, "child")
    assert await system.whereis("child").call(Add(1)) == 2
    assert [context for context, _, _ in reports] == ["child_terminated"] + ["start_error"] * 2
    plan += [True] * 9
    await end(system, "child")
    assert top.exit_reason == Shutdown()
    assert system.actors() == ()


async def test_914_who_monitors_a_child_is_told_before_its_failing_restart(system, autojump_clock):
    plan = [False] + [True] * 9
    await system.spawn(Supervisor, [ChildSpec("child", Fragile, (plan,), name="child")])
    watcher = await system.spawn(Worker)
    watcher.actor.monitor(system.whereis("child"))
    await end(system, "child")
    assert len(watcher.actor.seen) == 1


async def test_916_a_crash_loop_is_loud(system, autojump_clock, caplog):
    await system.spawn(Supervisor, [ChildSpec("child", Worker, name="child")], intensity=10)
    for _ in range(3):
        await end(system, "child")
    supervision = [record for record in caplog.records if record.name == "supervision"]
    crashes = [record for record in caplog.records if record.name == "actors"]
    assert len(supervision) == len(crashes) == 3
    assert all("child_terminated" in record.getMessage() for record in supervision)


async def test_917_siblings_with_budgets_of_their_own_do_not_exhaust_each_others(
    system, autojump_clock
):
    specs = [ChildSpec(name, Worker, name=name, budget=Budget(1, 60)) for name in "abcde"]
    top = await system.spawn(Supervisor, specs, intensity=0)
    for name in "abcde":
        await end(system, name)
    assert (await top.call(CountChildren())).active == 5
    dynamic = await system.spawn(DynamicSupervisor, intensity=0, child_budget=Budget(1, 60))
    for name in "fghij":
        await dynamic.call(StartChild(ChildSpec("s", Worker), name=name))
        await end(system, name)
    assert (await dynamic.call(CountChildren())).active == 5


async def test_634_a_supervisor_that_is_restarted_has_fresh_children_under_the_old_names(
    system, autojump_clock
):
    inner = [ChildSpec("leaf", Worker, name="leaf")]
    await system.spawn(Supervisor, [ChildSpec("inner", Supervisor, (inner,), name="inner")])
    for _ in range(3):
        old, leaf = system.whereis("inner"), system.whereis("leaf")
        system.kill(old)
        await system.join(old)
        await wait_all_tasks_blocked()
        assert system.whereis("inner") not in (None, old)
        assert system.whereis("leaf") not in (None, leaf)
        assert not leaf.is_alive()


async def test_a_child_that_is_restarted_takes_new_messages_and_no_old_ones(system, autojump_clock):
    """Akka.NET 2241: a restart left the actor suspended, its mailbox filling."""
    await system.spawn(Supervisor, [ChildSpec("child", Worker, name="child")])
    old = system.whereis("child")
    old.cast(DoSync(crash))
    old.cast(Note("old"))
    await wait_all_tasks_blocked()
    new = system.whereis("child")
    new.cast(Note("new"))
    await wait_all_tasks_blocked()
    assert new.actor.seen == ["new"]


async def test_a_row_of_crashes_is_forgotten_after_a_quiet_time(system, autojump_clock):
    """Actor-ts 48: a backoff that never resets punishes a crash of last week."""
    backoff = Backoff(first=1, factor=4, maximum=100, jitter=0, reset_after=30)
    top = await system.spawn(
        Supervisor, [ChildSpec("c", Worker, name="c", backoff=backoff)], intensity=100
    )

    async def delay():
        await end(system, "c")
        begun = trio.current_time()
        for _ in range(1000):
            if system.whereis("c") is not None:
                break
            await trio.sleep(0.25)
        return trio.current_time() - begun

    assert await delay() == pytest.approx(1, abs=0.3)
    assert await delay() == pytest.approx(4, abs=0.3)
    await trio.sleep(29)
    assert await delay() == pytest.approx(16, abs=0.3)
    await trio.sleep(31)
    assert await delay() == pytest.approx(1, abs=0.3)
    assert [child.state for child in await top.call(WhichChildren())] == ["running"]


async def test_915_a_supervisor_that_stops_slowly_with_requests_waiting_does_not_spin(
    system, autojump_clock
):
    class Slow(Worker):
        trap_exit = True

        def __init__(self):
            super().__init__(trap=True)

        async def terminate(self, reason):
            await self.sleep(4)

    top = await system.spawn(Supervisor, [Slow])
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.stop, top, Shutdown())
        await trio.sleep(1)  # virtual: it passes only when nothing is runnable
        for number in range(100):
            top.cast(Note(number))
        await trio.sleep(1)
        assert system.statistics()["runnable"] == 0
    assert trio.current_time() - begun == pytest.approx(4, abs=0.1)


async def test_an_actor_that_asks_its_supervisor_while_it_starts_again_is_answered(
    system, autojump_clock
):
    """OTP deadlocks here until the call times out; under one_for_one the supervisor is free."""

    class Asks(Worker):
        async def init(self):
            if self.ref.parent.actor._children:
                self.seen.append(await self.ref.parent.call(CountChildren(), timeout=1))

    top = await system.spawn(DynamicSupervisor)
    await top.call(StartChild(ChildSpec("asks", Asks), name="asks"))
    system.kill(system.whereis("asks"))
    await wait_all_tasks_blocked()
    other = ChildSpec("other", Worker)
    await top.call(StartChild(other))
    ref = system.whereis("asks")
    system.kill(ref)
    await system.join(ref)
    await wait_all_tasks_blocked()
    (counts,) = system.whereis("asks").actor.seen
    assert (counts.specs, counts.active) == (2, 1)
    assert await system.whereis("asks").call(Do(lambda me: 1)) == 1


async def test_1384_a_terminate_that_fails_in_a_crash_does_not_stop_the_restart(
    system, autojump_clock
):
    class BadEnd(Worker):
        async def terminate(self, reason):
            raise ValueError("terminate")

    top = await system.spawn(Supervisor, [ChildSpec("child", BadEnd, name="child")], intensity=5)
    watcher = await system.spawn(Worker)
    for number in range(3):
        old = system.whereis("child")
        watcher.actor.monitor(old)
        await end(system, "child")
        assert not old.is_alive()
        assert len(watcher.actor.seen) == number + 1
        assert await system.whereis("child").call(Add(1)) == 2
    assert (await top.call(CountChildren())).active == 1
