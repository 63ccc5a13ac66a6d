"""Each private name of trio that the runtime uses still means what the runtime needs.

A failure here means that trio has changed: adapt `actors.scheduling._trio_internals`.
"""

from __future__ import annotations

import functools

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.scheduling import _trio_internals as internals


def test_this_trio_has_every_name():
    internals.check()


def test_a_missing_name_is_named(monkeypatch):
    class Task:
        pass

    monkeypatch.setattr(internals._run, "Task", Task)
    with pytest.raises(internals.TrioChanged, match="has no Task"):
        internals.check()


def in_a_task_of_its_own(test):
    """The task of a test has nurseries of the test runner open; the checks need a clean one."""

    @functools.wraps(test)
    async def run(**arguments):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(functools.partial(test, **arguments))

    return run


@in_a_task_of_its_own
async def test_an_open_scope_nursery_and_lock_make_a_task_unclean():
    task = trio.lowlevel.current_task()
    base = internals.cancel_status(task)
    assert internals.is_clean(task, base)
    with trio.CancelScope():  # noqa: ASYNC100
        assert not internals.is_clean(task, base)
    async with trio.open_nursery():
        assert not internals.is_clean(task, base)
    lock = trio.Lock()
    async with lock:
        assert not internals.is_clean(task, base)
    assert internals.is_clean(task, base)


async def _leave_open(kinds, log):
    for kind in kinds:
        if kind == "scope":
            trio.CancelScope().__enter__()
        elif kind == "shield":
            trio.CancelScope(shield=True).__enter__()
        elif kind == "lock":
            trio.Lock().acquire_nowait()
        else:
            nursery = await trio.open_nursery().__aenter__()
            nursery.start_soon(_child, log)


async def _child(log):
    try:
        await trio.sleep_forever()
    finally:
        log.append("child ended")


@pytest.mark.parametrize(
    "kinds",
    [
        ["scope"],
        ["nursery"],
        ["lock"],
        ["scope", "nursery", "shield"],
        ["nursery", "scope", "nursery", "lock", "scope"],
    ],
)
@in_a_task_of_its_own
async def test_what_is_left_open_can_be_moved_to_another_task_and_closed(kinds):
    log = []
    task = trio.lowlevel.current_task()
    async with trio.open_nursery() as outer:
        base = internals.cancel_status(task)
        await _leave_open(kinds, log)
        await trio.lowlevel.cancel_shielded_checkpoint()
        nurseries = task._child_nurseries
        open_outer = nurseries.pop(0)
        leftovers = internals.Leftovers(task, base)
        leftovers.detach(task, base)
        nurseries.insert(0, open_outer)
        assert internals.cancel_status(task) is base
        outer.start_soon(leftovers.close)
    assert log == ["child ended"] * kinds.count("nursery")
    with trio.CancelScope() as scope:
        scope.cancel()
        await trio.sleep_forever()
    assert scope.cancelled_caught


@in_a_task_of_its_own
async def test_what_is_left_open_is_described():
    task = trio.lowlevel.current_task()
    base = internals.cancel_status(task)
    await _leave_open(["scope", "scope", "lock"], [])
    leftovers = internals.Leftovers(task, base)
    assert leftovers.describe() == "2 cancel scopes and 1 trio lock"
    leftovers.detach(task, base)
    assert internals.is_clean(task, base)


async def test_shields_inside_a_boundary_can_be_removed():
    log = []

    async def shielded():
        with trio.CancelScope(shield=True):
            try:
                await trio.sleep_forever()
            finally:
                log.append("ended")

    async def work():
        with trio.CancelScope() as boundary:
            boundaries.append((trio.lowlevel.current_task(), boundary))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(shielded)
                await shielded()

    boundaries = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await wait_all_tasks_blocked()
        [(task, boundary)] = boundaries
        boundary.cancel()
        await wait_all_tasks_blocked()
        assert log == []
        internals.unshield(task, boundary)
    assert log == ["ended", "ended"]


def test_a_seed_fixes_the_order_of_trios_tasks():
    def orders():
        async def note(number, order):
            for _ in range(5):
                await trio.lowlevel.checkpoint()
                order.append(number)

        async def main():
            order = []
            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(note, number, order)
            return order

        return trio.run(main)

    seen = []
    for seed in (1, 1, 2):
        undo = internals.seed(seed)
        try:
            seen.append(orders())
        finally:
            undo()
    assert seen[0] == seen[1] != seen[2]
