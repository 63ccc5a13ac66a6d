"""Figures of a system in the form that metrics exporters want, whichever exporter it is.

`System.metrics` yields `Metric` values: a name, a kind, a sentence, a value and labels, as
Prometheus has them; nothing of any exporter is imported. Counters only grow while the system lives.
Reading them costs a few microseconds, whatever the system holds, except for ``per_class``, which
looks at every actor. Read them in the system's thread (`System.portal` for others).

An exporter for `prometheus_client` is `examples/prometheus_metrics.py`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from actors.scheduling.scheduler import Scheduler

PREFIX: Final = "actors_"
MAX_CLASSES: Final = 1_000
"""Classes of actors that get a figure of their own, those with most actors first."""

COUNTERS: Final = {
    "spawned": "Actors started.",
    "ended": "Actors ended.",
    "crashes": "Exceptions that ended an actor.",
    "bound": "Handlers that needed a trio task of their own.",
    "dead_letters": "Messages for actors that had ended.",
    "unhandled": "Messages for which the actor had no handler.",
    "direct_calls": "Calls handled within the step of their caller.",
    "dropped": "Messages dropped because the mailbox was full, whatever the policy.",
    "dropped_new": "Of these the newest, under drop_new.",
    "dropped_old": "Of these the oldest, under drop_old.",
    "dropped_block": "Of these casts, under block.",
    "dropped_own": "Of these what an actor sent to itself.",
    "dropped_aside": "Messages dropped because the stash was full.",
    "rejected": "Casts refused, under reject.",
    "waited": "Senders that waited for room.",
    "mailbox_alarms": "Mailboxes that passed the mark of their alarm.",
    "busy": "Calls refused because the mailbox was full.",
    "left_open": "Handlers that left a scope, nursery or lock open.",
    "zombies": "Actors that did not end when they had to.",
    "long_handlers": "Turns that stalled the system.",
    "gc_pauses": "Collections of garbage, where the system tunes the collector.",
}
TIMES: Final = ("gc_total_us", "gc_longest_us")
GAUGES: Final = {
    "actors": "Actors alive.",
    "alarms": "Mailboxes above the mark of their alarm.",
    "names": "Names taken.",
    "runnable": "Actors and waits in the run queue.",
    "deadlines": "Timers and deadlines pending.",
    "tasks": "Trio tasks of the system.",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. Names and labels follow Prometheus; times are seconds, counters end in _total."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def metrics_of(
    scheduler: Scheduler, statistics: Mapping[str, int], *, per_class: bool
) -> Iterator[Metric]:
    """The figures of a system; `statistics` are those of `System.statistics`."""
    labels = {"system": scheduler.name}

    def counter(name: str, text: str, value: float, **more: str) -> Metric:
        return Metric(f"{PREFIX}{name}_total", "counter", text, value, labels | more)

    def gauge(name: str, text: str, value: float, **more: str) -> Metric:
        return Metric(f"{PREFIX}{name}", "gauge", text, value, labels | more)

    yield counter("messages", "Messages handled, direct calls included.", statistics["messages"])
    for name, value in statistics.items():
        if name not in GAUGES and name not in TIMES and name != "messages":
            yield counter(name, COUNTERS.get(name, f"Count of {name}."), value)
    pauses = statistics["gc_total_us"] / 1e6
    yield counter("gc_seconds", "Time in collections of garbage.", pauses)
    longest = statistics["gc_longest_us"] / 1e6
    yield gauge("gc_longest_seconds", "The longest collection so far.", longest)
    for name, text in GAUGES.items():
        yield gauge("alive" if name == "actors" else name, text, statistics[name])
    if per_class:
        counts = Counter(ref.behaviour.name for ref in scheduler.table)
        for name, count in counts.most_common(MAX_CLASSES):
            yield gauge("of_class", "Actors alive, by class.", count, actor=name)


protect(metrics_of)
