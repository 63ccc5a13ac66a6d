"""What users of state machines, the stash and selective receive see of the types; never run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_type

from actors import Actor, NoReply, Request, StateMachine, TaskActor, TimerRef, on, on_enter


class Door(Enum):
    OPEN = 1
    CLOSED = 2


@dataclass(frozen=True, slots=True)
class Push(Request[bool]):
    pass


@dataclass(frozen=True, slots=True)
class Slam:
    pass


class Machine(StateMachine[Door]):
    initial_state = Door.CLOSED

    @on(Push, state=Door.CLOSED)
    def push(self, request: Push) -> bool:
        self.next_state(Door.OPEN)
        self.next_state("open")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert_type(self.state, Door)
        return True

    @on(Push, state=Door.OPEN)
    async def pushed(self, request: Push) -> bool | NoReply:
        return self.postpone()

    @on(Slam, state=Door.OPEN)
    @on(Slam, state=Door.CLOSED)
    def slam(self, message: Slam) -> None:
        self.set_state_timeout(1.0, Slam())

    @on_enter(Door.OPEN, Door.CLOSED)
    def entered(self, old: Door) -> None:
        assert_type(self.timers.get("key"), TimerRef | None)


class Stashing(Actor):
    @on(Push)
    def push(self, request: Push) -> bool | NoReply:
        assert_type(self.cancel_timer("key"), float | None)
        return self.stash()


class Receiving(TaskActor):
    async def run(self) -> None:
        assert_type(await self.receive(Slam), Slam)
        assert_type(await self.receive(Slam, Push), Slam | Push)
