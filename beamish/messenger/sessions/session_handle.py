"""A session as its connection sees it: the node's side of `beamish.protocol.session`.

The connection's tasks are plain trio tasks; the session is an actor. Items go to its mailbox, at
most `session_in_hand` unanswered, and only while there is room for answers; else `receive` waits,
so backpressure reaches the socket. The other task goes on taking meanwhile, which makes the room.
"""

from __future__ import annotations

import trio

from actors import Ref
from beamish.messenger.messages import ClientItem, Disconnected
from beamish.messenger.sessions.outbox import Outbox
from beamish.messenger.traffic import Meter, Traffic
from beamish.protocol import Item
from beamish.protocol.session import SessionClosed


class SessionLink:
    """What a session and its connection share. Implements `SessionHandle`."""

    def __init__(self, outbox: Outbox, in_hand: int, meter: Meter | None = None) -> None:
        self.outbox = outbox
        self.meter = Meter(Traffic()) if meter is None else meter
        self.authenticated = False
        self.logging_in = False
        self.lost = False
        """Whether the connection is gone, of which the session may not have heard yet."""
        self.in_hand = 0
        """Items received and not yet finished."""
        self.hints = 0
        """Hints about presence and typing in the session's mailbox."""
        self.head_told = False
        """Whether the session was told of the inbox's version and has not looked yet."""
        self._bound = in_hand
        self._room = trio.Event()
        self._session: Ref | None = None

    def bind(self, session: Ref) -> None:
        """Set the session that stands behind this handle."""
        self._session = session

    def begun(self) -> None:
        """A command goes on after its item was handled: it stays in hand."""
        self.in_hand += 1

    def finished(self) -> None:
        """The session has done with one item."""
        self.in_hand -= 1
        self._room.set()

    def gone(self) -> None:
        """The session has ended: let nobody wait for it."""
        self.in_hand = 0
        self._room.set()

    async def receive(self, item: Item) -> None:
        """Hand one decoded item to the session; raises SessionClosed when it takes no more."""
        outbox = self.outbox
        while (self.in_hand >= self._bound or not outbox.takes_commands) and not outbox.closed:
            if self._room.is_set():
                self._room = trio.Event()
            await self._room.wait()
        if outbox.closed:
            raise SessionClosed
        self.in_hand += 1
        self.meter.received(item)
        assert self._session is not None
        self._session.cast(ClientItem(item))

    async def take(self) -> list[bytes]:
        """See `Outbox.take`."""
        try:
            return await self.outbox.take()
        finally:
            self._room.set()

    async def disconnected(self) -> None:
        """Tell the session that nobody listens any more."""
        self.lost = True
        if self._session is not None:
            self._session.cast(Disconnected())
