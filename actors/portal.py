"""The way into a system for other threads, such as those of a WSGI server.

A portal is made in the system's thread and used in any other thread. Calling it in the system's own
thread would wait for itself and raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import trio

from actors.protection import protect
from actors.ref import CALL_TIMEOUT_S

if TYPE_CHECKING:
    from actors.messages import Request
    from actors.ref import Ref

R = TypeVar("R")


class Portal:
    """Blocking calls and casts from other threads."""

    __slots__ = ("_token",)

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token

    def call(self, ref: Ref, request: Request[R], timeout: float | None = CALL_TIMEOUT_S) -> R:
        """Block this thread until the reply is there; raises what ``await ref.call`` raises.

        Raises also `trio.RunFinishedError` if trio has ended, RuntimeError in the system's thread.
        """
        return trio.from_thread.run(ref.call, request, timeout, trio_token=self._token)

    def cast(self, ref: Ref, message: object) -> None:
        """Send `message`; returns at once. Casts of one thread arrive in order."""
        self._token.run_sync_soon(ref.cast, message)


protect(Portal)
