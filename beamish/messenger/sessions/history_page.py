"""A page of history, as far as its reader may see it and a frame can hold it."""

from __future__ import annotations

from collections.abc import Sequence

from beamish.messenger.conversations.effects import Interval
from beamish.messenger.sessions.pages import fitting
from beamish.messenger.streams.as_of import amended, encoded_as_of
from beamish.messenger.streams.log_part import Excerpt
from beamish.messenger.streams.records import Record
from beamish.protocol import Codec


def history_page(
    codec: Codec, excerpt: Excerpt, interval: Interval, room: int, *, newest: bool
) -> bytes:
    """The `ok` of `history`: as many of the records as fit, from the newest or the oldest on.

    What the touches among them have changed counts for what fits, and goes with them.
    """
    records = excerpt.records
    order: Sequence[Record] = records[::-1] if newest else records
    touching = any(record.target for record in records)

    def part(record: Record) -> bytes:
        return encoded_as_of(record, codec, interval.last)

    if touching:
        weighed = (part(r) + _target_of(r, excerpt, codec, interval) for r in order)
        order = order[: len(fitting(weighed, room))]
        encoded = [part(record) for record in order]
    else:
        encoded = fitting(map(part, order), room)
        order = order[: len(encoded)]
    if newest:
        encoded.reverse()
        more = bool(order) and order[-1].n > interval.first
    else:
        more = bool(order) and order[-1].n < interval.last
    page = {"records": codec.array(encoded), "more": codec.encode(more)}
    if touching:
        changed = amended(order, excerpt.targets, interval.first)
        if changed:
            page["amended"] = codec.array([part(record) for record in changed])
    return codec.map(page)


def _target_of(record: Record, excerpt: Excerpt, codec: Codec, interval: Interval) -> bytes:
    if record.target < interval.first:
        return b""
    return encoded_as_of(excerpt.targets[record.target], codec, interval.last)
