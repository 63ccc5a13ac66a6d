"""What the runtime does in peace: casts, calls, supervised starts, memory of an idle actor.

Every actor here is supervised by a dynamic supervisor, every call carries a deadline, and crash
reports are on: the path that a program takes, nothing switched off. Work is driven from inside an
actor, as most work is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from actors import NO_REPLY, Actor, NoReply, Ref, Request, System, on, open_system
from actors.calling.reply import ReplyTo
from bench.machine import rss_bytes
from supervision import ChildSpec, DynamicSupervisor, StartChild

CALLERS = 100
"""Actors that call one at the same time."""
BATCH = 1_000
"""Casts between two confirmations; well inside the mailbox bound."""


@dataclass(frozen=True, slots=True)
class Bump:
    """A cast to count."""


@dataclass(frozen=True, slots=True)
class Total(Request[int]):
    """How many casts have been handled."""


@dataclass(frozen=True, slots=True)
class Casts(Request[float]):
    """Cast `count` messages at `target`; answered with the seconds until all are handled."""

    target: Ref
    count: int


@dataclass(frozen=True, slots=True)
class Calls(Request[float]):
    """Call `target` `count` times; answered with the seconds taken."""

    target: Ref
    count: int


@dataclass(frozen=True, slots=True)
class SharedCalls(Request[float]):
    """Have each of `callers` call `target` `each` times; answered with the seconds of all."""

    callers: tuple[Ref, ...]
    target: Ref
    each: int


@dataclass(frozen=True, slots=True)
class Go:
    """A cast to a driver: call `target` `each` times, then cast `Done` to `asker`."""

    asker: Ref
    target: Ref
    each: int


@dataclass(frozen=True, slots=True)
class Done:
    """A caller has made all its calls."""


@dataclass(frozen=True, slots=True)
class Starts(Request[float]):
    """Start `count` children under `supervisor`; answered with the seconds taken.

    All by the one `spec`, or each by a spec of its own.
    """

    supervisor: Ref
    count: int
    spec: ChildSpec | None = None


class Counter(Actor):
    """Counts what it is sent."""

    def __init__(self) -> None:
        self.count = 0

    @on(Bump)
    def bump(self, _: Bump) -> None:
        """Count one."""
        self.count += 1

    @on(Total)
    def total(self, _: Total) -> int:
        """Tell."""
        return self.count


class AsyncCounter(Actor):
    """Answers from an ``async def`` that does not wait."""

    @on(Total)
    async def total(self, _: Total) -> int:
        """Tell."""
        return 0


class Driver(Actor):
    """Sends the load, so that it comes from actor to actor."""

    def __init__(self) -> None:
        self.began = 0.0
        self.left = 0
        self.asked: ReplyTo[float] | None = None

    @on(Casts)
    async def casts(self, request: Casts) -> float:
        """Batches of casts, each confirmed by a call that can only be answered after them."""
        target, message = request.target, Bump()
        began = time.perf_counter()
        for _ in range(request.count // BATCH):
            for _ in range(BATCH):
                target.cast(message)
            await target.call(Total(), timeout=60.0)
        return time.perf_counter() - began

    @on(Calls)
    async def calls(self, request: Calls) -> float:
        """One call after another, each with OTP's default deadline."""
        target, message = request.target, Total()
        began = time.perf_counter()
        for _ in range(request.count):
            await target.call(message, timeout=5.0)
        return time.perf_counter() - began

    @on(SharedCalls)
    def shared_calls(self, request: SharedCalls) -> NoReply:
        """Set the callers going; the reply comes with the last `Done`."""
        self.asked, self.left = self.reply_to(), len(request.callers)
        self.began = time.perf_counter()
        for caller in request.callers:
            caller.cast(Go(self.ref, request.target, request.each))
        return NO_REPLY

    @on(Go)
    async def go(self, order: Go) -> None:
        """One call after another, beside all the other callers."""
        target, message = order.target, Total()
        for _ in range(order.each):
            await target.call(message, timeout=5.0)
        order.asker.cast(Done())

    @on(Done)
    def done(self, _: Done) -> None:
        """Answer when all are."""
        self.left -= 1
        if self.left == 0 and self.asked is not None:
            self.asked.reply(time.perf_counter() - self.began)

    @on(Starts)
    async def starts(self, request: Starts) -> float:
        """One acknowledged start after another."""
        spec = request.spec
        began = time.perf_counter()
        for number in range(request.count):
            start = StartChild(child(number) if spec is None else spec)
            await request.supervisor.call(start, timeout=5.0)
        return time.perf_counter() - began


