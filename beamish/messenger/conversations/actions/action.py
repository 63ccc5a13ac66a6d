"""What a numbered command asks of a conversation: one class for each, with its own rules.

An action is a value. It decides against a `Draft`, the conversation as it would be after what was
decided before it in the same batch, and looks at nothing else: no clock, no journal, no actor. The
record that its rules are about, if there is one (`reads`), is in the draft. So a batch can be
decided again from its first check whenever the journal's answer demands it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.ids import direct_users
from beamish.messenger.streams.records import Fields

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft
    from beamish.messenger.conversations.effects import Member

ORDINARY_BYTES = 512
"""An upper bound of a record that holds no text: names, numbers, tag."""


class Action(ABC):
    """One thing that somebody wants done in a conversation."""

    __slots__ = ()

    @property
    def weight(self) -> int:
        """An upper bound of the bytes of its record."""
        return ORDINARY_BYTES

    @property
    def reads(self) -> int | None:
        """The record that its rules look at, whose content no state holds; mostly None."""
        return None

    @property
    def amends(self) -> bool:
        """Whether it changes that record, too."""
        return False

    @abstractmethod
    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Why `user` may not do this now; None when it may be done."""

    def preceding(self, draft: Draft, user: str) -> Fields | None:
        """A record that has to stand before its own; mostly None."""
        return None

    @abstractmethod
    def record(self, draft: Draft, user: str) -> Fields:
        """The record that does it: `type` and what belongs to that. Never asked when refused."""

    def amended(self, draft: Draft, touch: Fields) -> Fields | None:
        """The record that it reads as it is behind its own, `touch`; None when it stays."""
        return None


def member_or_refusal(draft: Draft, user: str) -> Member | Refusal:
    """The membership of `user` in a conversation that exists, or the refusal of a stranger."""
    if not draft.kind:
        return nothing_there(draft, user) or not_member(draft.conversation)
    return draft.members.get(user) or not_member(draft.conversation)


def group_member_or_refusal(draft: Draft, user: str) -> Member | Refusal:
    """The same for what cannot be done in a direct conversation."""
    if not draft.kind:
        return nothing_there(draft, user) or TWO_FOR_GOOD
    member = draft.members.get(user)
    if member is None:
        return not_member(draft.conversation)
    return TWO_FOR_GOOD if draft.kind == "direct" else member


def visible_message(draft: Draft, member: Member, n: int) -> Fields | None:
    """Message `n` as it is now, deleted or not, if this member sees it and it is a message."""
    fields = draft.record(n) if n >= member.joined else None
    return fields if fields is not None and fields["type"] == "message" else None


def no_message(n: int) -> Refusal:
    """The refusal of what concerns a message that is not there."""
    return Refusal("not_found", f"there is no message {n} here that you can see")


def nothing_there(draft: Draft, user: str) -> Refusal | None:
    """Why `user` can do nothing in a conversation that has no record; None for one of the pair."""
    pair = direct_users(draft.conversation)
    if pair is None:
        return Refusal("not_found", f"there is no conversation {draft.conversation}")
    return None if user in pair else not_member(draft.conversation)


def not_member(conversation: str) -> Refusal:
    """The refusal of a stranger."""
    return Refusal("not_member", f"you are not a member of {conversation}")


def full(draft: Draft) -> Refusal:
    """The refusal of one member too many."""
    return Refusal("forbidden", f"a group has at most {draft.member_cap} members")


TWO_FOR_GOOD = Refusal("forbidden", "a direct conversation has two members for good")


def creation(kind: str, title: str, rows: list[list[str]], *, is_open: bool) -> Fields:
    """The record of a conversation's beginning; `rows` are `[user, display, role]`."""
    return {"type": "create", "kind": kind, "title": title, "open": is_open, "members": rows}
