"""What whoever runs a node may do to its accounts, without anybody's password.

Every method raises ValueError with a sentence when it cannot be done, and may be repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beamish.messenger.accounts.tokens import new_device, new_token
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.ids import USER_STREAM, is_user_name
from beamish.messenger.messages import Register
from beamish.messenger.users.account_changes import (
    AccountChange,
    ChangeAccount,
    Delete,
    Disable,
    RevokeOthers,
    SetPassword,
)
from beamish.protocol import Refusal as ProtocolRefusal
from beamish.protocol import validators
from storage import Names, Refused, Scan

if TYPE_CHECKING:
    from beamish.messenger.environment import Environment

TIMEOUT_S = 30.0


class Administration:
    """The accounts of one node, for its operator."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    async def add(self, user: str, password: str, display: str | None = None) -> None:
        """Create an account, whether registration is open or not."""
        env = self._environment
        limits = env.settings.limits
        try:
            validators.user(user, limits, "a user name")
            if display is not None:
                validators.display(display, limits, "a display name")
        except ProtocolRefusal as refusal:
            raise ValueError(refusal.message) from None
        hashed = await self._hash(password)
        device = new_device(env.secret)
        _, digest = new_token(user, device, env.secret)
        ref = await env.directory.activate("user", user)
        answer = await ref.call(
            Register(user if display is None else display, hashed, device, digest, "command line"),
            timeout=TIMEOUT_S,
        )
        if isinstance(answer, Refusal):
            raise ValueError(answer.message)  # noqa: TRY004

    async def list(self, after: str | None = None, limit: int = 1_000) -> list[str]:
        """Names that are taken behind `after`, in order; at most `limit`."""
        start = None if after is None else USER_STREAM + after
        names = await self._environment.journal.perform(Scan(USER_STREAM, start, limit))
        if isinstance(names, Refused):
            raise ValueError(names.message)  # noqa: TRY004
        assert isinstance(names, Names)
        return [name[len(USER_STREAM) :] for name in names.names]

    async def set_password(self, user: str, password: str) -> None:
        """Another password; all devices are logged out."""
        hashed = await self._hash(password)
        await self._change(user, SetPassword(None, hashed, ""))

    async def log_out(self, user: str) -> None:
        """Log all devices out."""
        await self._change(user, RevokeOthers(None))

    async def disable(self, user: str) -> None:
        """Let nobody in and put everybody out, until the account is enabled again."""
        await self._change(user, Disable(on=True))

    async def enable(self, user: str) -> None:
        """Let the account's devices in again."""
        await self._change(user, Disable(on=False))

    async def delete(self, user: str) -> None:
        """End the account for good; its groups are left, its name is never given again."""
        await self._change(user, Delete(None))

    async def _change(self, user: str, change: AccountChange) -> None:
        if not is_user_name(user):
            raise ValueError(f"there is no user {user[:100]!r}")
        ref = await self._environment.directory.activate("user", user)
        answer = await ref.call(ChangeAccount(change), timeout=TIMEOUT_S)
        if isinstance(answer, Refusal):
            raise ValueError(answer.message)  # noqa: TRY004

    async def _hash(self, password: str) -> str:
        try:
            validators.password(password, self._environment.settings.limits, "a password")
        except ProtocolRefusal as refusal:
            raise ValueError(refusal.message) from None
        return await self._environment.passwords.hash(password)
