"""The runtime's figures of failure: one restart, a storm of crashes, an ordered stop.

Crash and supervisor reports are on, as a program has them by default: made for each crash that is
logged, at most five a second, to the standard logger. The peer's logger is off, which is the
fastest it can be.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import trio

from actors import NO_REPLY, Actor, NoReply, Ref, Request, on, open_system
from actors.calling.reply import ReplyTo
from bench.harness import Bar, Comparison, Figure, Run
from bench.peers import OTP
from supervision import (
    ChildSpec,
    CountChildren,
    DynamicSupervisor,
    StartChild,
    Supervisor,
    TerminateChild,
)

ANY_NUMBER = 1_000_000_000
"""Restarts allowed: the budget is kept and checked, and never exceeded."""
RESTARTS = 200
"""Few, since OTP looks through all restarts of the last second at each, which is not meant here."""


@dataclass(frozen=True, slots=True)
class Crash:
    """A cast: raise."""


@dataclass(frozen=True, slots=True)
class First:
    """The first message of each incarnation, cast by its `init`."""


@dataclass(frozen=True, slots=True)
class Served:
    """The incarnation `ref` has served its first message, at `at` of `time.perf_counter`."""

    ref: Ref
    at: float


@dataclass(frozen=True, slots=True)
class Ready(Request[bool]):
    """Whether the actor handles messages."""


@dataclass(frozen=True, slots=True)
class Restarts(Request[list[float]]):
    """Crash the fragile actor so many times; answered with the seconds of each restart."""

    times: int


class Fragile(Actor):
    """Raises when told to; its next incarnation tells the crasher that it serves."""

    raised_at = 0.0

    def __init__(self, crasher: Ref) -> None:
        self.crasher = crasher

    def init(self) -> None:
        """Send the first message."""
        self.ref.cast(First())

    @on(First)
    def first(self, _: First) -> None:
        """Serve it."""
        self.crasher.cast(Served(self.ref, time.perf_counter()))

    @on(Crash)
    def crash(self, _: Crash) -> None:
        """Raise."""
        Fragile.raised_at = time.perf_counter()
        raise RuntimeError("told to crash")

    @on(Ready)
    def ready(self, _: Ready) -> bool:
        """It does."""
        return True


class Crasher(Actor):
    """Crashes one actor again and again, the next time when the last restart is over."""

    def __init__(self) -> None:
        self.target: Ref | None = None
        self.left = 0
        self.taken: list[float] = []
        self.asked: ReplyTo[list[float]] | None = None

    @on(Restarts)
    def restarts(self, request: Restarts) -> NoReply:
        """Begin; the reply comes after the last restart."""
        self.asked, self.left = self.reply_to(), request.times
        assert self.target is not None
        self.target.cast(Crash())
        return NO_REPLY

    @on(Served)
    def served(self, message: Served) -> None:
        """Note how long it took, and crash the next incarnation."""
        self.target = message.ref
        if self.asked is None:
            return
        self.taken.append(message.at - Fragile.raised_at)
        self.left -= 1
        if self.left:
            message.ref.cast(Crash())
        else:
            self.asked.reply(self.taken)


class Mortal(Actor):
    """Raises when told to; counts its incarnations, all of them together."""

    born = 0

    def init(self) -> None:
        """Count."""
        Mortal.born += 1

    @on(Crash)
    def crash(self, _: Crash) -> None:
        """Raise."""
        raise RuntimeError("told to crash")


class Idle(Actor):
    """Does nothing until it is stopped."""


async def restart(times: int) -> dict[str, float]:
    """The median time from raising to the first message that the next incarnation has served."""
    async with open_system("bench") as system:
        supervisor = await system.spawn(DynamicSupervisor, intensity=ANY_NUMBER, period=1.0)
        crasher = await supervisor.call(StartChild(ChildSpec("crasher", Crasher)))
        fragile = await supervisor.call(StartChild(ChildSpec("fragile", Fragile, (crasher,))))
        await fragile.call(Ready())
        taken = await crasher.call(Restarts(times), timeout=600.0)
    return {"restart_us": statistics.median(taken) * 1e6}


async def crash_storm(children: int) -> dict[str, float]:
    """From the first of the crashes until the supervisor counts all children again."""
    async with open_system("bench") as system:
        supervisor = await system.spawn(DynamicSupervisor, intensity=ANY_NUMBER, period=1.0)
        spec = ChildSpec("mortal", Mortal)
        refs = [await supervisor.call(StartChild(spec)) for _ in range(children)]
        began = time.perf_counter()
        for ref in refs:
            ref.cast(Crash())
        while Mortal.born < 2 * children:
            await trio.sleep(0.001)
        counts = await supervisor.call(CountChildren())
        seconds = time.perf_counter() - began
    if counts.active != children:
        raise RuntimeError(f"{counts.active} of {children} children are back.")
    return {"crash_storm_s": seconds}


async def stop(children: int) -> dict[str, float]:
    """Stopping a supervisor, and so its children one after the other in reverse order."""
    async with open_system("bench") as system:
        top = await system.spawn(DynamicSupervisor)
        specs = [ChildSpec(number, Idle) for number in range(children)]
        static = await top.call(StartChild(ChildSpec("static", Supervisor, (specs,))), timeout=60.0)
        if len(system.actors()) != children + 2:
            raise RuntimeError("Not all children have started.")
        began = time.perf_counter()
        await top.call(TerminateChild(static), timeout=600.0)
        seconds = time.perf_counter() - began
        if len(system.actors()) != 1:
            raise RuntimeError("Not all children have stopped.")
    return {"stop_s": seconds}


RUNS = (
    Run(
        "restart",
        "bench.runtime_failures:restart",
        (Figure("restart_us", "us", "lower", "from raising to the next incarnation's service"),),
        full={"times": RESTARTS},
        quick={"times": 100},
        peers={OTP: "bench.otp:restart"},
        comparisons=(
            Comparison("restart_vs_otp", "restart_us", OTP, Bar("<=", 3), "time / the same there"),
        ),
    ),
    Run(
        "crash storm",
        "bench.runtime_failures:crash_storm",
        (
            Figure(
                "crash_storm_s",
                "s",
                "lower",
                "10,000 children crash at once, until all are back",
                Bar("<=", 0.3),
            ),
        ),
        full={"children": 10_000},
        quick={"children": 300},
        peers={OTP: "bench.otp:crash_storm"},
    ),
    Run(
        "stop",
        "bench.runtime_failures:stop",
        (Figure("stop_s", "s", "lower", "ordered stop of 10,000 children"),),
        full={"children": 10_000},
        quick={"children": 300},
        peers={OTP: "bench.otp:stop"},
        comparisons=(
            Comparison("stop_vs_otp", "stop_s", OTP, Bar("<=", 2), "time / terminate_child there"),
        ),
    ),
)
