"""The account's lane: what a user's devices agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from beamish import protocol as p
from beamish.messenger.ids import ACCOUNT_LANE
from beamish.messenger.sessions.handlers.handlers import Handler, Handlers
from beamish.messenger.users.account_actions import (
    AccountAction,
    AccountCommand,
    SetConversation,
    SetPrivacy,
    SetProfile,
)

Maker: TypeAlias = Callable[[Any], AccountAction]


class AccountHandlers(Handlers):
    """Whatever changes the own account."""

    async def carry_out(self, command: p.OnAccount) -> None:
        """Put the command's action on the account's lane; answered when the user's actor does."""
        action = _MAKERS[type(command)](command)
        numbered = AccountCommand(self._actor.device, command.number, command.tag, action)
        await self._actor.lanes.send(command.id, ACCOUNT_LANE, numbered)


def _set_profile(command: p.SetProfile) -> AccountAction:
    return SetProfile(command.display, command.status)


def _set_privacy(command: p.SetPrivacy) -> AccountAction:
    return SetPrivacy(command.last_seen, command.read_marks)


def _set_conversation(command: p.SetConversation) -> AccountAction:
    return SetConversation(command.target, command.muted_until, command.archived, command.pinned)


_MAKERS: dict[type[p.Command], Maker] = {
    p.SetProfile: _set_profile,
    p.SetPrivacy: _set_privacy,
    p.SetConversation: _set_conversation,
}

HANDLERS: dict[type[p.Command], Handler] = dict.fromkeys(_MAKERS, AccountHandlers.carry_out)
