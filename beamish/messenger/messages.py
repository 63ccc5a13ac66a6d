"""What the messenger's actors say to each other.

All are immutable. Those that are requests state their answer; every one of them may be repeated,
since each carries a level or is recognised by what it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actors import Ref, Request
from beamish.messenger.conversations.charter import NO_CHARTER, Charter, Link
from beamish.messenger.conversations.effects import Interval, Member
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.log_part import Excerpt, LogPart
from beamish.messenger.streams.visibility import Settings
from beamish.messenger.users.state import Levels
from beamish.protocol import Item

# -- to a conversation -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Readable(Request[Interval | Refusal]):
    """What `user` may read of the log now."""

    user: str


@dataclass(frozen=True, slots=True)
class Describe(Request["Description | Refusal"]):
    """The conversation as `user` may see it, who may know the secret of an invitation link.

    `reader`: it is a channel that the user may read.
    """

    user: str
    link: str | None = None
    reader: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """Kind, title, what was agreed on, members and version.

    `members` are empty for a stranger, `count` is told all the same. `bans` and `links` (by id) are
    None for all but the owner and admins.
    """

    settings: Settings
    version: int
    members: tuple[tuple[str, Member], ...]
    charter: Charter = NO_CHARTER
    count: int = 0
    bans: tuple[str, ...] | None = None
    links: tuple[tuple[str, Link], ...] | None = None


@dataclass(frozen=True, slots=True)
class MemberMarks(Request[bool]):
    """A member's levels; answered when they are durable with the conversation."""

    user: str
    levels: Levels


@dataclass(frozen=True, slots=True)
class MarksOf(Request[tuple[tuple[str, Levels], ...] | Refusal]):
    """The levels of the other members who may see record `n`, as `user` may know them."""

    user: str
    n: int


@dataclass(frozen=True, slots=True)
class Resume:
    """A stream of the recipient is pending: do what is owed, or settle it if nothing is."""

    stream: str


@dataclass(frozen=True, slots=True)
class FanOutTurn:
    """A conversation's own: go on with the fan-out."""


@dataclass(frozen=True, slots=True)
class Rested:
    """A conversation's own: try this member again."""

    user: str


@dataclass(frozen=True, slots=True)
class MarksTurn:
    """A conversation's own: write the marks that have come together, and tell the authors."""


# -- to a user -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reached(Request[int]):
    """The conversation has reached `upto`; answered with the record that the inbox then holds.

    All records up to `settled` are held by everybody who may see them. `log` are the newest ones,
    so that nobody has to read them again; it may begin anywhere and ends at `upto`. `large`
    says that marks are told in aggregate, hence need not hurry.
    """

    conversation: str
    upto: int
    settled: int
    settings: Settings
    log: LogPart | None
    large: bool


@dataclass(frozen=True, slots=True)
class Receipts(Request[bool]):
    """Others have come this far: rows of a user, or None for everybody else, and the levels.

    Answered when durable.
    """

    conversation: str
    rows: tuple[tuple[str | None, Levels], ...]


@dataclass(frozen=True, slots=True)
class DebtTurn:
    """A user's own: tell the marks that are owed."""


@dataclass(frozen=True, slots=True)
class DutiesTurn:
    """A user's own: have conversations meet the duties that are owed."""


@dataclass(frozen=True, slots=True)
class LevelsOf(Request[Levels]):
    """The user's own levels in a conversation, as far as others may know them."""

    conversation: str


@dataclass(frozen=True, slots=True)
class KnownReads(Request[dict[str | None, int] | None]):
    """What the user was told of others' reading in a conversation; None: nothing is kept back."""

    conversation: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A device has stored the inbox up to `number`."""

    number: int


@dataclass(frozen=True, slots=True)
class MarkRead(Request["ReadState | Refusal"]):
    """Raise the read mark; answered with the mark and the counts that then hold."""

    conversation: str
    upto: int


@dataclass(frozen=True, slots=True)
class ReadState:
    """A read mark, the unread messages above it, and how many of those mention the user."""

    read: int
    unread: int
    mentions: int


@dataclass(frozen=True, slots=True)
class Register(Request[bool | Refusal]):
    """Create the account with its first device."""

    display: str
    password: str
    device: str
    token: bytes
    device_name: str


@dataclass(frozen=True, slots=True)
class AddDevice(Request[bool | Refusal]):
    """A password was verified against `password`: add a device."""

    password: str
    device: str
    token: bytes
    device_name: str


@dataclass(frozen=True, slots=True)
class AccountOf(Request["Account | None"]):
    """The account as it is on disk; None when there is none, `deleted` when there was one."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user's display name, password hash and the hashes of the live devices' tokens.

    `standing` is "live", "disabled" or "deleted".
    """

    display: str
    password: str
    tokens: dict[str, bytes]
    standing: str


@dataclass(frozen=True, slots=True)
class MayInvite(Request[str | Refusal]):
    """Whether `by` may make the user a member of a group: with the name to show, or why not."""

    by: str


@dataclass(frozen=True, slots=True)
class OpenDevice(Request[bool | Refusal]):
    """A session speaks for a device from now on; an older session of it is told `Replaced`."""

    session: Ref
    device: str
    token: bytes


@dataclass(frozen=True, slots=True)
class Watch(Request[int]):
    """Hint `session` at new inbox records from now on; answered with the inbox version known."""

    session: Ref


@dataclass(frozen=True, slots=True)
class HintsTaken:
    """`session` has handled `count` hints of this activation since it watches, or more."""

    session: Ref
    count: int


@dataclass(frozen=True, slots=True)
class InboxPage(Request["Page"]):
    """At most `limit` conversations behind `after`, in order of id."""

    after: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a snapshot at inbox number `number`; the first page holds the account as well."""

    number: int
    rows: tuple[dict[str, Any], ...]
    following: str | None
    account: dict[str, Any] | None


# -- to a session ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClientItem:
    """One decoded item that the client sent."""

    item: Item


@dataclass(frozen=True, slots=True)
class NewInbox:
    """A hint: inbox records `first` and following, with the log records that they speak of."""

    first: int
    rows: tuple[dict[str, Any], ...]
    logs: dict[str, Excerpt]


@dataclass(frozen=True, slots=True)
class Head:
    """The inbox has reached this version, by the journal itself."""

    version: int


@dataclass(frozen=True, slots=True)
class LaneTurn:
    """A session's own: send the unanswered commands of this conversation again."""

    conversation: str


@dataclass(frozen=True, slots=True)
class PullTurn:
    """A session's own: read the inbox on."""


@dataclass(frozen=True, slots=True)
class WatchAgain:
    """A session's own: the user's actor has died; find the next one."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The outbox has room again."""


@dataclass(frozen=True, slots=True)
class CommandTurn:
    """Begin the next command that had to wait."""


@dataclass(frozen=True, slots=True)
class AnswersLate:
    """A logout waits no longer for answers; `pause` counts such waits."""

    pause: int


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another connection speaks for your device now."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """Your device was logged out."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone."""


@dataclass(frozen=True, slots=True)
class CloseSession:
    """Close the connection with this code and reason."""

    code: int
    reason: str
