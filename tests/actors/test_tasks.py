"""Tasks as actors: results, failures, links, deadlines; streams of tasks."""

from __future__ import annotations

import itertools

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import (
    Agent,
    AgentGet,
    AgentGetAndUpdate,
    AgentUpdate,
    CallCycle,
    CalleeDied,
    CallTimeout,
    Crashed,
    Exit,
    Killed,
    Normal,
    Shutdown,
    Stop,
    TaskFailed,
    TimedOut,
    open_system,
    start_task,
    stream_tasks,
)
from tests.actors.kit import Add, Do, Worker, seen
from tests.examples import examples


@pytest.fixture
async def system():
    async with open_system(seed=1) as system:
        yield system


def double(number):
    return 2 * number


async def slowly(seconds):
    await trio.sleep(seconds)
    return seconds


def crash(_=None):
    raise ValueError("boom")


def odd(number):
    return number if number % 2 else crash()


async def test_a_task_returns_what_its_function_does(system, autojump_clock):
    task = await start_task(system, double, 21)
    assert await task.result() == 42
    assert await task.result() == 42
    assert task.is_done
    assert task.ref.exit_reason == Normal()
    task = await start_task(system, slowly, 3)
    assert not task.is_done
    assert await task.result() == 3
    assert system.actors() == ()


async def test_a_handler_goes_on_while_its_task_runs(system, autojump_clock):
    ref = await system.spawn(Worker)

    async def work(me):
        task = await start_task(me, slowly, 3)
        await me.sleep(1)
        return [task.is_done, await task.result()]

    begun = trio.current_time()
    assert await ref.call(Do(work)) == [False, 3]
    assert trio.current_time() - begun == pytest.approx(3, abs=0.01)


async def test_an_expected_failure_is_the_owners_and_nobody_elses(system, caplog):
    reports = []
    system.on_report(reports.append)
    ref = await system.spawn(Worker)

    async def work(me):
        task = await start_task(me, crash, expected=(OSError, ValueError))
        with pytest.raises(TaskFailed, match="without a result: ValueError: boom") as info:
            await task.result()
        return info.value.reason, task.ref.exit_reason

    assert await ref.call(Do(work)) == (Crashed("ValueError", "boom"), Normal())
    assert ref.is_alive()  # though it is linked
    assert not reports
    assert not caplog.records
    assert system.statistics()["crashes"] == 0


async def test_a_failure_that_was_not_expected_is_a_crash_as_ever(system, caplog):
    task = await start_task(system, crash, expected=OSError)
    with pytest.raises(TaskFailed):
        await task.result()
    assert task.ref.exit_reason == Crashed("ValueError", "boom")
    assert "crash: <TaskRun" in caplog.text


async def test_a_function_that_stops_its_task_has_not_failed_as_expected(system):
    def stop():
        raise Stop(Shutdown("enough"))

    task = await start_task(system, stop, expected=Exception)
    with pytest.raises(TaskFailed, match="shutdown: enough"):
        await task.result()


@pytest.mark.parametrize("ordered", [True, False])
async def test_expected_failures_of_a_stream_are_outcomes(system, caplog, ordered):
    ref = await system.spawn(Worker)

    async def work(me):
        stream = stream_tasks(me, odd, [1, 2, 3], ordered=ordered, expected=ValueError)
        async with stream as outcomes:
            return [tuple(outcome) async for outcome in outcomes]

    found = await ref.call(Do(work))
    assert sorted(found) == [(1, 1, None), (2, None, Crashed("ValueError", "boom")), (3, 3, None)]
    assert not caplog.records


@pytest.mark.parametrize("expected", [OSError("no"), "OSError", (OSError, None), BaseException])
async def test_only_classes_of_exceptions_can_be_expected(system, expected):
    with pytest.raises(TypeError, match="expected= takes exception classes"):
        await start_task(system, double, 1, expected=expected)
    with pytest.raises(TypeError, match="expected= takes exception classes"):
        stream_tasks(system, double, [1], expected=expected)
    assert system.actors() == ()


