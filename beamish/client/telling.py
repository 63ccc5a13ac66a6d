"""What items of the inbox, and what a node tells by the way, are to the application: events.

A record that touches a message (`edit`, `react`, `delete`) is told as what became of the message,
taken from the item's `amended` records. If the message is among the item's own records it was
handed over as it is now, and if it is in neither this user does not see it: nothing is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from beamish.client.events import (
    Blocked,
    ChannelRestarted,
    ConversationChanged,
    ConversationSettings,
    Deleted,
    Edited,
    Event,
    Marks,
    Message,
    OtherItem,
    Presence,
    PrivacyChanged,
    ProfileChanged,
    Reacted,
    Receipt,
    Record,
    Snapshot,
    Subscription,
    Withheld,
    reactions_of,
)
from beamish.client.following import RESTARTED
from beamish.client.inbox import SNAPSHOT
from beamish.client.wire import Item

TOUCHES = frozenset(("edit", "react", "delete"))
"""Types of the records that say that a message was changed."""


def event_of(
    conversation: str, record: Record
) -> Message | Deleted | Withheld | ConversationChanged:
    """The event for one record as it stands."""
    kind = record["type"]
    if kind != "message":
        return ConversationChanged(
            conversation, record["n"], kind, record["by"], record["at"], record
        )
    if "text" in record:
        return Message(
            conversation,
            record["n"],
            record["ordinal"],
            record["by"],
            record["at"],
            record["text"],
            record,
        )
    if "deleted" in record:
        return _deleted(conversation, record)
    return Withheld(
        conversation, record["n"], record["ordinal"], record["by"], record["at"], record
    )


def changes_of(item: Item) -> Iterator[Edited | Reacted | Deleted]:
    """What became of messages that were handed over before; each change once."""
    for _, event in _touched(item):
        yield event


def events_of_records(item: Item) -> list[Event]:
    """The events of a `records` item, in the order of its records."""
    conversation, records = item["conversation"], item["records"]
    if not item.get("amended"):
        return [event_of(conversation, r) for r in records if r["type"] not in TOUCHES]
    changes = dict(_touched(item))
    events: list[Event] = []
    for record in records:
        if record["type"] not in TOUCHES:
            events.append(event_of(conversation, record))
        elif record["n"] in changes:
            events.append(changes[record["n"]])
    return events


def _touched(item: Item) -> Iterator[tuple[int, Edited | Reacted | Deleted]]:
    """The number of a touch, and what its target is now."""
    conversation = item["conversation"]
    amended = {record["n"]: record for record in item.get("amended") or ()}
    told: set[tuple[type, int]] = set()
    for record in item["records"]:
        target = amended.get(record["target"]) if record["type"] in TOUCHES else None
        event = None if target is None else _change(conversation, record["type"], target)
        if event is not None and (type(event), event.n) not in told:
            told.add((type(event), event.n))
            yield record["n"], event


def _change(conversation: str, touch: str, record: Record) -> Edited | Reacted | Deleted | None:
    if "deleted" in record:
        return _deleted(conversation, record)
    n, ordinal, by = record["n"], record["ordinal"], record["by"]
    if touch == "react":
        return Reacted(conversation, n, ordinal, by, reactions_of(record), record)
    if "text" not in record:
        return None  # edited again later: that edit tells the text
    return Edited(conversation, n, ordinal, by, record["at"], record["text"], record)


def _deleted(conversation: str, record: Record) -> Deleted:
    return Deleted(
        conversation,
        record["n"],
        record["ordinal"],
        record["by"],
        record["at"],
        record["deleted_by"],
        record,
    )


def event_of_item(item: Item) -> Event:
    """The event of any other item."""
    maker = _MAKERS.get(item["type"])
    return OtherItem(item["type"], item) if maker is None else maker(item)


def presence_of(told: Item) -> Presence:
    """What a node says of somebody who is looked at."""
    return Presence(
        told["user"],
        told["online"],
        told.get("last_seen"),
        told.get("display") or "",
        told.get("status") or "",
    )


def _marks(item: dict[str, Any]) -> Event:
    return Marks(
        item["conversation"],
        item["read"],
        item["delivered"],
        item["unread"],
        item.get("mentions", 0),
    )


def _receipt(item: Item) -> Event:
    return Receipt(item["conversation"], item["user"], item["delivered"], item["read"])


def _settings(item: Item) -> Event:
    return ConversationSettings(
        item["conversation"], item["muted_until"], item["archived"], item["pinned"]
    )


def _subscription(item: Item) -> Event:
    return Subscription(
        item["channel"],
        item["on"],
        item.get("since", 0),
        item.get("read", 0),
        item.get("ordinal", 0),
    )


_MAKERS: dict[str, Callable[[Item], Event]] = {
    "marks": _marks,
    "receipt": _receipt,
    "profile": lambda item: ProfileChanged(item["display"], item["status"]),
    "privacy": lambda item: PrivacyChanged(item["last_seen"], item["read_marks"]),
    "settings": _settings,
    "block": lambda item: Blocked(item["user"], item["on"]),
    "subscription": _subscription,
    SNAPSHOT: lambda item: Snapshot(
        item["reason"], item["conversations"], item.get("account") or {}
    ),
    RESTARTED: lambda item: ChannelRestarted(item["channel"]),
}
