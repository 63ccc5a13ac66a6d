"""The account's lane: what a user's devices agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from beamish import protocol as p
from beamish.messenger import messages as m
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.ids import ACCOUNT_LANE
from beamish.messenger.sessions.handlers.handlers import Handler, Handlers
from beamish.messenger.users.account_actions import (
    AccountAction,
    AccountCommand,
    BlockUser,
    SetConversation,
    SetPrivacy,
    SetProfile,
)

Maker: TypeAlias = Callable[[Any], AccountAction]


class AccountHandlers(Handlers):
    """Whatever changes the own account."""

    async def block(self, command: p.Block) -> None:
        """Somebody of whom the user wants to hear nothing."""
        account = await self._actor.ask("user", command.user, m.AccountOf())
        unknown = None
        if account is None:
            unknown = Refusal("not_found", f"there is no user {command.user}")
        await self._go(command, BlockUser(command.user, on=True, unknown=unknown))

    async def unblock(self, command: p.Unblock) -> None:
        """Somebody of whom the user wants to hear again."""
        await self._go(command, BlockUser(command.user, on=False))

    async def carry_out(self, command: p.OnAccount) -> None:
        """Put the command's action on the account's lane; answered when the user's actor does."""
        await self._go(command, _MAKERS[type(command)](command))

    async def _go(self, command: p.OnAccount, action: AccountAction) -> None:
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

HANDLERS: dict[type[p.Command], Handler] = {
    p.Block: AccountHandlers.block,
    p.Unblock: AccountHandlers.unblock,
    **dict.fromkeys(_MAKERS, AccountHandlers.carry_out),
}
