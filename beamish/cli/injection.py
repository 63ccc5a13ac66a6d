"""Crashes on order (`--inject-crashes`), and what they lead to.

Measured are how long restarts take and whether anything but the ordered crashes happens. A restart
takes from the crash until the actor's name leads to its next incarnation, looked at every
millisecond. Sessions have no name: their clients connect again instead. An actor that gave up has
no restart: nobody starts it until somebody needs it, however long that is.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import trio

from actors import Crashed
from actors.observing.reports import CrashReport
from beamish.histogram import Histogram
from beamish.messenger.faults import CrashInjector, InjectedCrash
from supervision.reports import SupervisorReport

if TYPE_CHECKING:
    from beamish.node import Node

LOOK_EVERY = 0.001
INJECTED = f"{InjectedCrash.__module__}.{InjectedCrash.__qualname__}"


def injector(probability: float, kinds: tuple[str, ...], seed: int) -> CrashInjector:
    """Crashes `probability` of all passages of these actor kinds, the same ones for a seed."""
    source = random.Random(seed)  # noqa: S311  # repeatable, not secret
    return CrashInjector(probability, source, frozenset(kinds))


class InjectionWatch:
    """Watches a node whose actors crash on order.

    `restarts`: times in ms; `other_crashes`: crashes that nobody ordered; `gave_up`: actors that
    crashed more often than their own budget allows and wait until somebody needs them again;
    `supervisors_ended`: a supervisor gave itself up, which takes all its children down.
    """

    def __init__(self, node: Node) -> None:
        self.restarts = Histogram()
        self.other_crashes = 0
        self.gave_up = 0
        self.supervisors_ended = 0
        self._node = node
        self._down: dict[object, tuple[object, float]] = {}
        self._crashed = trio.Event()
        node.system.on_report(self._note)

    def statistics(self) -> dict[str, object]:
        """For `beamish status`."""
        return {
            "restarts": self.restarts.count,
            "restart_ms": self.restarts.summary(),
            "other_crashes": self.other_crashes,
            "gave_up": self.gave_up,
            "supervisors_ended": self.supervisors_ended,
        }

    async def run(self) -> None:
        """Measures until cancelled."""
        while True:
            await self._crashed.wait()
            while self._down:
                await trio.sleep(LOOK_EVERY)
                self._look()
            self._crashed = trio.Event()

    def _look(self) -> None:
        now = trio.current_time()
        for name, (before, since) in list(self._down.items()):
            found = self._node.system.whereis(name)
            if found is not None and found is not before:
                del self._down[name]
                self.restarts.add((now - since) * 1000)

    def _expect_no_restart(self, ref: object) -> None:
        self._down = {name: down for name, down in self._down.items() if down[0] is not ref}

    def _note(self, report: object) -> None:
        if isinstance(report, SupervisorReport):
            self.supervisors_ended += report.context == "shutdown"
            if report.context == "gave_up":
                self.gave_up += 1
                self._expect_no_restart(report.offender.ref)
        if not isinstance(report, CrashReport):
            return
        if not isinstance(report.reason, Crashed) or report.reason.exception != INJECTED:
            self.other_crashes += 1
        elif report.name is not None:
            self._down[report.name] = (report.ref, trio.current_time())
            self._crashed.set()
