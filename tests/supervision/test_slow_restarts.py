"""Restarts whose start is slow: the supervisor serves others, and may give the start up."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import Crashed, Killed, Shutdown
from supervision import (
    Backoff,
    Budget,
    ChildRestarting,
    ChildSpec,
    CountChildren,
    DynamicSupervisor,
    RestartChild,
    StartChild,
    Supervisor,
    TerminateChild,
    WhichChildren,
)
from tests.actors.kit import Add, Do, Worker

SLOW = 10.0


class Slow(Worker):
    """Starts at once the first time; later as the plan says: (seconds, whether it succeeds)."""

    def __init__(self, plan, *, in_trio=False, trap=False):
        super().__init__(trap=trap)
        self.plan = plan
        self.in_trio = in_trio

    async def init(self):
        seconds, works = self.plan.pop(0)
        sleep = trio.sleep if self.in_trio else self.sleep
        await sleep(seconds)
        if not works:
            raise ValueError("no start")


def spec_of(plan, **fields):
    kwargs = {key: fields.pop(key) for key in ("in_trio", "trap") if key in fields}
    return ChildSpec("slow", Slow, (plan,), kwargs=kwargs, name="slow", **fields)


async def start(system, kind, spec):
    """A supervisor of one of the kinds with this child, and another child of it."""
    other = ChildSpec("other", Worker)
    if kind == "static":
        top = await system.spawn(Supervisor, [spec, other])
        return top, (await top.call(WhichChildren()))[1].ref
    top = await system.spawn(DynamicSupervisor)
    await top.call(StartChild(spec))
    return top, await top.call(StartChild(other))


async def states(top):
    return sorted(child.state for child in await top.call(WhichChildren(), timeout=0.01))


async def kill_slow(system):
    ref = system.whereis("slow")
    system.kill(ref)
    await system.join(ref)
    return ref


kinds = pytest.mark.parametrize("kind", ["static", "dynamic"])


@kinds
@pytest.mark.parametrize("in_trio", [False, True])
async def test_a_slow_restart_does_not_keep_the_supervisor(system, autojump_clock, kind, in_trio):
    plan = [(0, True), (SLOW, True)]
    top, other = await start(system, kind, spec_of(plan, in_trio=in_trio))
    first = await kill_slow(system)
    begun = trio.current_time()
    assert await states(top) == ["restarting", "running"]
    assert (await top.call(CountChildren())).active == 1
    assert await other.call(Add(1)) == 2
    system.kill(other)  # another restart meanwhile
    await system.join(other)
    await wait_all_tasks_blocked()
    assert await states(top) == ["restarting", "running"]
    assert trio.current_time() - begun < 1
    await trio.sleep(SLOW + 0.1)
    assert await states(top) == ["running", "running"]
    assert system.whereis("slow") not in (first, None)
    assert await system.whereis("slow").call(Add(1)) == 2


@kinds
async def test_slow_failing_restarts_cost_a_restart_each_and_keep_nobody(
    system, autojump_clock, reports, kind
):
    plan = [(0, True), (2, False), (2, False), (2, True)]
    top, _ = await start(system, kind, spec_of(plan, budget=Budget(3, 100)))
    await kill_slow(system)
    for _ in range(3):
        assert await states(top) == ["restarting", "running"]
        await trio.sleep(2.1)
    assert await states(top) == ["running", "running"]
    assert [context for context, _, _ in reports] == ["child_terminated"] + 2 * ["start_error"]
    await kill_slow(system)
    await wait_all_tasks_blocked()
    assert reports[-1][0] == "gave_up"
    assert top.is_alive()


@kinds
async def test_slow_failing_restarts_that_exceed_the_supervisors_budget_end_it(
    system, autojump_clock, reports, kind
):
    top, _ = await start(system, kind, spec_of([(0, True)] + 9 * [(1, False)]))
    await kill_slow(system)
    assert await system.join(top) == Shutdown()
    assert [context for context, _, _ in reports].count("start_error") == 3
    assert system.actors() == ()


@kinds
async def test_backoff_and_a_slow_failing_start_alternate(system, autojump_clock, kind):
    plan = [(0, True), (5, False), (5, True)]
    backoff = Backoff(first=3, factor=1, jitter=0)
    top, _ = await start(system, kind, spec_of(plan, backoff=backoff))
    await kill_slow(system)
    await trio.sleep(3 + 5 + 3 + 5 - 0.1)
    assert await states(top) == ["restarting", "running"]
    assert plan == []
    await trio.sleep(0.2)
    assert await states(top) == ["running", "running"]


@kinds
@pytest.mark.parametrize("trap", [False, True])
async def test_a_child_that_starts_again_can_be_terminated(
    system, autojump_clock, reports, kind, trap
):
    plan = [(0, True), (SLOW, True)]
    top, _ = await start(system, kind, spec_of(plan, trap=trap, shutdown=2.0))
    old = await kill_slow(system)
    await wait_all_tasks_blocked()
    new = system.whereis("slow")
    if kind == "static":
        with pytest.raises(ChildRestarting):
            await top.call(RestartChild("slow"))
    begun = trio.current_time()
    await top.call(TerminateChild("slow" if kind == "static" else old))
    assert trio.current_time() - begun == pytest.approx(2 if trap else 0, abs=0.1)
    assert new.exit_reason == (Killed() if trap else Shutdown())
    assert system.whereis("slow") is None
    expected = ["ended", "running"] if kind == "static" else ["running"]
    assert await states(top) == expected
    await trio.sleep(2 * SLOW)
    assert await states(top) == expected
    if kind == "static":
        plan.append((0, True))
        assert await top.call(RestartChild("slow")) is system.whereis("slow")


@kinds
async def test_a_supervisor_that_stops_stops_also_what_is_starting_again(
    system, autojump_clock, kind
):
    top, _ = await start(system, kind, spec_of([(0, True), (SLOW, True)]))
    await kill_slow(system)
    await wait_all_tasks_blocked()
    begun = trio.current_time()
    await system.stop(top, Shutdown())
    assert trio.current_time() - begun < 1
    assert system.actors() == ()


@kinds
async def test_a_child_that_is_killed_while_it_starts_again_is_a_failed_start(
    system, autojump_clock, reports, kind
):
    top, _ = await start(system, kind, spec_of([(0, True), (SLOW, True), (0, True)]))
    await kill_slow(system)
    await wait_all_tasks_blocked()
    await kill_slow(system)
    await wait_all_tasks_blocked()
    assert await states(top) == ["running", "running"]
    assert reports[-1] == ("start_error", "'slow'", str(Killed()))


@kinds
async def test_a_child_that_crashes_right_after_a_slow_start_is_started_again(
    system, autojump_clock, kind
):
    plan = [(0, True), (1, True), (0, True)]
    top, _ = await start(system, kind, spec_of(plan))
    await kill_slow(system)
    await wait_all_tasks_blocked()

    def crash(me):
        raise ValueError("boom")

    second = system.whereis("slow")
    second.cast(Do(crash))
    await trio.sleep(1.1)
    assert second.exit_reason == Crashed("ValueError", "boom")
    assert await states(top) == ["running", "running"]


async def test_arguments_for_all_children_come_before_those_of_each(system, autojump_clock):
    class Keeps(Worker):
        def __init__(self, *args):
            super().__init__()
            self.args = args

    top = await system.spawn(DynamicSupervisor, extra_arguments=("store",))
    ref = await top.call(StartChild(ChildSpec("k", Keeps, (1,)), args=(2,), name="k"))
    assert ref.actor.args == ("store", 1, 2)
    system.kill(ref)
    await system.join(ref)
    await wait_all_tasks_blocked()
    assert system.whereis("k").actor.args == ("store", 1, 2)
