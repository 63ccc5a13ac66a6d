"""Making groups, and who belongs to them in which role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beamish.messenger.conversations.actions.action import (
    ORDINARY_BYTES,
    TWO_FOR_GOOD,
    Action,
    creation,
    full,
    group_member_or_refusal,
    not_member,
    nothing_there,
)
from beamish.messenger.conversations.actions.rights import lacks
from beamish.messenger.conversations.charter import link_id
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.records import Fields

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft


@dataclass(frozen=True, slots=True)
class CreateGroup(Action):
    """Create this group; `members` are `(user, display)` without the creator.

    `barred` is why some of them cannot be members, found out beforehand.
    """

    title: str
    open: bool
    display: str
    members: tuple[tuple[str, str], ...]
    barred: Refusal | None = None

    @property
    def weight(self) -> int:
        """It names its members."""
        return ORDINARY_BYTES * (1 + len(self.members))

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Once, and within the cap."""
        if draft.version:
            return Refusal("exists", f"the group {draft.conversation} exists already")
        return full(draft) if len(self.members) + 1 > draft.member_cap else self.barred

    def record(self, draft: Draft, user: str) -> Fields:
        """The creation, with its maker as the owner."""
        rows = [[user, self.display, "owner"]]
        rows += [[other, shown, "member"] for other, shown in self.members]
        return creation("group", self.title, rows, is_open=self.open)


@dataclass(frozen=True, slots=True)
class Invite(Action):
    """Make `user` a member; `barred` is why the user cannot be one, found out beforehand."""

    user: str
    display: str
    barred: Refusal | None = None

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Whoever has the right to; nobody invites who is banned."""
        member = group_member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        refusal = lacks(draft, member, "invite")
        if refusal is not None:
            return refusal
        if self.user in draft.members:
            return Refusal("exists", f"{self.user} is a member of this group already")
        if self.user in draft.bans:
            return Refusal("forbidden", f"{self.user} is banned from this group")
        return full(draft) if len(draft.members) >= draft.member_cap else self.barred

    def record(self, draft: Draft, user: str) -> Fields:
        """The invitation, which is the membership."""
        return {"type": "invite", "user": self.user, "display": self.display}


@dataclass(frozen=True, slots=True)
class Join(Action):
    """Become a member of an open group, or of any by the secret of an invitation link."""

    display: str
    link: str | None = None

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Open groups take everybody who is not banned until they are full."""
        if not draft.kind:
            return nothing_there(draft, user) or TWO_FOR_GOOD
        if draft.kind == "direct":
            return not_member(draft.conversation)
        if draft.kind == "channel":
            return Refusal("forbidden", "channels are not joined: subscribe to it")
        if user in draft.members:
            return Refusal("exists", "you are a member of this group already")
        if user in draft.bans:
            return Refusal("forbidden", "you are banned from this group")
        if not draft.open and not self._lets_in(draft):
            return Refusal(
                "forbidden",
                "this group is closed: a member has to invite you"
                if self.link is None
                else "this link does not let in any more: ask for another one",
            )
        return full(draft) if len(draft.members) >= draft.member_cap else None

    def record(self, draft: Draft, user: str) -> Fields:
        """The join; whoever joins an empty group owns it."""
        joined: Fields = {"type": "join", "display": self.display}
        if not draft.open and self.link is not None:
            joined["link"] = link_id(self.link)
        return joined if len(draft.members) else {**joined, "role": "owner"}

    def _lets_in(self, draft: Draft) -> bool:
        known = None if self.link is None else draft.links.get(link_id(self.link))
        return known is not None and known.is_live(draft.now)


@dataclass(frozen=True, slots=True)
class Leave(Action):
    """Stop being a member; an owner's leaving passes ownership on."""

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Members leave groups."""
        member = group_member_or_refusal(draft, user)
        return member if isinstance(member, Refusal) else None

    def record(self, draft: Draft, user: str) -> Fields:
        """The leaving, with the heir of an owner."""
        heir = _heir(draft, user)
        return {"type": "leave"} if heir is None else {"type": "leave", "owner": heir}


@dataclass(frozen=True, slots=True)
class Remove(Action):
    """End the membership of `user`."""

    user: str

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Owners remove anybody, admins remove members."""
        member = group_member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        target = draft.members.get(self.user)
        if user == self.user:
            return Refusal("bad_request", "to remove yourself, leave the group")
        if target is None:
            return Refusal("not_found", f"{self.user} is not a member of this group")
        if member.role == "member" or (member.role == "admin" and target.role != "member"):
            return Refusal("forbidden", "owners remove anybody, admins remove members")
        return None

    def record(self, draft: Draft, user: str) -> Fields:
        """The removal."""
        return {"type": "remove", "user": self.user}


@dataclass(frozen=True, slots=True)
class SetRole(Action):
    """Give `user` the role "owner", "admin" or "member"; a new owner makes the old one admin."""

    user: str
    role: str

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """The owner gives roles, except one to itself."""
        member = group_member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        target = draft.members.get(self.user)
        if member.role != "owner":
            return Refusal("forbidden", "only the owner gives roles")
        if target is None:
            return Refusal("not_found", f"{self.user} is not a member of this group")
        if target.role == "owner":
            return Refusal("forbidden", "give the ownership to somebody else instead")
        return None

    def record(self, draft: Draft, user: str) -> Fields:
        """The new role."""
        return {"type": "role", "user": self.user, "role": self.role}


def _heir(draft: Draft, leaving: str) -> str | None:
    """Who owns the group after `leaving`: the longest-standing admin, else member."""
    member = draft.members.get(leaving)
    if member is None or member.role != "owner":
        return None
    others = [(m.role != "admin", m.joined, u) for u, m in draft.members.items() if u != leaving]
    return min(others)[2] if others else None
