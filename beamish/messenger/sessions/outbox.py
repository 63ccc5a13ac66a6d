"""What waits for one connection: the session puts encoded items in, the connection takes them.

Bounded in bytes. Above the soft bound the session stops handing on inbox updates and pulls them
from the journal later, so nothing is lost. When answers alone are above it the session begins no
further command until all was taken: neither kind keeps the other waiting. Both are looked at
before something is made, so what waits may exceed the two bounds by an event, an answer, and the
small answers to numbered commands under way. The hard bound lies far above that, in case we are
wrong: there the connection is closed.
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
        self._update_bytes = 0
        self._closed: SessionClosed | None = None
        self._ready = trio.Event()
        self.on_room: Callable[[], None] | None = None
        """Called once after the queue was emptied or closed, when somebody waits for room."""
        self.tap: Callable[[bytes], None] | None = None
        """Told of every item that is queued."""

    @property
    def has_room(self) -> bool:
        """Whether updates may be handed on."""
        return self._bytes < self._soft and self._closed is None

    @property
    def takes_commands(self) -> bool:
        """Whether a command may begin: there is room for its answer, or nobody to be answered."""
        return self._bytes - self._update_bytes < self._soft or self._closed is not None

    @property
    def closed(self) -> bool:
        """Whether the end was declared."""
        return self._closed is not None

    def put(self, item: bytes) -> None:
        """Queue an item; ignored after the end."""
        if self._closed is not None:
            return
        if self.tap is not None:
            self.tap(item)
        self._items.append(item)
        self._bytes += len(item)
        if self._bytes > self._hard:
            self._items.clear()
            self.close(CloseCode.SLOW_READER, "the client does not read")
        self._ready.set()

    def put_update(self, item: bytes) -> None:
        """Queue an item that the client did not ask for."""
        self._update_bytes += len(item)
        self.put(item)

    def close(self, code: int, reason: str) -> None:
        """Declare the end; items queued before are still taken."""
        if self._closed is None:
            self._closed = SessionClosed(code, reason)
            self._ready.set()
            self._tell_of_room()

    async def take(self) -> list[bytes]:
        """Everything queued, waiting for the first item; raises SessionClosed behind the last."""
        while not self._items:
            if self._closed is not None:
                raise self._closed
            self._ready = trio.Event()
            await self._ready.wait()
        items, self._items = self._items, []
        self._bytes = self._update_bytes = 0
        self._tell_of_room()
        return items

    def _tell_of_room(self) -> None:
        if self.on_room is not None:
            on_room, self.on_room = self.on_room, None
            on_room()
