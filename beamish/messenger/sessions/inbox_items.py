"""What a device sees of an inbox record: the items of section 7 of `docs/protocol.md`.

Of the rows about the account those have an item that a device's user may see changed elsewhere; the
others have none. Records of logs are encoded once per codec and shared by all who receive them;
only what is around them is made for each recipient, and what was changed after the range in which
it is told (`as_of`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from beamish.messenger.streams.as_of import amended, encoded_as_of
from beamish.messenger.streams.log_part import Excerpt
from beamish.messenger.streams.records import Record
from beamish.messenger.users.account import Fields
from beamish.protocol import Codec

ACCOUNT_ITEMS = frozenset({"block", "profile", "privacy", "settings", "subscription"})
"""Rows about the account that devices are told, under their own names."""


def inbox_items(codec: Codec, n: int, row: Fields, logs: Mapping[str, Excerpt]) -> list[bytes]:
    """The encoded items of inbox record `n`; `logs` holds, by conversation, what its ranges name.

    A conversation's records ascend, and hold every record of each of its ranges.
    """
    kind = row["t"]
    if kind == "ranges":
        return [_records_item(codec, n, r, logs[r[0]]) for r in row["r"]]
    if kind == "marks":
        return [
            codec.encode(
                {
                    "n": n,
                    "type": "marks",
                    "conversation": conversation,
                    "delivered": delivered,
                    "read": read,
                    "unread": unread,
                    "mentions": mentions[0] if mentions else 0,
                }
            )
            for conversation, delivered, read, unread, *mentions in row["m"]
        ]
    if kind == "receipts":
        return [
            codec.encode(
                {
                    "n": n,
                    "type": "receipt",
                    "conversation": conversation,
                    "user": user,
                    "delivered": delivered,
                    "read": read,
                }
            )
            for conversation, user, delivered, read in row["r"]
        ]
    if kind in ACCOUNT_ITEMS:
        return [codec.encode(_account_item(n, row))]
    return []


def _account_item(n: int, row: Fields) -> Fields:
    """A row of the account as it is, with the command that made it named as in records."""
    told = {key: value for key, value in row.items() if key not in ("t", "c")}
    caused = dict(zip(("device", "number", "tag"), row.get("c", ()), strict=False))
    return {"n": n, "type": row["t"], **told, **caused}


def _records_item(codec: Codec, n: int, ranged: Sequence[Any], log: Excerpt) -> bytes:
    conversation, first, last = ranged[:3]
    start = bisect_left(log.records, first, key=_number)
    records = log.records[start : start + last - first + 1]
    name, encode = codec.name, codec.encode
    item = {
        "n": encode(n),
        "type": encode("records"),
        "conversation": encode(conversation),
        "records": codec.array(
            [
                record.encoded(name, encode)
                if record.rev <= last
                else encoded_as_of(record, codec, last)
                for record in records
            ]
        ),
    }
    if log.targets and any(record.target for record in records):
        changed = amended(records, log.targets, first=ranged[5])
        if changed:
            item["amended"] = codec.array([encoded_as_of(r, codec, last) for r in changed])
    return codec.map(item)


def _number(record: Record) -> int:
    return record.n
