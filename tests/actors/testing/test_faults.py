"""Faults on purpose take the runtime's own paths."""

from __future__ import annotations

import pytest
import trio

from actors import Actor, ActorError, CalleeDied, CallTimeout, Crashed, TaskActor, Unhandled, on
from actors.testing import crash, delay, drop, fail_nth, open_probe, open_test_system
from supervision import ChildSpec, Supervisor
from tests.actors.kit import Add, Do, Get, Note, Worker


@pytest.fixture
async def system():
    async with open_test_system() as system:
        yield system


@pytest.fixture
async def probe(system):
    return await open_probe(system)


async def test_a_crash_is_a_crash_of_a_handler_with_everything_that_follows(
    autojump_clock, system, probe
):
    reports, log = [], []
    system.on_report(reports.append)
    spec = ChildSpec("worker", Worker, kwargs={"log": log}, name="worker")
    await system.spawn(Supervisor, [spec])
    first = system.whereis("worker")
    first.cast(Note("waits behind the crash"))
    crash(first, ValueError("on purpose"))
    assert await probe.expect_down(first) == Crashed("ValueError", "on purpose")
    assert log == [("terminate", Crashed("ValueError", "on purpose"))]
    assert reports[0].reason == Crashed("ValueError", "on purpose")
    await trio.testing.wait_all_tasks_blocked()
    second = system.whereis("worker")
    assert second is not first
    assert await second.call(Add(1)) == 2
    with pytest.raises(ActorError, match="a fault needs a living one"):
        crash(first)


async def test_a_crash_waits_for_the_end_of_the_message_in_hand(autojump_clock, system, probe):
    worker = await system.spawn(Worker)
    async with trio.open_nursery() as nursery:

        async def ask():
            assert await worker.call(Do(lambda me: me.sleep(1))) is None

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        crash(worker)
    await probe.expect_down(worker, reason=RuntimeError)
    assert trio.current_time() == pytest.approx(1.0, abs=0.01)


async def test_a_task_actor_crashes_when_it_dispatches(autojump_clock, system, probe):
    class Task(TaskActor):
        async def run(self):
            while True:
                await self.dispatch(await self.receive())

    task = await system.spawn(Task)
    crash(task, KeyError("k"))
    await probe.expect_down(task, reason=KeyError)


async def test_the_nth_matching_message_fails_and_no_other(autojump_clock, system):
    worker = await system.spawn(Worker)
    fault = fail_nth(worker, 2, OSError("disk"), only=Add)
    assert await worker.call(Add(1)) == 2
    assert await worker.call(Get()) == []
    assert fault.hits == 0
    with pytest.raises(CalleeDied, match="OSError: disk"):
        await worker.call(Add(1))
    assert fault.hits == 1
    with pytest.raises(ValueError, match="counts from 1"):
        fail_nth(worker, 0)


async def test_a_fault_is_undone_at_the_end_of_its_block(autojump_clock, system):
    worker = await system.spawn(Worker)
    original = worker.behaviour
    with fail_nth(worker, 9), drop(worker, only=Note):
        worker.cast(Note(1))
        assert await worker.call(Add(1)) == 2
        assert worker.behaviour is not original
    assert worker.behaviour is original
    worker.cast(Note(2))
    assert await worker.call(Get()) == [2]


async def test_delayed_messages_are_handled_later_by_sync_and_async_handlers(
    autojump_clock, system
):
    worker = await system.spawn(Worker)
    delay(worker, 2.0, only=(Add, Do), times=2)
    for request, reply, seconds in (
        (Get(), [], 0),
        (Add(1), 2, 2),
        (Do(lambda me: "done"), "done", 2),
        (Add(1), 2, 0),
    ):
        before = trio.current_time()
        assert await worker.call(request) == reply
        assert trio.current_time() - before == pytest.approx(seconds, abs=0.01)


async def test_a_dropped_cast_vanishes_and_a_dropped_call_times_out(autojump_clock, system):
    worker = await system.spawn(Worker)
    caller = await system.spawn(Worker)
    drop(worker, only=lambda message: getattr(message, "value", 0) == 7)
    drop(worker, only=Add, times=2)
    worker.cast(Note(7))
    worker.cast(Note(8))
    with pytest.raises(CallTimeout):
        await worker.call(Add(1))
    with pytest.raises(CalleeDied, match="CallTimeout"):
        await caller.call(Do(lambda me: worker.call(Add(1), timeout=1.0)))
    assert await worker.call(Add(1)) == 2
    assert await worker.call(Get()) == [8]


async def test_messages_without_a_handler_meet_faults_too_and_stay_unhandled(
    autojump_clock, system, probe
):
    seen = []

    class Info(Actor):
        def handle_info(self, message):
            seen.append(message)

        @on(Note)
        async def note(self, message: Note) -> None:
            seen.append(message)

    info = await system.spawn(Info)
    fault = drop(info, only=str, times=1)
    for message in ("dropped", "seen", Note(1)):
        info.cast(message)
    with pytest.raises(Unhandled):
        await info.call(Add(1))
    assert seen == ["seen", Note(1)]
    assert fault.hits == 1


async def test_a_fault_leaves_other_actors_of_the_class_alone(autojump_clock, system):
    one, two = await system.spawn(Worker), await system.spawn(Worker)
    fail_nth(one, 1)
    assert await two.call(Add(1)) == 2
