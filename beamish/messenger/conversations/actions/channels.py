"""Making channels.

The members of a channel are its staff; its subscribers stand in their own streams alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beamish.messenger.conversations.actions.action import ORDINARY_BYTES, Action, creation
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.records import Fields

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft


@dataclass(frozen=True, slots=True)
class CreateChannel(Action):
    """Create this channel; whoever knows the id of a `public` one may read it."""

    title: str
    description: str
    public: bool
    display: str

    @property
    def weight(self) -> int:
        """A character takes four bytes at most."""
        return ORDINARY_BYTES + 4 * (len(self.title) + len(self.description))

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Once."""
        if draft.version:
            return Refusal("exists", f"the channel {draft.conversation} exists already")
        return None

    def record(self, draft: Draft, user: str) -> Fields:
        """The creation, with its maker as the owner."""
        rows = [[user, self.display, "owner"]]
        made = creation("channel", self.title, rows, is_open=self.public)
        return {**made, "description": self.description} if self.description else made
