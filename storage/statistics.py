"""What a journal tells about itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from storage.operations import Append, Appended, Conflict, OutcomeUnknown, Refused


@dataclass(frozen=True, slots=True)
class JournalStatistics:
    """Counters since opening, and gauges as of now.

    Times are in milliseconds. ``sync_*``: one commit, the sync with all that it writes before.
    ``oldest_pending_ms``: age of the oldest record with an open obligation, 0 if none is open.
    ``disk_free_bytes``: what the filesystem leaves us, -1 if the engine has no disk.
    ``low``: below the reserve, so commands are refused. ``failing``: writes fail now.
    """

    commits: int
    appends: int
    records: int
    bytes: int
    amendments: int
    conflicts: int
    unknown: int
    refused: int
    reads: int
    group_last: int
    group_max: int
    queued_commands: int
    queued_obligations: int
    queued_bytes: int
    queued_reads: int
    sync_last_ms: float
    sync_mean_ms: float
    sync_max_ms: float
    pending_streams: int
    oldest_pending_ms: int
    disk_free_bytes: int
    low: bool
    failing: bool
    reopened: int


@dataclass(slots=True)
class Counters:
    """What an engine counts while it runs; `JournalStatistics` is its frozen view."""

    commits: int = 0
    appends: int = 0
    records: int = 0
    bytes: int = 0
    amendments: int = 0
    conflicts: int = 0
    unknown: int = 0
    refused: int = 0
    reads: int = 0
    group_last: int = 0
    group_max: int = 0
    sync_last_ms: float = 0.0
    sync_mean_ms: float = 0.0
    sync_max_ms: float = 0.0
    reopened: int = 0

    def committed(self, group: int, sync_ms: float) -> None:
        """One commit of ``group`` writes is on disk; the mean forgets with a weight of 1/16."""
        self.commits += 1
        self.group_last = group
        self.group_max = max(self.group_max, group)
        self.sync_last_ms = sync_ms
        self.sync_max_ms = max(self.sync_max_ms, sync_ms)
        if self.commits == 1:
            self.sync_mean_ms = sync_ms
        else:
            self.sync_mean_ms += (sync_ms - self.sync_mean_ms) / 16

    def told(self, op: object, outcome: object) -> None:
        """An outcome goes to its caller."""
        if isinstance(outcome, Appended):
            assert isinstance(op, Append)
            self.appends += 1
            self.records += len(op.records)
            self.bytes += sum(map(len, op.records))
            self.amendments += len(op.amend)
        elif isinstance(outcome, Conflict):
            self.conflicts += 1
        elif isinstance(outcome, OutcomeUnknown):
            self.unknown += 1
        elif isinstance(outcome, Refused):
            self.refused += 1

    def view(self, **gauges: Any) -> JournalStatistics:
        """The frozen view, with the gauges that the engine adds."""
        return JournalStatistics(**asdict(self), **gauges)
