"""The values that a client hands out as events.

All are immutable named tuples, the cheapest typed record of Python; times are ms since 1970 UTC by
the server's clock, `n` counts a conversation's records from 1, `ordinal` its messages from 1.
Records stay plain maps (`Record`) in `history` and in the bulk hook; `telling` makes their events.

A message is handed over once, by `Message`, `Withheld` or, when it was deleted before this device
heard of it, `Deleted`. What happens to it later is told by `Edited`, `Reacted` and `Deleted`, which
name it by its number and say how it stands now: levels, which may be told again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Record = dict[str, Any]
"""One record of a conversation as a node sent it: `n`, `type`, `by`, `at` and the type's fields."""


class Reaction(NamedTuple):
    """One user's reaction to a message; `n` is the record that set it."""

    user: str
    emoji: str
    n: int


def reactions_of(record: Record) -> list[Reaction]:
    """The reactions to a message, in the order in which they were set."""
    return [Reaction(*row) for row in record.get("reactions") or ()]


class Message(NamedTuple):
    """Somebody (also this user, from any device) said `text` in `conversation`."""

    conversation: str
    n: int
    ordinal: int
    by: str
    at: int
    text: str
    record: Record

    @property
    def reply(self) -> int | None:
        """The record number of the message that this one answers."""
        return self.record.get("reply")

    @property
    def mentions(self) -> list[str]:
        """The users whom it mentions."""
        return list(self.record.get("mentions") or ())

    @property
    def action(self) -> bool:
        """Whether it says what its author does ("/me")."""
        return bool(self.record.get("action"))

    @property
    def reactions(self) -> list[Reaction]:
        """Those that it had when it was handed over."""
        return reactions_of(self.record)


class Edited(NamedTuple):
    """Message `n` of `by` says `text` now."""

    conversation: str
    n: int
    ordinal: int
    by: str
    at: int
    text: str
    record: Record


class Reacted(NamedTuple):
    """Message `n` of `by` has these `reactions` now."""

    conversation: str
    n: int
    ordinal: int
    by: str
    reactions: list[Reaction]
    record: Record


class Deleted(NamedTuple):
    """Message `n` of `by` is no more: forget its text wherever it is kept."""

    conversation: str
    n: int
    ordinal: int
    by: str
    at: int
    deleted_by: str
    record: Record


class Withheld(NamedTuple):
    """Message `n` of `by` was edited later than this user may see, or has been told so far.

    If its text is this user's to see, an `Edited` follows.
    """

    conversation: str
    n: int
    ordinal: int
    by: str
    at: int
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
    """The own levels in `conversation` (record numbers), and what is unread above them."""

    conversation: str
    read: int
    delivered: int
    unread: int
    mentions: int = 0


class Receipt(NamedTuple):
    """What `user` (None: all other members together) has received and read of `conversation`."""

    conversation: str
    user: str | None
    delivered: int
    read: int


class ProfileChanged(NamedTuple):
    """What others see of this user, set on any device."""

    display: str
    status: str


class PrivacyChanged(NamedTuple):
    """What others may know of this user: `last_seen` is "everyone", "shared" or "nobody"."""

    last_seen: str
    read_marks: bool


class ConversationSettings(NamedTuple):
    """How this user wants `conversation` shown; `muted_until` is a time, 0: it is not muted."""

    conversation: str
    muted_until: int
    archived: bool
    pinned: bool


class Blocked(NamedTuple):
    """`user` is blocked by this user, set on any device; `on` False: no longer."""

    user: str
    on: bool


class Subscription(NamedTuple):
    """`channel` is read by this user (`on`), or no longer.

    `since` is the record at which that began, `read` the record up to which the posts are read,
    `ordinal` that of the newest post read: a channel's newest ordinal less this one is unread.
    """

    channel: str
    on: bool
    since: int
    read: int
    ordinal: int


class OtherItem(NamedTuple):
    """An item of the inbox whose type this client does not know; `item` as the node sent it."""

    type: str
    item: dict[str, Any]


class Snapshot(NamedTuple):
    """The inbox reaches no longer back to the cursor: the conversations as they stand now.

    `reason` is too_old, other_epoch, ahead or new. Records that this device lacks follow from
    history (`Settings.fill_from_history`) before anything newer. `account`: what the user has set,
    as the protocol's `snapshot` tells it.
    """

    reason: str
    conversations: list[dict[str, Any]]
    account: dict[str, Any]


class Presence(NamedTuple):
    """Whether `user`, whom this client looks at, is there; `last_seen` (ms) if one may know it."""

    user: str
    online: bool
    last_seen: int | None
    display: str
    status: str


class Typing(NamedTuple):
    """`user` is writing in `conversation`, which is on screen: show it for 6 s."""

    conversation: str
    user: str


class Followed(NamedTuple):
    """The posts of `channel` follow as they come.

    `n` and `ordinal`: its newest record and the ordinal of its newest post.
    """

    channel: str
    n: int
    ordinal: int
    title: str


class Unfollowed(NamedTuple):
    """`channel` is followed no longer; `code`, of the protocol's errors, says why."""

    channel: str
    code: str


class ChannelRestarted(NamedTuple):
    """`channel` was restored from a backup: forget its records, they follow from the first on."""

    channel: str


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
    | Edited
    | Reacted
    | Deleted
    | Withheld
    | ConversationChanged
    | Marks
    | Receipt
    | ProfileChanged
    | PrivacyChanged
    | ConversationSettings
    | Blocked
    | Subscription
    | OtherItem
    | Snapshot
    | Presence
    | Typing
    | Followed
    | Unfollowed
    | ChannelRestarted
    | Connected
    | Disconnected
)
