"""Which records of a log an inbox takes in: the membership rule, cut into bounded ranges.

A record is visible to those who were members when it was appended, and to whoever joins or leaves
by it. The rule needs the log from the point that the inbox holds, and whether the user was a
member there; so it gives the same ranges whenever and however often it is applied.
"""

from __future__ import annotations

from collections.abc import Iterable

from beamish.messenger.records import Record, membership_change
from beamish.messenger.user_state import Held, Range, mark_bits

MAX_RANGE_RECORDS = 128
"""Records in one range at most, so that a device's page of updates is bounded."""

MAX_RANGE_BYTES = 96 * 1024
"""Bytes of records after which a range is closed; one record may exceed it."""


def visible_ranges(
    user: str,
    conversation: str,
    known: Held | None,
    log: Iterable[Record],
    kind: str,
    title: str,
) -> list[Range]:
    """The ranges of `log` that `user` sees, `log` starting behind what the inbox holds.

    Args:
        known: what the inbox holds of the conversation, None for nothing.
        log: consecutive records; the first follows the last one that the inbox considered.
    """
    member = known is not None and known.member
    joined = 0 if known is None else known.joined
    ranges: list[Range] = []
    run: list[Record] = []
    size = 0

    def close() -> None:
        nonlocal run, size
        if run:
            first, last = run[0].n, run[-1].n
            others = (r.n for r in run if is_message_of_another(r, user))
            bits = mark_bits(others, first, last)
            ranges.append(Range(conversation, first, last, bits, member, joined, kind, title))
        run, size = [], 0

    for record in log:
        change = membership_change(record.fields, user)
        if change:
            close()
            member, joined = True, record.n
        if not member:
            continue
        run.append(record)
        size += len(record.raw)
        if change is False:
            member = False
            close()
        elif len(run) >= MAX_RANGE_RECORDS or size >= MAX_RANGE_BYTES:
            close()
    close()
    return ranges


def is_message_of_another(record: Record, user: str) -> bool:
    """Whether the record counts as unread for `user`."""
    return record.fields["type"] == "message" and record.fields["by"] != user
