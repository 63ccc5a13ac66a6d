"""A stretch of a log, shared by all whom a notice tells of it.

What every recipient would compute alike is computed once here: a message to a thousand members is
looked at once, not a thousand times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from beamish.messenger.streams.records import Fields, Record, counted_mentions

NO_TARGETS: Mapping[int, Record] = {}


class Excerpt(Protocol):
    """Records of a log, ascending, perhaps with gaps, and the targets of the touches among them."""

    @property
    def records(self) -> tuple[Record, ...]:
        """The records."""

    @property
    def targets(self) -> Mapping[int, Record]:
        """By number, at least the targets that the reader may see."""


class Extract(NamedTuple):
    """An excerpt and nothing else."""

    records: tuple[Record, ...]
    targets: Mapping[int, Record]


class LogPart:
    """Consecutive records of a log, at least one, and the targets of the touches among them.

    Attributes:
        records: in order.
        targets: by number.
        first, last: their numbers.
        plain: whether all are messages.
        quiet: whether all are messages and touches, so that nobody's membership changes in it.
        authors: who wrote the messages.
        mentioned: by user, the numbers of the messages that mention somebody.
        deleted: the messages that touches in it have deleted, with their authors.
        size: bytes of the records and targets.
        ordinal: of the newest message, 0 without one.
        at: time of the newest record, ms UTC.
    """

    __slots__ = (
        "at", "authors", "deleted", "first", "last", "mentioned", "ordinal", "plain", "quiet",
        "records", "size", "targets",
    )  # fmt: skip

    def __init__(
        self, records: Sequence[Record], targets: Mapping[int, Record] = NO_TARGETS
    ) -> None:
        self.records = tuple(records)
        self.targets = targets
        self.first = self.records[0].n
        self.last = self.records[-1].n
        assert self.last - self.first + 1 == len(self.records), "a part of a log has no gaps"
        messages = [r.fields for r in self.records if r.fields["type"] == "message"]
        self.plain = self.quiet = len(messages) == len(self.records)
        self.authors = frozenset(fields["by"] for fields in messages)
        self.mentioned = _mentioned(messages)
        self.size = sum(len(record.raw) for record in self.records)
        self.deleted: list[tuple[int, str]] = []
        if not self.plain:
            self._look_at_touches(len(messages))
        self.ordinal: int = messages[-1]["ordinal"] if messages else 0
        self.at: int = self.records[-1].fields["at"]

    def _look_at_touches(self, messages: int) -> None:
        touches = [record for record in self.records if record.target]
        self.quiet = messages + len(touches) == len(self.records)
        self.size += sum(len(self.targets[n].raw) for n in {touch.target for touch in touches})
        self.deleted = [
            (touch.target, self.targets[touch.target].fields["by"])
            for touch in touches
            if touch.fields["type"] == "delete"
        ]

    def behind(self, n: int) -> LogPart | None:
        """The part behind record `n`, which is this part itself when it begins there."""
        if n < self.first:
            return self
        if n >= self.last:
            return None
        return LogPart(self.records[n + 1 - self.first :], self.targets)

    def up_to(self, n: int) -> LogPart | None:
        """The part up to record `n`."""
        if n >= self.last:
            return self
        if n < self.first:
            return None
        return LogPart(self.records[: n + 1 - self.first], self.targets)


def _mentioned(messages: Sequence[Fields]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for fields in messages:
        if "mentions" in fields or "mentioned" in fields:
            for user in counted_mentions(fields):
                found.setdefault(user, []).append(fields["n"])
    return found
