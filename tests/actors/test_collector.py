"""The garbage collector of a process with very many actors."""

from __future__ import annotations

import gc
import sys
import time
import weakref

import pytest
from trio.testing import wait_all_tasks_blocked

from actors import Actor, open_system
from actors.scheduling import collector
from actors.scheduling.collector import THRESHOLDS
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


class Slim(Actor):
    __slots__ = ()


async def start(system, count):
    async def start_many(me):
        for _ in range(count):
            await me.spawn(Slim)

    parent = await system.spawn(Worker)
    await parent.call(Do(start_many), timeout=None)
    await wait_all_tasks_blocked()
    return parent


async def test_what_survives_is_moved_out_of_the_collectors_sight():
    async with open_system(tune_collector=True) as system:
        before = gc.get_freeze_count()
        system.kill(await start(system, 100_000))
        assert gc.get_freeze_count() - before > 100_000
        assert len(gc.get_objects(1)) + len(gc.get_objects(2)) < 20_000


async def test_pauses_stay_short_while_very_many_actors_live():
    async with open_system(tune_collector=True) as system:
        parent = await start(system, 100_000)
        everything = time.perf_counter()
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        everything = time.perf_counter() - everything
        before = system.statistics()
        await start(system, 40_000)
        after = system.statistics()
        pauses = after["gc_pauses"] - before["gc_pauses"]
        mean = (after["gc_total_us"] - before["gc_total_us"]) / max(pauses, 1) / 1e6
        assert pauses
        assert mean < everything / 3
        system.kill(parent)


class Knot:
    """A piece of garbage that only the collector finds."""

    def __init__(self):
        self.me = self


async def test_cycles_among_the_frozen_are_found_when_memory_has_grown(monkeypatch):
    monkeypatch.setattr(collector, "MIN_BLOCKS", 2_000)
    monkeypatch.setattr(collector, "MIN_ENDED", 1_000_000)
    async with open_system(tune_collector=True) as system:
        knot = Knot()
        watch = weakref.ref(knot)
        gc.collect()
        gc.freeze()
        del knot
        gc.collect()
        assert watch() is not None
        kept = []
        while watch() is not None and len(kept) < 5_000_000:
            kept += [[] for _ in range(50_000)]
            await start(system, 1)
        assert watch() is None


async def test_cycles_of_actors_that_ended_are_found(monkeypatch):
    monkeypatch.setattr(collector, "MIN_BLOCKS", 100_000_000)
    monkeypatch.setattr(collector, "MIN_ENDED", 1_000)
    async with open_system(tune_collector=True) as system:
        knot = Knot()
        watch = weakref.ref(knot)
        gc.collect()
        gc.freeze()
        del knot
        for _ in range(20):
            system.kill(await start(system, 1_000))
            await wait_all_tasks_blocked()
            if watch() is None:
                break
        assert watch() is None


async def test_actors_that_start_and_stop_are_not_looked_through_for_their_number(monkeypatch):
    monkeypatch.setattr(collector, "MIN_BLOCKS", 100_000)
    full = []

    def note(phase, info):
        full.extend([info] if phase == "start" and info["generation"] == 2 else [])

    async with open_system(tune_collector=True) as system:
        gc.collect()
        blocks = sys.getallocatedblocks()
        gc.callbacks.append(note)
        try:
            parent = await start(system, 100_000)
            assert sys.getallocatedblocks() - blocks > 2 * 100_000
            system.kill(parent)
        finally:
            gc.callbacks.remove(note)
    assert not full