async def test_a_result_may_come_too_late_and_still_be_had(system, autojump_clock):
    task = await start_task(system, slowly, 3)
    with pytest.raises(CallTimeout, match="has not ended within 1 s"):
        await task.result(timeout=1)
    assert await task.result() == 3


async def test_a_crash_ends_the_linked_starter_and_no_other(system, autojump_clock):
    linked, free = await system.spawn(Worker), await system.spawn(Worker)
    trapping = await system.spawn(Worker, trap=True)

    async def run(me, link):
        task = await start_task(me, crash, link=link)
        with pytest.raises(TaskFailed) as info:
            await task.result()
        return info.value.reason

    with pytest.raises(CalleeDied) as info:
        await linked.call(Do(lambda me: run(me, link=True)))
    assert info.value.reason == Crashed("ValueError", "boom")
    assert await free.call(Do(lambda me: run(me, link=False))) == Crashed("ValueError", "boom")
    assert await trapping.call(Do(lambda me: run(me, link=True))) == Crashed("ValueError", "boom")
    await wait_all_tasks_blocked()
    assert [message.reason for message in seen(trapping)] == [Crashed("ValueError", "boom")]


async def test_the_end_of_the_starter_ends_its_linked_task(system, autojump_clock):
    ref = await system.spawn(Worker)
    task = await ref.call(Do(lambda me: start_task(me, slowly, 100)))
    system.kill(ref)
    with pytest.raises(TaskFailed) as info:
        await task.result()
    assert info.value.reason == Killed()


async def test_shutdown_unlinks_and_ends_a_task(system, autojump_clock):
    ref = await system.spawn(Worker)
    task = await ref.call(Do(lambda me: start_task(me, slowly, 100)))
    assert await ref.call(Do(lambda me: task.shutdown())) == Shutdown()
    assert ref.is_alive()
    assert await ref.call(Add(1)) == 2


async def test_shutdown_kills_what_does_not_end_and_spares_what_has(system, autojump_clock):
    async def stubborn():
        with trio.CancelScope(shield=True):
            await trio.sleep(7)
            return "late"

    task = await start_task(system, stubborn)
    await wait_all_tasks_blocked()
    begun = trio.current_time()
    assert await task.shutdown(timeout=2) == Killed()
    assert trio.current_time() - begun == pytest.approx(7, abs=0.1)
    task = await start_task(system, double, 1)
    assert await task.result() == 2
    assert await task.shutdown() == Normal()


async def test_a_task_that_calls_whoever_awaits_it_is_a_cycle(system, autojump_clock):
    ref = await system.spawn(Worker)

    async def ask_back():
        return await ref.call(Add(1))

    async def work(me):
        task = await start_task(me, ask_back, link=False)
        with pytest.raises(TaskFailed) as info:
            await task.result()
        return info.value.reason.exception

    assert await ref.call(Do(work)) == "actors.errors.CallCycle"

    async def await_itself(me):
        tasks = []

        async def wait():
            await me.sleep(1)
            with pytest.raises(CallCycle):
                await tasks[0].result()
            return "told"

        tasks.append(await start_task(me, lambda: wait()))
        return await tasks[0].result()

    assert await ref.call(Do(await_itself)) == "told"


async def collect(stream):
    async with stream as outcomes:
        return [tuple(outcome) async for outcome in outcomes]


@given(
    delays=st.lists(st.integers(1, 5), max_size=12),
    at_once=st.integers(1, 4),
    ordered=st.booleans(),
)
@examples(30)
def test_a_stream_gives_every_outcome_once_and_keeps_its_limit(delays, at_once, ordered):
    running = [0, 0]

    async def work(item):
        running[0] += 1
        running[1] = max(running)
        await trio.sleep(item[1])
        running[0] -= 1
        return item[1]

    async def main():
        async with open_system(seed=1) as system:
            items = list(enumerate(delays))
            outcomes = await collect(
                stream_tasks(
                    system, work, items, max_concurrency=at_once, ordered=ordered, timeout=None
                )
            )
            expected = [(item, item[1], None) for item in items]
            assert (outcomes if ordered else sorted(outcomes)) == expected
            assert running[1] <= at_once
            assert system.actors() == ()

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_unordered_outcomes_come_as_they_end(system, autojump_clock):
    outcomes = await collect(stream_tasks(system, slowly, [3, 1, 2], ordered=False))
    assert [value for _, value, _ in outcomes] == [1, 2, 3]


