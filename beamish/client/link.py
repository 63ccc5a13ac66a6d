"""One connection as the client sees it: request ids, what awaits an answer, and its end.

Whoever asks registers an answerer: called exactly once, with the node's reply or refusal, in the
reader's turn, before anything that came later is looked at; or never, when the link ends first (the
owners of what was outstanding are told so by the connection).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import trio

from beamish.client.errors import TransportClosed, error_from
from beamish.client.transport import Transport
from beamish.client.wire import Item, Wire

Answerer = Callable[[Item], None]


class Link:
    """A connection.

    `frames`: how many came, `heard`: when the last did. `logged_in`: a node has said who this is.
    `closed`: what ended it, None before.
    """

    __slots__ = (
        "_answerers",
        "_next_id",
        "_scope",
        "_wake",
        "closed",
        "frames",
        "heard",
        "logged_in",
        "opened",
        "transport",
        "url",
        "wire",
    )

    def __init__(self, url: str, transport: Transport, wire: Wire) -> None:
        self.url = url
        self.transport = transport
        self.wire = wire
        self.opened = self.heard = trio.current_time()
        self.closed: TransportClosed | None = None
        self.logged_in = False
        self.frames = 0
        self._answerers: dict[int, Answerer] = {}
        self._next_id = 0
        self._wake = trio.Event()
        self._scope: trio.CancelScope | None = None

    def request(self, answerer: Answerer) -> int:
        """The id for a command whose answer goes to `answerer`."""
        self._next_id += 1
        self._answerers[self._next_id] = answerer
        return self._next_id

    def answer(self, item: Item) -> None:
        """Hand a reply or refusal to who asked."""
        answerer = self._answerers.pop(item["id"], None) if item["id"] is not None else None
        if answerer is not None:
            answerer(item)

    def close(self, reason: TransportClosed) -> None:
        """Note that the connection has ended; the first reason stays."""
        if self.closed is None:
            self.closed = reason
        self._wake.set()

    def wake(self) -> None:
        """There is something to write, or to look at."""
        self._wake.set()

    def wake_by(self, deadline: float) -> None:
        """As `wake`, but not before `deadline` on trio's clock; costs no turn of the waiter."""
        scope = self._scope
        if scope is not None and deadline < scope.deadline:
            scope.deadline = deadline

    async def wait(self, deadline: float) -> None:
        """Until `wake` or `close`, or until `deadline` on trio's clock."""
        with trio.move_on_at(deadline) as self._scope:
            await self._wake.wait()
        self._scope = None
        if self.closed is None:
            self._wake = trio.Event()

    async def write(self, items: list[bytes], patience: float) -> None:
        """Write encoded items as one frame.

        Raises:
            TransportClosed: the connection has ended, or took longer than `patience` seconds.
        """
        with trio.move_on_after(patience) as scope:
            await self.transport.send(self.wire.join(items))
        if scope.cancelled_caught:
            raise TransportClosed(f"the node took nothing for {patience:g} s")


class Exchange:
    """Commands of the handshake: several in one frame, their answers awaited one by one.

    Waits by the link's wake-up, so only while nobody else writes.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._items: list[bytes] = []
        self._answers: dict[int, Item] = {}

    def add(self, command: str, *, then: Answerer | None = None, **fields: Any) -> int:
        """Add a command to the frame; `then` sees its answer in the reader's turn."""
        link = self._link

        def answered(item: Item) -> None:
            self._answers[item["id"]] = item
            if then is not None:
                then(item)
            link.wake()

        request = link.request(answered)
        self._items.append(link.wire.encode({"id": request, "command": command, **fields}))
        return request

    def note_login(self, item: Item) -> None:
        """See the answer to what logs in."""
        self._link.logged_in = self._link.logged_in or "ok" in item

    async def send(self, patience: float) -> None:
        """Write what was added."""
        items, self._items = self._items, []
        await self._link.write(items, patience)

    async def answer(self, request: int) -> dict[str, Any]:
        """The `ok` map of a command.

        Raises:
            CommandError: it was refused.
            TransportClosed: the connection ended first.
        """
        link = self._link
        while request not in self._answers:
            if link.closed is not None:
                raise link.closed
            await link.wait(math.inf)
        item = self._answers.pop(request)
        if "ok" not in item:
            raise error_from(item["error"])
        ok: dict[str, Any] = item["ok"]
        return ok
