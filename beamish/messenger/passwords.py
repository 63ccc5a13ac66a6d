"""Password hashing with argon2id: in threads, at most one per core at once, the queue bounded.

A hash costs some 20 ms of a core and 19 MiB on purpose. So it never runs in the node's thread, a
rush of logins waits in a queue, and beyond the queue's bound logins are refused at once instead of
growing it. Clients reconnect with tokens, which cost no hash.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from beamish.messenger.settings import MessengerSettings

RunInThread = Callable[[Callable[[], object]], Awaitable[object]]
"""The one way into threads: runs a function elsewhere and gives its result."""


class PasswordsOverloaded(Exception):
    """The queue is full; try again later."""


class Passwords:
    """Hashes and verifies; at most `slots` at once and `settings.password_queue` waiting."""

    def __init__(self, settings: MessengerSettings, run: RunInThread, slots: int) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
        )
        self._run = run
        self._limit = trio.CapacityLimiter(slots)
        self._queue_bound = settings.password_queue + slots
        self._in_hand = 0
        self._decoy: str | None = None
        self.hashes = 0
        """How many hashes were computed, for verifying or storing."""

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash of a new password; raises PasswordsOverloaded."""
        result = await self._compute(lambda: self._hasher.hash(password))
        assert isinstance(result, str)
        return result

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether `password` has this hash; raises PasswordsOverloaded.

        For an unknown user give None: it takes as long and is never true, so that answers do not
        tell who exists.
        """
        if encoded is None:
            if self._decoy is None:
                self._decoy = await self.hash("nobody's password")
            await self._compute(lambda: self._verified(self._decoy or "", password))
            return False
        return bool(await self._compute(lambda: self._verified(encoded, password)))

    def _verified(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _compute(self, work: Callable[[], object]) -> object:
        if self._in_hand >= self._queue_bound:
            raise PasswordsOverloaded
        self._in_hand += 1
        try:
            async with self._limit:
                self.hashes += 1
                return await self._run(work)
        finally:
            self._in_hand -= 1
