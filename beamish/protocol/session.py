"""The one interface between a connection and its session.

The gateway knows a session only as a `SessionHandle`, a session knows nothing of sockets. So a
connection that somebody else's server accepted, or a client of the simulator, joins here too.

    handle = node.open_session(codec, peer)
    ... receive(item) for every decoded item, from one task, in order
    ... take() in another, until it raises SessionClosed
    await handle.disconnected()            # always, once
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NamedTuple, Protocol

from beamish.protocol.codec import Codec, Item
from beamish.protocol.errors import CloseCode


class SessionClosed(Exception):
    """The session wants its connection closed, with this code and reason (at most 120 bytes)."""

    def __init__(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = int(code)
        self.reason = reason


class Vouched(NamedTuple):
    """The user whom whoever accepted a connection has found to be at its other end.

    `display` is the name to show if that user is new here; `system` says that it is the node's own
    program.
    """

    user: str
    display: str
    system: bool = False


class SessionHandle(Protocol):
    """A session as its connection sees it. All methods belong to the thread of the node."""

    @property
    def authenticated(self) -> bool:
        """Whether a login succeeded; until then the gateway's login timeout runs."""
        ...

    @property
    def logging_in(self) -> bool:
        """Whether a login is being looked at; meanwhile the login timeout stands still."""
        ...

    async def receive(self, item: Item) -> None:
        """Take one decoded item; waits while the session has too much in hand.

        Raises:
            SessionClosed: it takes no more.
        """
        ...

    async def take(self) -> list[bytes]:
        """Wait for and take what is queued for this connection: encoded items, one or more.

        Raises:
            SessionClosed: after the last item that is to be sent was taken.
        """
        ...

    async def disconnected(self) -> None:
        """The connection is gone; nothing more will be received or taken."""
        ...


class NodeLike(Protocol):
    """What the gateway needs of a node."""

    def open_session(
        self, codec: Codec, peer: str, vouched: Vouched | None = None
    ) -> SessionHandle | Awaitable[SessionHandle]:
        """A new session that speaks through `codec`; `peer` is the address, for logs and limits.

        Only the user of `vouched` may log in on it, and needs no password; None: all may who can.

        Raises:
            Refusal: the node takes no sessions now.
        """
        ...

    def ready(self) -> bool:
        """Whether the node takes new sessions."""
        ...
