"""What must be watched all the time to be known at all: lag, rates, restarts, the oldest work.

The event loop's lag is how much later than asked a sleep of `LAG_EVERY` ends: time in which no
socket was served. Rates are over the last `RATE_OVER` seconds. The age of the oldest pending record
is the node's first health figure (design, section 4): above `OLDEST_PENDING_ALARM` it raises an
alarm, told in the log when it begins and when it is over, as are a disk below its reserve and
writes that fail.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from typing import TYPE_CHECKING

import trio

from beamish.messenger.traffic import Durations
from supervision import Restarted

if TYPE_CHECKING:
    from beamish.node import Node

logger = logging.getLogger("beamish.operations")

LAG_EVERY = 0.25
LOOK_EVERY = 1.0
RATE_OVER = 10
OLDEST_PENDING_ALARM = 30.0
"""Seconds. Work that fails is tried again every 2 s: what is older than this does not get on."""


class Monitor:
    """Watches one node while `run` does.

    Attributes:
        started: trio time of the beginning.
        lag: how late sleeps ended.
        longest_lag: the longest of these since the start, in seconds.
        restarts: children that supervisors have started again, by the actor's class.
        alarms: names of the alarms that are raised now.
    """

    def __init__(self, node: Node) -> None:
        self.started = trio.current_time()
        self.lag = Durations()
        self.longest_lag = 0.0
        self.restarts: Counter[str] = Counter()
        self.alarms: set[str] = set()
        self._node = node
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=RATE_OVER + 1)

    async def run(self) -> None:
        """Watch until cancelled."""
        forget = self._node.system.on_event(self._restarted, Restarted)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._measure_lag)
                while True:
                    self.look()
                    await trio.sleep(LOOK_EVERY)
        finally:
            forget()

    def _restarted(self, event: Restarted) -> None:
        self.restarts[event.actor] += 1

    async def _measure_lag(self) -> None:
        while True:
            due = trio.current_time() + LAG_EVERY
            await trio.sleep_until(due)
            late = trio.current_time() - due
            self.lag.add(late)
            self.longest_lag = max(self.longest_lag, late)

    def look(self) -> None:
        """Take a sample of the counters, and raise or clear alarms."""
        traffic = self._node.environment.traffic
        sent = traffic.commands["send", "ok"]
        self._samples.append((trio.current_time(), sent, traffic.updates))
        journal = self._node.journal.statistics()
        age = journal.oldest_pending_ms / 1_000
        self._alarm(
            "oldest_pending",
            f"work has been pending for {age:.0f} s: deliveries do not get on",
            raised=age > OLDEST_PENDING_ALARM,
        )
        self._alarm(
            "disk_low",
            "the disk is below its reserve: new messages are refused",
            raised=journal.low,
        )
        self._alarm("journal_failing", "the journal cannot write", raised=journal.failing)

    def _alarm(self, name: str, text: str, *, raised: bool) -> None:
        if raised and name not in self.alarms:
            self.alarms.add(name)
            logger.warning("alarm %s: %s", name, text)
        elif not raised and name in self.alarms:
            self.alarms.remove(name)
            logger.warning("alarm %s: over", name)

    def rates(self) -> tuple[float, float]:
        """Messages accepted and updates handed to clients, each a second."""
        if len(self._samples) < 2:
            return 0.0, 0.0
        (begun, sent, updates), (now, sent_now, updates_now) = self._samples[0], self._samples[-1]
        seconds = now - begun
        if seconds <= 0:
            return 0.0, 0.0
        return (sent_now - sent) / seconds, (updates_now - updates) / seconds
