"""What users of `actors` see of the types; checked by mypy --strict and by pyright, never run.

A request type declares its reply type: the call is typed by it, and so is the handler. What must not
type-check carries an ignore for each tool, and both report an ignore that nothing needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

from actors import NO_REPLY, Actor, NoReply, Ref, ReplyTo, Request, System, on, open_system
from supervision import (
    ChildCounts,
    ChildSpec,
    CountChildren,
    DynamicSupervisor,
    StartChild,
    Supervisor,
)


@dataclass(frozen=True, slots=True)
class Add(Request[int]):
    amount: int


@dataclass(frozen=True, slots=True)
class Names(Request[tuple[str, ...]]):
    pass


@dataclass(frozen=True, slots=True)
class Reset:
    pass


class Counter(Actor):
    def __init__(self, start: int) -> None:
        self.value = start

    @on(Add)
    def add(self, request: Add) -> int:
        return self.value + request.amount

    @on(Names)
    async def names(self, request: Names) -> tuple[str, ...]:
        return ("a", "b")

    @on(Reset)
    def reset(self, message: Reset) -> None:
        self.value = 0


class Deferred(Actor):
    @on(Add)
    def add(self, request: Add) -> NoReply:
        reply: ReplyTo[int] = self.reply_to()
        reply.reply(request.amount)
        return NO_REPLY


class Deciding(Actor):
    @on(Add)
    async def add(self, request: Add) -> int | NoReply:
        return request.amount or NO_REPLY

    @on(Names)
    def names(self, request: Request[tuple[str, ...]]) -> tuple[str, ...]:
        return ()


class Wrong(Actor):
    @on(Add)  # type: ignore[arg-type]  # pyright: ignore
    def add(self, request: Add) -> str:
        return "not an int"

    @on(Names)  # type: ignore[arg-type]  # pyright: ignore
    async def names(self, request: Names) -> str:
        return "no tuple"

    @on(Reset)  # type: ignore[arg-type]  # pyright: ignore
    def reset(self, message: Reset) -> int:
        return 0


class NothingForAnAnswer(Actor):
    @on(Add)  # type: ignore[arg-type]  # pyright: ignore
    def add(self, request: Add) -> None:
        pass

    @on(Names)  # type: ignore[arg-type]  # pyright: ignore
    def names(self, request: Names) -> str | NoReply:
        return NO_REPLY


class WrongParameters(Actor):
    @on(Add)  # type: ignore[arg-type]  # pyright: ignore
    def add(self) -> int:
        return 0

    @on(Names)  # type: ignore[arg-type]  # pyright: ignore
    def names(self, request: Names, other: int) -> tuple[str, ...]:
        return ()

    @on(Reset)  # type: ignore[arg-type]  # pyright: ignore
    def reset(self, message: Add) -> None:
        pass


async def calls(ref: Ref) -> None:
    assert_type(await ref.call(Add(1)), int)
    assert_type(await ref.call(Names(), timeout=1.0), tuple[str, ...])
    assert_type(ref.cast(Reset()), None)
    await ref.call(Reset())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def system() -> None:
    async with open_system("types") as system:
        assert_type(system, System)
        found: Ref | None = system.whereis("name")
        assert_type(found is None, bool)
        spec = ChildSpec("counter", Counter, (5,))
        supervisor = await system.spawn(Supervisor, [spec], strategy="one_for_one")
        dynamic = await system.spawn(DynamicSupervisor)
        assert_type(await dynamic.call(StartChild(spec)), Ref)
        assert_type(await supervisor.call(CountChildren()), ChildCounts)


async def kept(system: System) -> list[object]:
    """Where any object will do, as for print, a call is what it is elsewhere."""
    counter = await system.spawn(Counter, 0)
    things: list[object] = [await counter.call(Names())]
    things.append(await counter.call(Add(1)))
    return things
