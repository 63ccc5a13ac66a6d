"""How much goes into one answer or event: whole parts, as many as fit into the node's frames.

What counts is the size in the encoding of the connection. In JSON a control character takes six
bytes where the log holds one, so pages cannot be cut by the size of what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable

from beamish.messenger.streams.visibility import MAX_RANGE_BYTES
from beamish.protocol import Limits

ENVELOPE_BYTES = 4_096
"""What is around the parts of an answer or event, and around a record in them, at most."""

WORST_GROWTH = 6
"""Bytes of JSON for one byte of text, at most."""

MEMBER_BYTES = 448
"""A member in a `create` record or in the answer to `conversation`, in JSON, at most."""


REACTION_BYTES = 160
"""A reaction in a message's record, in JSON, at most."""


def room_in_frame(limits: Limits) -> int:
    """Bytes of parts that one item of the node may hold."""
    return limits.server_frame_bytes - ENVELOPE_BYTES


def check_room(limits: Limits) -> None:
    """Raise ValueError unless whatever cannot be divided fits into a frame of the node."""
    # A range may exceed its bound by one record and what that changed: a text with its reactions.
    record = WORST_GROWTH * limits.text_bytes + REACTION_BYTES * limits.reactions
    needed = max(WORST_GROWTH * MAX_RANGE_BYTES + record, MEMBER_BYTES * limits.members)
    if needed > room_in_frame(limits):
        raise ValueError(
            f"server_frame_bytes ({limits.server_frame_bytes}) must be at least"
            f" {needed + ENVELOPE_BYTES}, for texts of {limits.text_bytes} bytes with"
            f" {limits.reactions} reactions and groups of {limits.members} members: raise it, or"
            " lower one of these"
        )


def fitting(parts: Iterable[bytes], room: int) -> list[bytes]:
    """The first parts that fit into `room` bytes together with what separates them; at least one.

    Parts behind them are not taken from the iterable, so they need not be encoded.
    """
    taken: list[bytes] = []
    for part in parts:
        room -= len(part) + 1
        if room < 0 and taken:
            break
        taken.append(part)
    return taken
