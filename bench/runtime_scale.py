"""The runtime's figures of scale: a mailbox with a million messages, a million actors.

`backlog`: an actor whose mailbox holds N messages handles one and sends itself another, so that N
stay; the time of each, with N = 1,000,000 against N = 100; below the mark of the mailbox alarm, and
(`alarmed_backlog_cost`) with the alarm raised, when each cast takes a longer way. Both are measured
in one process, by turns, the median of the turns' ratios counts.

`million`: actors are started one after another under a dynamic supervisor, and each handles a
message. Then a random sample is called (all must answer), and messages go to actors at random. The
collector is tuned for many actors (`open_system(tune_collector=True)`), as in a node; its longest
pause from the first start to the end of that traffic is `gc_pause_ms`.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from actors import NO_REPLY, Actor, NoReply, Ref, Request, System, on, open_system
from actors.calling.reply import ReplyTo
from bench.harness import Bar, Figure, Run
from bench.machine import rss_bytes
from supervision import ChildSpec, DynamicSupervisor, StartChild

SMALL_BACKLOG = 100
SAMPLE = 1_000
SEED = 20


@dataclass(frozen=True, slots=True)
class Item:
    """A message that waits its turn."""

    number: int


@dataclass(frozen=True, slots=True)
class Rotate(Request[float]):
    """With `backlog` items waiting, handle and replace `count`; answered with the seconds."""

    backlog: int
    count: int


class Rotor(Actor):
    """Replaces each item that it handles, while there are some to be timed."""

    mailbox_limit: ClassVar[int] = 4_000_000
    """So that a million stay below the mark of the mailbox alarm, which is half of it."""

    def __init__(self) -> None:
        self.left = 0
        self.began = 0.0
        self.asked: ReplyTo[float] | None = None

    @on(Rotate)
    def rotate(self, request: Rotate) -> NoReply:
        """Fill the mailbox; the reply comes when all are handled."""
        for number in range(request.backlog):
            self.ref.cast(Item(number))
        self.asked, self.left = self.reply_to(), request.count
        self.began = time.perf_counter()
        return NO_REPLY

    @on(Item)
    def item(self, item: Item) -> None:
        """Send another; after the last that is timed, let the mailbox run empty."""
        if self.left:
            self.left -= 1
            self.ref.cast(Item(item.number))
        elif self.asked is not None:
            self.asked.reply(time.perf_counter() - self.began)
            self.asked = None


class Alarmed(Rotor):
    """The same, with the alarm of its mailbox raised behind a long backlog."""

    mailbox_alarm: ClassVar[int] = 5_000


@dataclass(frozen=True, slots=True)
class Bump:
    """A cast to count."""


@dataclass(frozen=True, slots=True)
class Total(Request[int]):
    """How many casts have been handled."""


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


@dataclass(frozen=True, slots=True)
class Grow(Request[tuple[list[Ref], float]]):
    """Start `count` counters, each with a message; answered with them and the seconds taken."""

    supervisor: Ref
    count: int


@dataclass(frozen=True, slots=True)
class Traffic(Request[int]):
    """Cast to and call actors taken at random, `count` times; answered with the answers' number."""

    refs: list[Ref]
    count: int


class Driver(Actor):
    """Starts the actors and sends the load."""

    @on(Grow)
    async def grow(self, request: Grow) -> tuple[list[Ref], float]:
        """One acknowledged start after another."""
        spec, message, refs = ChildSpec("counter", Counter, restart="temporary"), Bump(), []
        began = time.perf_counter()
        for _ in range(request.count):
            ref = await request.supervisor.call(StartChild(spec))
            ref.cast(message)
            refs.append(ref)
        return refs, time.perf_counter() - began

    @on(Traffic)
    async def traffic(self, request: Traffic) -> int:
        """Each actor that is met gets a cast and a call."""
        random, answers = Random(SEED), 0
        for _ in range(request.count):
            ref = random.choice(request.refs)
            ref.cast(Bump())
            answers += await ref.call(Total()) > 1
        return answers


async def backlog(backlog: int, count: int, turns: int) -> dict[str, float]:
    """What a message costs behind a long backlog, over what it costs behind a short one."""
    async with open_system("bench") as system:
        return {
            "backlog_cost": await _ratio(system, Rotor, backlog, count, turns),
            "alarmed_backlog_cost": await _ratio(system, Alarmed, backlog, count, turns),
        }


