"""Whether a member's role, and the group's pace, allow something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beamish.messenger.conversations.charter import RANK
from beamish.messenger.conversations.refusal import Refusal

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft
    from beamish.messenger.conversations.effects import Member

_SENTENCES = {
    "post": "write here",
    "invite": "invite to this group",
    "info": "change what this group says of itself",
}


def lacks(draft: Draft, member: Member, right: str) -> Refusal | None:
    """Why `member` may not `post`, `invite` or change `info`; None in a direct conversation."""
    if draft.kind == "direct":
        return None
    least = getattr(draft.charter.in_force(draft.kind, is_open=draft.open), right)
    if RANK[member.role] >= RANK[least]:
        return None
    who = {"admin": "the owner and admins", "owner": "the owner"}[least]
    return Refusal("forbidden", f"only {who} may {_SENTENCES[right]}")


def too_fast(draft: Draft, user: str, member: Member) -> Refusal | None:
    """Why `user` has to wait before the next message, if slow mode says so."""
    pace = draft.charter.slow_mode
    if not pace or member.role != "member":
        return None
    spoke = draft.spoke.get(user)
    if spoke is None:
        return None
    wait_ms = spoke + 1000 * pace - draft.now
    if wait_ms <= 0:
        return None
    text = f"this group is in slow mode: one message in {pace} s"
    return Refusal("rate_limited", text, None, wait_ms)
