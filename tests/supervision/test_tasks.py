"""Tasks under a supervisor: awaited ones are temporary, links as asked for, streams clean up."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import CalleeDied, Crashed, Shutdown, TaskFailed, TimedOut
from supervision import CountChildren, DynamicSupervisor, TaskSupervisor, TooManyChildren
from tests.actors.kit import Do, Worker


@pytest.fixture
async def tasks(system):
    return TaskSupervisor(await system.spawn(DynamicSupervisor, max_children=10, intensity=3))


async def slowly(seconds):
    await trio.sleep(seconds)
    return seconds


def crash():
    raise ValueError("boom")


def odd(number):
    return number if number % 2 else crash()


async def children(tasks):
    return (await tasks.ref.call(CountChildren())).specs


async def test_a_supervised_task_is_a_child_until_it_has_a_result(tasks, autojump_clock):
    task = await tasks.start(slowly, 2)
    assert await children(tasks) == 1
    assert await task.result() == 2
    assert await children(tasks) == 0


async def test_a_crash_is_told_to_who_awaits_and_harms_nobody_else(
    system, tasks, reports, autojump_clock
):
    ref = await system.spawn(Worker)

    async def work(me):
        task = await tasks.start(crash)
        with pytest.raises(TaskFailed) as info:
            await task.result()
        return info.value.reason

    for _ in range(5):  # more than the supervisor's intensity
        assert await ref.call(Do(work)) == Crashed("ValueError", "boom")
    assert tasks.ref.is_alive()
    await wait_all_tasks_blocked()
    assert reports == [("child_terminated", "'task'", "ValueError: boom")] * 5


async def test_an_expected_failure_is_told_to_who_awaits_and_to_nobody_else(
    system, tasks, reports, caplog, autojump_clock
):
    ref = await system.spawn(Worker)

    async def work(me):
        task = await tasks.start(crash, link=me, expected=ValueError)
        with pytest.raises(TaskFailed) as info:
            await task.result()
        async with tasks.stream(odd, [2], expected=ValueError) as outcomes:
            return [info.value.reason, *[outcome.reason async for outcome in outcomes]]

    assert await ref.call(Do(work)) == [Crashed("ValueError", "boom")] * 2
    assert ref.is_alive()
    assert tasks.ref.is_alive()
    await wait_all_tasks_blocked()
    assert reports == []
    assert not caplog.records
    with pytest.raises(TypeError, match="expected= takes exception classes"):
        await tasks.start(crash, expected="ValueError")


@pytest.mark.parametrize("function", [crash, lambda: slowly(1)])
async def test_a_linked_task_ends_its_actor_by_a_crash_alone(
    system, tasks, autojump_clock, function
):
    ref = await system.spawn(Worker)
    task = await ref.call(Do(lambda me: tasks.start(function, link=me)))
    await trio.sleep(2)
    assert task.is_done
    assert ref.is_alive() is (function is not crash)


async def test_the_end_of_the_actor_ends_its_linked_task(system, tasks, autojump_clock):
    ref = await system.spawn(Worker)
    task = await ref.call(Do(lambda me: tasks.start(slowly, 100, link=me)))
    system.exit(ref, Shutdown("gone"))
    with pytest.raises(TaskFailed) as info:
        await task.result()
    assert info.value.reason == Shutdown("gone")
    assert await children(tasks) == 0


async def test_a_child_that_nobody_awaits_may_be_restarted(tasks, autojump_clock):
    runs = []

    def flaky():
        runs.append(len(runs))
        if len(runs) < 3:
            crash()

    await tasks.start_child(flaky, restart="transient")
    await wait_all_tasks_blocked()
    assert runs == [0, 1, 2]
    runs.clear()
    await tasks.start_child(flaky)
    await wait_all_tasks_blocked()
    assert runs == [0]


async def test_the_limits_of_the_supervisor_apply(tasks, autojump_clock):
    for _ in range(10):
        await tasks.start(slowly, 100)
    with pytest.raises(TooManyChildren):
        await tasks.start(slowly, 1)


async def test_stopping_the_supervisor_ends_its_tasks(system, tasks, autojump_clock):
    task = await tasks.start(slowly, 100)
    await system.stop(tasks.ref, Shutdown())
    with pytest.raises(TaskFailed) as info:
        await task.result()
    assert info.value.reason == Shutdown()
    with pytest.raises(CalleeDied):
        await tasks.start(slowly, 1)


async def test_a_stream_of_children_leaves_none_behind(tasks, autojump_clock):
    stream = tasks.stream(slowly, [1, 9, 2], timeout=4, on_timeout="kill", max_concurrency=2)
    async with stream as outcomes:
        found = [tuple(outcome) async for outcome in outcomes]
    assert found == [(1, 1, None), (9, None, TimedOut()), (2, 2, None)]
    async with tasks.stream(slowly, [1, 100, 100], ordered=False) as outcomes:
        async for outcome in outcomes:
            assert outcome.value == 1
            break
    await wait_all_tasks_blocked()
    assert await children(tasks) == 0
