"""Supervisor reports: what happened to which child, as bounded values.

| context            | told when                                                              |
|--------------------|------------------------------------------------------------------------|
| `child_terminated` | a child ended in a way that the restart table reports                  |
| `start_error`      | a child did not start                                                  |
| `shutdown_error`   | a child ended otherwise than it was asked to, or had to be killed      |
| `gave_up`          | a child exceeded its own restart budget; it alone stays down           |
| `shutdown`         | the supervisor's restart budget is exceeded; it ends                   |

The words are those of OTP's supervisor reports, `gave_up` is ours. Each report goes to the
callbacks of `System.on_report`, to those who listen to `SupervisorReport` (`System.on_event`) and,
at most `LOG_BURST` times a second and context, to the logger ``supervision``; the next line says
how many were left out. A storm of crashes with nobody listening costs a counter each, since the
texts are made only when somebody reads them.

`Restarted` is no report but an event: a child runs again. It is made only for who listens to it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final, Literal

from actors import Actor, ExitReason
from actors.ref import LocalRef
from supervision.child_spec import ChildSpec, ChildType, ShutdownTime
from supervision.decision import Restart

logger = logging.getLogger("supervision")

Context = Literal["child_terminated", "start_error", "shutdown_error", "gave_up", "shutdown"]
LOG_BURST: Final = 5
MAX_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class Offender:
    """The child a report is about; `ref` is None if it never ran. Texts: 200 characters at most."""

    ref: LocalRef | None
    id: str
    actor: str
    restart: Restart
    shutdown: ShutdownTime
    type: ChildType


@dataclass(frozen=True, slots=True)
class SupervisorReport:
    """One event in a supervisor. `reason` has at most 512 characters."""

    supervisor: LocalRef
    context: Context
    reason: str
    offender: Offender

    def __str__(self) -> str:
        """One line for people."""
        child = self.offender
        where = f"{child.id} ({child.actor}, {child.restart})"
        return f"{self.supervisor!r}: {self.context}: {where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Restarted:
    """A supervisor has started a child again. An event: only for those who listen to this kind."""

    supervisor: LocalRef
    ref: LocalRef
    id: str
    actor: str


class ReportDesk:
    """Makes, publishes and logs the reports of one supervisor, and counts them by context."""

    __slots__ = ("_logged", "_since", "_skipped", "_supervisor", "counts")

    def __init__(self, supervisor: Actor) -> None:
        self._supervisor = supervisor
        self._logged: dict[str, int] = {}
        self._skipped: dict[str, int] = {}
        self._since = float("-inf")
        self.counts: dict[str, int] = {}

    def tell(
        self, context: Context, reason: ExitReason | str, ref: LocalRef | None, spec: ChildSpec
    ) -> None:
        """Report that `reason` befell the child `ref` of this spec."""
        self.counts[context] = self.counts.get(context, 0) + 1
        own = self._supervisor.ref
        reporter = own.scheduler.reporter
        logs = self._may_log(context, own.scheduler.now())
        wanted = reporter.wants(SupervisorReport)
        if not (logs or wanted):
            return
        offender = Offender(
            ref, _short(spec.id), spec.actor.__qualname__, spec.restart, spec.shutdown, spec.type
        )
        report: Any = SupervisorReport(own, context, str(reason)[:512], offender)
        if logs:
            logger.error("%s", report)
        if wanted:
            reporter.publish(report)

    def restarted(self, ref: LocalRef, spec: ChildSpec) -> None:
        """A child runs again, as `ref`. Told to those who listen to `Restarted`, and not logged."""
        own = self._supervisor.ref
        reporter = own.scheduler.reporter
        if Restarted in reporter.listeners:
            reporter.tell(Restarted(own, ref, _short(spec.id), spec.actor.__qualname__))

    def _may_log(self, context: Context, now: float) -> bool:
        if now - self._since >= 1.0:
            for kind, skipped in self._skipped.items():
                logger.error("%r: %s: %d more not logged", self._supervisor.ref, kind, skipped)
            self._since = now
            self._logged.clear()
            self._skipped.clear()
        logged = self._logged.get(context, 0)
        if logged >= LOG_BURST:
            self._skipped[context] = self._skipped.get(context, 0) + 1
            return False
        self._logged[context] = logged + 1
        return True


def _short(value: object) -> str:
    text = value.__qualname__ if isinstance(value, type) else repr(value)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
