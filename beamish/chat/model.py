"""What the chat knows of its conversations, kept up to date by the client's events. No I/O.

A conversation holds a window of its records, by number, each as it stands (the higher `rev` wins);
what is older is put in when somebody scrolls back. Levels - marks, counts, settings - are taken
over as they are told; new messages are counted in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from beamish.client import (
    ChannelRestarted,
    ConversationChanged,
    ConversationSettings,
    Deleted,
    Edited,
    Event,
    Followed,
    Marks,
    Message,
    Presence,
    Reacted,
    Receipt,
    Record,
    Snapshot,
    Subscription,
    Typing,
    Withheld,
)

HOME = ""
"""The id of the place where the chat itself speaks, beside all conversations."""

MOST_NOTICES = 500
TYPING_FOR = 6.0


@dataclass(slots=True)
class Notice:
    """Something that the chat itself says, behind record `after`."""

    after: int
    text: str


@dataclass(slots=True, eq=False)
class Conversation:
    """One conversation. `read`: the own mark; `peer_read`: how far any other has read.

    `posts_read`, `posts`: of a subscribed channel the ordinals read up to and of the newest post.
    `complete`: there is nothing older than its records.
    """

    id: str
    kind: str = ""
    title: str = ""
    description: str = ""
    members: dict[str, str] = field(default_factory=dict)
    member: bool = True
    subscribed: bool = False
    since: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    complete: bool = False
    read: int = 0
    peer_read: int = 0
    unread: int = 0
    mentions: int = 0
    posts: int = 0
    posts_read: int = 0
    at: int = 0
    muted_until: int = 0
    archived: bool = False
    pinned: bool = False
    notices: list[Notice] = field(default_factory=list)
    typing: dict[str, float] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        """The number of the newest record held."""
        return self.order[-1] if self.order else 0

    @property
    def oldest(self) -> int:
        """The number of the oldest record held; 0: there is none."""
        return self.order[0] if self.order else 0

    def put(self, record: Record) -> bool:
        """Hold a record that is new or of a higher revision; whether it is a new one.

        What is older than the window is left to `older`: a window has no holes.
        """
        n = record["n"]
        known = self.records.get(n)
        if known is None:
            if self.order and n < self.order[0]:
                return False
            self.order.append(n)
            if len(self.order) > 1 and n < self.order[-2]:
                self.order.sort()
        elif record.get("rev", 0) <= known.get("rev", 0):
            return False
        self.records[n] = record
        return known is None

    def older(self, records: Iterable[Record], *, more: bool) -> None:
        """Hold the records in front of the window; without `more` there is nothing before them."""
        fresh = [record for record in records if record["n"] not in self.records]
        self.records |= {record["n"]: record for record in fresh}
        self.order[:0] = [record["n"] for record in fresh]
        self.complete = not more

    def messages(self) -> Iterable[Record]:
        """Its messages that can be read, newest first."""
        for n in reversed(self.order):
            if self.records[n]["type"] == "message" and "text" in self.records[n]:
                yield self.records[n]

    def notice(self, text: str) -> None:
        """Say something in it, to this user alone."""
        self.notices.append(Notice(self.newest, text))
        del self.notices[:-MOST_NOTICES]


def counted_mentions(record: Record) -> list[str]:
    """Whom a message counts as mentioning: whom it did before it was edited."""
    return list(record.get("mentioned", record.get("mentions")) or ())


class Model:
    """All conversations of user `me`. `names`: display names; `present`: who is looked at."""

    def __init__(self, me: str) -> None:
        self.me = me
        self.conversations: dict[str, Conversation] = {HOME: Conversation(HOME, title="Beamish")}
        self.names: dict[str, str] = {}
        self.present: dict[str, Presence] = {}
        self.followed_changed = False

    def get(self, key: str) -> Conversation:
        """The conversation of that id, made if it is new."""
        found = self.conversations.get(key)
        if found is None:
            kinds = {"d": "direct", "g": "group", "c": "channel"}
            found = self.conversations[key] = Conversation(key, kinds.get(key[:1], "group"))
        return found

    def name(self, user: str) -> str:
        """What to call a user."""
        if user in self.names and not self.names[user]:
            return "Deleted account"
        return self.names.get(user, user)

    def title(self, conversation: Conversation) -> str:
        """What to call a conversation."""
        if conversation.kind == "direct":
            return self.name(self.peer(conversation))
        return conversation.title or conversation.id

    def peer(self, conversation: Conversation) -> str:
        """The other one of a direct conversation."""
        first, _, second = conversation.id.removeprefix("d:").partition(":")
        return second if first == self.me else first

    def listed(self, now: int) -> list[Conversation]:
        """The conversations to show: pinned ones first, then by the newest.

        Archived ones only while there is something new in them that is not muted.
        """
        rows = [c for c in self.conversations.values() if c.id != HOME]
        rows = [
            c
            for c in rows
            if not c.archived or (self.waiting(c) and c.muted_until <= now)
        ]  # fmt: skip
        return sorted(rows, key=lambda c: (not c.pinned, -c.at, c.id))

    def waiting(self, conversation: Conversation) -> int:
        """How many messages are unread."""
        if conversation.subscribed and not conversation.members.get(self.me):
            return max(0, conversation.posts - conversation.posts_read)
        return conversation.unread

    def find(self, wanted: str) -> Conversation | None:
        """The conversation that somebody names by id, title, user or a part of these."""
        wanted = wanted.strip().casefold()
        rows = [c for c in self.conversations.values() if c.id != HOME]
        names = {c.id: self._names_of(c) for c in rows}
        for matches in (
            lambda name: name == wanted,
            lambda name: name.startswith(wanted),
            lambda name: wanted in name,
        ):
            found = [c for c in rows if wanted and any(map(matches, names[c.id]))]
            if found:
                return max(found, key=lambda c: c.at)
        return None

    def _names_of(self, conversation: Conversation) -> list[str]:
        names = [conversation.id, self.title(conversation).casefold()]
        if conversation.kind == "direct":
            names.append(self.peer(conversation))
        return names

    # -- events ---------------------------------------------------------------------------------

    def apply(self, event: Event, now: float) -> None:
        """Take over an event; `now` on any steady clock, in seconds."""
        match event:
            case Message() | Withheld() | Deleted() | ConversationChanged():
                self._record(event.conversation, event.record)
            case Edited() | Reacted():
                self.get(event.conversation).put(event.record)
            case Marks():
                self._marks(event)
            case Receipt():
                conversation = self.get(event.conversation)
                conversation.peer_read = max(conversation.peer_read, event.read)
            case ConversationSettings():
                conversation = self.get(event.conversation)
                conversation.muted_until = event.muted_until
                conversation.archived, conversation.pinned = event.archived, event.pinned
            case Subscription():
                self._subscription(event)
            case Followed():
                conversation = self.get(event.channel)
                conversation.title = event.title
                conversation.posts = max(conversation.posts, event.ordinal)
            case ChannelRestarted():
                self._forget(event.channel)
            case Snapshot():
                self._snapshot(event)
            case Presence():
                self.present[event.user] = event
                self.names[event.user] = event.display
            case Typing():
                self.get(event.conversation).typing[event.user] = now + TYPING_FOR

    def _record(self, key: str, record: Record) -> None:
        conversation = self.get(key)
        new = conversation.put(record)
        conversation.at = max(conversation.at, record["at"])
        kind = record["type"]
        if kind == "message":
            conversation.posts = max(conversation.posts, record["ordinal"])
            conversation.typing.pop(record["by"], None)
            theirs = record["by"] != self.me and record["n"] > conversation.read
            if new and theirs and "deleted" not in record:
                conversation.unread += 1
                conversation.mentions += self.me in counted_mentions(record)
        else:
            self.change(conversation, record)

    def change(self, conversation: Conversation, record: Record) -> None:
        """Take over what a record says of title and members."""
        kind, by = record["type"], record["by"]
        user: str = record.get("user") or by
        if kind in ("create", "info"):
            conversation.kind = record.get("kind", conversation.kind)
            conversation.title = record.get("title", conversation.title)
            conversation.description = record.get("description", conversation.description)
            for name, display, role in record.get("members") or ():
                conversation.members[name] = role
                self.names[name] = display
        elif kind in ("invite", "join"):
            conversation.members[user] = record.get("role", "member")
            self.names[user] = record.get("display", user)
        elif kind == "role":
            conversation.members[user] = record["role"]
        elif kind in ("leave", "remove") or (kind == "ban" and "ends" in record):
            conversation.members.pop(user, None)
        if kind in ("create", "invite", "join", "leave", "remove", "ban"):
            conversation.member = bool(conversation.members.get(self.me)) or kind == "create"

    def _marks(self, event: Marks) -> None:
        conversation = self.get(event.conversation)
        conversation.read = max(conversation.read, event.read)
        conversation.unread, conversation.mentions = event.unread, event.mentions

    def _subscription(self, event: Subscription) -> None:
        conversation = self.get(event.channel)
        conversation.subscribed = event.on
        conversation.since = event.since
        conversation.posts_read = max(conversation.posts_read, event.ordinal)
        conversation.read = max(conversation.read, event.read)
        self.followed_changed = True

    def subscriptions(self) -> dict[str, int]:
        """The channels to follow, each from where it was subscribed."""
        return {c.id: c.since for c in self.conversations.values() if c.subscribed}

    def _forget(self, key: str) -> None:
        conversation = self.get(key)
        conversation.records.clear()
        conversation.order.clear()
        conversation.complete = False

    def _snapshot(self, event: Snapshot) -> None:
        if event.reason in ("other_epoch", "ahead"):
            for key in self.conversations:
                self._forget(key)
        for row in event.conversations:
            self.row(row)
        self.account(event.account)

    def row(self, row: dict[str, Any]) -> None:
        """Take over a row of a snapshot."""
        conversation = self.get(row["conversation"])
        conversation.kind = row.get("kind", conversation.kind)
        conversation.title = row.get("title", conversation.title)
        conversation.member = row.get("member", True)
        conversation.read = max(conversation.read, row.get("read", 0))
        conversation.unread = row.get("unread", 0)
        conversation.mentions = row.get("mentions", 0)
        conversation.at = max(conversation.at, row.get("at") or 0)
        self.settings(conversation, row)
        for receipt in row.get("receipts") or ():
            conversation.peer_read = max(conversation.peer_read, receipt["read"])

    def settings(self, conversation: Conversation, told: dict[str, Any]) -> None:
        """Take over how a conversation is to be shown."""
        conversation.muted_until = told.get("muted_until", 0)
        conversation.archived = told.get("archived", False)
        conversation.pinned = told.get("pinned", False)

    def account(self, account: dict[str, Any]) -> None:
        """Take over what a snapshot says of the account."""
        for told in account.get("subscriptions") or ():
            self._subscription(
                Subscription(told["channel"], True, told["since"], told["read"], told["ordinal"])
            )

    def about(self, conversation: Conversation, told: dict[str, Any]) -> None:
        """Take over what the node, or the store, says of a conversation."""
        for name in ("kind", "title", "description"):
            if told.get(name) is not None:
                setattr(conversation, name, told[name])
        if "members" in told:
            conversation.members = {row["user"]: row["role"] for row in told["members"]}
            conversation.member = self.me in conversation.members
            self.names |= {row["user"]: row["display"] for row in told["members"]}

    def recount(self, conversation: Conversation, later: Iterable[Record]) -> None:
        """Count what is unread among `later`, all records above the read mark."""
        unread = [r for r in later if r["type"] == "message" and r["by"] != self.me]
        unread = [r for r in unread if "deleted" not in r]
        conversation.unread = len(unread)
        conversation.mentions = sum(self.me in counted_mentions(record) for record in unread)
