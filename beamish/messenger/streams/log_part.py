"""A stretch of a log, shared by all whom a notice tells of it.

What every recipient would compute alike is computed once here: a message to a thousand members is
looked at once, not a thousand times.
"""

from __future__ import annotations

from collections.abc import Sequence

from beamish.messenger.streams.records import Fields, Record, counted_mentions


class LogPart:
    """Consecutive records of a log, at least one.

    Attributes:
        records: in order.
        first, last: their numbers.
        plain: whether all are messages, so that nobody's membership changes in it.
        authors: who wrote the messages.
        mentioned: by user, the numbers of the messages that mention somebody.
        size: bytes of the records.
        ordinal: of the newest message, 0 without one.
        at: time of the newest record, ms UTC.
    """

    __slots__ = (
        "at", "authors", "first", "last", "mentioned", "ordinal", "plain", "records", "size",
    )  # fmt: skip

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = tuple(records)
        self.first = self.records[0].n
        self.last = self.records[-1].n
        assert self.last - self.first + 1 == len(self.records), "a part of a log has no gaps"
        messages = [r.fields for r in self.records if r.fields["type"] == "message"]
        self.plain = len(messages) == len(self.records)
        self.authors = frozenset(fields["by"] for fields in messages)
        self.mentioned = _mentioned(messages)
        self.size = sum(len(record.raw) for record in self.records)
        self.ordinal: int = messages[-1]["ordinal"] if messages else 0
        self.at: int = self.records[-1].fields["at"]

    def behind(self, n: int) -> LogPart | None:
        """The part behind record `n`, which is this part itself when it begins there."""
        if n < self.first:
            return self
        if n >= self.last:
            return None
        return LogPart(self.records[n + 1 - self.first :])

    def up_to(self, n: int) -> LogPart | None:
        """The part up to record `n`."""
        if n >= self.last:
            return self
        if n < self.first:
            return None
        return LogPart(self.records[: n + 1 - self.first])


def _mentioned(messages: Sequence[Fields]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for fields in messages:
        if "mentions" in fields:
            for user in counted_mentions(fields):
                found.setdefault(user, []).append(fields["n"])
    return found
