"""What one may ask a static supervisor, and each refusal."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import Actor, AlreadyStarted, Ignore, Ignored, Normal, Request, StartFailed, Stop, on
from supervision import (
    Backoff,
    Budget,
    ChildAlreadyPresent,
    ChildCounts,
    ChildInfo,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildSpec,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    InvalidChildSpec,
    RestartChild,
    StartChild,
    Supervisor,
    TerminateChild,
    WhichChildren,
)


@dataclass(frozen=True, slots=True)
class Crash:
    pass


@dataclass(frozen=True, slots=True)
class Finish:
    pass


@dataclass(frozen=True, slots=True)
class Arguments(Request[tuple]):
    pass


class Worker(Actor):
    def __init__(self, *args):
        self.args = args

    @on(Crash)
    def crash(self, message):
        raise ValueError("crash")

    @on(Finish)
    def finish(self, message):
        raise Stop(Normal())

    @on(Arguments)
    def arguments(self, request):
        return self.args


class Broken(Actor):
    def init(self):
        raise RuntimeError("broken")


class Shy(Actor):
    def init(self):
        raise Ignore


A = ChildSpec("a", Worker, (1,), name="a")
B = ChildSpec("b", Worker, restart="transient", name="b")
SLOW = ChildSpec("slow", Worker, name="slow", backoff=Backoff(first=10.0))


async def start(system, *specs, **options):
    return await system.spawn(Supervisor, specs, **options)


async def states(supervisor):
    return {child.id: child.state for child in await supervisor.call(WhichChildren())}


# -- start --------------------------------------------------------------------------------------


async def test_a_started_child_runs_when_the_reply_comes_and_is_the_last_in_order(system):
    supervisor = await start(system, A)
    ref = await supervisor.call(StartChild(B))
    assert system.whereis("b") is ref
    assert list(await states(supervisor)) == ["a", "b"]


async def test_arguments_of_the_request_follow_those_of_the_spec(system):
    supervisor = await start(system)
    ref = await supervisor.call(StartChild(A, (2, 3), name="other"))
    assert await ref.call(Arguments()) == (1, 2, 3)
    assert system.whereis("other") is ref
    spec = await supervisor.call(GetChildSpec("a"))
    assert (spec.args, spec.name) == ((1, 2, 3), "other")


async def test_an_id_that_runs_is_already_started(system):
    supervisor = await start(system, A)
    with pytest.raises(AlreadyStarted) as caught:
        await supervisor.call(StartChild(A))
    assert caught.value.ref is system.whereis("a")


async def test_a_name_that_is_taken_is_already_started(system):
    holder = await system.spawn(Worker, name="b")
    supervisor = await start(system)
    with pytest.raises(AlreadyStarted) as caught:
        await supervisor.call(StartChild(B))
    assert caught.value.ref is holder
    assert await states(supervisor) == {}


async def test_an_id_that_has_ended_is_already_present(system):
    supervisor = await start(system, A)
    await supervisor.call(TerminateChild("a"))
    with pytest.raises(ChildAlreadyPresent, match="send RestartChild or DeleteChild"):
        await supervisor.call(StartChild(A))


async def test_a_child_that_does_not_start_is_not_supervised(system):
    supervisor = await start(system)
    with pytest.raises(StartFailed, match="broken"):
        await supervisor.call(StartChild(ChildSpec("x", Broken)))
    assert await states(supervisor) == {}
    assert supervisor.is_alive()


@pytest.mark.parametrize(("restart", "kept"), [("permanent", True), ("temporary", False)])
async def test_a_child_that_ignores_its_start_is_kept_unless_temporary(system, restart, kept):
    supervisor = await start(system)
    with pytest.raises(StartFailed) as caught:
        await supervisor.call(StartChild(ChildSpec("x", Shy, restart=restart)))
    assert caught.value.reason == Ignored()
    assert await states(supervisor) == ({"x": "ended"} if kept else {})


async def test_what_is_no_spec_is_refused_and_the_supervisor_goes_on(system):
    supervisor = await start(system, A)
    with pytest.raises(InvalidChildSpec, match="is no child spec"):
        await supervisor.call(StartChild("counter"))
    with pytest.raises(InvalidChildSpec, match="never shuts down"):
        significant = ChildSpec("s", Worker, restart="transient", significant=True)
        await supervisor.call(StartChild(significant))
    assert await states(supervisor) == {"a": "running"}


# -- terminate ----------------------------------------------------------------------------------


async def test_a_terminated_child_has_ended_and_keeps_its_spec(system):
    supervisor = await start(system, A)
    ref = system.whereis("a")
    await supervisor.call(TerminateChild("a"))
    assert not ref.is_alive()
    assert await states(supervisor) == {"a": "ended"}
    await wait_all_tasks_blocked()
    assert await states(supervisor) == {"a": "ended"}


async def test_a_terminated_temporary_child_is_forgotten(system):
    supervisor = await start(system, ChildSpec("t", Worker, restart="temporary"))
    await supervisor.call(TerminateChild("t"))
    assert await states(supervisor) == {}


async def test_terminating_a_child_that_has_ended_changes_nothing(system):
    supervisor = await start(system, A)
    await supervisor.call(TerminateChild("a"))
    await supervisor.call(TerminateChild("a"))
    assert await states(supervisor) == {"a": "ended"}


# -- restart ------------------------------------------------------------------------------------


async def test_a_terminated_child_can_be_restarted(system):
    supervisor = await start(system, A, B)
    await supervisor.call(TerminateChild("a"))
    ref = await supervisor.call(RestartChild("a"))
    assert system.whereis("a") is ref
    assert list(await states(supervisor)) == ["a", "b"]


async def test_a_child_that_ended_by_itself_can_be_restarted(system):
    supervisor = await start(system, B)
    system.whereis("b").cast(Finish())
    await wait_all_tasks_blocked()
    assert await supervisor.call(RestartChild("b")) is system.whereis("b")


async def test_a_running_child_cannot_be_restarted(system):
    supervisor = await start(system, A)
    with pytest.raises(ChildRunning, match="send TerminateChild first"):
        await supervisor.call(RestartChild("a"))


async def test_a_restarting_child_cannot_be_restarted(autojump_clock, system):
    supervisor = await start(system, SLOW)
    system.whereis("slow").cast(Crash())
    await wait_all_tasks_blocked()
    with pytest.raises(ChildRestarting):
        await supervisor.call(RestartChild("slow"))


async def test_a_restart_by_request_costs_nothing_of_the_budget(system):
    supervisor = await start(system, A, intensity=0)
    for _ in range(3):
        await supervisor.call(TerminateChild("a"))
        await supervisor.call(RestartChild("a"))
    assert await states(supervisor) == {"a": "running"}


async def test_a_retry_overtaken_by_a_request_starts_no_second_incarnation(autojump_clock, system):
    supervisor = await start(system, SLOW)
    system.whereis("slow").cast(Crash())
    await wait_all_tasks_blocked()
    await supervisor.call(TerminateChild("slow"))
    ref = await supervisor.call(RestartChild("slow"))
    await trio.sleep(60)
    assert system.whereis("slow") is ref


async def test_a_retry_that_waits_in_the_mailbox_when_the_child_is_terminated_is_void(
    autojump_clock, system
):
    supervisor = await start(system, SLOW)
    system.whereis("slow").cast(Crash())
    await wait_all_tasks_blocked()
    await system.suspend(supervisor)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.call, TerminateChild("slow"), None)
        await trio.sleep(60)
        await system.resume(supervisor)
    assert await states(supervisor) == {"slow": "ended"}


async def test_a_terminated_child_leaves_no_timer_behind(autojump_clock, system):
    supervisor = await start(system, SLOW)
    before = system.statistics()["deadlines"]
    system.whereis("slow").cast(Crash())
    await wait_all_tasks_blocked()
    assert system.statistics()["deadlines"] == before + 1
    await supervisor.call(TerminateChild("slow"))
    assert system.statistics()["deadlines"] == before


async def test_a_terminated_child_has_its_whole_budget_again(system):
    spec = ChildSpec("w", Worker, name="w", budget=Budget(1, 60.0))
    supervisor = await start(system, spec)
    for _ in range(3):
        system.whereis("w").cast(Crash())
        await wait_all_tasks_blocked()
        assert await states(supervisor) == {"w": "running"}
        await supervisor.call(TerminateChild("w"))
        await supervisor.call(RestartChild("w"))


# -- delete, spec, lists ------------------------------------------------------------------------


async def test_a_child_that_has_ended_can_be_deleted(system):
    supervisor = await start(system, A, B)
    await supervisor.call(TerminateChild("a"))
    await supervisor.call(DeleteChild("a"))
    assert await states(supervisor) == {"b": "running"}


async def test_a_running_child_cannot_be_deleted(system):
    supervisor = await start(system, A)
    with pytest.raises(ChildRunning):
        await supervisor.call(DeleteChild("a"))


async def test_a_restarting_child_cannot_be_deleted(autojump_clock, system):
    supervisor = await start(system, SLOW)
    system.whereis("slow").cast(Crash())
    await wait_all_tasks_blocked()
    with pytest.raises(ChildRestarting):
        await supervisor.call(DeleteChild("slow"))


async def test_the_spec_of_a_child_is_the_one_it_was_given(system):
    supervisor = await start(system, A)
    assert await supervisor.call(GetChildSpec("a")) == A


@pytest.mark.parametrize("request_type", [TerminateChild, RestartChild, DeleteChild, GetChildSpec])
async def test_an_unknown_child_is_not_found_and_the_error_names_the_known_ones(
    system, request_type
):
    supervisor = await start(system, A, B)
    with pytest.raises(ChildNotFound, match="no child 'x'; the children are 'a', 'b'"):
        await supervisor.call(request_type("x"))


async def test_the_children_are_listed_in_start_order(autojump_clock, system):
    branch = ChildSpec("branch", Supervisor)
    supervisor = await start(system, branch, A, B, SLOW)
    await supervisor.call(TerminateChild("b"))
    system.whereis("slow").cast(Crash())
    await wait_all_tasks_blocked()
    children = await supervisor.call(WhichChildren())
    assert children[1:] == (
        ChildInfo("a", system.whereis("a"), "running", "worker", Worker),
        ChildInfo("b", None, "ended", "worker", Worker),
        ChildInfo("slow", None, "restarting", "worker", Worker),
    )
    assert (children[0].id, children[0].type) == ("branch", "supervisor")
    assert await supervisor.call(CountChildren()) == ChildCounts(4, 2, 1, 3)
