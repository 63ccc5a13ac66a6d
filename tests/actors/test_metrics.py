"""Metrics: every figure once, with the kinds that exporters know."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

from actors import open_system
from actors.observing.metrics import COUNTERS, GAUGES, TIMES
from actors.observing.reports import Counters
from tests.actors.kit import DoSync, Get, Note, Worker


async def test_metrics_show_what_has_happened():
    async with open_system("world") as system:
        ref, other = await system.spawn(Worker), await system.spawn(Worker)
        await ref.call(Get())
        other.cast(DoSync(lambda me: 1 / 0))
        await system.join(other)
        other.cast(Note(1))
        found = {metric.name: metric for metric in system.metrics()}
        assert found["actors_spawned_total"].value == 2
        assert found["actors_messages_total"].value >= 2
        assert found["actors_crashes_total"].value == 1
        assert found["actors_dead_letters_total"].value == 1
        assert found["actors_alive"].value == 1
        assert found["actors_alive"].kind == "gauge"
        assert found["actors_alive"].labels == {"system": "world"}


async def test_every_figure_of_a_system_is_a_metric_once():
    async with open_system() as system:
        counts = Counter(metric.name for metric in system.metrics())
        assert set(counts.values()) == {1}
        assert len(counts) == len(system.statistics())
        assert all(metric.help.endswith(".") for metric in system.metrics())


async def test_what_the_runtime_does_not_count_up_is_a_gauge():
    async with open_system() as system:
        counted = {field.name for field in fields(Counters)}
        for metric in system.metrics():
            name = metric.name.removeprefix("actors_").removesuffix("_total")
            if metric.kind == "counter":
                assert name in counted | {"messages", "gc_seconds"}


def test_every_counter_has_its_sentence():
    named = {field.name for field in fields(Counters)}
    assert named - set(COUNTERS) - set(TIMES) == {"messages"}
    assert not set(COUNTERS) - named
    assert not set(COUNTERS) & set(GAUGES)


async def test_actors_are_counted_by_class_on_demand():
    async with open_system() as system:
        for _ in range(3):
            await system.spawn(Worker)
        of_class = [m for m in system.metrics(per_class=True) if m.name == "actors_of_class"]
        assert [(m.labels["actor"], m.value) for m in of_class] == [("Worker", 3)]
