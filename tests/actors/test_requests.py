"""Requests that are collected later: order, one outcome each, deaths, deadlines, abandoning."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    NO_REPLY,
    ActorError,
    Answer,
    Busy,
    CalleeDied,
    CallTimeout,
    Killed,
    NoProc,
    Reject,
    Requests,
    Unhandled,
    WaitTimeout,
    on,
    open_system,
)
from actors.errors import CallError
from tests.actors.kit import Add, Do, DoSync, Get, Note, Worker, seen

MANY = 5


class Later(Worker):
    """Replies to `Get` when it is told."""

    def __init__(self):
        super().__init__()
        self.owed = []

    @on(Get)
    def get(self, request):
        self.owed.append(self.reply_to())
        return NO_REPLY

    @on(Note)
    def note(self, message):
        self.owed.pop(0).reply(message.value)


@pytest.fixture
async def system():
    async with open_system(seed=1) as system:
        yield system


def deadlines(system):
    return system.statistics()["deadlines"]


async def test_outcomes_come_in_the_order_of_the_answers(system, autojump_clock):
    refs = [await system.spawn(Later) for _ in range(MANY)]
    requests = Requests()
    for number, ref in enumerate(refs):
        requests.send(ref, Get(), number)
    for number in (3, 0, 4, 1, 2):
        refs[number].cast(Note(f"reply {number}"))
        assert await requests.next() == Answer(number, f"reply {number}", None)
    assert len(requests) == 0


async def test_a_handler_waits_for_its_requests_as_a_trio_task_does(system, autojump_clock):
    refs = [await system.spawn(Worker) for _ in range(MANY)]
    asker = await system.spawn(Worker)

    async def ask(me):
        requests = Requests()
        for number, ref in enumerate(refs):
            requests.send(ref, Add(number), number)
        return {answer.tag: answer.value async for answer in requests}

    assert await asker.call(Do(ask)) == {number: number + 1 for number in range(MANY)}


async def test_a_handler_bound_to_a_task_waits_for_its_requests(system, autojump_clock):
    late, asker = await system.spawn(Later), await system.spawn(Worker)

    async def ask(me):
        with trio.CancelScope():
            requests = Requests()
            requests.send(late, Get(), "late")
            late.cast(Note(1))
            return await requests.next(timeout=1)

    assert await asker.call(Do(ask)) == Answer("late", 1, None)


async def test_labels_may_repeat(system, autojump_clock):
    ref = await system.spawn(Worker)
    requests = Requests()
    requests.send(ref, Add(1), "same")
    requests.send(ref, Add(2), "same")
    assert [answer.value async for answer in requests] == [2, 3]


async def test_the_death_of_a_callee_answers_its_requests(system, autojump_clock):
    ref = await system.spawn(Later)
    requests = Requests()
    requests.send(ref, Get(), "owed")
    await wait_all_tasks_blocked()
    await system.suspend(ref)
    requests.send(ref, Get(), "waiting")
    system.kill(ref)
    answers = [await requests.next(), await requests.next()]
    assert [answer.tag for answer in answers] == ["owed", "waiting"]
    assert all(answer.error.reason == Killed() for answer in answers)
    requests.send(ref, Get(), "dead")
    answer = await requests.next()
    assert isinstance(answer.error, CalleeDied)
    assert answer.error.reason == NoProc()


async def test_refusals_and_full_mailboxes_are_outcomes(system, autojump_clock):
    class Small(Worker):
        mailbox_limit = 1

        @on(Add)
        def add(self, request):
            raise Reject(CallError("no"))

    ref = await system.spawn(Small)
    await system.suspend(ref)
    requests = Requests()
    requests.send(ref, Add(1), "refused")
    requests.send(ref, Add(1), "busy")
    assert isinstance((await requests.next()).error, Busy)
    await system.resume(ref)
    assert str((await requests.next()).error) == "no"
    requests.send(ref, Note, "unknown")
    assert isinstance((await requests.next()).error, Unhandled)


async def test_a_request_has_its_own_deadline_and_its_late_reply_is_dropped(system, autojump_clock):
    ref = await system.spawn(Later)
    requests = Requests()
    requests.send(ref, Get(), "short", timeout=1)
    requests.send(ref, Get(), "long", timeout=3)
    begun = trio.current_time()
    answer = await requests.next()
    assert (answer.tag, type(answer.error)) == ("short", CallTimeout)
    assert trio.current_time() - begun == pytest.approx(1, abs=0.01)
    ref.cast(Note("late"))
    ref.cast(Note("in time"))
    assert await requests.next() == Answer("long", "in time", None)
    assert deadlines(system) == 0


@pytest.mark.parametrize("inside", [True, False])
async def test_a_wait_that_times_out_leaves_the_requests_open(system, autojump_clock, inside):
    ref, asker = await system.spawn(Later), await system.spawn(Worker)
    requests = Requests()

    async def wait(me):
        requests.send(ref, Get(), "slow")
        with pytest.raises(WaitTimeout, match="none of 1 requests was answered within 2 s"):
            await requests.next(timeout=2)
        assert len(requests) == 1
        ref.cast(Note("now"))
        return await requests.next(timeout=2)

    answer = await asker.call(Do(wait), timeout=10) if inside else await wait(None)
    assert answer == Answer("slow", "now", None)
    assert deadlines(system) == 0


async def test_what_is_abandoned_is_dropped_when_it_comes(system, autojump_clock):
    ref = await system.spawn(Later)
    with Requests() as requests:
        requests.send(ref, Get(), "first", timeout=5)
        requests.send(ref, Get(), "second")
        ref.cast(Note(1))
        assert (await requests.next()).value == 1
    assert len(requests) == 0
    ref.cast(Note(2))
    await wait_all_tasks_blocked()
    assert len(requests) == 0
    assert deadlines(system) == 0
    requests.send(ref, Get(), "third")
    ref.cast(Note(3))
    assert await requests.next() == Answer("third", 3, None)


async def test_a_cancelled_wait_loses_no_outcome(system, autojump_clock):
    ref = await system.spawn(Later)
    requests = Requests()
    requests.send(ref, Get(), "kept")
    with trio.move_on_after(1):
        await requests.next()
    ref.cast(Note("value"))
    await wait_all_tasks_blocked()
    assert await requests.next() == Answer("kept", "value", None)


async def test_an_actor_that_is_killed_while_it_waits_leaves_nothing(system, autojump_clock):
    ref, asker = await system.spawn(Later), await system.spawn(Worker)
    requests = Requests()

    async def wait(me):
        requests.send(ref, Get())
        await requests.next(timeout=100)

    asker.cast(Do(wait))
    await wait_all_tasks_blocked()
    system.kill(asker)
    assert await system.join(asker) == Killed()
    assert deadlines(system) == 0


async def test_waiting_for_nothing_and_waiting_twice_are_errors(system, autojump_clock):
    ref = await system.spawn(Later)
    requests = Requests()
    with pytest.raises(ActorError, match="send one first"):
        await requests.next()
    requests.send(ref, Get())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(requests.next)
        await wait_all_tasks_blocked()
        with pytest.raises(ActorError, match="waits for these requests already"):
            await requests.next()
        ref.cast(Note(None))


async def test_requests_go_to_actors_of_this_process(system, autojump_clock):
    with pytest.raises(ActorError, match="is not an actor of this process"):
        Requests().send(object(), Get())


async def test_the_asking_actor_is_the_caller_in_a_crash_report(system, autojump_clock):
    reports = []
    system.on_report(reports.append)
    ref, asker = await system.spawn(Worker), await system.spawn(Worker)

    def crash(me):
        raise ValueError("boom")

    async def ask(me):
        requests = Requests()
        requests.send(ref, DoSync(crash))
        return await requests.next()

    answer = await asker.call(Do(ask))
    assert isinstance(answer.error, CalleeDied)
    assert [report.caller for report in reports] == [asker]
    assert seen(asker) == []
