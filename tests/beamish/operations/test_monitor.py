"""Lag, rates, restarts and alarms."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace

import pytest
import trio

from actors import Actor, on, open_system
from beamish.messenger.traffic import Traffic
from beamish.operations.monitor import LAG_EVERY, OLDEST_PENDING_ALARM, RATE_OVER, Monitor
from supervision import ChildSpec, Supervisor


class Journal:
    def __init__(self):
        self.figures = {"oldest_pending_ms": 0, "low": False, "failing": False}

    def statistics(self):
        return SimpleNamespace(**self.figures)


def fake_node(system=None):
    return SimpleNamespace(
        environment=SimpleNamespace(traffic=Traffic()), journal=Journal(), system=system
    )


@pytest.fixture
def node():
    return fake_node()


async def test_rates_are_those_of_the_last_seconds(node, autojump_clock):
    monitor = Monitor(node)
    assert monitor.rates() == (0.0, 0.0)
    traffic = node.environment.traffic
    for second in range(30):
        monitor.look()
        traffic.commands["send", "ok"] += 100 if second < 15 else 7
        traffic.updates += 14
        await trio.sleep(1.0)
    monitor.look()
    assert monitor.rates() == (pytest.approx(7.0), pytest.approx(14.0))
    assert RATE_OVER < 15


@pytest.mark.parametrize(
    ("figure", "bad", "alarm"),
    [
        ("oldest_pending_ms", int(OLDEST_PENDING_ALARM * 1_000) + 1, "oldest_pending"),
        ("low", True, "disk_low"),
        ("failing", True, "journal_failing"),
    ],
)
async def test_an_alarm_is_told_once_when_it_begins_and_once_when_it_ends(
    node, caplog, figure, bad, alarm
):
    monitor = Monitor(node)
    good = node.journal.figures[figure]
    with caplog.at_level(logging.WARNING, "beamish.operations"):
        monitor.look()
        assert not monitor.alarms
        node.journal.figures[figure] = bad
        monitor.look()
        monitor.look()
        assert monitor.alarms == {alarm}
        node.journal.figures[figure] = good
        monitor.look()
        monitor.look()
        assert not monitor.alarms
    first, second = [record.getMessage() for record in caplog.records]
    assert first.startswith(f"alarm {alarm}: ")
    assert second == f"alarm {alarm}: over"


class Fragile(Actor):
    @on(str)
    def break_(self, _message):
        raise ZeroDivisionError


async def test_restarts_are_counted_and_a_stalled_loop_is_seen(monkeypatch):
    async with open_system("watched") as system, trio.open_nursery() as nursery:
        monitor = Monitor(fake_node(system))
        nursery.start_soon(monitor.run)
        await trio.testing.wait_all_tasks_blocked()
        await system.spawn(Supervisor, [ChildSpec("fragile", Fragile, name="fragile")])
        before = system.whereis("fragile")
        before.cast("anything")
        with trio.fail_after(10):
            while monitor.restarts != {"Fragile": 1}:  # noqa: ASYNC110
                await trio.sleep(0.01)
            time.sleep(LAG_EVERY + 0.2)  # noqa: ASYNC251  # as a handler that blocks everybody
            while monitor.longest_lag < 0.1:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert monitor.lag.count >= 1
        nursery.cancel_scope.cancel()
