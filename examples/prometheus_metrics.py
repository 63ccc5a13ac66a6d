"""Figures of a system of actors for Prometheus, without the runtime knowing of it.

    pip install prometheus-client
    python examples/prometheus_metrics.py

Prints what a scrape would get. In a server, answer ``GET /metrics`` with `exposition(system)`, in
the system's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import trio
import trio.testing
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors import Actor, System, on, open_system


class Figures(Collector):
    """A system's metrics, as prometheus_client wants them."""

    def __init__(self, system: System) -> None:
        self._system = system

    def collect(self) -> Iterator[Metric]:
        """One family for each name; the metrics of one name follow each other."""
        family: Metric | None = None
        for metric in self._system.metrics(per_class=True):
            names = list(metric.labels)
            name = metric.name.removesuffix("_total")
            if family is None or family.name != name:
                if family is not None:
                    yield family
                kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                family = kind(name, metric.help, labels=names)
            family.add_metric(list(metric.labels.values()), metric.value)
        if family is not None:
            yield family


def exposition(system: System) -> bytes:
    """What a scrape gets, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Figures(system))
    return generate_latest(registry)


@dataclass(frozen=True, slots=True)
class Greet:
    """Say hello."""

    name: str


class Greeter(Actor):
    """Says hello."""

    @on(Greet)
    def greet(self, message: Greet) -> None:
        """Say it."""
        print(f"hello {message.name}")


async def main() -> None:
    """Start a few actors, and look."""
    async with open_system("greetings") as system:
        greeters = [await system.spawn(Greeter) for _ in range(3)]
        for greeter in greeters:
            greeter.cast(Greet("world"))
        await trio.testing.wait_all_tasks_blocked()
        print(exposition(system).decode())


if __name__ == "__main__":
    trio.run(main)
