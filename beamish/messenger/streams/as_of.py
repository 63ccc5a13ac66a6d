"""Amended records as far as a reader may see them.

Records hold messages as they are now, but not everybody may know of now: who has left sees nothing
that came after, and an inbox range says what its records were when it was written. So a record is
shown *as of* the last record that the reader sees. That is made for each reader, but only of
records that were touched after it; everything else goes by the one encoding that all share.

What came after is left out: reactions, and of an edited message the text, which the node no longer
has as it was. Such a record is `withheld` and has no `rev`, so that it takes the place of nothing
that a client has already. A deletion holds for everybody at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from beamish.messenger.streams.records import Fields, Record, counted_mentions
from beamish.protocol import Codec

_OF_THE_EDIT = ("text", "mentions", "mentioned", "edited")


def as_of(record: Record, last: int) -> Fields:
    """The fields of `record` for somebody to whom record `last` is the last one."""
    fields = record.fields
    if record.rev <= last or "deleted" in fields:
        return fields
    seen = {key: value for key, value in fields.items() if key not in ("rev", "reactions")}
    reactions = [row for row in fields.get("reactions", ()) if row[2] <= last]
    if reactions:
        seen["reactions"] = reactions
    edited = fields.get("edited", 0)
    if edited > last:
        seen = {key: value for key, value in seen.items() if key not in _OF_THE_EDIT}
        counted = counted_mentions(fields)
        if counted:
            seen["mentioned"] = list(counted)
        seen["withheld"] = True
        return seen
    rev = max(edited, reactions[-1][2] if reactions else 0)
    return {**seen, "rev": rev} if rev else seen


def encoded_as_of(record: Record, codec: Codec, last: int) -> bytes:
    """The same, encoded: by the shared encoding wherever it serves."""
    if record.rev <= last:
        return record.encoded(codec.name, codec.encode)
    fields = as_of(record, last)
    if fields is record.fields:
        return record.encoded(codec.name, codec.encode)
    return codec.encode(fields)


def amended(records: Iterable[Record], targets: Mapping[int, Record], first: int) -> list[Record]:
    """What a reader of `records` must be told besides: what their touches have changed.

    Each once, ascending, from record `first` on (the first that the reader sees), without those
    that are among the records anyway.
    """
    records = list(records)
    shown = {record.n for record in records}
    wanted = {r.target for r in records if r.target >= first} - shown
    return [targets[n] for n in sorted(wanted)]