def child(number: int) -> ChildSpec:
    """The spec of one counter."""
    return ChildSpec(id=number, actor=Counter, restart="temporary")


async def supervised(system: System) -> tuple[Ref, Ref, Ref]:
    """A dynamic supervisor, a driver and a counter, both its children."""
    supervisor = await system.spawn(DynamicSupervisor)
    driver = await supervisor.call(StartChild(ChildSpec(id="driver", actor=Driver)))
    counter = await supervisor.call(StartChild(child(0)))
    return supervisor, driver, counter


async def casts(count: int) -> dict[str, float]:
    """Casts from one actor to another; one counts when it has been handled."""
    async with open_system("bench") as system:
        _, driver, counter = await supervised(system)
        await driver.call(Casts(counter, BATCH), timeout=60.0)
        seconds = await driver.call(Casts(counter, count), timeout=600.0)
        handled = await counter.call(Total())
    if handled != count + BATCH:
        raise RuntimeError(f"{handled} of {count + BATCH} casts were handled.")
    return {"casts_per_s": count / seconds}


async def calls(count: int) -> dict[str, float]:
    """Calls with a deadline from one actor to another that is idle."""
    async with open_system("bench") as system:
        _, driver, counter = await supervised(system)
        await driver.call(Calls(counter, 1_000), timeout=60.0)
        seconds = await driver.call(Calls(counter, count), timeout=600.0)
    return {"calls_per_s": count / seconds}


async def async_calls(count: int) -> dict[str, float]:
    """Calls of an actor whose handler is an ``async def``."""
    async with open_system("bench") as system:
        supervisor, driver, _ = await supervised(system)
        spec = ChildSpec(id="async", actor=AsyncCounter)
        counter = await supervisor.call(StartChild(spec))
        await driver.call(Calls(counter, 1_000), timeout=60.0)
        seconds = await driver.call(Calls(counter, count), timeout=600.0)
    return {"async_calls_per_s": count / seconds}


async def shared_calls(count: int) -> dict[str, float]:
    """Calls of one actor by 100 at the same time."""
    async with open_system("bench") as system:
        supervisor, driver, counter = await supervised(system)
        spec = ChildSpec(id="caller", actor=Driver)
        callers = tuple([await supervisor.call(StartChild(spec)) for _ in range(CALLERS)])
        await driver.call(SharedCalls(callers, counter, 10), timeout=60.0)
        each = count // CALLERS
        seconds = await driver.call(SharedCalls(callers, counter, each), timeout=600.0)
    return {"shared_calls_per_s": each * CALLERS / seconds}


async def starts(count: int) -> dict[str, float]:
    """Acknowledged starts under a supervisor: init has run and the supervisor lists the child."""
    async with open_system("bench") as system:
        supervisor, driver, _ = await supervised(system)
        seconds = await driver.call(Starts(supervisor, count), timeout=600.0)
    return {"starts_per_s": count / seconds}


async def template_starts(count: int) -> dict[str, float]:
    """The same with one spec for all, as a simple_one_for_one supervisor of OTP has."""
    async with open_system("bench") as system:
        supervisor, driver, _ = await supervised(system)
        seconds = await driver.call(Starts(supervisor, count, child(0)), timeout=600.0)
    return {"template_starts_per_s": count / seconds}


async def memory(actors: int) -> dict[str, float]:
    """RSS growth by idle supervised actors that have each handled a message."""
    async with open_system("bench") as system:
        supervisor, driver, _ = await supervised(system)
        await driver.call(Starts(supervisor, 1_000), timeout=60.0)
        before = rss_bytes()
        refs = []
        for number in range(actors):
            ref = await supervisor.call(StartChild(child(1_000 + number)))
            ref.cast(Bump())
            refs.append(ref)
        for ref in refs:
            if await ref.call(Total()) != 1:
                raise RuntimeError("An actor has not handled its message.")
        grown = rss_bytes() - before
    return {"bytes_per_actor": grown / actors}
