"""The fleet: one client for each user, at most so many online at once.

Whoever needs a user online *acquires* it and *releases* it afterwards; a user that somebody holds
stays online. With a cap a user that nobody holds may be taken offline when another needs its place:
the one that has been idle for longest. Its store stays, so that it goes on where it stopped and
catches up. Who finds no place waits in line; a place comes free since nobody holds a user longer
than a command takes.

The first time online registers the user, later times resume the same device.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from beamish.client import Client, MemoryStore, Settings, open_client
from beamish.client.transport import Transport, websocket_connector
from beamish.replay.lean_socket import connect_lean
from beamish.replay.ledger import Record

LONGEST_DISPLAY = 64
"""Code points of a display name."""

CLIENT_SETTINGS = Settings(
    backoff_first=0.1,
    backoff_cap=2.0,
    steady=1.0,
    connect_timeout=20.0,
    login_timeout=600.0,
    ping_after=30.0,
    ping_timeout=30.0,
    ack_delay=1.0,
)
"""A replay has thousands of clients in one process and wants them back soon after a restart."""

Receive = Callable[[str, Sequence[Record]], None]


class Connector:
    """The `connect` of all clients of a run; `reached`: when a node last took a connection.

    It is the cheap transport where that will do, and the client's own for TLS.
    """

    def __init__(self) -> None:
        self.reached = -math.inf
        self._secure = websocket_connector("msgpack")

    async def __call__(self, url: str, nursery: trio.Nursery) -> Transport:
        """Opens a transport to `url`. Raises TransportClosed."""
        opened: Transport
        if url.startswith("ws:"):
            opened = await connect_lean(url)
        else:
            opened = await self._secure(url, nursery)
        self.reached = trio.current_time()
        return opened


def display_name(nick: str, user: str) -> str:
    """`nick` as a display name: no control characters, no blanks at the ends, 64 at most."""
    shown = "".join(c if c.isprintable() or c > "\x9f" else "?" for c in nick)
    return shown.strip()[:LONGEST_DISPLAY].strip() or user


@dataclass(slots=True)
class Tally:
    """What the clients of a run met, summed over all of them."""

    refused: int = 0
    repeats: int = 0
    reconnects: int = 0

    def add(self, client: Client) -> None:
        """Counts a client that is about to end, or its state now."""
        self.refused += client.refusals
        self.repeats += client.repeats
        self.reconnects += client.reconnects


@dataclass(slots=True)
class _Seat:
    """One user's place in the fleet."""

    name: str
    display: str
    receive: Receive
    store: MemoryStore = field(default_factory=MemoryStore)
    lock: trio.Lock = field(default_factory=trio.Lock)
    client: Client | None = None
    leave: trio.Event | None = None
    gone: trio.Event | None = None
    holds: int = 0
    registered: bool = False


class Fleet:
    """Clients of all users; indexes are the plan's. Use it inside `nursery`, which ends with it.

    `opener` is `beamish.client.open_client`, or what stands for it in a test.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        urls: Sequence[str],
        *,
        capacity: int | None,
        password: str,
        source: random.Random,
        opener: Callable[..., Any] = open_client,
    ) -> None:
        self._nursery = nursery
        self._urls = tuple(urls)
        self._free = capacity
        self._password = password
        self._source = source
        self._opener = opener
        self._seats: list[_Seat] = []
        self._idle: dict[int, None] = {}
        self._line = trio.lowlevel.ParkingLot()
        self._ended = Tally()
        self.connector = Connector()

    def add(self, name: str, nick: str, receive: Receive) -> int:
        """The next user: `receive` gets its records. Returns the index."""
        self._seats.append(_Seat(name, display_name(nick, name), receive))
        return len(self._seats) - 1

    async def acquire(self, user: int) -> Client:
        """The user's client, online (though its connection may be lost at the moment), held."""
        seat = self._seats[user]
        seat.holds += 1
        self._idle.pop(user, None)
        try:
            async with seat.lock:
                if seat.client is None:
                    await self._place()
                    await self._open(seat)
        except BaseException:
            self.release(user)
            raise
        assert seat.client is not None
        return seat.client

    def release(self, user: int) -> None:
        """One `acquire` of the user is over."""
        seat = self._seats[user]
        seat.holds -= 1
        if not seat.holds and seat.client is not None:
            self._idle[user] = None
            self._line.unpark()

    def online(self) -> Iterator[Client]:
        """The clients that are open now."""
        return (seat.client for seat in self._seats if seat.client is not None)

    def tally(self) -> Tally:
        """Sums over all clients, those that ended included."""
        total = Tally(self._ended.refused, self._ended.repeats, self._ended.reconnects)
        for client in self.online():
            total.add(client)
        return total

    async def close(self) -> None:
        """Take everybody offline. Nobody may hold anybody."""
        while self._idle:
            await self._send_away(next(iter(self._idle)))

    async def _place(self) -> None:
        """Takes one of the places, sending the longest idle user offline when all are taken."""
        while self._free == 0:
            if self._idle:
                await self._send_away(next(iter(self._idle)))
            else:
                await self._line.park()
        if self._free is not None:
            self._free -= 1

    async def _send_away(self, user: int) -> None:
        del self._idle[user]
        seat = self._seats[user]
        assert seat.leave is not None
        assert seat.gone is not None
        seat.client = None
        seat.leave.set()
        await seat.gone.wait()

    async def _open(self, seat: _Seat) -> None:
        if seat.gone is not None:
            await seat.gone.wait()
        seat.leave, seat.gone = trio.Event(), trio.Event()
        await self._nursery.start(self._live, seat)
        if seat.registered:
            self._ended.reconnects += 1
        seat.registered = True

    async def _live(self, seat: _Seat, *, task_status: trio.TaskStatus[None]) -> None:
        leave, gone = seat.leave, seat.gone
        assert leave is not None
        assert gone is not None
        try:
            async with self._opener(
                self._urls,
                user=seat.name,
                password=self._password,
                register=not seat.registered,
                display=seat.display,
                store=seat.store,
                connect=self.connector,
                random=random.Random(self._source.getrandbits(64)),  # noqa: S311
                on_records=seat.receive,
                on_event=ignore_event,
                settings=CLIENT_SETTINGS,
            ) as client:
                seat.client = client
                task_status.started()
                await leave.wait()
                self._ended.add(client)
        finally:
            seat.client = None
            gone.set()
            if self._free is not None:
                self._free += 1
                self._line.unpark()


def ignore_event(_event: object) -> None:
    """Marks, receipts and connection changes are nothing to a replay."""