async def _ratio(system: System, actor: type[Rotor], backlog: int, count: int, turns: int) -> float:
    supervisor = await system.spawn(DynamicSupervisor)
    rotor = await supervisor.call(StartChild(ChildSpec("rotor", actor)))
    await rotor.call(Rotate(SMALL_BACKLOG, 1_000), timeout=60.0)
    ratios = []
    for _ in range(turns):
        short = await rotor.call(Rotate(SMALL_BACKLOG, count), timeout=600.0)
        long = await rotor.call(Rotate(backlog, count), timeout=600.0)
        ratios.append(long / short)
    return statistics.median(ratios)


@contextmanager
def collector_pauses() -> Iterator[list[float]]:
    """The seconds of every collection in the block, automatic or asked for."""
    pauses: list[float] = []
    began = 0.0

    def note(phase: str, _: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        else:
            pauses.append(time.perf_counter() - began)

    gc.callbacks.append(note)
    try:
        yield pauses
    finally:
        gc.callbacks.remove(note)


async def million(actors: int, traffic: int) -> dict[str, float]:
    """Memory, evenness of the start rate, and the collector's longest pause."""
    own = os.getpid()  # Asked by number, since `rss_bytes` of "self" collects first.
    with collector_pauses() as pauses:
        async with open_system("bench", tune_collector=True) as system:
            before = rss_bytes(own)
            refs, evenness = await _grow(system, actors)
            await _answers(system, refs)
            grown = rss_bytes(own) - before
            driver = await system.spawn(Driver)
            answers = await driver.call(Traffic(refs, traffic), timeout=600.0)
            longest = max(pauses)
    if answers != traffic:
        raise RuntimeError(f"{answers} of {traffic} calls at random were answered rightly.")
    return {
        "million_actors_gib": grown / 2**30,
        "million_start_rate": evenness,
        "gc_pause_ms": longest * 1e3,
    }


async def _grow(system: System, actors: int) -> tuple[list[Ref], float]:
    """Start them in tenths; the rate of the last tenth over that of the first."""
    supervisor = await system.spawn(DynamicSupervisor)
    driver = await supervisor.call(StartChild(ChildSpec("driver", Driver)))
    await driver.call(Grow(supervisor, 1_000), timeout=60.0)
    refs: list[Ref] = []
    seconds = []
    for _ in range(10):
        tenth, taken = await driver.call(Grow(supervisor, actors // 10), timeout=600.0)
        refs += tenth
        seconds.append(taken)
    return refs, seconds[0] / seconds[-1]


async def _answers(system: System, refs: list[Ref]) -> None:
    """A random sample answers, and has handled its message."""
    for ref in Random(SEED).sample(refs, min(SAMPLE, len(refs))):
        if await ref.call(Total()) != 1:
            raise RuntimeError(f"{ref!r} of {system!r} has not handled its message.")


RUNS = (
    Run(
        "backlog",
        "bench.runtime_scale:backlog",
        (
            Figure(
                "backlog_cost",
                "ratio",
                "lower",
                "a message's cost behind 1,000,000 others / behind 100",
                Bar("<=", 1.2),
            ),
            Figure(
                "alarmed_backlog_cost",
                "ratio",
                "lower",
                "the same while the alarm of the mailbox is raised",
            ),
        ),
        full={"backlog": 1_000_000, "count": 500_000, "turns": 3},
        quick={"backlog": 10_000, "count": 5_000, "turns": 1},
        rounds=3,
    ),
    Run(
        "million actors",
        "bench.runtime_scale:million",
        (
            Figure(
                "million_actors_gib",
                "GiB",
                "lower",
                "RSS growth by 1,000,000 supervised actors that handled a message",
                Bar("<=", 1),
            ),
            Figure(
                "million_start_rate",
                "ratio",
                "higher",
                "start rate of the last 100,000 of them / of the first",
                Bar(">=", 0.8),
            ),
            Figure(
                "gc_pause_ms",
                "ms",
                "lower",
                "longest collector pause meanwhile and during traffic on them",
                Bar("<=", 50),
            ),
        ),
        full={"actors": 1_000_000, "traffic": 300_000},
        quick={"actors": 20_000, "traffic": 5_000},
        rounds=3,
        long=True,
    ),
)