async def test_a_stream_takes_items_as_it_needs_them(system, autojump_clock):
    taken = []

    def items():
        for number in itertools.count():
            taken.append(number)
            yield number

    async with stream_tasks(system, double, items(), max_concurrency=3) as outcomes:
        async for item, value, _ in outcomes:
            assert value == 2 * item
            if item == 10:
                break
    assert len(taken) <= 11 + 2 * 3


async def test_a_failed_item_is_an_outcome_where_nothing_is_linked(system, autojump_clock):
    def odd(number):
        return crash() if number % 2 else number

    outcomes = await collect(stream_tasks(system, odd, range(3)))
    boom = Crashed("ValueError", "boom")
    assert outcomes == [(0, 0, None), (1, None, boom), (2, 2, None)]


async def test_late_tasks_are_killed_and_told_each(system, autojump_clock):
    stream = stream_tasks(system, slowly, [1, 9, 2, 8], timeout=4, on_timeout="kill")
    begun = trio.current_time()
    assert await collect(stream) == [
        (1, 1, None),
        (9, None, TimedOut()),
        (2, 2, None),
        (8, None, TimedOut()),
    ]
    assert trio.current_time() - begun == pytest.approx(4, abs=0.1)


async def test_a_late_task_raises_where_that_is_wanted_and_the_rest_is_killed(
    system, autojump_clock
):
    with pytest.raises(CallTimeout, match="the task for 9 has not ended within 4 s"):
        await collect(stream_tasks(system, slowly, [9, 100], timeout=4))
    assert system.actors() == ()


async def test_leaving_a_stream_of_a_handler_kills_the_tasks_and_not_the_handler(
    system, autojump_clock
):
    ref = await system.spawn(Worker)

    async def work(me):
        async with stream_tasks(me, slowly, [1, 100, 100], ordered=False) as outcomes:
            async for outcome in outcomes:
                return outcome.value
        return None

    assert await ref.call(Do(work)) == 1
    assert system.actors() == (ref,)

    async def late(me):
        stream = stream_tasks(me, slowly, [1, 100], timeout=2, on_timeout="kill")
        return await collect(stream)

    assert await ref.call(Do(late)) == [(1, 1, None), (100, None, TimedOut())]


async def test_a_stream_in_a_killed_handler_takes_its_tasks_along(system, autojump_clock):
    ref = await system.spawn(Worker)
    ref.cast(Do(lambda me: collect(stream_tasks(me, slowly, [100, 100], timeout=None))))
    await wait_all_tasks_blocked()
    assert len(system.actors()) == 3
    system.kill(ref)
    await system.join(ref)
    await wait_all_tasks_blocked()
    assert system.actors() == ()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_concurrency": 0}, "max_concurrency=0 is not an int of at least 1"),
        ({"on_timeout": "exit"}, "on_timeout is 'raise' or 'kill', not 'exit'"),
    ],
)
async def test_wrong_options_of_a_stream_are_refused(system, options, text):
    with pytest.raises(ValueError, match=text):
        stream_tasks(system, double, [], **options)


async def test_an_agent_keeps_a_state_behind_functions(system, autojump_clock):
    agent = await system.spawn(Agent, lambda: [1])
    await agent.call(AgentUpdate(lambda state: [*state, 2]))
    agent.cast(AgentUpdate(lambda state: [*state, 3]))
    assert await agent.call(AgentGet(sum)) == 6
    assert await agent.call(AgentGetAndUpdate(lambda state: (state[0], []))) == 1
    assert await agent.call(AgentGet(len)) == 0
    watcher = await system.spawn(Worker, trap=True)
    await watcher.call(Do(lambda me: me.link(agent)))
    with pytest.raises(CalleeDied):
        await agent.call(AgentGet(crash))
    await wait_all_tasks_blocked()
    assert seen(watcher) == [Exit(agent, Crashed("ValueError", "boom"))]
