"""What channels, relays, sessions and users say to each other about channels.

Requests may be repeated. `Posted` and `Posts` are hints: whoever misses one reads the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors import Ref, Request
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.records import Record
from beamish.messenger.streams.visibility import Settings

# -- to a channel's conversation -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReaderOf(Request["Reader | Refusal"]):
    """What `user` may read of a channel: a subscriber, or somebody with the secret of a link."""

    user: str
    subscribed: bool = False
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Records `first` to `last`, all of them for `staff`, else those of `PUBLIC_TYPES`.

    `ordinal` is that of the newest post.
    """

    settings: Settings
    first: int
    last: int
    ordinal: int
    staff: bool


# -- to a relay ------------------------------------------------------------------------------------


class Slot:
    """What a relay and one of its followers share, both on the same node.

    `head` and `ordinal` are levels that the relay raises; `told` is whether the session was sent a
    `Posts` that it has not looked at. So at most one is in its mailbox for each channel.
    """

    __slots__ = ("head", "ordinal", "told")

    def __init__(self) -> None:
        self.head = 0
        self.ordinal = 0
        self.told = False


@dataclass(frozen=True, slots=True)
class Follow(Request["Following | Refusal"]):
    """Tell `session` of what is posted from now on."""

    session: Ref
    slot: Slot
    user: str
    subscribed: bool


@dataclass(frozen=True, slots=True)
class Following:
    """How far the channel has come."""

    epoch: int
    version: int
    ordinal: int
    title: str


@dataclass(frozen=True, slots=True)
class Unfollow:
    """Tell `session` nothing more."""

    session: Ref


@dataclass(frozen=True, slots=True)
class Posted:
    """The channel has reached this version."""

    version: int


# -- to a session ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Posts:
    """Records `first` to `last` of a channel that the session follows; none if there are too many.

    `targets` are those of the touches among them. `encoded` holds, by codec, the event for a
    follower whose cursor is right before `first`, and its last record: it is the same bytes for all
    of them.
    """

    channel: str
    first: int
    last: int
    records: tuple[Record, ...]
    targets: Mapping[int, Record]
    encoded: dict[str, tuple[bytes, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """The session's user may not read the channel any more."""

    channel: str
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class ChannelsTurn:
    """A session's own: read a followed channel on."""


@dataclass(frozen=True, slots=True)
class FollowAgain:
    """A session's own: the relay of this channel has died; find the next one."""

    channel: str


# -- to a user -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SubscriptionsAmong(Request[frozenset[str]]):
    """Which of these channels the user has subscribed to."""

    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadChannel(Request["tuple[int, int] | Refusal"]):
    """The user has read a channel up to this record, of this ordinal; answered with both marks."""

    channel: str
    read: int
    ordinal: int
