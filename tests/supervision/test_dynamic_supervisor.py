"""A dynamic supervisor: children that come and go, named by their refs."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, replace

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    AlreadyStarted,
    CalleeDied,
    CallTimeout,
    Ignore,
    Ignored,
    Killed,
    Normal,
    Request,
    Shutdown,
    StartFailed,
    Stop,
    on,
)
from actors.testing import advance, delay, fail_nth, leak_check, open_probe
from actors.testing import crash as kit_crash
from supervision import (
    Backoff,
    Budget,
    ChildCounts,
    ChildInfo,
    ChildNotFound,
    ChildSpec,
    CountChildren,
    DeleteChild,
    DynamicSupervisor,
    GetChildSpec,
    InvalidChildSpec,
    RestartChild,
    StartChild,
    Supervisor,
    TerminateChild,
    TooManyChildren,
    UnsupportedRequest,
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


class Flaky(Worker):
    """Fails to start while the set it is given holds anything; ignores its start on "shy"."""

    def init(self):
        if "shy" in self.args[0]:
            raise Ignore
        if self.args[0]:
            raise RuntimeError("broken")


SPEC = ChildSpec("w", Worker)


async def start(system, **options):
    return await system.spawn(DynamicSupervisor, **options)


async def infos(supervisor):
    return [(child.ref, child.state) for child in await supervisor.call(WhichChildren())]


async def crash(*refs):
    for ref in refs:
        ref.cast(Crash())
    await wait_all_tasks_blocked()


# -- start --------------------------------------------------------------------------------------


async def test_one_spec_serves_any_number_of_children(system):
    supervisor = await start(system)
    refs = [await supervisor.call(StartChild(SPEC)) for _ in range(3)]
    assert await infos(supervisor) == [(ref, "running") for ref in refs]
    assert await supervisor.call(CountChildren()) == ChildCounts(3, 3, 0, 3)


async def test_each_child_may_have_arguments_and_a_name_of_its_own(system):
    supervisor = await start(system)
    spec = ChildSpec("w", Worker, (1,))
    async with leak_check(system):
        ref = await supervisor.call(StartChild(spec, (2,), ("user", "alice")))
        assert system.whereis(("user", "alice")) is ref
        assert await ref.call(Arguments()) == (1, 2)
        assert await supervisor.call(GetChildSpec(ref)) == replace(
            spec, args=(1, 2), name=("user", "alice")
        )
        await supervisor.call(TerminateChild(ref))


async def test_a_restarted_child_gets_its_own_arguments_and_name_again(system):
    supervisor = await start(system)
    old = await supervisor.call(StartChild(ChildSpec("w", Worker, (1,)), (2,), "alice"))
    await crash(old)
    new = system.whereis("alice")
    assert new is not old
    assert await new.call(Arguments()) == (1, 2)
    assert await infos(supervisor) == [(new, "running")]


async def test_a_taken_name_is_refused_with_its_holder(system):
    supervisor = await start(system)
    holder = await supervisor.call(StartChild(SPEC, name="alice"))
    with pytest.raises(AlreadyStarted) as caught:
        await supervisor.call(StartChild(SPEC, name="alice"))
    assert caught.value.ref is holder
    assert await infos(supervisor) == [(holder, "running")]


@pytest.mark.parametrize(("state", "reason"), [("broken", "RuntimeError: broken"), ("shy", None)])
async def test_a_child_that_does_not_start_is_forgotten(system, state, reason):
    supervisor = await start(system)
    with pytest.raises(StartFailed) as caught:
        await supervisor.call(StartChild(ChildSpec("f", Flaky, ({state},))))
    assert caught.value.reason == Ignored() or str(caught.value.reason) == reason
    assert await infos(supervisor) == []


async def test_more_than_max_children_are_refused(system):
    supervisor = await start(system, max_children=2)
    first = await supervisor.call(StartChild(SPEC))
    await supervisor.call(StartChild(SPEC))
    with pytest.raises(TooManyChildren, match="max_children=2"):
        await supervisor.call(StartChild(SPEC))
    await supervisor.call(TerminateChild(first))
    await supervisor.call(StartChild(SPEC))


async def test_a_child_in_its_backoff_counts_for_max_children(autojump_clock, system):
    supervisor = await start(system, max_children=1)
    spec = replace(SPEC, backoff=Backoff(first=10.0))
    await crash(await supervisor.call(StartChild(spec)))
    with pytest.raises(TooManyChildren):
        await supervisor.call(StartChild(SPEC))
    assert await supervisor.call(CountChildren()) == ChildCounts(1, 0, 0, 1)


async def test_what_is_no_spec_is_refused(system):
    supervisor = await start(system)
    with pytest.raises(InvalidChildSpec, match="is no child spec"):
        await supervisor.call(StartChild({"id": "w"}))
    with pytest.raises(InvalidChildSpec, match="never shuts down"):
        await supervisor.call(
            StartChild(ChildSpec("s", Worker, (), None, "transient", 5.0, "worker", True))
        )


async def test_the_class_of_an_actor_stands_for_its_spec(system):
    supervisor = await start(system)
    ref = await supervisor.call(StartChild(Worker))
    assert await infos(supervisor) == [(ref, "running")]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_children": 0}, "max_children=0 is no number of children"),
        ({"max_children": "many"}, "max_children='many'"),
        ({"child_budget": 3}, r"Write child_budget=Budget\(3, 5\.0\)"),
        ({"extra_arguments": [1]}, r"Write a tuple, as in extra_arguments=\(store,\)"),
        ({"intensity": 1.5}, "max_restarts=1.5 is no count"),
        ({"auto_shutdown": True}, "auto_shutdown=True is not one of"),
    ],
)
async def test_wrong_options_fail_the_start_with_the_sentence(system, options, sentence):
    with pytest.raises(StartFailed, match=sentence):
        await start(system, **options)


# -- budgets ------------------------------------------------------------------------------------


async def test_children_without_a_budget_share_the_supervisors(system, reports):
    supervisor = await start(system, intensity=2)
    refs = [await supervisor.call(StartChild(SPEC)) for _ in range(4)]
    await crash(*refs[:3])
    assert await system.join(supervisor) == Shutdown()
    assert await system.join(refs[3]) == Shutdown()
    assert reports[-1] == ("shutdown", "'w'", "reached_max_restart_intensity")


@pytest.mark.parametrize("where", ["spec", "supervisor"])
async def test_a_child_that_exceeds_its_own_budget_is_removed_alone(system, reports, where):
    budget = Budget(2, 60.0)
    supervisor = await start(
        system, intensity=0, child_budget=budget if where == "supervisor" else None
    )
    spec = replace(SPEC, budget=budget if where == "spec" else None)
    bystander = await supervisor.call(StartChild(spec))
    await supervisor.call(StartChild(spec, name="bad"))
    for _ in range(3):
        await crash(system.whereis("bad"))
    assert await infos(supervisor) == [(bystander, "running")]
    assert reports[-1] == ("gave_up", "'w'", "reached_max_restart_intensity")


async def test_many_children_that_crash_at_once_are_all_back(system):
    supervisor = await start(system, child_budget=Budget(1, 60.0), intensity=0)
    refs = [await supervisor.call(StartChild(SPEC)) for _ in range(1_000)]
    await crash(*refs)
    children = await supervisor.call(WhichChildren())
    assert len(children) == 1_000
    assert not {child.ref for child in children} & set(refs)
    assert all(child.ref.is_alive() for child in children)


# -- retries ------------------------------------------------------------------------------------


async def test_a_restart_that_fails_is_tried_again_until_it_works(autojump_clock, system, reports):
    broken = set()
    supervisor = await start(system)
    backoff = Backoff(first=10.0, jitter=0.0)
    spec = ChildSpec("f", Flaky, (broken,), backoff=backoff, name="f")
    old = await supervisor.call(StartChild(spec))
    broken.add("broken")
    await crash(old)
    assert await infos(supervisor) == [(None, "restarting")]
    await trio.sleep(10.1)
    assert reports[-1] == ("start_error", "'f'", "RuntimeError: broken")
    assert await infos(supervisor) == [(None, "restarting")]
    broken.clear()
    await trio.sleep(20.1)
    assert await infos(supervisor) == [(system.whereis("f"), "running")]


async def test_a_restart_that_keeps_failing_exceeds_the_budget(autojump_clock, system, reports):
    broken = set()
    supervisor = await start(system, intensity=3)
    old = await supervisor.call(StartChild(ChildSpec("f", Flaky, (broken,))))
    broken.add("broken")
    old.cast(Crash())
    assert await system.join(supervisor) == Shutdown()
    kinds = [report[0] for report in reports]
    assert kinds == ["child_terminated"] + ["start_error"] * 3 + ["shutdown"]


async def test_a_restart_that_is_ignored_forgets_the_child(system):
    state = set()
    supervisor = await start(system)
    old = await supervisor.call(StartChild(ChildSpec("f", Flaky, (state,))))
    state.add("shy")
    await crash(old)
    assert await infos(supervisor) == []


async def test_a_child_in_its_backoff_is_terminated_by_its_old_ref(autojump_clock, system):
    supervisor = await start(system)
    old = await supervisor.call(StartChild(replace(SPEC, backoff=Backoff(first=10.0))))
    await crash(old)
    await supervisor.call(TerminateChild(old))
    await advance(60)
    assert await infos(supervisor) == []


async def test_a_stopped_supervisor_leaves_no_actor_name_timer_or_link(autojump_clock, system):
    probe = await open_probe(system)
    async with leak_check(system):
        supervisor = await start(system)
        await supervisor.call(StartChild(SPEC, name="runs"))
        waits = await supervisor.call(StartChild(replace(SPEC, backoff=Backoff(first=10.0))))
        kit_crash(waits, ValueError("on purpose"))
        await probe.expect_down(waits, reason=ValueError)
        system.exit(supervisor, Shutdown())
        await probe.expect_down(supervisor, reason=Shutdown)


async def test_a_child_that_fails_at_its_third_message_is_back_for_the_fourth(system):
    supervisor = await start(system)
    old = await supervisor.call(StartChild(SPEC, (7,), "child"))
    fail_nth(old, 3, OSError("disk"), only=Arguments)
    assert [await old.call(Arguments()) for _ in range(2)] == [(7,), (7,)]
    with pytest.raises(CalleeDied, match="OSError: disk"):
        await old.call(Arguments())
    await wait_all_tasks_blocked()
    assert await system.whereis("child").call(Arguments()) == (7,)


async def test_a_child_that_is_slow_to_answer_does_not_hold_up_its_supervisor(
    autojump_clock, system
):
    supervisor = await start(system)
    slow = await supervisor.call(StartChild(SPEC))
    delay(slow, 60.0)
    begun = trio.current_time()
    with pytest.raises(CallTimeout):
        await slow.call(Arguments(), timeout=1.0)
    await supervisor.call(TerminateChild(slow))
    assert await infos(supervisor) == []
    assert trio.current_time() - begun < 2


async def test_a_supervisor_stops_at_once_while_children_are_in_their_backoff(
    autojump_clock, system
):
    supervisor = await start(system)
    await crash(await supervisor.call(StartChild(replace(SPEC, backoff=Backoff(first=10.0)))))
    begun = trio.current_time()
    system.exit(supervisor, Shutdown())
    await system.join(supervisor)
    assert trio.current_time() - begun < 1


# -- the rest -----------------------------------------------------------------------------------


async def test_a_temporary_childs_arguments_are_dropped_once_it_runs(system):
    class Big:
        pass

    class Forgetful(Actor):
        def __init__(self, argument, *, option=None):
            pass

    supervisor = await start(system)
    in_spec, in_request, option = Big(), Big(), Big()
    spec = ChildSpec("t", Forgetful, (in_spec,), restart="temporary", kwargs={"option": option})
    seen = [weakref.ref(in_spec), weakref.ref(in_request), weakref.ref(option)]
    ref = await supervisor.call(StartChild(spec))
    template = ChildSpec("t", Forgetful, restart="temporary")
    other = await supervisor.call(StartChild(template, (in_request,)))
    assert (await supervisor.call(GetChildSpec(ref))).args == ()
    assert (await supervisor.call(GetChildSpec(other))).args == ()
    del spec, in_spec, in_request, option
    gc.collect()
    assert [ref() for ref in seen] == [None, None, None]


async def test_a_strangers_ref_is_not_found(system):
    supervisor = await start(system)
    stranger = await system.spawn(Worker)
    for request in (TerminateChild(stranger), GetChildSpec(stranger), TerminateChild("w")):
        with pytest.raises(ChildNotFound, match="is no child of"):
            await supervisor.call(request)
    assert stranger.is_alive()


@pytest.mark.parametrize("request_type", [RestartChild, DeleteChild])
async def test_there_are_no_ids_to_restart_or_delete_by(system, request_type):
    supervisor = await start(system)
    with pytest.raises(UnsupportedRequest, match=r"Send StartChild\(spec\)"):
        await supervisor.call(request_type("w"))


async def test_children_are_counted_by_type(autojump_clock, system):
    supervisor = await start(system)
    inner = await supervisor.call(StartChild(Supervisor))
    await supervisor.call(StartChild(SPEC))
    assert await supervisor.call(CountChildren()) == ChildCounts(2, 2, 1, 1)
    children = await supervisor.call(WhichChildren())
    assert children[0] == ChildInfo(None, inner, "running", "supervisor", Supervisor)
    await supervisor.call(TerminateChild(inner))
    assert await supervisor.call(CountChildren()) == ChildCounts(1, 1, 0, 1)


async def test_the_children_of_a_killed_supervisor_go_down_with_it(system):
    supervisor = await start(system)
    refs = [await supervisor.call(StartChild(SPEC)) for _ in range(20)]
    system.kill(supervisor)
    assert [await system.join(ref) for ref in refs] == [Killed()] * 20


@pytest.mark.parametrize(
    ("auto_shutdown", "survives"), [("any_significant", 0), ("all_significant", 1)]
)
async def test_significant_children_that_end_may_end_the_supervisor(
    system, auto_shutdown, survives
):
    supervisor = await start(system, auto_shutdown=auto_shutdown)
    spec = replace(SPEC, restart="transient", significant=True)
    refs = [await supervisor.call(StartChild(spec)) for _ in range(2)]
    await supervisor.call(StartChild(SPEC))
    refs[0].cast(Finish())
    await wait_all_tasks_blocked()
    assert supervisor.is_alive() is bool(survives)
    refs[1].cast(Finish())
    assert await system.join(supervisor) == Shutdown()


async def test_a_significant_child_terminated_by_request_ends_nothing(system):
    supervisor = await start(system, auto_shutdown="any_significant")
    spec = replace(SPEC, restart="transient", significant=True)
    await supervisor.call(TerminateChild(await supervisor.call(StartChild(spec))))
    assert await infos(supervisor) == []
