"""What waits for one connection: the session puts encoded items in, the connection takes them.

Bounded twice, in bytes. Above the soft bound the session stops handing on inbox updates and
pulls them from the journal later, so nothing is lost; above the hard bound, which only a client
that asks without reading can reach, the connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from beamish.protocol import CloseCode
from beamish.protocol.session import SessionClosed


class Outbox:
    """One connection's queue of encoded items, and its end."""

    def __init__(self, soft: int, hard: int) -> None:
        self._soft = soft
        self._hard = hard
        self._items: list[bytes] = []
        self._bytes = 0
        self._closed: SessionClosed | None = None
        self._ready = trio.Event()
        self.on_room: Callable[[], None] | None = None
        """Called once after the queue was emptied, when somebody waits for room."""

    @property
    def has_room(self) -> bool:
        """Whether updates may be handed on."""
        return self._bytes < self._soft and self._closed is None

    @property
    def closed(self) -> bool:
        """Whether the end was declared."""
        return self._closed is not None

    def put(self, item: bytes) -> None:
        """Queue an item; ignored after the end."""
        if self._closed is not None:
            return
        self._items.append(item)
        self._bytes += len(item)
        if self._bytes > self._hard:
            self._items.clear()
            self.close(CloseCode.SLOW_READER, "the client asks without reading")
        self._ready.set()

    def close(self, code: int, reason: str) -> None:
        """Declare the end; items queued before are still taken."""
        if self._closed is None:
            self._closed = SessionClosed(code, reason)
            self._ready.set()

    async def take(self) -> list[bytes]:
        """Everything queued, waiting for the first item; raises SessionClosed behind the last."""
        while not self._items:
            if self._closed is not None:
                raise self._closed
            self._ready = trio.Event()
            await self._ready.wait()
        items, self._items = self._items, []
        self._bytes = 0
        if self.on_room is not None:
            on_room, self.on_room = self.on_room, None
            on_room()
        return items
