"""A trace of one user: what that user's sessions receive and send, while an operator looks.

    async with tracing(node, "ada", seconds=60.0, texts=False) as trace:
        async for event in trace.events():
            print(event)            # {"at": ..., "session": 1, "way": "in", "name": "send", ...}

An event tells the name of a command or event, the id, the size in bytes, and the code of a refusal.
What people say to each other is in it only with `texts`, cut; passwords and tokens never are. It
ends by itself. At most `MOST_WAITING` events wait to be read, what comes above that is left out and
counted: whoever is traced is not held up. Sessions that log in meanwhile join. Off it costs a
session nothing but the look whether there is a tap.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from beamish.messenger.ids import USER_STREAM
from beamish.protocol import Item, ProtocolError, reply_id
from storage import Describe, Refused

if TYPE_CHECKING:
    from beamish.messenger.sessions.session_handle import SessionLink
    from beamish.node import Node

MOST_WAITING = 1_000
LONGEST = 3_600.0
"""Seconds that a trace may last."""

MOST_TEXTS = 5
LONGEST_TEXT = 200
DEEPEST = 6
"""Texts shown of one item, characters of each, and how deep they are looked for."""

Event = dict[str, Any]


class Trace:
    """The trace of one user. Made by `tracing`.

    `left_out`: events that nobody read in time.
    """

    def __init__(self, node: Node, *, texts: bool) -> None:
        self.left_out = 0
        self.sessions = 0
        self.texts = texts
        self._now_ms = node.environment.now_ms
        self._taps: list[SessionTap] = []
        self._send, self._receive = trio.open_memory_channel[Event](MOST_WAITING)

    def join(self, link: SessionLink) -> None:
        """Trace this session, too."""
        self.sessions += 1
        self._taps = [tap for tap in self._taps if not tap.over]
        tap = SessionTap(self, self.sessions, link)
        self._taps.append(tap)
        link.meter.tap = tap
        link.outbox.tap = tap.queued
        tap.note("joins", "session")

    def tell(self, event: Event) -> None:
        """An event for whoever reads."""
        try:
            self._send.send_nowait({"at": self._now_ms(), **event})
        except trio.WouldBlock:
            self.left_out += 1

    def begins(self) -> dict[str, Any]:
        """What is told first."""
        return {"sessions": self.sessions}

    def ends(self) -> dict[str, Any]:
        """What is told last."""
        return {"left_out": self.left_out}

    async def events(self) -> AsyncIterator[Event]:
        """The events as they happen, until the trace ends."""
        while True:
            yield await self._receive.receive()

    def end(self) -> None:
        """Let go of all sessions."""
        for tap in self._taps:
            tap.let_go()


class SessionTap:
    """What watches one session. Implements `beamish.messenger.traffic.Tap`."""

    def __init__(self, trace: Trace, number: int, link: SessionLink) -> None:
        self.over = False
        self._trace = trace
        self._number = number
        self._link = link

    def note(self, way: str, name: str, **more: object) -> None:
        """Tell something about this session."""
        self._trace.tell({"session": self._number, "way": way, "name": name, **more})

    def received(self, item: Item) -> None:
        """A command came."""
        codec = self._link.meter.codec
        size = 0 if codec is None else len(codec.encode(item))
        self.note("in", name_of(item), id=reply_id(item), bytes=size, **self._said(item))

    def queued(self, item: bytes) -> None:
        """An encoded item goes to the client."""
        read = self._read(item)
        if "event" in read:
            self.note("out", str(read["event"]), bytes=len(item), **self._said(read))
            return
        number = reply_id(read)
        command = self._link.meter.name_of(number)
        refusal = read.get("error")
        more = {"refusal": refusal["code"]} if isinstance(refusal, dict) else {}
        name = f"reply to {command or 'a command'}"
        self.note("out", name, id=number, bytes=len(item), **more, **self._said(read))

    def ended(self) -> None:
        """The session is over."""
        self.note("ends", "session")
        self.let_go()

    def let_go(self) -> None:
        """Watch no longer."""
        self.over = True
        self._link.meter.tap = None
        self._link.outbox.tap = None

    def _read(self, item: bytes) -> Item:
        codec = self._link.meter.codec
        if codec is None:
            return {"event": "unreadable"}
        try:
            return codec.decode(codec.to_wire(codec.array([item])))[0]
        except ProtocolError:  # larger than what clients may send
            return {"event": "large"}

    def _said(self, item: Item) -> dict[str, object]:
        if not self._trace.texts:
            return {}
        found = [text[:LONGEST_TEXT] for text in texts_of(item, DEEPEST)]
        return {"texts": found[:MOST_TEXTS]} if found else {}


def name_of(item: Item) -> str:
    """A command's name, if it has the form of one."""
    name = item.get("command")
    return name[:40] if type(name) is str else "no command"


def texts_of(value: object, depth: int) -> Iterator[str]:
    """What people have written, wherever it stands in an item."""
    if depth and isinstance(value, dict):
        for key, inner in value.items():
            if key == "text" and type(inner) is str:
                yield inner
            else:
                yield from texts_of(inner, depth - 1)
    elif depth and isinstance(value, list):
        for inner in value:
            yield from texts_of(inner, depth - 1)


@asynccontextmanager
async def tracing(node: Node, user: str, *, seconds: float, texts: bool) -> AsyncIterator[Trace]:
    """Trace `user` until the block ends, or `seconds` are over: then the block is left.

    Raises:
        ValueError: there is no such user, somebody traces it already, the time is out of range.
    """
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"a trace lasts up to {LONGEST:.0f} s, not {seconds:g} s")
    described = await node.journal.perform(Describe((USER_STREAM + user,)))
    if isinstance(described, Refused):
        raise ValueError(described.message)  # noqa: TRY004
    if not described.streams[0].version:
        raise ValueError(f"there is no user {user}")
    connections = node.environment.connections
    if user in connections.watchers:
        raise ValueError(f"{user} is traced already: one trace at a time")
    trace = Trace(node, texts=texts)
    connections.watchers[user] = trace.join
    try:
        for link in connections.links_of(user):
            trace.join(link)
        with trio.move_on_after(seconds):
            yield trace
    finally:
        del connections.watchers[user]
        trace.end()
