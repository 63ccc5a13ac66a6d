"""The user's devices, password and login; the end of the account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from beamish.client.commands.issuing import Issuing
from beamish.client.errors import ClientClosed
from beamish.client.handshake import forget_device
from beamish.client.results import Device


class DeviceCommands(Issuing):
    """Looking after where the user is logged in. From an answer on it holds everywhere."""

    async def devices(self) -> list[Device]:
        """All devices of the user."""
        told: list[dict[str, Any]] = (await self._ask("devices"))["devices"]
        return [Device(**{name: row[name] for name in Device._fields}) for row in told]

    async def name_device(self, device: str, name: str) -> None:
        """Name a device, in the form of a display name.

        Raises:
            NotFound: the user has no such device.
        """
        await self._ask("name_device", device=device, name=name)

    async def revoke_device(self, device: str) -> None:
        """Log a device out, for good; of the own one it is the same as `logout`."""
        if device == (self._core.identity and self._core.identity.device):
            await self.logout()
        else:
            await self._ask("revoke_device", device=device)

    async def logout_everywhere(self, *, except_this: bool = True) -> None:
        """Log all devices out, this one too unless `except_this`, which ends the client."""
        await self._ask("logout_everywhere", except_this=except_this)
        if not except_this:
            await self._end("all devices were logged out: log in with a password")

    async def set_password(self, old: str, new: str, *, logout_others: bool = True) -> None:
        """Take another password, and log the other devices out unless told not to.

        Raises:
            AuthenticationFailed: `old` is not the present one (any more).
            BadRequest: `new` is shorter than 8 or longer than 256 characters.
        """
        await self._ask("set_password", old=old, new=new, logout_others=logout_others)
        core = self._core
        if core.credentials.password is not None:
            core.credentials = replace(core.credentials, password=new)

    async def delete_account(self, password: str) -> None:
        """Delete the account for good, and end the client; the name is never given again.

        Raises:
            AuthenticationFailed: the password is wrong.
        """
        await self._ask("delete_account", password=password)
        await self._end("the account was deleted")

    async def logout(self) -> None:
        """Revoke this device and end the client."""
        await self._ask("logout")
        await self._end("the device was logged out: log in with a password")

    async def _end(self, why: str) -> None:
        await forget_device(self._core)
        self._core.fail(ClientClosed(why))
