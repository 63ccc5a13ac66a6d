"""Writing messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beamish.messenger.conversations.actions.action import (
    ORDINARY_BYTES,
    Action,
    creation,
    member_or_refusal,
    nothing_there,
)
from beamish.messenger.conversations.actions.rights import lacks, too_fast
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.ids import direct_users
from beamish.messenger.streams.records import Fields

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft


@dataclass(frozen=True, slots=True)
class SendText(Action):
    """Append a message of `text`; `displays` are `(user, display)` for a creation by it."""

    text: str
    displays: tuple[tuple[str, str], ...] = ()

    @property
    def weight(self) -> int:
        """A character takes four bytes at most."""
        return ORDINARY_BYTES + 4 * len(self.text)

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Members write; the first message makes a direct conversation."""
        if not draft.kind:
            return nothing_there(draft, user)
        member = member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        return lacks(draft, member, "post") or too_fast(draft, user, member)

    def preceding(self, draft: Draft, user: str) -> Fields | None:
        """The creation of a direct conversation, by its first message."""
        if draft.kind:
            return None
        shown = dict(self.displays)
        users = direct_users(draft.conversation) or ()
        rows = [[other, shown.get(other, other), "member"] for other in users]
        return creation("direct", "", rows, is_open=False)

    def record(self, draft: Draft, user: str) -> Fields:
        """A message."""
        return {"type": "message", "text": self.text}
