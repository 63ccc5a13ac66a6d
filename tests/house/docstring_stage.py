"""What the examples in docstrings take for granted: actors and messages that anybody would have.

`names` is what an example sees besides the public names of the packages. Each docstring has a
stage of its own. A new example that takes something else for granted adds it here.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import trio

import actors
import supervision
from actors import Actor, Ref, Request, System, on
from actors import testing as kit


@dataclass(frozen=True, slots=True)
class Add(Request[int]):
    amount: int


@dataclass(frozen=True, slots=True)
class Count(Request[int]):
    pass


@dataclass(frozen=True, slots=True)
class Numbered:
    id: int = 7
    count: int = 2
    ref: Ref | None = None


class Joined(Numbered):
    pass


class Flush(Numbered):
    pass


class Changed(Numbered):
    pass


class GetPrice(Request[int]):
    pass


@dataclass(frozen=True, slots=True)
class Join:
    ref: Ref


class Said(str):
    __slots__ = ()


class Worker(Actor):
    """Takes whatever arguments the example gives it."""

    def __init__(self, *args: Any) -> None:
        self.value = args[0] if args and isinstance(args[0], int) else 0

    @on(Add)
    def add(self, request: Add) -> int:
        self.value += request.amount
        return self.value

    @on(Count)
    def count(self, _: Count) -> int:
        return self.value

    @on(Flush)
    def flush(self, _: Flush) -> None:
        self.value = 0


class Session(Actor):
    def __init__(self, user: str = "nobody") -> None:
        self.user = user

    def init(self) -> None:
        self.send_after(3600.0, "expired")

    @on(str)
    def expired(self, _: str) -> None:
        self.stop()


class Room(Actor):
    @on(Join)
    def join(self, message: Join) -> None:
        message.ref.cast(Joined())


class Service(Actor):
    """Does to its subscriber what the example of the probe expects."""

    @on(Join)
    async def subscribed(self, message: Join) -> None:
        for news in (Joined(), Joined()):
            message.ref.cast(news)
        await self.sleep(1.0)
        for news in (Flush(), Changed()):
            message.ref.cast(news)
        await message.ref.call(GetPrice())
        raise ValueError("on purpose")


IN_AN_ACTOR = {"actors.naming.aliases", "actors.naming.groups", "actors.naming.registry"}
"""Modules whose examples are code of an actor, `self`."""


@dataclass(frozen=True, slots=True)
class Play(Request[None]):
    example: Callable[[], Awaitable[None]]


class Player(Actor):
    """Runs examples as code of its own."""

    def __init__(self, names: dict[str, Any]) -> None:
        names["self"] = self

    @on(Play)
    async def play(self, request: Play) -> None:
        await request.example()


def subscribe(ref: Ref | None = None, reply_to: Ref | None = None) -> Join:
    found = ref or reply_to
    assert found is not None
    return Join(found)


async def fetch(url: str) -> str:
    await trio.lowlevel.checkpoint()
    return f"page of {url}"


async def names(system: System) -> dict[str, Any]:
    """The stage for one example."""
    found: dict[str, Any] = {}
    for package in (actors, supervision, kit):
        found |= {name: getattr(package, name) for name in package.__all__}
    found |= dict.fromkeys(("Counter", "Cache", "Store", "Janitor", "Gate"), Worker)
    found |= dict.fromkeys(("Query", "Row", "Connected", "Push", "Close", "Enter"), Numbered)
    refs = [await system.spawn(Worker) for _ in range(5)]
    return found | {
        "Add": Add,
        "Changed": Changed,
        "Count": Count,
        "Flush": Flush,
        "GetPrice": GetPrice,
        "Join": Join,
        "Joined": Joined,
        "Room": Room,
        "Said": Said,
        "Save": Flush,
        "Session": Session,
        "Subscribe": subscribe,
        "Subscribed": Joined,
        "address": "ann@example.org",
        "dataclass": dataclass,
        "fetch": fetch,
        "json": json,
        "one": refs[0],
        "ref": refs[1],
        "self": system,
        "send_mail": fetch,
        "server": refs[0],
        "service": await system.spawn(Service),
        "shards": refs[2:],
        "spec": supervision.ChildSpec("session", Session),
        "total": 0,
        "trio": trio,
        "two": refs[4],
        "url": "one",
        "urls": ["one", "two"],
        "user": "ann",
        "value": 1,
    }
