"""Changing what was said: edits, reactions, deletions.

Each is a record of its own, a touch, and leaves its effect in the record of the message: both are
one append. What it may be done to is a message that its author sees in the present membership and
that is not deleted.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from beamish.messenger.conversations.actions.action import (
    ORDINARY_BYTES,
    Action,
    member_or_refusal,
    no_message,
    nothing_there,
    visible_message,
)
from beamish.messenger.conversations.actions.blocks import silenced
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.records import MAX_RECORD_BYTES, Fields

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft
    from beamish.messenger.conversations.effects import Member

_LEFT_OF_A_DELETED_ONE = ("n", "by", "at", "type", "ordinal", "device", "number", "tag")


class Touch(Action):
    """One that changes message `target`."""

    __slots__ = ()
    kind: ClassVar[str]
    target: int

    @property
    def weight(self) -> int:
        """Its own record and that of the message."""
        return ORDINARY_BYTES + MAX_RECORD_BYTES

    @property
    def reads(self) -> int:
        """The message."""
        return self.target

    @property
    def amends(self) -> bool:
        """It changes what it reads."""
        return True

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Members touch messages that they see."""
        if not draft.kind:
            return nothing_there(draft, user) or no_message(self.target)
        member = member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        message = visible_message(draft, member, self.target)
        if message is None or "deleted" in message:
            return no_message(self.target)
        return self.forbidden(draft, user, member, message)

    @abstractmethod
    def forbidden(self, draft: Draft, user: str, member: Member, message: Fields) -> Refusal | None:
        """Why this member may not do it to this message."""

    def record(self, draft: Draft, user: str) -> Fields:
        """The touch."""
        return {"type": self.kind, "target": self.target}

    def amended(self, draft: Draft, touch: Fields) -> Fields:
        """The message as it is from `touch` on."""
        message = draft.record(self.target)
        assert message is not None, "it was there when the touch was allowed"
        return {**self.changed(draft, message, touch), "rev": touch["n"]}

    @abstractmethod
    def changed(self, draft: Draft, message: Fields, touch: Fields) -> Fields:
        """A new map of the message as `touch` leaves it, but for `rev`."""


@dataclass(frozen=True, slots=True)
class Edit(Touch):
    """Give a message another text, and other mentions; those that count stay the first ones."""

    kind = "edit"
    target: int
    text: str
    mentions: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """A character takes four bytes at most."""
        return ORDINARY_BYTES + MAX_RECORD_BYTES + 4 * len(self.text)

    def forbidden(self, draft: Draft, user: str, member: Member, message: Fields) -> Refusal | None:
        """Authors edit, unless one of a pair has blocked the other."""
        if message["by"] != user:
            return Refusal("forbidden", "only its author edits a message")
        return silenced(draft, user)

    def changed(self, draft: Draft, message: Fields, touch: Fields) -> Fields:
        """Another text."""
        first = message.get("mentioned", message.get("mentions", []))
        mentions = [user for user in self.mentions if user in draft.members]
        kept = {k: v for k, v in message.items() if k not in ("mentions", "mentioned")}
        changed = {**kept, "text": self.text, "edited": touch["n"]}
        if mentions:
            changed["mentions"] = mentions
        if mentions != first:
            changed["mentioned"] = first
        return changed


@dataclass(frozen=True, slots=True)
class Delete(Touch):
    """Take a message away from everybody."""

    kind = "delete"
    target: int

    @property
    def weight(self) -> int:
        """Little is left of the message."""
        return 2 * ORDINARY_BYTES

    def forbidden(self, draft: Draft, user: str, member: Member, message: Fields) -> Refusal | None:
        """Authors delete, in groups owner and admins do, too."""
        if message["by"] == user or (draft.kind != "direct" and member.role != "member"):
            return None
        whose = "its author deletes" if draft.kind == "direct" else "its author and admins delete"
        return Refusal("forbidden", f"only {whose} a message")

    def changed(self, draft: Draft, message: Fields, touch: Fields) -> Fields:
        """That it was there, and who deleted it."""
        left = {key: message[key] for key in _LEFT_OF_A_DELETED_ONE if key in message}
        return {**left, "deleted": touch["n"], "deleted_by": touch["by"]}


@dataclass(frozen=True, slots=True)
class React(Touch):
    """Give a message one's reaction, in place of an earlier one; "" takes it back.

    A message has at most `most` reactions.
    """

    kind = "react"
    target: int
    emoji: str
    most: int

    def forbidden(self, draft: Draft, user: str, member: Member, message: Fields) -> Refusal | None:
        """Every member reacts, while there is room; the same for pairs."""
        if self.emoji and len(_others(message, user)) >= self.most:
            return Refusal("forbidden", f"a message has at most {self.most} reactions")
        return silenced(draft, user)

    def changed(self, draft: Draft, message: Fields, touch: Fields) -> Fields:
        """Other reactions, in order of their touches."""
        user = touch["by"]
        reactions = _others(message, user)
        if self.emoji:
            reactions.append([user, self.emoji, touch["n"]])
        changed = {key: value for key, value in message.items() if key != "reactions"}
        return {**changed, "reactions": reactions} if reactions else changed


def _others(message: Fields, user: str) -> list[list[object]]:
    return [row for row in message.get("reactions", ()) if row[0] != user]
