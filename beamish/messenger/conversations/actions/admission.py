"""Who may come in: invitation links, and who is kept out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beamish.messenger.conversations.actions.action import Action, group_member_or_refusal
from beamish.messenger.conversations.actions.rights import lacks
from beamish.messenger.conversations.charter import MAX_BANS, MAX_LINKS, link_id
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.records import Fields

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft


@dataclass(frozen=True, slots=True)
class CreateLink(Action):
    """Make a link by which people come in, until `expires_at` (ms UTC) or for so many `uses`.

    The maker chooses the secret, so the answer need not hold it and a repetition finds the same.
    """

    secret: str
    expires_at: int | None = None
    uses: int | None = None

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Whoever may invite, while there are not too many."""
        member = group_member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        if draft.kind == "channel" and self.uses is not None:
            # Subscribing writes nothing into the channel's log, so nobody could count.
            return Refusal("bad_request", "a link to a channel has no use count: leave uses out")
        if self.expires_at is not None and self.expires_at <= draft.now:
            return Refusal("bad_request", "this link would have expired already")
        if draft.links.get(link_id(self.secret)) is not None:
            return Refusal("exists", "there is such a link already: choose another secret")
        live = sum(link.is_live(draft.now) for _, link in draft.links.items())
        if live >= MAX_LINKS:
            return Refusal("forbidden", f"a group has at most {MAX_LINKS} links: revoke one")
        return lacks(draft, member, "invite")

    def record(self, draft: Draft, user: str) -> Fields:
        """The link without its secret."""
        fields: Fields = {"type": "link", "link": link_id(self.secret)}
        if self.expires_at is not None:
            fields["expires_at"] = self.expires_at
        if self.uses is not None:
            fields["uses"] = self.uses
        return fields


@dataclass(frozen=True, slots=True)
class RevokeLink(Action):
    """Let nobody in by the link of this id any more."""

    link: str

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """The owner, admins and whoever made it."""
        member = group_member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        link = draft.links.get(self.link)
        if link is None:
            return Refusal("not_found", "there is no such link")
        if member.role == "member" and link.by != user:
            return Refusal("forbidden", "only the owner, admins and its maker revoke a link")
        return None

    def record(self, draft: Draft, user: str) -> Fields:
        """The end of the link."""
        return {"type": "link_gone", "link": self.link}


@dataclass(frozen=True, slots=True)
class Ban(Action):
    """Keep `user` out, ending the membership if there is one."""

    user: str

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """Who may remove somebody may ban as well."""
        member = group_member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        target = draft.members.get(self.user)
        if user == self.user:
            return Refusal("bad_request", "you cannot ban yourself")
        if member.role == "member" or (
            target is not None and member.role == "admin" and target.role != "member"
        ):
            return Refusal("forbidden", "owners ban anybody, admins ban members")
        if draft.bans.get(self.user) is not None:
            return Refusal("exists", f"{self.user} is banned already")
        if len(draft.bans) >= MAX_BANS:
            return Refusal("forbidden", f"a group bans at most {MAX_BANS:,}: unban somebody")
        return None

    def record(self, draft: Draft, user: str) -> Fields:
        """The ban; `ends` says that it ends a membership."""
        fields: Fields = {"type": "ban", "user": self.user}
        return {**fields, "ends": True} if self.user in draft.members else fields


@dataclass(frozen=True, slots=True)
class Unban(Action):
    """Keep `user` out no longer."""

    user: str

    def refusal(self, draft: Draft, user: str) -> Refusal | None:
        """The owner and admins."""
        member = group_member_or_refusal(draft, user)
        if isinstance(member, Refusal):
            return member
        if member.role == "member":
            return Refusal("forbidden", "only the owner and admins unban")
        if draft.bans.get(self.user) is None:
            return Refusal("not_found", f"{self.user} is not banned")
        return None

    def record(self, draft: Draft, user: str) -> Fields:
        """The end of the ban."""
        return {"type": "unban", "user": self.user}
