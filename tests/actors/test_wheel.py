"""The deadline wheel, compared with a sorted list."""

from __future__ import annotations

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors.scheduling.wheel import Wheel


class Item:
    def __init__(self, number, fired):
        self.number = number
        self.deadline = 0.0
        self.slot = None
        self.fired = fired

    def fire(self, _scheduler, /):
        self.fired.append(self.number)


@given(
    st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.floats(0, 0.5)), min_size=1, max_size=60)
)
def test_what_is_due_fires_in_order_of_time_and_what_was_removed_never(plan):
    now = [1000.0]
    wheel = Wheel(None, lambda: now[0])
    fired = []
    expected = []
    items = []
    for number, (delay, keep, step) in enumerate(plan):
        item = Item(number, fired)
        deadline = now[0] + delay
        wheel.add(item, deadline)
        items.append((deadline, number, item))
        if not keep:
            wheel.remove(item)
            wheel.remove(item)
            items.pop()
        now[0] += step
        for _ in range(60):
            wheel.expire()
        due = sorted(entry for entry in items if entry[0] <= now[0])
        items = [entry for entry in items if entry[0] > now[0]]
        expected += [number for _, number, _ in due]
        assert fired == expected
        assert len(wheel) == len(items)


def test_emptied_slots_do_not_pile_up():
    now = [0.0]
    wheel = Wheel(None, lambda: now[0])
    for number in range(100_000):
        item = Item(number, [])
        wheel.add(item, number / 64)
        wheel.remove(item)
    assert len(wheel._slots) <= 1024
    assert len(wheel._numbers) <= 1024


async def test_the_timekeeper_sleeps_until_there_is_something_to_do(autojump_clock):
    fired = []
    wheel = Wheel(None, trio.current_time)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.keep_time)
        await trio.testing.wait_all_tasks_blocked()
        start = trio.current_time()
        late, early = Item("late", fired), Item("early", fired)
        wheel.add(late, start + 100)
        wheel.add(early, start + 2)
        await trio.sleep(1.9)
        assert fired == []
        await trio.sleep(0.11)
        assert fired == ["early"]
        await trio.sleep(97.9)
        assert fired == ["early"]
        await trio.sleep(0.11)
        assert fired == ["early", "late"]
        nursery.cancel_scope.cancel()


async def test_a_deadline_in_the_past_fires_at_once(autojump_clock):
    fired = []
    wheel = Wheel(None, trio.current_time)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.keep_time)
        await trio.testing.wait_all_tasks_blocked()
        start = trio.current_time()
        wheel.add(Item("past", fired), start - 5)
        await trio.sleep(0.01)
        assert fired == ["past"]
        nursery.cancel_scope.cancel()
