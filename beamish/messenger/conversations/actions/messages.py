"""Writing messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beamish.messenger.conversations.actions.action import (
    ORDINARY_BYTES,
    Action,
    creation,
    member_or_refusal,
    no_message,
    nothing_there,
    visible_message,
)
from beamish.messenger.conversations.actions.blocks import silenced
from beamish.messenger.conversations.actions.rights import lacks, too_fast
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.ids import direct_users
from beamish.messenger.streams.records import Fields

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft

MENTION_BYTES = 68
"""A user's name in a record, at most."""


@dataclass(frozen=True, slots=True)
class SendText(Action):
    """Append a message of `text`; `displays` are `(user, display)` for a creation by it.

    `reply` is the number of the message that it answers, which may be deleted by now.
    """

    text: str
    displays: tuple[tuple[str, str], ...] = ()
    reply: int | None = None
    mentions: tuple[str, ...] = ()
    action: bool = False

    @property
    def weight(self) -> int:
        """A character takes four bytes at most."""
        return ORDINARY_BYTES + 4 * len(self.text) + MENTION_BYTES * len(self.mentions)

    @property
    def reads(self) -> int | None:
        """The message that it answers."""
        return self.reply

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Members write; the first message makes a direct conversation."""
        if not draft.kind:
            beginning = nothing_there(draft, user) or silenced(draft, user)
            return beginning or self._nobody() or self._unknown_reply()
        member = member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        blocked = silenced(draft, user)
        if blocked is not None:
            return blocked
        if self.reply is not None and visible_message(draft, member, self.reply) is None:
            return self._unknown_reply()
        return lacks(draft, member, "post") or too_fast(draft, user, member)

    def _nobody(self) -> Refusal | None:
        """Why nobody begins to write to a deleted account, which shows no name."""
        gone = [user for user, shown in self.displays if not shown]
        return Refusal("not_found", f"there is no user {gone[0]}") if gone else None

    def _unknown_reply(self) -> Refusal | None:
        return None if self.reply is None else no_message(self.reply)

    def preceding(self, draft: Draft, user: str) -> Fields | None:
        """The creation of a direct conversation, by its first message."""
        if draft.kind:
            return None
        shown = dict(self.displays)
        users = direct_users(draft.conversation) or ()
        rows = [[other, shown.get(other, other), "member"] for other in users]
        return creation("direct", "", rows, is_open=False)

    def record(self, draft: Draft, user: str) -> Fields:
        """A message; it mentions those of its `mentions` who are members."""
        body: Fields = {"type": "message", "text": self.text}
        if self.reply is not None:
            body["reply"] = self.reply
        mentions = [other for other in self.mentions if other in draft.members]
        if mentions:
            body["mentions"] = mentions
        if self.action:
            body["action"] = True
        return body
