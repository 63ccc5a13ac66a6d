"""The runtime's figures: casts, calls, supervised starts, memory of an idle actor.

Every actor here is supervised by a dynamic supervisor, every call carries a deadline, and crash
reports are on: the path that a program takes, nothing switched off. Work is driven from inside an
actor, as most work is. The peer is what one would write on bare trio: a task and a memory channel
for each "actor".
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from actors import Actor, Ref, Request, System, on, open_system
from bench.harness import Figure, Run
from bench.machine import rss_bytes
from supervision import ChildSpec, DynamicSupervisor, StartChild

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
class Starts(Request[float]):
    """Start `count` children under `supervisor`; answered with the seconds taken."""

    supervisor: Ref
    count: int


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


class Driver(Actor):
    """Sends the load, so that it comes from actor to actor."""

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

    @on(Starts)
    async def starts(self, request: Starts) -> float:
        """One acknowledged start after another."""
        began = time.perf_counter()
        for number in range(request.count):
            await request.supervisor.call(StartChild(child(number)), timeout=5.0)
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


async def starts(count: int) -> dict[str, float]:
    """Acknowledged starts under a supervisor: init has run and the supervisor lists the child."""
    async with open_system("bench") as system:
        supervisor, driver, _ = await supervised(system)
        seconds = await driver.call(Starts(supervisor, count), timeout=600.0)
    return {"starts_per_s": count / seconds}


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


PEER = "bench.runtime_peers"
RUNS = (
    Run(
        "casts",
        "bench.runtime:casts",
        (Figure("casts_per_s", "1/s", "higher", "casts, counted when handled"),),
        full={"count": 1_000_000},
        quick={"count": 20_000},
        peers={"trio channel": f"{PEER}:casts"},
    ),
    Run(
        "calls",
        "bench.runtime:calls",
        (Figure("calls_per_s", "1/s", "higher", "calls with a deadline to an idle actor"),),
        full={"count": 300_000},
        quick={"count": 5_000},
        peers={"trio channel": f"{PEER}:calls"},
    ),
    Run(
        "starts",
        "bench.runtime:starts",
        (Figure("starts_per_s", "1/s", "higher", "supervised starts, init has run"),),
        full={"count": 30_000},
        quick={"count": 1_000},
        peers={"trio nursery": f"{PEER}:starts"},
    ),
    Run(
        "memory",
        "bench.runtime:memory",
        (
            Figure(
                "bytes_per_actor",
                "bytes",
                "lower",
                "RSS growth by an idle supervised actor that handled a message",
            ),
        ),
        full={"actors": 100_000},
        quick={"actors": 5_000},
        peers={"trio task": f"{PEER}:memory"},
        rounds=3,
    ),
)
