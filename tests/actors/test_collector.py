"""The garbage collector of a process with very many actors."""

from __future__ import annotations

import gc

import pytest
from trio.testing import wait_all_tasks_blocked

from actors import Actor, open_system
from actors.collector import BATCH, THRESHOLDS
from tests.actors.kit import Do, Worker


@pytest.fixture(autouse=True)
def gc_as_it_was():
    before = gc.get_threshold(), list(gc.callbacks)
    yield
    assert (gc.get_threshold(), gc.callbacks) == before


async def test_by_default_the_collector_is_left_alone():
    before = gc.get_threshold()
    async with open_system():
        assert gc.get_threshold() == before


async def test_the_tuning_lasts_as_long_as_the_system():
    frozen = gc.get_freeze_count()
    async with open_system(tune_collector=True):
        assert gc.get_threshold() == THRESHOLDS
        async with open_system(tune_collector=True):
            assert gc.get_threshold() == THRESHOLDS
        assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() <= frozen


async def test_pauses_are_measured():
    async with open_system(tune_collector=True) as system:
        gc.collect()
        statistics = system.statistics()
    assert statistics["gc_pauses"] >= 1
    assert statistics["gc_longest_us"] > 0
    assert statistics["gc_total_us"] >= statistics["gc_longest_us"]


async def test_actors_are_moved_out_of_the_collectors_sight_in_batches():
    class Slim(Actor):
        __slots__ = ()

    async def start_many(me):
        for _ in range(BATCH):
            await me.spawn(Slim)

    async with open_system(tune_collector=True) as system:
        parent = await system.spawn(Worker)
        await parent.call(Do(start_many), timeout=None)
        await wait_all_tasks_blocked()
        assert gc.get_freeze_count() >= 2 * BATCH
        system.kill(parent)
