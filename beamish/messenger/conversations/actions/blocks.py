"""Blocks in direct conversations.

Whoever blocks somebody writes it into the own list, and that obliges the direct conversation of the
two to know it: a record there, visible to the blocker alone, made even where nothing was said yet.
From it on neither writes to the other. It is a level, the inbox number of the blocker's record:
a late or repeated one changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beamish.messenger.conversations.actions.duties import Duty
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.records import Fields

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft

UNREACHABLE = Refusal("forbidden", "this person cannot be written to")
UNBLOCK_FIRST = Refusal("forbidden", "you have blocked this person: unblock first")


def silenced(draft: Draft, user: str) -> Refusal | None:
    """Why `user` may say nothing here, one having blocked the other; None where nobody has."""
    blockers = [blocker for blocker, blocked in draft.blocks.items() if blocked.on]
    if not blockers:
        return None
    return UNBLOCK_FIRST if user in blockers else UNREACHABLE


@dataclass(frozen=True, slots=True)
class MarkBlock(Duty):
    """The user has blocked the other, or has not, as of the own inbox record `level`."""

    on: bool
    level: int

    def met(self, draft: Draft, user: str) -> bool:
        """Whether that, or something later, is known."""
        known = draft.blocks.get(user)
        return known is not None and known.level >= self.level

    def record(self, draft: Draft, user: str) -> Fields:
        """What the user has said."""
        return {"type": "block", "on": self.on, "level": self.level}
