"""What a group says of itself, and what its members may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beamish.messenger.conversations.actions.action import (
    ORDINARY_BYTES,
    Action,
    group_member_or_refusal,
)
from beamish.messenger.conversations.actions.rights import lacks
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.records import Fields

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft


@dataclass(frozen=True, slots=True)
class SetInfo(Action):
    """Change title, description, openness; None leaves one as it is."""

    title: str | None = None
    description: str | None = None
    open: bool | None = None

    @property
    def weight(self) -> int:
        """A character takes four bytes at most."""
        return ORDINARY_BYTES + 4 * (len(self.title or "") + len(self.description or ""))

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Whoever has the right `info`."""
        member = group_member_or_refusal(draft, user)
        return member if isinstance(member, Refusal) else lacks(draft, member, "info")

    def record(self, draft: Draft, user: str) -> Fields:
        """What is given."""
        given = {"title": self.title, "description": self.description, "open": self.open}
        changed = {name: value for name, value in given.items() if value is not None}
        return {"type": "info", **changed}


@dataclass(frozen=True, slots=True)
class SetPermissions(Action):
    """Say from which role on members may write, invite, change the info; None leaves it."""

    post: str | None = None
    invite: str | None = None
    info: str | None = None

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """The owner."""
        member = group_member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        if member.role != "owner":
            return Refusal("forbidden", "only the owner says who may do what")
        return None

    def record(self, draft: Draft, user: str) -> Fields:
        """All of them as they are from now on."""
        held = draft.charter.in_force(draft.kind, is_open=draft.open)._asdict()
        given = {"post": self.post, "invite": self.invite, "info": self.info}
        return {"type": "permissions", **{name: given[name] or held[name] for name in held}}


@dataclass(frozen=True, slots=True)
class SetSlowMode(Action):
    """Let each member write once in so many seconds; 0: as often as they like."""

    seconds: int

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """The owner and admins."""
        member = group_member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        if member.role == "member":
            return Refusal("forbidden", "only the owner and admins set the pace")
        return None

    def record(self, draft: Draft, user: str) -> Fields:
        """The pace."""
        return {"type": "slow_mode", "seconds": self.seconds}
