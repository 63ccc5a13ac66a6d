"""The values that a client hands out: events of the iterator, results of commands.

All are immutable named tuples, the cheapest typed record of Python; times are ms since 1970 UTC by
the server's clock, `n` counts a conversation's records from 1, `ordinal` its messages from 1.
Records stay plain maps (`Record`) in `history` and in the bulk hook; `event_of` gives their events.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Record = dict[str, Any]
"""One record of a conversation as a node sent it: `n`, `type`, `by`, `at` and the type's fields."""


class Message(NamedTuple):
    """Somebody (also this user, from any device) said `text` in `conversation`."""

    conversation: str
    n: int
    ordinal: int
    by: str
    at: int
    text: str
    record: Record


class ConversationChanged(NamedTuple):
    """Any other record: `type` is create, join, leave, invite, remove, role or a later one."""

    conversation: str
    n: int
    type: str
    by: str
    at: int
    record: Record


class Marks(NamedTuple):
    """The own levels in `conversation` (record numbers), and how many messages are unread."""

    conversation: str
    read: int
    delivered: int
    unread: int


class Receipt(NamedTuple):
    """What `user` (None: all other members together) has received and read of `conversation`."""

    conversation: str
    user: str | None
    delivered: int
    read: int


class OtherItem(NamedTuple):
    """An item of the inbox whose type this client does not know; `item` as the node sent it."""

    type: str
    item: dict[str, Any]


class Snapshot(NamedTuple):
    """The inbox reaches no longer back to the cursor: the conversations as they stand now.

    `reason` is too_old, other_epoch, ahead or new. Records that this device lacks follow from
    history (`Settings.fill_from_history`) before anything newer.
    """

    reason: str
    conversations: list[dict[str, Any]]


class Connected(NamedTuple):
    """A connection is logged in: commands pass, updates follow. `reconnects`: those before it."""

    url: str
    reconnects: int


class Disconnected(NamedTuple):
    """The connection is gone; the client is reconnecting by itself."""

    url: str
    reason: str


Event = (
    Message
    | ConversationChanged
    | Marks
    | Receipt
    | OtherItem
    | Snapshot
    | Connected
    | Disconnected
)


class Sent(NamedTuple):
    """The node holds the message on disk: its record number and ordinal, and the server's time."""

    conversation: str
    n: int
    ordinal: int
    at: int


class Changed(NamedTuple):
    """The node holds a conversation's change (create, invite, join, ...) on disk as record `n`."""

    conversation: str
    n: int
    at: int


class ReadState(NamedTuple):
    """The own read mark (a record number) and the messages still unread above it."""

    read: int
    unread: int


class Page(NamedTuple):
    """A page of history: records in ascending order; `more`: there are others beyond."""

    records: list[Record]
    more: bool


def event_of(conversation: str, record: Record) -> Message | ConversationChanged:
    """The event for one record."""
    if record["type"] == "message":
        return Message(
            conversation,
            record["n"],
            record["ordinal"],
            record["by"],
            record["at"],
            record["text"],
            record,
        )
    return ConversationChanged(
        conversation, record["n"], record["type"], record["by"], record["at"], record
    )
