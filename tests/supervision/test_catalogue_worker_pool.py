"""What went wrong in a pool of workers on OTP: inaka/worker_pool, issue 35, and 36 beside it.

35: the supervisor of the workers exceeded its intensity, ended with ``shutdown``, and the transient
supervisor above did not start it again. That is OTP's rule and ours; here it is reported, the
default is permanent, and a budget for each child makes the case disappear.

36: the manager lost its state in a crash and the workers did not know. Does not apply: 37, workers
lost between being chosen and being given work, which one message does here.
"""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from actors import Registry
from supervision import Budget, ChildSpec, Supervisor, WhichChildren
from tests.actors.kit import DoSync, Worker


def crash(me):
    raise ValueError("boom")


async def storm(system, name, times):
    for _ in range(times):
        ref = system.whereis(name)
        if ref is None:
            return
        ref.cast(DoSync(crash))
        await system.join(ref)
        await wait_all_tasks_blocked()


def pool(restart, **fields):
    workers = [ChildSpec("worker", Worker, name="worker", **fields)]
    return ChildSpec("pool", Supervisor, (workers,), name="pool", restart=restart)


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_35_a_pool_that_gave_up_is_restarted_if_it_is_permanent(
    system, reports, autojump_clock, restart
):
    top = await system.spawn(Supervisor, [pool(restart)])
    await storm(system, "worker", 4)
    contexts = [(context, child) for context, child, _ in reports]
    assert ("shutdown", "'worker'") in contexts
    (child,) = await top.call(WhichChildren())
    assert child.state == ("running" if restart == "permanent" else "ended")
    assert (system.whereis("worker") is not None) == (restart == "permanent")


async def test_35_the_default_of_a_supervisor_is_permanent():
    assert ChildSpec("pool", Supervisor).restart == "permanent"


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_35_with_budgets_of_their_own_workers_never_end_the_pool(
    system, reports, autojump_clock, restart
):
    await system.spawn(Supervisor, [pool(restart, budget=Budget(3, 60))])
    first = system.whereis("pool")
    await storm(system, "worker", 9)
    assert system.whereis("pool") is first
    assert reports[-1][0] == "gave_up"


@pytest.mark.parametrize("strategy", ["one_for_one", "rest_for_one", "one_for_all"])
async def test_36_workers_that_depend_on_a_managers_state_are_restarted_with_it(
    system, autojump_clock, strategy
):
    class Manager(Worker):
        def __init__(self):
            super().__init__()
            self.known = []

    class Member(Worker):
        def init(self):
            system.whereis("manager").actor.known.append(self.ref)

    specs = [ChildSpec("manager", Manager, name="manager"), ChildSpec("member", Member)]
    await system.spawn(Supervisor, specs, strategy=strategy)
    await storm(system, "manager", 1)
    known = system.whereis("manager").actor.known
    assert [ref.is_alive() for ref in known] == ([] if strategy == "one_for_one" else [True])


async def test_36_a_registry_is_nothing_that_crashes_and_forgets_its_workers(
    system, autojump_clock
):
    registry = Registry(system, "pool", keys="duplicate")

    class Member(Worker):
        def init(self):
            registry.register("available")

    await system.spawn(Supervisor, [ChildSpec(number, Member) for number in range(3)])
    (first, *_) = registry.lookup("available")
    system.kill(first.ref)
    await wait_all_tasks_blocked()
    assert len(registry.lookup("available")) == 3
    assert all(entry.ref.is_alive() for entry in registry.lookup("available"))
