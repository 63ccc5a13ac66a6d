"""Messages and actors that the runtime's tests share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import trio

from actors import Actor, Down, Exit, Ref, Request, on


@dataclass(frozen=True, slots=True)
class Add(Request[int]):
    amount: int


@dataclass(frozen=True, slots=True)
class Get(Request[Any]):
    pass


@dataclass(frozen=True, slots=True)
class Note:
    value: Any


@dataclass(frozen=True, slots=True)
class Do(Request[Any]):
    """Have the actor run `function(actor)`; its result (awaited if need be) is the reply."""

    function: Any


@dataclass(frozen=True, slots=True)
class DoSync(Request[Any]):
    """The same in a plain `def` handler."""

    function: Any


class Worker(Actor):
    """Runs what it is told to and records everything else that it gets."""

    def __init__(self, *, trap: bool = False, log: list[Any] | None = None) -> None:
        self.trap_exit = trap
        self.seen: list[Any] = []
        self.log = [] if log is None else log

    def terminate(self, reason: Any) -> None:
        self.log.append(("terminate", reason))

    @on(Do)
    async def do(self, request: Do) -> Any:
        result = request.function(self)
        return await result if hasattr(result, "__await__") else result

    @on(DoSync)
    def do_sync(self, request: DoSync) -> Any:
        return request.function(self)

    @on(Add)
    def add(self, request: Add) -> int:
        return request.amount + 1

    @on(Get)
    def get(self, request: Get) -> Any:
        return list(self.seen)

    @on(Note)
    def note(self, message: Note) -> None:
        self.seen.append(message.value)

    @on(Down)
    def down(self, message: Down) -> None:
        self.seen.append(message)

    @on(Exit)
    def exited(self, message: Exit) -> None:
        self.seen.append(message)


def seen(ref: Ref) -> list[Any]:
    """What the worker has recorded, without disturbing it."""
    return ref.actor.seen  # type: ignore[attr-defined]


async def checkpoint(me: Actor) -> None:
    """For `Do`: binds the actor for a moment."""
    await trio.lowlevel.checkpoint()


async def sleep_in_trio(me: Actor) -> None:
    """For `Do`: binds the actor for a while."""
    await trio.sleep(0.001)
