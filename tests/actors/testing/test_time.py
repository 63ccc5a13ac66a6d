"""Virtual time."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actors import open_system
from actors.testing import advance, open_test_system, run_virtual
from tests.actors.kit import DoSync, Note, Worker, seen


def timers(me):
    for hours in (1, 2, 3):
        me.send_after(hours * 3600, Note(hours))


@pytest.mark.parametrize("threshold", [0, float("inf")], ids=["jumping", "moved by hand"])
def test_time_passes_with_everything_that_is_due(threshold):
    async def test():
        async with open_test_system() as system:
            worker = await system.spawn(Worker)
            await worker.call(DoSync(timers))
            for hour in (1, 2, 3):
                await advance(3599)
                assert seen(worker) == list(range(1, hour))
                await advance(1)
                assert seen(worker) == list(range(1, hour + 1))

    clock = trio.testing.MockClock(autojump_threshold=threshold)
    trio.run(test, clock=clock)


def test_what_becomes_due_meanwhile_is_due_in_order():
    async def test():
        async with open_test_system() as system:
            worker = await system.spawn(Worker)

            def again(me):
                me.send_after(10, Note("first"))
                me.system.whereis("other").cast(DoSync(lambda other: other.send_after(15, Note(1))))

            other = await system.spawn(Worker, name="other")
            await worker.call(DoSync(again))
            await advance(12)
            assert (seen(worker), seen(other)) == (["first"], [])
            await advance(3.01)
            assert seen(other) == [1]

    run_virtual(test)


async def test_a_real_clock_cannot_be_advanced():
    with pytest.raises(RuntimeError, match="run_virtual or, in pytest-trio"):
        await advance(1)


async def test_time_does_not_go_back(autojump_clock):
    with pytest.raises(ValueError, match="does not go back"):
        await advance(-1)


def test_a_test_system_draws_the_same_numbers_in_each_run():
    async def draw():
        async with open_test_system() as system:
            return system.random.random()

    async def unseeded():
        async with open_system() as system:
            return system.random.random()

    assert run_virtual(draw) == run_virtual(draw)
    assert run_virtual(unseeded) != run_virtual(unseeded)
