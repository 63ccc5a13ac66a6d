"""Aliases: a second reference to an actor that the actor can take back (OTP's ``alias/1``).

    alias = self.alias(once=True)
    server.cast(Subscribe(reply_to=alias))   # the first message through it is also the last
    ...
    alias.unalias()                          # what comes later is dropped

Messages through an alias are the actor's ordinary messages. Whatever is sent through one that was
taken back, used up, or whose actor has ended, is dropped silently, a call fails with `CalleeDied`
(`NoProc`). An alias is for sending only: links, monitors and exits take the actor's own ref.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from actors.errors import CalleeDied
from actors.reasons import NoProc
from actors.ref import CALL_TIMEOUT_S, LocalRef, Ref
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.messages import Request

R = TypeVar("R")


class Alias(Ref):
    """A reference that can be taken back. Made by `Actor.alias`; compare by identity."""

    __slots__ = ("_once", "_ref")

    def __init__(self, ref: LocalRef, *, once: bool) -> None:
        self._ref: LocalRef | None = ref
        self._once = once

    def __repr__(self) -> str:
        return "<alias, over>" if self._ref is None else f"<alias of {self._ref!r}>"

    def is_alive(self) -> bool:
        """Whether a message through it would be delivered."""
        return self._ref is not None and self._ref.is_alive()

    def unalias(self) -> bool:
        """Take it back. False if it was over."""
        was_active, self._ref = self.is_alive(), None
        return was_active

    def _take(self) -> LocalRef | None:
        ref = self._ref
        if self._once:
            self._ref = None
        return ref

    def cast(self, message: object) -> None:
        """Send `message`, if the alias is active; see `Ref.cast`."""
        ref = self._take()
        if ref is not None and ref.is_alive():
            ref.cast(message)

    async def send(self, message: object, timeout: float | None = CALL_TIMEOUT_S) -> None:  # noqa: ASYNC109
        """Send `message` with backpressure, if the alias is active; see `Ref.send`."""
        ref = self._take()
        if ref is not None and ref.is_alive():
            await ref.send(message, timeout)

    async def call(self, request: Request[R], timeout: float | None = CALL_TIMEOUT_S) -> R:  # noqa: ASYNC109
        """Call the actor, if the alias is active; see `Ref.call`."""
        ref = self._take()
        if ref is None:
            raise CalleeDied(self, NoProc())
        return await ref.call(request, timeout)


protect(Alias)
