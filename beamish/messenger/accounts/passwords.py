"""Password hashing with argon2id: in threads, at most one per core at once, the queue bounded.

A hash costs some 20 ms of a core and 19 MiB on purpose. So it never runs in the node's thread, a
rush of logins waits in a queue, and beyond the queue's bound logins are refused at once instead of
growing it, with the time that the queue will take by what hashes took lately. Whoever asked may be
gone when the turn comes: then nothing is computed. Clients reconnect with tokens, which cost no
hash.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import trio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from beamish.messenger.settings import MessengerSettings

RunInThread = Callable[[Callable[[], object]], Awaitable[object]]
"""The one way into threads: runs a function elsewhere and gives its result."""

Wanted = Callable[[], bool]
"""Whether anybody still waits for the outcome."""

NO_PASSWORD = ""
"""Stands for the hash of an account whose user is known to the program around the node."""

SYSTEM_USER = "*"
"""Stands for the hash of an account that belongs to that program itself."""

FIRST_GUESS_S = 0.05
"""What a hash is taken to last before one was measured."""

LEAST_WAIT_S = 0.1


def has_password(encoded: str) -> bool:
    """Whether this is a hash, and not what stands for one where there is no password."""
    return encoded not in (NO_PASSWORD, SYSTEM_USER)


class PasswordsOverloaded(Exception):
    """The queue is full; it will be empty in about `wait_s` seconds."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"the password queue is full for {wait_s:.1f} s")
        self.wait_s = wait_s


class PasswordsUnwanted(Exception):
    """Whoever asked is gone; nothing was computed."""


class _Place:
    """One place in the queue; its turn comes with a slot, unless it is unwanted by then."""

    __slots__ = ("turn", "unwanted", "wanted")

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.turn = trio.Event()
        self.unwanted = False


class Passwords:
    """Hashes and verifies; at most `slots` at once and `settings.password_queue` waiting."""

    def __init__(self, settings: MessengerSettings, run: RunInThread, slots: int) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
        )
        self._run = run
        self._slots = slots
        self._bound = settings.password_queue
        self._queue: deque[_Place] = deque()
        self._busy = 0
        self._hash_s = FIRST_GUESS_S
        self._decoy: str | None = None
        self.hashes = 0
        """How many hashes were computed, for verifying or storing."""

    async def hash(self, password: str, wanted: Wanted = lambda: True) -> str:
        """The encoded argon2id hash of a new password.

        Raises:
            PasswordsOverloaded: the queue is full.
            PasswordsUnwanted: `wanted` was false when its turn came.
        """
        result = await self._compute(lambda: self._hasher.hash(password), wanted)
        assert isinstance(result, str)
        return result

    async def verify(
        self, encoded: str | None, password: str, wanted: Wanted = lambda: True
    ) -> bool:
        """Whether `password` has this hash; raises as `hash`.

        For an unknown user give None: it takes as long and is never true, so that answers do not
        tell who exists. The same holds for what stands for a hash where there is none.
        """
        if encoded is None or not has_password(encoded):
            if self._decoy is None:
                self._decoy = await self.hash("nobody's password", wanted)
            await self._compute(lambda: self._verified(self._decoy or "", password), wanted)
            return False
        return bool(await self._compute(lambda: self._verified(encoded, password), wanted))

    def _verified(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _compute(self, work: Callable[[], object], wanted: Wanted) -> object:
        await self._enter(wanted)
        try:
            self.hashes += 1
            began = trio.current_time()
            result = await self._run(work)
            self._hash_s += (trio.current_time() - began - self._hash_s) / 8
            return result
        finally:
            self._leave()

    async def _enter(self, wanted: Wanted) -> None:
        """Wait for one of the slots."""
        if self._busy < self._slots:
            self._busy += 1
            return
        if len(self._queue) >= self._bound:
            self._drop_unwanted()
        if len(self._queue) >= self._bound:
            wait_s = (len(self._queue) + self._busy) * self._hash_s / self._slots
            raise PasswordsOverloaded(max(LEAST_WAIT_S, wait_s))
        place = _Place(wanted)
        self._queue.append(place)
        try:
            await place.turn.wait()
        except BaseException:
            if place in self._queue:
                self._queue.remove(place)
            elif not place.unwanted:
                self._leave()
            raise
        if place.unwanted:
            raise PasswordsUnwanted

    def _leave(self) -> None:
        """Give a slot back: to the first in the queue whose outcome is still wanted."""
        self._busy -= 1
        while self._queue and self._busy < self._slots:
            place = self._queue.popleft()
            place.unwanted = not place.wanted()
            self._busy += not place.unwanted
            place.turn.set()

    def _drop_unwanted(self) -> None:
        waiting, self._queue = self._queue, deque()
        for place in waiting:
            if place.wanted():
                self._queue.append(place)
            else:
                place.unwanted = True
                place.turn.set()
