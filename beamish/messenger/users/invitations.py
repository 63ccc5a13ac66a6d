"""Memberships that a user is given and does not take.

Whoever may invite is looked at when the invitation is made; what slips through, since it was under
way while the answer changed, is declined here: before the inbox shows anything of the group, and by
a record of the user's own, which obliges the group to end the membership.
"""

from __future__ import annotations

from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.records import Fields
from beamish.messenger.users.account import DELETED, Account
from beamish.messenger.users.state import UserState


def invitable(state: UserState, by: str) -> str | Refusal:
    """The name that a group shows of the user when `by` invites; or why `by` may not."""
    if not state.exists or state.account.standing == DELETED:
        return Refusal("not_found", f"there is no user {state.user}")
    if state.account.has_blocked(by):
        return Refusal("forbidden", f"{state.user} cannot be invited")
    return state.account.display


class Taken:
    """Which memberships of one conversation are taken, and the record about those that are not."""

    def __init__(self, account: Account, conversation: str) -> None:
        self._account = account
        self._conversation = conversation
        self._newest = 0

    def refuses(self, fields: Fields) -> bool:
        """Whether the membership that this record of the log gives is declined."""
        if not self._account.declines(self._conversation, fields):
            return False
        self._newest = fields["n"]
        return True

    def records(self) -> list[Fields]:
        """What is to be written for it, if it was not before."""
        known = self._account.declined.get(self._conversation)
        if not self._newest or (known is not None and known.record >= self._newest):
            return []
        return [{"t": "declined", "conversation": self._conversation, "record": self._newest}]
