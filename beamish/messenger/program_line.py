"""A session without a socket: the node's own program asks it as a client would.

`run` reads what it says until it ends; meanwhile any task may `ask`. Whoever waits for an answer
when it ends is told `LineLost`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import trio

from beamish.messenger.sessions.session_handle import SessionLink
from beamish.protocol import CloseCode, Codec
from beamish.protocol.session import SessionClosed

Told: TypeAlias = "dict[str, Any]"
"""A reply as the protocol has it: `ok`, or `error`."""


class LineLost(Exception):
    """The session ended before its answer."""


class _Waiter:
    __slots__ = ("told", "woken")

    def __init__(self) -> None:
        self.woken = trio.Event()
        self.told: Told | None = None


class Line:
    """One session; `alive` until it has ended."""

    def __init__(self, link: SessionLink, codec: Codec) -> None:
        self._link = link
        self._codec = codec
        self._serial = 0
        self._waiting: dict[int, _Waiter] = {}
        self.alive = True

    async def run(self) -> None:
        """Hand out answers until the session ends, or the task is cancelled."""
        codec, link = self._codec, self._link
        try:
            while True:
                for encoded in await link.take():
                    (item,) = codec.decode(codec.to_wire(codec.array([encoded])))
                    waiter = self._waiting.get(item.get("id", 0))
                    if waiter is not None:
                        waiter.told = item
                        waiter.woken.set()
        except SessionClosed:
            pass
        finally:
            self.alive = False
            for waiter in self._waiting.values():
                waiter.woken.set()
            await link.disconnected()

    async def ask(self, fields: dict[str, Any]) -> Told:
        """The reply to a command; raises LineLost."""
        self._serial += 1
        serial, waiter = self._serial, _Waiter()
        self._waiting[serial] = waiter
        try:
            if self.alive:
                await self._link.receive({**fields, "id": serial})
                await waiter.woken.wait()
        except SessionClosed:
            raise LineLost from None
        finally:
            del self._waiting[serial]
        if waiter.told is None:
            raise LineLost
        return waiter.told

    def hang_up(self) -> None:
        """End the session; `run` follows."""
        self.alive = False
        self._link.outbox.close(CloseCode.NORMAL, "")
