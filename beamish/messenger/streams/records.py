"""Records of a conversation's log: one form for the journal, for memory and for the wire.

Records are appended, and messages are **amended**: an edit, a reaction and a deletion are kept in
the record of the message itself, so whoever reads it sees the message as it is now, and what was
deleted is in no record any more. The log gets a small record, a *touch*, that says which message
was changed; both are committed by one append.

A record is a map. Every record has `n` (its number in the log), `type`, `by` (the user who caused
it) and `at` (ms UTC, never falling within a log); one that a numbered command caused also has
`device`, `number` and `tag`. By type:

    message  ordinal (dense among messages, from 1), text; where given, reply (the message that it
             answers), mentions [user, ...], action (true); see below for what touches add
    edit, react, delete
             target (the message that was changed): touches
    create   kind ("direct" | "group" | "channel"), title, open, members, a list of
             [user, display, role]; of a channel, which is open if everybody may read it, also
             description
    join     display; role "owner" when the group was empty
    invite   user, display
    leave    owner (the user to whom ownership passes) when the owner leaves
    remove   user
    role     user, role
    info     title, description, open: those that change
    permissions  post, invite, info: the least role for each
    slow_mode    seconds between two messages of a member, 0: none
    link     link (its id), expires_at and uses if it is bounded; a join by it names it
    link_gone    link
    ban      user; ends, if it ends a membership
    unban    user
    block    on, level; only in direct conversations, visible to `by` alone

A direct conversation is created by its first message, which follows its `create`; a `block` may
stand before that.

A message that was touched has `rev`, the number of the newest touch, and where it applies `edited`
(of the newest edit), `mentioned` (whom the message mentioned before it was edited, if others: they
alone count), `reactions` [[user, emoji, touch], ...]. A deleted one has `deleted` (the touch) and
`deleted_by`, and of what it said only `type`, `ordinal` and what every record has.

The journal holds the map in msgpack exactly as the wire carries it, so storing, caching and
sending need one encoding, made once per record and codec and shared by all recipients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgpack

Fields = dict[str, Any]

MAX_RECORD_BYTES = 64 * 1024
"""Upper bound of an encoded record of ordinary size; a creation with many members may be larger."""


TOUCHES = frozenset(("edit", "react", "delete"))
"""Types of the records that say that another one was changed."""


class Record:
    """One record of a log, immutable; remembers its encodings by codec name.

    Attributes:
        n: its number.
        rev: number of the newest touch in it; 0 as it was appended.
        target: of a touch, the record that it changed; else 0.
    """

    __slots__ = ("_encoded", "fields", "n", "raw", "rev", "target")

    def __init__(self, n: int, fields: Fields, raw: bytes) -> None:
        self.n = n
        self.fields = fields
        self.raw = raw
        self.rev: int = fields.get("rev", 0)
        self.target: int = fields["target"] if fields.get("type") in TOUCHES else 0
        self._encoded: dict[str, bytes] | None = None

    @classmethod
    def new(cls, fields: Fields) -> Record:
        """A record about to be appended; `fields["n"]` is the number it will have."""
        return cls(fields["n"], fields, msgpack.packb(fields))

    @classmethod
    def from_journal(cls, n: int, raw: bytes) -> Record:
        """The record `n` as the journal holds it."""
        fields: Fields = msgpack.unpackb(raw)
        if fields.get("n") != n:
            raise ValueError(
                f"record {n} of a conversation says that it is {fields.get('n')!r}:"
                " the data directory is damaged"
            )
        return cls(n, fields, raw)

    def encoded(self, codec: str, encode: Callable[[Fields], bytes]) -> bytes:
        """The record in the encoding named `codec`, made by `encode` the first time."""
        if codec == "msgpack":
            return self.raw
        if self._encoded is None:
            self._encoded = {}
        found = self._encoded.get(codec)
        if found is None:
            found = self._encoded[codec] = encode(self.fields)
        return found

    @property
    def size(self) -> int:
        """Approximate bytes in memory, for bounded caches."""
        return 2 * len(self.raw) + 300

    def __repr__(self) -> str:
        return f"Record({self.n}, {self.fields.get('type')!r})"


def counted_mentions(fields: Fields) -> Sequence[str]:
    """The users for whom a message counts as a mention; its author is none of them."""
    users: Sequence[str] | None = fields.get("mentioned")
    if users is None:
        users = fields.get("mentions", ())
    return [user for user in users if user != fields["by"]] if users else users


PUBLIC_TYPES = frozenset({"create", "message", "edit", "delete", "react", "info"})
"""What the readers of a channel see who do not belong to its staff."""


def is_public(fields: Fields) -> bool:
    """Whether the readers of a channel see this record."""
    return fields["type"] in PUBLIC_TYPES


def is_hidden(fields: Fields, user: str) -> bool:
    """Whether this record of a conversation is nothing that `user` may see in it."""
    return fields["type"] == "block" and bool(fields["by"] != user)


def role_change(fields: Fields, user: str) -> tuple[bool, str | None]:
    """What a record does to `user`: whether it changes the role, and the role from then on.

    The role None means "not a member".
    """
    kind = fields["type"]
    if kind == "message":
        return False, None
    if kind == "create":
        for name, _display, role in fields["members"]:
            if name == user:
                return True, role
        return False, None
    by_user = fields["by"] == user
    if kind == "join":
        return by_user, fields.get("role", "member")
    if kind == "invite":
        return fields["user"] == user, "member"
    if kind == "ban":
        return fields["user"] == user and "ends" in fields, None
    if kind == "remove":
        return fields["user"] == user, None
    if kind == "leave":
        return (True, None) if by_user else (fields.get("owner") == user, "owner")
    if kind == "role":
        if fields["user"] == user:
            return True, fields["role"]
        return by_user and fields["role"] == "owner", "admin"
    return False, None
