"""A static supervisor: ordered start, strategies, budgets, backoff, automatic shutdown."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import Actor, Exit, Ignore, Killed, Normal, Request, Shutdown, StartFailed, Stop, on
from supervision import (
    Backoff,
    Budget,
    ChildSpec,
    FailedToStartChild,
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
class Ask(Request[int]):
    pass


SLOW = Backoff(first=10.0, maximum=60.0, jitter=0.0, reset_after=100.0)


class Worker(Actor):
    """Notes its starts and stops; `broken` is a shared set of the keys that fail to start."""

    trap_exit = True

    def __init__(self, log, key, broken=()):
        self.log, self.key, self.broken = log, key, broken

    def init(self):
        if self.key in self.broken:
            self.log.append(f"fail {self.key}")
            raise RuntimeError("broken")
        self.log.append(f"start {self.key}")

    def terminate(self, reason):
        self.log.append(f"stop {self.key}")

    @on(Crash)
    def crash(self, message):
        raise ValueError("crash")

    @on(Finish)
    def finish(self, message):
        raise Stop(Normal())

    @on(Ask)
    def ask(self, request):
        return 1


def specs(log, keys, broken=(), **fields):
    return [ChildSpec(key, Worker, (log, key, broken), name=key, **fields) for key in keys]


async def states(supervisor):
    return {child.id: child.state for child in await supervisor.call(WhichChildren())}


async def crash(system, *keys):
    for key in keys:
        system.whereis(key).cast(Crash())
    await wait_all_tasks_blocked()


# -- start and stop -----------------------------------------------------------------------------


async def test_children_start_in_order_and_stop_in_reverse(autojump_clock, system):
    log = []
    supervisor = await system.spawn(Supervisor, specs(log, "abc"))
    assert log == ["start a", "start b", "start c"]
    system.exit(supervisor, Shutdown())
    assert await system.join(supervisor) == Shutdown()
    assert log[3:] == ["stop c", "stop b", "stop a"]


async def test_a_child_that_does_not_start_stops_the_started_ones_in_reverse(
    autojump_clock, system, reports
):
    log = []
    with pytest.raises(StartFailed) as caught:
        await system.spawn(Supervisor, specs(log, "abcd", broken={"c"}), name="top")
    assert log == ["start a", "start b", "fail c", "stop b", "stop a"]
    reason = caught.value.reason
    assert isinstance(reason, Shutdown)
    assert isinstance(reason.detail, FailedToStartChild)
    assert reason.detail.id == "c"
    assert "RuntimeError: broken" in str(reason.detail.reason)
    assert [report[:2] for report in reports] == [("start_error", "'c'")]
    assert system.actors() == ()
    assert system.whereis("top") is None


async def test_a_taken_name_is_a_failed_start(autojump_clock, system):
    log = []
    holder = await system.spawn(Worker, log, "holder", name="a")
    with pytest.raises(StartFailed, match=r"failed to start child 'a'.*AlreadyStarted"):
        await system.spawn(Supervisor, specs(log, "a"))
    assert holder.is_alive()


async def test_a_child_that_ignores_its_start_stays_as_ended_and_the_next_ones_start(
    autojump_clock, system
):
    class Shy(Actor):
        def init(self):
            raise Ignore

    children = [
        ChildSpec("shy", Shy),
        ChildSpec("brief", Shy, restart="temporary"),
        *specs([], "a"),
    ]
    supervisor = await system.spawn(Supervisor, children)
    assert await states(supervisor) == {"shy": "ended", "a": "running"}


async def test_wrong_arguments_fail_the_start_with_the_sentence(autojump_clock, system):
    for options, sentence in [
        ({"strategy": "one_for_two"}, "strategy='one_for_two' is not one of 'one_for_one'"),
        ({"auto_shutdown": "always"}, "Write auto_shutdown='never'"),
        ({"intensity": -1}, "max_restarts=-1 is no count"),
        ({"period": 0}, "seconds=0 is no span"),
    ]:
        with pytest.raises(StartFailed, match=sentence):
            await system.spawn(Supervisor, [], **options)
    with pytest.raises(StartFailed, match="Two children have the id 'a'"):
        await system.spawn(Supervisor, specs([], "aa"))


async def test_the_children_of_a_killed_supervisor_go_down_with_it(autojump_clock, system):
    class Plain(Actor):
        pass

    supervisor = await system.spawn(Supervisor, [ChildSpec("a", Plain), ChildSpec("b", Plain)])
    refs = [child.ref for child in await supervisor.call(WhichChildren())]
    system.kill(supervisor)
    assert [await system.join(ref) for ref in refs] == [Killed(), Killed()]


async def test_a_supervisor_stops_when_its_parent_ends(autojump_clock, system):
    log = []
    inner = ChildSpec("inner", Supervisor, (specs(log, "ab"),))
    outer = await system.spawn(Supervisor, [inner])
    system.exit(outer, Shutdown())
    await system.join(outer)
    assert log == ["start a", "start b", "stop b", "stop a"]


async def test_exit_signals_of_strangers_mean_nothing_to_a_supervisor(autojump_clock, system):
    supervisor = await system.spawn(Supervisor, specs([], "a"))

    class Stranger(Actor):
        def init(self):
            self.link(supervisor)

    stranger = await system.spawn(Stranger)
    system.kill(stranger)
    await system.join(stranger)
    assert await states(supervisor) == {"a": "running"}


async def test_a_start_that_is_given_up_leaves_nothing_behind(autojump_clock, system):
    class Slow(Actor):
        async def init(self):
            await self.sleep(1e6)

    log = []
    with trio.move_on_after(5) as scope:
        await system.spawn(Supervisor, [*specs(log, "a"), ChildSpec("slow", Slow)])
    assert scope.cancelled_caught
    await wait_all_tasks_blocked()
    assert system.actors() == ()
    assert system.whereis("a") is None


async def test_keyword_arguments_of_a_spec_reach_the_child(system):
    log = []
    options = {"strategy": "one_for_all", "intensity": 9}
    await system.spawn(
        Supervisor, [ChildSpec("inner", Supervisor, (specs(log, "ab"),), kwargs=options)]
    )
    del log[:]
    await crash(system, "b")
    assert log == ["stop b", "stop a", "start a", "start b"]


# -- strategies ---------------------------------------------------------------------------------


async def test_one_for_one_restarts_the_child_alone(autojump_clock, system):
    log = []
    supervisor = await system.spawn(Supervisor, specs(log, "abc"))
    del log[:]
    await crash(system, "b")
    assert log == ["stop b", "start b"]
    assert await states(supervisor) == dict.fromkeys("abc", "running")


async def test_one_for_all_stops_the_others_in_reverse_and_starts_all_in_order(
    autojump_clock, system
):
    log = []
    await system.spawn(Supervisor, specs(log, "abc"), strategy="one_for_all")
    del log[:]
    await crash(system, "b")
    assert log == ["stop b", "stop c", "stop a", "start a", "start b", "start c"]


async def test_rest_for_one_restarts_the_child_and_those_after_it(autojump_clock, system):
    log = []
    await system.spawn(Supervisor, specs(log, "abcd"), strategy="rest_for_one")
    del log[:]
    await crash(system, "b")
    assert log == ["stop b", "stop d", "stop c", "start b", "start c", "start d"]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_temporary_children_stopped_with_others_are_not_started_again(
    autojump_clock, system, strategy
):
    log = []
    children = specs(log, "a") + specs(log, "t", restart="temporary") + specs(log, "b")
    supervisor = await system.spawn(Supervisor, children, strategy=strategy)
    del log[:]
    await crash(system, "a")
    assert log == ["stop a", "stop b", "stop t", "start a", "start b"]
    assert await states(supervisor) == {"a": "running", "b": "running"}


async def test_one_for_all_also_starts_children_that_had_ended(autojump_clock, system):
    log = []
    children = specs(log, "a") + specs(log, "b", restart="transient")
    supervisor = await system.spawn(Supervisor, children, strategy="one_for_all")
    system.whereis("b").cast(Finish())
    await wait_all_tasks_blocked()
    assert (await states(supervisor))["b"] == "ended"
    await crash(system, "a")
    assert await states(supervisor) == {"a": "running", "b": "running"}


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_children_that_crash_together_are_restarted_once(autojump_clock, system, strategy):
    log = []
    await system.spawn(Supervisor, specs(log, "abc"), strategy=strategy, intensity=1)
    del log[:]
    await crash(system, "a", "b", "c")
    assert [entry for entry in log if entry.startswith("start")] == [
        "start a",
        "start b",
        "start c",
    ]


async def test_a_failed_group_start_is_tried_again_from_the_failed_child(autojump_clock, system):
    log, broken = [], set()
    supervisor = await system.spawn(
        Supervisor, specs(log, "abc", broken, backoff=SLOW), strategy="rest_for_one"
    )
    del log[:]
    broken.add("b")
    await crash(system, "a")
    await trio.sleep(10.1)
    assert await states(supervisor) == {"a": "running", "b": "restarting", "c": "ended"}
    broken.clear()
    await trio.sleep(10.1)
    assert await states(supervisor) == dict.fromkeys("abc", "running")
    assert log == [
        *("stop a", "stop c", "stop b"),
        *("start a", "fail b"),
        *("start b", "start c"),
    ]


# -- budgets ------------------------------------------------------------------------------------


async def test_a_supervisor_whose_budget_is_exceeded_ends_with_shutdown(
    autojump_clock, system, reports
):
    log = []
    supervisor = await system.spawn(Supervisor, specs(log, "ab"), intensity=2, period=5.0)
    for _ in range(3):
        await crash(system, "b")
    assert await system.join(supervisor) == Shutdown()
    assert log[-1] == "stop a"
    assert reports[-1] == ("shutdown", "'b'", "reached_max_restart_intensity")
    assert [report[0] for report in reports] == ["child_terminated"] * 3 + ["shutdown"]


async def test_restarts_older_than_the_period_do_not_count(autojump_clock, system):
    supervisor = await system.spawn(Supervisor, specs([], "a"), intensity=1, period=5.0)
    for _ in range(5):
        await crash(system, "a")
        await trio.sleep(5.1)
    assert supervisor.is_alive()


async def test_a_child_that_exceeds_its_own_budget_stays_down_alone(
    autojump_clock, system, reports
):
    log = []
    children = specs(log, "a") + specs(log, "b", budget=Budget(2, 5.0))
    supervisor = await system.spawn(Supervisor, children, intensity=0)
    for _ in range(3):
        await crash(system, "b")
    assert await states(supervisor) == {"a": "running", "b": "ended"}
    assert reports[-1] == ("gave_up", "'b'", "reached_max_restart_intensity")


async def test_a_start_that_keeps_failing_exceeds_the_budget(autojump_clock, system, reports):
    log, broken = [], set()
    supervisor = await system.spawn(Supervisor, specs(log, "a", broken), intensity=3)
    broken.add("a")
    system.whereis("a").cast(Crash())
    assert await system.join(supervisor) == Shutdown()
    assert log == ["start a", "stop a", "fail a", "fail a", "fail a"]
    assert [report[0] for report in reports] == [
        "child_terminated",
        "start_error",
        "start_error",
        "start_error",
        "shutdown",
    ]


async def test_a_start_that_keeps_failing_gives_up_a_child_with_its_own_budget(
    autojump_clock, system, reports
):
    log, broken = [], set()
    children = specs(log, "a", broken, budget=Budget(3, 5.0)) + specs(log, "b")
    supervisor = await system.spawn(Supervisor, children, intensity=0)
    broken.add("a")
    system.whereis("a").cast(Crash())
    await trio.sleep(1)
    assert await states(supervisor) == {"a": "ended", "b": "running"}
    assert log.count("fail a") == 3
    assert reports[-1][0] == "gave_up"


async def test_an_inner_supervisor_that_gives_up_is_restarted_by_the_outer_one(
    autojump_clock, system
):
    log = []
    inner = ChildSpec("inner", Supervisor, (specs(log, "a"),))
    outer = await system.spawn(Supervisor, [inner], intensity=5)
    for _ in range(4):
        await crash(system, "a")
    assert outer.is_alive()
    assert log.count("start a") == 5
    assert system.whereis("a").is_alive()


# -- retries and backoff ------------------------------------------------------------------------


async def test_a_restart_waits_for_its_backoff_and_the_supervisor_serves_others(
    autojump_clock, system
):
    log = []
    supervisor = await system.spawn(Supervisor, specs(log, "a", backoff=SLOW) + specs(log, "b"))
    begun = trio.current_time()
    await crash(system, "a")
    assert await states(supervisor) == {"a": "restarting", "b": "running"}
    assert trio.current_time() == begun
    await trio.sleep(9.9)
    assert (await states(supervisor))["a"] == "restarting"
    await trio.sleep(0.2)
    assert (await states(supervisor))["a"] == "running"


async def test_a_second_crash_in_a_row_waits_twice_as_long(autojump_clock, system):
    supervisor = await system.spawn(Supervisor, specs([], "a", backoff=SLOW))
    await crash(system, "a")
    await trio.sleep(10.1)
    await crash(system, "a")
    await trio.sleep(19.8)
    assert await states(supervisor) == {"a": "restarting"}
    await trio.sleep(0.3)
    assert await states(supervisor) == {"a": "running"}


async def test_children_that_share_a_fate_are_stopped_before_a_backoff_and_wait_with_it(
    autojump_clock, system
):
    log = []
    children = specs(log, "ab", backoff=SLOW)
    supervisor = await system.spawn(Supervisor, children, strategy="one_for_all")
    del log[:]
    await crash(system, "a")
    assert log == ["stop a", "stop b"]
    assert await states(supervisor) == {"a": "restarting", "b": "ended"}
    await trio.sleep(10.1)
    assert log[2:] == ["start a", "start b"]


async def test_a_supervisor_that_is_asked_to_stop_during_a_backoff_stops_at_once(
    autojump_clock, system
):
    log = []
    supervisor = await system.spawn(Supervisor, specs(log, "a", backoff=SLOW) + specs(log, "b"))
    await crash(system, "a")
    begun = trio.current_time()
    system.exit(supervisor, Shutdown())
    await system.join(supervisor)
    await trio.sleep(30)
    assert trio.current_time() - begun == pytest.approx(30)
    assert log[-1] == "stop b"


async def test_a_child_terminated_during_its_backoff_is_not_restarted(autojump_clock, system):
    log = []
    supervisor = await system.spawn(Supervisor, specs(log, "a", backoff=SLOW))
    await crash(system, "a")
    await supervisor.call(TerminateChild("a"))
    assert await states(supervisor) == {"a": "ended"}
    await trio.sleep(100)
    assert await states(supervisor) == {"a": "ended"}
    assert log == ["start a", "stop a"]


# -- automatic shutdown -------------------------------------------------------------------------


def significant(log, keys):
    return specs(log, keys, restart="transient", significant=True)


async def finish(system, key):
    system.whereis(key).cast(Finish())
    await wait_all_tasks_blocked()


async def test_any_significant_child_that_ends_by_itself_ends_the_supervisor(
    autojump_clock, system
):
    log = []
    children = specs(log, "a") + significant(log, "bc")
    supervisor = await system.spawn(Supervisor, children, auto_shutdown="any_significant")
    await finish(system, "b")
    assert await system.join(supervisor) == Shutdown()
    assert log[3:] == ["stop b", "stop c", "stop a"]


async def test_the_last_significant_child_that_ends_by_itself_ends_the_supervisor(
    autojump_clock, system
):
    log = []
    children = specs(log, "a") + significant(log, "bc")
    supervisor = await system.spawn(Supervisor, children, auto_shutdown="all_significant")
    await finish(system, "b")
    assert supervisor.is_alive()
    await finish(system, "c")
    assert await system.join(supervisor) == Shutdown()


async def test_a_significant_child_that_is_restarted_ends_nothing(autojump_clock, system):
    supervisor = await system.spawn(
        Supervisor, significant([], "a"), auto_shutdown="any_significant"
    )
    await crash(system, "a")
    assert await states(supervisor) == {"a": "running"}


async def test_a_significant_child_that_is_given_up_counts_as_ended(autojump_clock, system):
    children = specs([], "a", restart="transient", significant=True, budget=Budget(0, 5.0))
    supervisor = await system.spawn(Supervisor, children, auto_shutdown="any_significant")
    await crash(system, "a")
    assert await system.join(supervisor) == Shutdown()


async def test_a_significant_child_terminated_by_request_ends_nothing(autojump_clock, system):
    supervisor = await system.spawn(
        Supervisor, significant([], "a"), auto_shutdown="any_significant"
    )
    await supervisor.call(TerminateChild("a"))
    assert await states(supervisor) == {"a": "ended"}


async def test_an_insignificant_child_that_ends_by_itself_ends_nothing(autojump_clock, system):
    children = specs([], "a", restart="transient") + significant([], "b")
    supervisor = await system.spawn(Supervisor, children, auto_shutdown="any_significant")
    await finish(system, "a")
    assert supervisor.is_alive()


async def test_an_exit_message_from_nowhere_is_no_child(autojump_clock, system):
    supervisor = await system.spawn(Supervisor, specs([], "a"))
    supervisor.cast(Exit(None, Killed()))
    assert await states(supervisor) == {"a": "running"}
