"""The report of a run: the fields that programs read, the table for people, the exit status.

Times are milliseconds unless the name says otherwise. `wall_s` runs from the first command of the
play to the last hand-over or answer, `messages_per_s` and `deliveries_per_s` are over that time;
`setup_s` (registering users) and `history_s` (fresh devices reading) are apart from it.

A run that was stopped has an incomplete report: what it counts is true of what was played so far,
and what only a whole run can tell (`lost`, `history_mismatches`) is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any

from rich.table import Table


class ExitStatus(IntEnum):
    """What the command ends with."""

    CLEAN = 0
    WRONG = 1
    USAGE = 2
    UNREACHABLE = 3
    STOPPED = 130
    """By Ctrl-C; the number is the shell's own for that."""


@dataclass(slots=True)
class Report:
    """One run's figures. `users` and `messages` are the logs', the rest is what clients saw."""

    users: int
    messages: int
    sent: int
    acknowledged: int
    expected_deliveries: int
    delivered: int
    lost: int | None
    duplicated: int
    reordered: int
    unexpected: int
    history_mismatches: int | None
    refused: int
    repeats: int
    reconnects: int
    latency_ms: Mapping[str, float | None]
    messages_per_s: float
    deliveries_per_s: float
    wall_s: float
    skipped_lines: int
    setup_s: float = 0.0
    history_s: float = 0.0
    complete: bool = True
    failures: list[str] = field(default_factory=list)
    """Sentences about what went wrong on the way, at most 20."""

    @property
    def clean(self) -> bool:
        """Whether the zeros hold: everything sent, answered and delivered, nothing else."""
        wrong = self.duplicated, self.reordered, self.unexpected, self.history_mismatches
        return (
            self.complete
            and self.acknowledged == self.sent == self.messages
            and self.delivered == self.expected_deliveries > 0
            and self.lost == 0
            and not any(wrong)
        )

    @property
    def exit_status(self) -> ExitStatus:
        """CLEAN or WRONG, STOPPED when it is incomplete."""
        if not self.complete:
            return ExitStatus.STOPPED
        return ExitStatus.CLEAN if self.clean else ExitStatus.WRONG

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self) | {"clean": self.clean}

    def table(self) -> Table:
        """For people."""
        verdict = "nothing lost" if self.clean else "NOT clean"
        table = Table(title=f"Replay: {verdict if self.complete else 'stopped, INCOMPLETE'}")
        table.add_column("figure")
        table.add_column("value", justify="right")
        for name, value in self.as_json().items():
            if name == "latency_ms":
                for point, ms in self.latency_ms.items():
                    table.add_row(f"latency {point} (ms)", "-" if ms is None else f"{ms:,.1f}")
            elif name not in ("clean", "complete", "failures"):
                table.add_row(name.replace("_", " "), "-" if value is None else f"{value:,}")
        return table
