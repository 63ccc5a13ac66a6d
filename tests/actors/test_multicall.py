"""multi_call: every ref in exactly one of two dicts, within one deadline; abcast."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import (
    Busy,
    CallCycle,
    CalleeDied,
    CallTimeout,
    Request,
    abcast,
    multi_call,
    on,
    open_system,
)
from tests.actors.kit import Add, Do, Get, Note, Worker, seen
from tests.examples import examples

MANY = 20


class Slow(Request[float]):
    """Replied after the actor's delay."""


class Delayed(Worker):
    def __init__(self, delay):
        super().__init__()
        self.delay = delay

    @on(Slow)
    async def slow(self, request):
        await self.sleep(self.delay)
        return self.delay


@pytest.fixture
async def system():
    async with open_system(seed=1) as system:
        yield system


async def test_replies_and_failures_are_by_ref(system, autojump_clock):
    alive = [await system.spawn(Worker) for _ in range(3)]
    dead = await system.spawn(Worker)
    await system.stop(dead)
    replies, failures = await multi_call([alive[2], dead, *alive], Add(1))
    assert replies == dict.fromkeys(alive, 2)
    assert list(replies) == [alive[2], alive[0], alive[1]]
    assert list(failures) == [dead]
    assert isinstance(failures[dead], CalleeDied)


@given(delays=st.lists(st.sampled_from([0.5, 1.5, 2.5, 3.5]), max_size=8))
@examples(25)
def test_one_deadline_for_all_that_is_never_exceeded(delays):
    async def main():
        async with open_system(seed=1) as system:
            refs = [await system.spawn(Delayed, delay) for delay in delays]
            begun = trio.current_time()
            replies, failures = await multi_call(refs, Slow(), timeout=2)
            took = trio.current_time() - begun
            assert replies == {
                ref: delay for ref, delay in zip(refs, delays, strict=True) if delay < 2
            }
            assert set(failures) == set(refs) - set(replies)
            assert all(type(error) is CallTimeout for error in failures.values())
            longest = max([delay for delay in delays if delay < 2], default=0)
            assert took == pytest.approx(2 if failures else longest, abs=0.05)

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_answers_that_trickle_in_do_not_move_the_deadline(system, autojump_clock):
    refs = [await system.spawn(Delayed, 0.3 * (number + 1)) for number in range(MANY)]
    begun = trio.current_time()
    replies, failures = await multi_call(refs, Slow(), timeout=1)
    assert trio.current_time() - begun == pytest.approx(1, abs=0.01)
    assert (len(replies), len(failures)) == (3, MANY - 3)
    assert system.statistics()["deadlines"] == MANY - 3  # what the slow ones sleep


async def test_a_multi_call_takes_one_deadline_at_a_time(system, autojump_clock):
    refs = [await system.spawn(Worker) for _ in range(MANY)]
    for ref in refs:
        await system.suspend(ref)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(multi_call, refs, Add(1), 1)
        await wait_all_tasks_blocked()
        assert system.statistics()["deadlines"] == 1


async def test_from_a_handler_whoever_waits_for_it_fails_at_once(system, autojump_clock):
    front, back = await system.spawn(Worker), await system.spawn(Worker)

    async def ask(me):
        return await multi_call([front, me.ref, back], Add(1), timeout=3)

    async def forward(me):
        return await back.call(Do(ask))

    begun = trio.current_time()
    replies, failures = await front.call(Do(forward))
    assert trio.current_time() == begun
    assert replies == {}
    assert {ref: type(error) for ref, error in failures.items()} == {
        front: CallCycle,
        back: CallCycle,
    }


async def test_a_full_actor_is_a_failure_of_its_own(system, autojump_clock):
    class Small(Worker):
        mailbox_limit = 1

    full, free = await system.spawn(Small), await system.spawn(Worker)
    await system.suspend(full)
    full.cast(Note(1))
    replies, failures = await multi_call([full, free], Add(1))
    assert replies == {free: 2}
    assert isinstance(failures[full], Busy)


async def test_nobody_to_call_is_nothing_to_wait_for(system, autojump_clock):
    assert await multi_call([], Get()) == ({}, {})


async def test_abcast_reaches_all_that_live(system, autojump_clock):
    refs = [await system.spawn(Worker) for _ in range(3)]
    await system.stop(refs[1])
    abcast(refs, Note("hello"))
    await wait_all_tasks_blocked()
    assert seen(refs[0]) == seen(refs[2]) == ["hello"]
    assert system.statistics()["dead_letters"] == 1
