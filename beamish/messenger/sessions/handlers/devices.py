"""A user's devices, password, and the end of the account."""

from __future__ import annotations

from typing import Any

from beamish import protocol as p
from beamish.messenger import messages as m
from beamish.messenger.accounts.passwords import has_password
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.leases import GONE
from beamish.messenger.sessions.handlers.handlers import Handler, Handlers, given
from beamish.messenger.users.account_changes import (
    AccountChange,
    ChangeAccount,
    Delete,
    ListDevices,
    NameDevice,
    RevokeDevice,
    RevokeOthers,
    SetPassword,
)


class DeviceHandlers(Handlers):
    """Who gets in."""

    async def devices(self, _command: p.Devices) -> dict[str, object]:
        """All devices, those aside that were not used for long, which are logged out by it."""
        found: Any = await self._change(ListDevices())
        rows = [
            {
                "device": seen.device,
                "name": seen.name,
                "at": seen.at,
                "seen": seen.seen,
                "connected": seen.connected,
                "current": seen.device == self._actor.device,
            }
            for seen in found
        ]
        return {"devices": rows}

    async def name_device(self, command: p.NameDevice) -> dict[str, object]:
        """Another name."""
        await self._change(NameDevice(command.device, command.shown))
        return {}

    async def revoke_device(self, command: p.RevokeDevice) -> dict[str, object] | None:
        """The end of one device, maybe the own."""
        own = command.device == self._actor.device
        await self._change(RevokeDevice(command.device), own=own)
        if not own:
            return {}
        self._leave(command)
        return None

    async def logout_everywhere(self, command: p.LogoutEverywhere) -> dict[str, object] | None:
        """The end of all devices, or of all others."""
        own = not command.except_this
        await self._change(RevokeOthers(None if own else self._actor.device), own=own)
        if not own:
            return {}
        self._leave(command)
        return None

    async def set_password(self, command: p.SetPassword) -> dict[str, object]:
        """Another password, for whoever knows the present one."""
        actor = self._actor
        known = await self._verified(command.old)
        hashed = await actor.environment.passwords.hash(command.new, actor.login.wanted)
        actor.login.check_wanted()
        kept = actor.device if command.logout_others else None
        await self._change(SetPassword(known, hashed, kept))
        return {}

    async def delete_account(self, command: p.DeleteAccount) -> None:
        """The end of the account, for whoever knows its password."""
        known = await self._verified(command.password)
        await self._change(Delete(known), own=True)
        self._leave(command)

    async def _change(self, change: AccountChange, *, own: bool = False) -> object:
        """Its answer; `own` says that it ends this device, which makes a repetition a stranger."""
        actor = self._actor
        answer = await actor.ask_user(
            ChangeAccount(change, actor.device, actor.ref if own else None)
        )
        if own and isinstance(answer, Refusal) and answer.code == GONE.code:
            return True
        return given(answer)

    def _leave(self, command: p.Command) -> None:
        """Answer, and close: this device is gone."""
        self._actor.reply(command.id, {})
        self._actor.close(p.CloseCode.REVOKED, "the device was logged out")

    async def _verified(self, password: str) -> str:
        """The hash of the present password, which this is; guesses are counted as at logins."""
        actor = self._actor
        environment, user = actor.environment, actor.user
        if environment.authenticate is not None:
            raise _kept_elsewhere()
        actor.login.check_guessing(user)
        account = await actor.ask_user(m.AccountOf())
        stored = None if account is None else account.password
        if stored is not None and not has_password(stored):
            raise _kept_elsewhere()
        right = await environment.passwords.verify(stored, password, actor.login.wanted)
        actor.login.check_wanted()
        if not right or stored is None:
            environment.guesses.failed(user, actor.peer)
            raise p.Refusal("bad_credentials", "this is not your password")
        return stored


def _kept_elsewhere() -> p.Refusal:
    return p.Refusal("forbidden", "your password is not kept by this node: see where you got it")


HANDLERS: dict[type[p.Command], Handler] = {
    p.Devices: DeviceHandlers.devices,
    p.NameDevice: DeviceHandlers.name_device,
    p.RevokeDevice: DeviceHandlers.revoke_device,
    p.LogoutEverywhere: DeviceHandlers.logout_everywhere,
    p.SetPassword: DeviceHandlers.set_password,
    p.DeleteAccount: DeviceHandlers.delete_account,
}
