"""Findings about supervision of pathosDev/actor-ts, issues 913, 696 and 796; those about the
runtime, and the table of all findings, are in `tests/actors/test_catalogue_actor_ts.py`.

The table of all findings is in `tests/actors/test_catalogue_actor_ts.py`.
"""

from __future__ import annotations

from random import Random

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import Shutdown
from supervision import (
    Application,
    ApplicationController,
    Backoff,
    Budget,
    ChildSpec,
    CountChildren,
    DynamicSupervisor,
    StartApplication,
    StartChild,
    StopApplication,
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


class Faulty(Worker):
    """Its constructor, its start and its end raise at random, as long as `faults` has faults."""

    def __init__(self, faults, places):
        super().__init__()
        self.faults, self.places = faults, places
        self.may_raise("constructor")

    def may_raise(self, place):
        if self.faults and self.faults.pop() < 0.4:
            self.places.add(place)
            raise ValueError(place)

    def init(self):
        self.may_raise("init")

    def terminate(self, reason):
        self.may_raise("terminate")


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("seed", range(10))
async def test_1384_failures_in_every_place_of_a_restart_at_once_leave_no_half_restarted_child(
    system, autojump_clock, caplog, strategy, seed
):
    caplog.set_level("CRITICAL")
    random = Random(seed)
    faults, places = [], set()
    names = [f"{inner}{leaf}" for inner in "ab" for leaf in range(3)]

    def branch(letter):
        leaves = [ChildSpec(n, Faulty, (faults, places), name=n) for n in names if n[0] == letter]
        options = {"strategy": strategy, "intensity": 3, "period": 1}
        return ChildSpec(letter, Supervisor, (leaves,), kwargs=options)

    top = await system.spawn(
        Supervisor, [branch("a"), branch("b")], strategy=strategy, intensity=10_000, period=1
    )
    before = len(system.actors())
    for _ in range(10):
        faults[:] = [random.random() for _ in range(12)]
        for name in random.sample(names, 3):
            ref = system.whereis(name)
            if ref is not None:
                ref.cast(DoSync(crash))
        await wait_all_tasks_blocked()
        faults.clear()
        assert len(system.actors()) == before
        for name in names:
            assert await system.whereis(name).call(Add(1)) == 2
    assert places == {"constructor", "init", "terminate"}
    await system.stop(top, Shutdown())
    assert system.actors() == ()
    assert system.statistics()["deadlines"] == 0


@pytest.mark.parametrize("restarts", [0, 1, 5])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
async def test_every_budget_of_n_restarts_allows_n_whoever_keeps_it(
    system, autojump_clock, kind, own, restarts
):
    """There, two places that count restarts differed by one (changelog after 0.17)."""
    intensity, budget = (0, Budget(restarts, 60)) if own else (restarts, None)
    top = await system.spawn(kind, intensity=intensity, period=60)
    spec = ChildSpec("child", Worker, name="child", budget=budget)
    await top.call(StartChild(spec))
    incarnations = {system.whereis("child")}
    while system.whereis("child") is not None:
        await end(system, "child")
        incarnations.add(system.whereis("child"))
    assert len(incarnations - {None}) == 1 + restarts
    assert top.is_alive() == own


async def test_523_what_was_stopped_can_be_started_again_under_its_name(system, autojump_clock):
    controller = await system.spawn(ApplicationController)
    again = Application("one", ChildSpec("root", Worker, name="root"))
    refs = []
    for _ in range(3):
        await controller.call(StartApplication(again))
        refs.append(system.whereis("root"))
        assert await refs[-1].call(Add(1)) == 2
        await controller.call(StopApplication("one"))
        assert system.whereis("root") is None
    assert len(set(refs)) == 3


async def test_126_a_child_cannot_forge_lines_of_its_supervisors_log(
    system, autojump_clock, caplog
):
    class Quotes(Worker):
        def handle_info(self, message):
            raise ValueError(f"cannot handle {message}")

    spec = ChildSpec("x\nERROR id", Quotes, name="x\nERROR name")
    await system.spawn(Supervisor, [spec])
    system.whereis(spec.name).cast("x\nERROR text")
    await wait_all_tasks_blocked()
    (record,) = [record for record in caplog.records if record.name == "supervision"]
    assert "ERROR text" in record.getMessage()
    assert "ERROR id" in record.getMessage()
    assert "\n" not in record.getMessage()


async def test_770_a_message_to_a_supervisor_that_is_none_of_its_requests_changes_nothing(
    system, autojump_clock
):
    """There, whoever knew its name could forge a tick that ended a child's backoff."""
    backoff = Backoff(first=10, jitter=0)
    spec = ChildSpec("child", Worker, name="child", backoff=backoff)
    for kind in (Supervisor, DynamicSupervisor):
        top = await system.spawn(kind)
        await top.call(StartChild(spec))
        await end(system, "child")
        for message in ("retry", None, 7, Note("child"), ("retry", "child")):
            top.cast(message)
        await trio.sleep(9)
        assert system.whereis("child") is None
        await trio.sleep(2)
        assert await system.whereis("child").call(Add(1)) == 2
        await system.stop(top, Shutdown())
