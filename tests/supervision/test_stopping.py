"""Each stop timeout, what is reported, and many children stopping together."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import Actor, Crashed, Killed, NoProc, Normal, Shutdown, Stop, on
from supervision import ChildSpec, DynamicSupervisor, StartChild, Supervisor, TerminateChild
from supervision.stopping import is_shutdown_error


@dataclass(frozen=True, slots=True)
class Finish:
    pass


class Worker(Actor):
    """Takes `seconds` to stop and notes how it ended."""

    trap_exit = True

    def __init__(self, log=None, key="w", seconds=0.0):
        self.log, self.key, self.seconds = [] if log is None else log, key, seconds

    async def terminate(self, reason):
        self.log.append(f"asked {self.key}")
        await self.sleep(self.seconds)
        self.log.append(f"stopped {self.key}")

    @on(Finish)
    def finish(self, message):
        raise Stop(Normal())


class Grumpy(Actor):
    """Ends with a reason of its own when it is asked to stop."""

    trap_exit = True

    def terminate(self, reason):
        raise ValueError("grumpy")


async def stop(system, ref):
    """Stop a supervisor; returns the virtual seconds that it took."""
    begun = trio.current_time()
    system.exit(ref, Shutdown())
    assert await system.join(ref) == Shutdown()
    return trio.current_time() - begun


FINE = [
    ("permanent", 5.0, Shutdown()),
    ("transient", 5.0, Shutdown()),
    ("transient", 5.0, Shutdown("later")),
    ("temporary", "infinity", Normal()),
    ("permanent", "brutal_kill", Killed()),
    ("transient", "brutal_kill", Shutdown()),
    ("temporary", "brutal_kill", Normal()),
]
WRONG = [
    ("permanent", 5.0, Normal()),
    ("permanent", 5.0, Shutdown("later")),
    ("permanent", 5.0, Killed()),
    ("temporary", 5.0, Killed()),
    ("transient", "infinity", Crashed("ValueError")),
    ("permanent", "brutal_kill", Shutdown()),
    ("permanent", "brutal_kill", Normal()),
    ("temporary", "brutal_kill", NoProc()),
]


@pytest.mark.parametrize(("restart", "shutdown", "reason"), FINE)
def test_an_end_that_was_asked_for_is_no_error(restart, shutdown, reason):
    spec = ChildSpec("w", Worker, restart=restart, shutdown=shutdown)
    assert not is_shutdown_error(spec, reason)


@pytest.mark.parametrize(("restart", "shutdown", "reason"), WRONG)
def test_any_other_end_is_a_shutdown_error(restart, shutdown, reason):
    spec = ChildSpec("w", Worker, restart=restart, shutdown=shutdown)
    assert is_shutdown_error(spec, reason)


# -- one child, each timeout, under both supervisors ----------------------------------------------


async def supervise(system, kind, *specs):
    if kind is Supervisor:
        return await system.spawn(Supervisor, specs)
    supervisor = await system.spawn(DynamicSupervisor)
    for spec in specs:
        await supervisor.call(StartChild(spec))
    return supervisor


both = pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])


@both
async def test_a_child_within_its_seconds_stops_in_order(autojump_clock, system, reports, kind):
    log = []
    supervisor = await supervise(system, kind, ChildSpec("w", Worker, (log, "w", 3.0)))
    assert await stop(system, supervisor) == pytest.approx(3.0, abs=0.1)
    assert log == ["asked w", "stopped w"]
    assert reports == []


@both
async def test_a_child_beyond_its_seconds_is_killed(autojump_clock, system, reports, kind):
    log = []
    spec = ChildSpec("w", Worker, (log, "w", 60.0), shutdown=7.0)
    supervisor = await supervise(system, kind, spec)
    assert await stop(system, supervisor) == pytest.approx(7.0, abs=0.1)
    assert log == ["asked w"]
    assert reports == [("shutdown_error", "'w'", "killed")]


@both
async def test_a_brutally_killed_child_is_not_asked(autojump_clock, system, reports, kind):
    log = []
    spec = ChildSpec("w", Worker, (log, "w", 60.0), shutdown="brutal_kill")
    supervisor = await supervise(system, kind, spec)
    assert await stop(system, supervisor) == pytest.approx(0, abs=0.1)
    assert log == []
    assert reports == []


@both
async def test_a_child_with_infinity_has_all_its_time(autojump_clock, system, reports, kind):
    log = []
    spec = ChildSpec("w", Worker, (log, "w", 86_400.0), shutdown="infinity")
    supervisor = await supervise(system, kind, spec)
    assert await stop(system, supervisor) == pytest.approx(86_400, abs=0.1)
    assert log == ["asked w", "stopped w"]
    assert reports == []


@both
async def test_a_child_that_crashes_while_stopping_is_reported(
    autojump_clock, system, reports, kind
):
    supervisor = await supervise(system, kind, ChildSpec("g", Grumpy))
    await stop(system, supervisor)
    assert reports == [("shutdown_error", "'g'", "ValueError: grumpy")]


@both
async def test_a_supervisor_killed_while_it_stops_takes_its_children_with_it(
    autojump_clock, system, kind
):
    spec = ChildSpec("w", Worker, ([], "w", 1e6), name="w", shutdown="infinity")
    supervisor = await supervise(system, kind, spec)
    child = system.whereis("w")
    system.exit(supervisor, Shutdown())
    await wait_all_tasks_blocked()
    assert child.is_alive()
    system.kill(supervisor)
    assert await system.join(supervisor) == Killed()
    assert await system.join(child) == Killed()


# -- many children --------------------------------------------------------------------------------


async def test_a_static_supervisor_stops_one_child_after_the_other(autojump_clock, system):
    log = []
    specs = [ChildSpec(key, Worker, (log, key, 2.0)) for key in "abc"]
    supervisor = await supervise(system, Supervisor, *specs)
    assert await stop(system, supervisor) == pytest.approx(6.0, abs=0.2)
    assert log == ["asked c", "stopped c", "asked b", "stopped b", "asked a", "stopped a"]


async def test_a_dynamic_supervisor_stops_its_children_together(autojump_clock, system, reports):
    log = []
    specs = [ChildSpec(key, Worker, (log, key, 2.0)) for key in range(2_000)]
    supervisor = await supervise(system, DynamicSupervisor, *specs)
    assert await stop(system, supervisor) == pytest.approx(2.0, abs=0.3)
    assert sum(entry.startswith("stopped") for entry in log) == 2_000
    assert reports == []
    assert system.statistics()["dead_letters"] == 0


async def test_each_child_has_its_own_time_when_many_stop_together(autojump_clock, system, reports):
    log = []
    children = [("fast", 0.0, 1.0), ("late1", 6.0, 1.0), ("late5", 7.0, 5.0), ("ok", 4.0, 5.0)]
    specs = [
        ChildSpec(key, Worker, (log, key, seconds), shutdown=shutdown)
        for key, seconds, shutdown in children
    ]
    specs.append(ChildSpec("patient", Worker, (log, "patient", 8.0), shutdown="infinity"))
    supervisor = await supervise(system, DynamicSupervisor, *specs)
    assert await stop(system, supervisor) == pytest.approx(8.0, abs=0.1)
    assert {entry for entry in log if entry.startswith("stopped")} == {
        "stopped fast",
        "stopped ok",
        "stopped patient",
    }
    assert sorted(reports) == [
        ("shutdown_error", "'late1'", "killed"),
        ("shutdown_error", "'late5'", "killed"),
    ]


async def test_however_many_children_stop_there_is_one_deadline_for_each_timeout(
    autojump_clock, system
):
    class Waiting(Actor):
        trap_exit = True

        async def terminate(self, reason):
            await trio.lowlevel.checkpoint()
            with trio.move_on_after(1e6):
                await trio.sleep_forever()

    short, long = (ChildSpec("w", Waiting, shutdown=seconds) for seconds in (3.0, 9.0))
    supervisor = await supervise(system, DynamicSupervisor, *[short] * 50, *[long] * 50)
    before = system.statistics()["deadlines"]
    system.exit(supervisor, Shutdown())
    await wait_all_tasks_blocked()
    assert system.statistics()["deadlines"] - before <= 2
    assert await system.join(supervisor) == Shutdown()


async def test_a_dynamic_supervisor_serves_others_while_a_child_stops(autojump_clock, system):
    supervisor = await system.spawn(DynamicSupervisor)
    slow = await supervisor.call(StartChild(ChildSpec("s", Worker, ([], "s", 4.0))))
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.call, TerminateChild(slow))
        nursery.start_soon(supervisor.call, TerminateChild(slow))
        await wait_all_tasks_blocked()
        await supervisor.call(StartChild(ChildSpec("t", Worker)))
        assert trio.current_time() == begun
    assert trio.current_time() - begun == pytest.approx(4.0, abs=0.1)
    assert not slow.is_alive()


async def test_a_terminated_dynamic_child_beyond_its_seconds_is_killed(
    autojump_clock, system, reports
):
    supervisor = await system.spawn(DynamicSupervisor)
    spec = ChildSpec("s", Worker, ([], "s", 60.0), shutdown=2.0)
    ref = await supervisor.call(StartChild(spec))
    begun = trio.current_time()
    await supervisor.call(TerminateChild(ref))
    assert trio.current_time() - begun == pytest.approx(2.0, abs=0.1)
    assert reports == [("shutdown_error", "'s'", "killed")]


async def test_a_child_that_crashed_before_it_was_asked_is_reported_with_its_crash(system, reports):
    class Fragile(Actor):
        @on(Finish)
        def finish(self, message):
            raise ValueError("crash")

    supervisor = await system.spawn(DynamicSupervisor)
    ref = await supervisor.call(StartChild(ChildSpec("f", Fragile)))
    await system.suspend(supervisor)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.call, TerminateChild(ref))
        await wait_all_tasks_blocked()
        ref.cast(Finish())
        await wait_all_tasks_blocked()
        assert not ref.is_alive()
        await system.resume(supervisor)
    assert reports == [("shutdown_error", "'f'", "ValueError: crash")]


async def test_a_child_that_removes_its_link_is_stopped_all_the_same(autojump_clock, system):
    class Naughty(Actor):
        def init(self):
            self.unlink(self.ref.parent)

    spec = ChildSpec("n", Naughty)
    static = await system.spawn(Supervisor, [spec])
    await static.call(TerminateChild("n"))
    dynamic = await system.spawn(DynamicSupervisor)
    ref = await dynamic.call(StartChild(spec))
    await dynamic.call(TerminateChild(ref))
    assert not ref.is_alive()
