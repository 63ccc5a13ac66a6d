"""A node's figures for Prometheus, in a registry of the node's own.

    registry = registry_of(watched, survey)
    await survey.take()                # before each scrape: what only a look at every actor tells
    generate_latest(registry)

Names begin with `beamish_`, those of the runtime with `actors_` (`System.metrics`), those of the
process with `process_`. Labels come from bounded sets: the protocol's commands, refusal codes,
close codes, HTTP statuses, the classes of actors. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from beamish.messenger.traffic import BOUNDS, Durations
from beamish.operations.survey import Survey
from beamish.version import VERSION
from storage import JournalStatistics

if TYPE_CHECKING:
    from beamish.node import Node
    from beamish.operations.watched import Watched

JOURNAL_COUNTERS = frozenset(
    {
        "commits", "appends", "records", "bytes", "amendments", "conflicts", "unknown", "refused",
        "reads", "reopened",
    }
)  # fmt: skip
"""What a journal counts since its opening; everything else that it tells is as of now."""

ALARMS = ("oldest_pending", "disk_low", "journal_failing")


class NodeMetrics(Collector):
    """The metrics of one node, made at each scrape."""

    def __init__(self, watched: Watched, survey: Survey) -> None:
        self._node = watched.node
        self._gateway = watched.gateway
        self._monitor = watched.monitor
        self._survey = survey

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        yield from self._process()
        yield from self._connections()
        yield from self._traffic()
        yield from journal_metrics(self._node.journal.statistics())
        yield from self._actors()
        yield from self._load()
        yield from runtime_metrics(self._node)

    def _process(self) -> Iterator[Metric]:
        yield labelled("gauge", "beamish_build_info", "Always 1.", "version", {VERSION: 1})
        lag = self._monitor
        yield histogram("beamish_loop_lag_seconds", "How late sleeps ended.", {"": lag.lag})
        yield gauge("beamish_loop_lag_longest_seconds", "The longest so far.", lag.longest_lag)
        raised = {name: float(name in lag.alarms) for name in ALARMS}
        yield labelled("gauge", "beamish_alarm", "1 while an alarm is raised.", "alarm", raised)

    def _connections(self) -> Iterator[Metric]:
        told = self._gateway.statistics()
        online = self._node.environment.connections.users_online
        yield gauge("beamish_connections", "Open TCP connections.", told.connections)
        yield gauge("beamish_sessions", "Open WebSockets.", told.sessions)
        yield gauge("beamish_users_online", "Users with a session.", online)
        yield gauge("beamish_tls_handshakes", "TLS handshakes under way.", told.handshakes)
        failed = {"failed": told.handshakes_failed, "refused": told.handshakes_refused}
        yield labelled(
            "counter", "beamish_tls_handshakes_lost", "TLS handshakes in vain.", "how", failed
        )
        yield counter("beamish_connections_accepted", "TCP connections so far.", told.accepted)
        yield labelled(
            "counter",
            "beamish_connections_refused",
            "Connections refused before a session, by HTTP status.",
            "status",
            told.refused,
        )
        yield labelled(
            "counter", "beamish_sessions_closed", "Ended WebSockets.", "code", told.closed
        )
        for what, text in (("frames", "WebSocket messages."), ("items", "Items in them.")):
            both = {way: getattr(told, f"{what}_{way}") for way in ("in", "out")}
            yield labelled("counter", f"beamish_{what}", text, "way", both)
        both = {"in": told.bytes_in, "out": told.bytes_out}
        yield labelled("counter", "beamish_payload_bytes", "Their bytes.", "way", both)
        yield counter("beamish_gateway_faults", "Connections ended by our fault.", told.faults)

    def _traffic(self) -> Iterator[Metric]:
        traffic = self._node.environment.traffic
        commands = CounterMetricFamily(
            "beamish_commands", "Commands answered.", labels=["command", "outcome"]
        )
        refusals = {"rate_limited": self._gateway.statistics().rate_limited}
        for (name, outcome), count in sorted(traffic.commands.items()):
            commands.add_metric([name, outcome], count)
            if outcome not in ("ok", "silent"):
                refusals[outcome] = refusals.get(outcome, 0) + count
        yield commands
        yield labelled("counter", "beamish_refusals", "Commands refused.", "code", refusals)
        sent = traffic.commands["send", "ok"]
        yield counter("beamish_messages", "Messages accepted.", sent)
        yield counter("beamish_deliveries", "Inbox records handed to clients.", traffic.updates)
        yield histogram(
            "beamish_command_seconds", "From a command to its answer.", traffic.took, "command"
        )
        yield histogram(
            "beamish_delivery_seconds",
            "From a message's time until a connected client gets it.",
            {"": traffic.delivered},
        )
        yield histogram(
            "beamish_append_seconds", "From an append to its outcome.", {"": traffic.appended}
        )

    def _load(self) -> Iterator[Metric]:
        load, floods = self._node.environment.load, self._node.environment.floods
        yield gauge("beamish_overload_level", "0 to 5: what is left undone.", load.level)
        yield gauge("beamish_overload_wait_seconds", "Average wait for a turn.", load.wait_s)
        yield gauge(
            "beamish_overload_refused_share", "Share of users refused now.", load.refused_share
        )
        yield labelled("counter", "beamish_shed", "Things left undone.", "kind", load.shed)
        yield counter("beamish_floods_refused", "Commands above a pace.", floods.refused)

    def _actors(self) -> Iterator[Metric]:
        kinds = self._survey.kinds
        for name, text, part in (
            ("beamish_actors", "Actors alive, by class.", "alive"),
            ("beamish_mailbox_messages", "Messages waiting, by class.", "waiting"),
            ("beamish_mailbox_longest", "The longest mailbox, by class.", "longest"),
        ):
            values = {kind: getattr(found, part) for kind, found in sorted(kinds.items())}
            yield labelled("gauge", name, text, "actor", values)
        yield labelled(
            "counter",
            "beamish_restarts",
            "Actors that supervisors have started again.",
            "actor",
            self._monitor.restarts,
        )
        yield from self._overload()
        waiting = self._node.environment.window.waiting
        yield gauge("beamish_fan_outs_waiting", "Conversations that wait for a turn.", waiting)

    def _overload(self) -> Iterator[Metric]:
        load, floods = self._node.environment.load, self._node.environment.floods
        yield gauge("beamish_overload_level", "0 normal to 5: what is left undone.", load.level)
        text = "Average wait for a turn in the last second."
        yield gauge("beamish_queue_wait_seconds", text, load.wait_s)
        text = "Users whose new messages are refused."
        yield gauge("beamish_refused_share", text, load.refused_share)
        text = "What was left undone."
        yield labelled("counter", "beamish_shed", text, "kind", load.shed)
        text = "Commands refused for coming too fast."
        yield counter("beamish_floods_refused", text, floods.refused)


def journal_metrics(told: JournalStatistics) -> Iterator[Metric]:
    """What the journal tells of itself, whatever that is in this version."""
    for name, value in asdict(told).items():
        if not isinstance(value, (int, float)):
            continue
        shown, scale = (f"{name[:-3]}_seconds", 1e-3) if name.endswith("_ms") else (name, 1.0)
        text = f"{name} of the journal's statistics."
        make = counter if name in JOURNAL_COUNTERS else gauge
        yield make(f"beamish_journal_{shown}", text, value * scale)


def runtime_metrics(node: Node) -> Iterator[Metric]:
    """What the system of actors tells of itself."""
    for metric in node.system.metrics():
        make = counter if metric.kind == "counter" else gauge
        yield make(metric.name.removesuffix("_total"), metric.help, metric.value)


def counter(name: str, text: str, value: float) -> Metric:
    """A counter without labels."""
    return CounterMetricFamily(name, text, value=value)


def gauge(name: str, text: str, value: float) -> Metric:
    """A gauge without labels."""
    return GaugeMetricFamily(name, text, value=value)


def labelled(kind: str, name: str, text: str, label: str, values: Mapping[Any, float]) -> Metric:
    """A metric with one label; `values` is a map by its value."""
    make = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    family = make(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family


def histogram(
    name: str, text: str, durations: dict[str, Durations], label: str | None = None
) -> Metric:
    """Histograms of durations, by the value of `label` where there is one."""
    family = HistogramMetricFamily(name, text, labels=[] if label is None else [label])
    for key, took in sorted(durations.items()):
        family.add_metric([] if label is None else [key], list(cumulated(took)), took.sum)
    return family


def cumulated(took: Durations) -> Iterable[tuple[str, float]]:
    """Buckets as Prometheus has them: each counts what is not above its bound."""
    total = 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), took.buckets, strict=True):
        total += count
        yield bound, total


def registry_of(watched: Watched, survey: Survey) -> CollectorRegistry:
    """A registry with the node's metrics and those of its process, and nobody else's."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NodeMetrics(watched, survey))
    ProcessCollector(registry=registry)
    return registry
