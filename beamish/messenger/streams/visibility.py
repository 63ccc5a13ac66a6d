"""Which records of a log an inbox takes in: the membership rule, cut into bounded ranges.

A record is visible to those who were members when it was appended, and to whoever joins or leaves
by it. The rule needs the log from the point that the inbox holds and the user's role there; so it
gives the same ranges whenever and however often it is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from beamish.messenger.streams.log_part import LogPart
from beamish.messenger.streams.records import (
    Fields,
    Record,
    counted_mentions,
    is_hidden,
    role_change,
)
from beamish.messenger.users.state import Held, Range, mark_bits

MAX_RANGE_RECORDS = 128
"""Records in one range at most, so that a device's page of updates is bounded."""

MAX_RANGE_BYTES = 64 * 1024
"""Bytes of records, and of what their touches changed, after which a range is closed; one record
with its target may exceed it. A range is shown as of its end, so it never grows by later edits."""


class Settings(NamedTuple):
    """What a notice says of a conversation besides its log: kind, title, whether it is open."""

    kind: str
    title: str
    open: bool


def visible_ranges(  # noqa: PLR0917
    user: str,
    conversation: str,
    known: Held,
    log: LogPart,
    settings: Settings,
    refuses: Callable[[Fields], bool] = lambda _fields: False,
) -> list[Range]:
    """The ranges of `log` that `user` sees.

    `known` is what the inbox holds of the conversation; `log` begins behind the last record that
    the inbox considered. A record that makes the user a member, and that `refuses` says yes to,
    does not make the user one here.
    """
    short = log.last - log.first < MAX_RANGE_RECORDS and log.size < MAX_RANGE_BYTES
    if log.quiet and short and known.role is not None:
        return [_quiet_range(user, conversation, known, log, settings)]
    scan = _Scan(user, conversation, known, settings, refuses, targets=log.targets)
    for record in log.records:
        scan.take(record)
    scan.close()
    return scan.ranges


def _quiet_range(
    user: str, conversation: str, known: Held, log: LogPart, settings: Settings
) -> Range:
    """All of a part in which nothing but messages and touches stands, for a member."""
    first, last = log.first, log.last
    if log.plain and user not in log.authors:
        others = ((1 << (last - first + 1)) - 1).to_bytes((last - first) // 8 + 1, "little")
    else:
        others = mark_bits((r.n for r in log.records if _is_others(r, user)), first, last)
    gone: Sequence[int] = ()
    if log.deleted:
        gone = [n for n, by in log.deleted if by != user and n >= known.joined]
    mentioned = log.mentioned.get(user, ()) if log.mentioned else ()
    return Range(
        conversation, first, last, others, known.role, known.joined, *settings,
        log.ordinal or known.ordinal, log.at, mentioned, gone,
    )  # fmt: skip


def _is_others(record: Record, user: str) -> bool:
    """Whether it is a message of somebody else, deleted or not."""
    return record.fields["type"] == "message" and bool(record.fields["by"] != user)


class _Scan:
    """One pass over a log: the role as it changes, and the run of visible records."""

    def __init__(
        self,
        user: str,
        conversation: str,
        known: Held,
        settings: Settings,
        refuses: Callable[[Fields], bool],
        *,
        targets: Mapping[int, Record],
    ) -> None:
        self.ranges: list[Range] = []
        self._refuses = refuses
        self._user = user
        self._conversation = conversation
        self._settings = settings
        self._targets = targets
        self._role = known.role
        self._joined = known.joined
        self._ordinal = known.ordinal
        self._run: list[Record] = []
        self._size = 0

    def take(self, record: Record) -> None:
        """Consider the next record."""
        changed, role = role_change(record.fields, self._user)
        if changed and self._role is None and role is not None:
            if self._refuses(record.fields):
                return
            self.close()
            self._role, self._joined = role, record.n
        if self._role is None:
            return
        if is_hidden(record.fields, self._user):
            self.close()
            return
        self._run.append(record)
        self._size += len(record.raw)
        if record.target >= self._joined > 0:
            self._size += len(self._targets[record.target].raw)
        if changed:
            self._role = role
            if role is None:
                self.close()
        elif len(self._run) >= MAX_RANGE_RECORDS or self._size >= MAX_RANGE_BYTES:
            self.close()

    def close(self) -> None:
        """End the run of visible records, if there is one."""
        if not self._run:
            return
        first, last = self._run[0].n, self._run[-1]
        messages = [r for r in self._run if r.fields["type"] == "message"]
        if messages:
            self._ordinal = messages[-1].fields["ordinal"]
        others = (r.n for r in messages if r.fields["by"] != self._user)
        gone = [r.target for r in self._run if r.fields["type"] == "delete" and self._counts(r)]
        mentioned = [r.n for r in messages if self._user in counted_mentions(r.fields)]
        self.ranges.append(
            Range(
                self._conversation,
                first,
                last.n,
                mark_bits(others, first, last.n),
                self._role,
                self._joined,
                *self._settings,
                self._ordinal,
                last.fields["at"],
                mentioned,
                gone,
            )
        )
        self._run, self._size = [], 0

    def _counts(self, deletion: Record) -> bool:
        """Whether it takes away somebody else's message of this stretch."""
        target = deletion.target
        return target >= self._joined and self._targets[target].fields["by"] != self._user
