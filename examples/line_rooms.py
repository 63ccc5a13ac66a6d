"""A chat over plain TCP lines, in trio: one supervised actor for each connection and each room.

    python examples/line_rooms.py 7000          then, several times: nc 127.0.0.1 7000

`/join ROOM` enters a room, `/boom` crashes it, all else is said in it. A connection, a `TaskActor`,
is never restarted. A room is, empty, and its members are told, since they monitor it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass

import trio

from actors import Actor, AlreadyStarted, Down, Ref, Registry, TaskActor, on, open_system
from supervision import Budget, ChildSpec, DynamicSupervisor, StartChild, Supervisor


@dataclass(frozen=True, slots=True)
class Join:
    """To a room: this connection wants to hear it."""

    member: Ref


@dataclass(frozen=True, slots=True)
class Say:
    """To a room: tell everybody. To a connection: print it."""

    text: str


class Room(Actor):
    """Knows who is in it, and tells them what is said."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[Ref, None] = {}

    @on(Join)
    def join(self, message: Join) -> None:
        """Watch the new member: its end is as good as leaving."""
        self.monitor(message.member)
        self.members[message.member] = None
        message.member.cast(Say(f"{self.name} has {len(self.members)}"))

    @on(Say)
    def say(self, message: Say) -> None:
        """Tell everybody, or crash if asked to."""
        if message.text.endswith(": /boom"):
            raise RuntimeError("somebody said the word")
        for member in self.members:
            member.cast(message)

    @on(Down)
    def left(self, message: Down) -> None:
        """A connection has ended."""
        self.members.pop(message.ref, None)


class Connection(TaskActor):
    """One client: reads lines from its socket and writes what its room says."""

    def __init__(self, stream: trio.SocketStream, rooms: Registry) -> None:
        self.stream, self.rooms = stream, rooms
        self.room: Ref | None = None

    async def run(self) -> None:
        """Messages one after the other, until the client goes."""
        async with self.stream, trio.open_nursery() as nursery:
            nursery.start_soon(self.read, nursery.cancel_scope)
            while True:
                await self.dispatch(await self.receive())

    async def read(self, scope: trio.CancelScope) -> None:
        """Bytes into lines, each a message to this actor."""
        rest = b""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while len(rest) < 1024 and (chunk := await self.stream.receive_some()):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self.ref.cast(line.decode(errors="replace").strip())
        scope.cancel()

    @on(str)
    async def heard(self, line: str) -> None:
        """A line of the client: a command, or something to say."""
        if line.startswith("/join "):
            await self.enter(line.removeprefix("/join "))
        elif self.room is None:
            await self.show(Say("join a room first: /join NAME"))
        else:
            self.room.cast(Say(f"{self.ref.number}: {line}"))

    async def enter(self, name: str) -> None:
        """Find the room, or have it started."""
        keeper = self.system.whereis("rooms")
        if self.rooms.whereis(name) is None and keeper is not None:
            spec = ChildSpec(name, Room, (name,), name=self.rooms.via(name))
            with suppress(AlreadyStarted):  # somebody else was faster
                await keeper.call(StartChild(spec))
        self.room = self.rooms.whereis(name)
        if self.room is not None:
            self.monitor(self.room)
            self.room.cast(Join(self.ref))

    @on(Say)
    async def show(self, message: Say) -> None:
        """Write a line to the client."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.stream.send_all(message.text.encode() + b"\n")

    @on(Down)
    async def room_ended(self, message: Down) -> None:
        """The room has crashed; its next incarnation knows nobody."""
        if message.ref is self.room:
            self.room = None
            await self.show(Say("the room fell apart; join again"))


async def main(port: int) -> None:
    """Serve until Ctrl-C; then everything stops in order."""
    budget = {"child_budget": Budget(3, 5.0)}  # a room that keeps crashing ends alone
    keepers = [
        ChildSpec("rooms", DynamicSupervisor, kwargs=budget, name="rooms"),
        ChildSpec("connections", DynamicSupervisor, name="connections"),
    ]
    async with open_system("rooms") as system:
        rooms = Registry(system, "rooms")
        await system.spawn(Supervisor, keepers)

        async def accept(stream: trio.SocketStream) -> None:
            if (keeper := system.whereis("connections")) is not None:
                spec = ChildSpec("connection", Connection, (stream, rooms), restart="temporary")
                await system.join(await keeper.call(StartChild(spec)))

        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        print("listening on", listeners[0].socket.getsockname()[1], flush=True)
        await trio.serve_listeners(accept, listeners)


if __name__ == "__main__":
    try:
        trio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 7000)
    except* KeyboardInterrupt:  # alone or in a group, wherever it struck
        pass
