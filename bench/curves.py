"""How costs grow: with the number of living actors, and with the backlog of one.

`traffic_us_N`: a cast and a call to actors taken at random among N supervised ones. `message_us_N`:
handling one message and sending the next, behind a backlog of N. N goes by tens; ours in one
process that grows, OTP in a node for each N. `bench.plots` draws both.
"""

from __future__ import annotations

import time

from actors import Ref, open_system
from bench.harness import Figure, Run
from bench.peers import OTP
from bench.runtime_scale import Driver, Grow, Rotate, Rotor, Traffic
from bench.sizes import MESSAGE, SIZES, TRAFFIC
from supervision import ChildSpec, DynamicSupervisor, StartChild


def _figures(name: str, about: str) -> tuple[Figure, ...]:
    return tuple(Figure(name.format(size), "us", "lower", f"{about} {size:,}") for size in SIZES)


async def by_actors(shrunk: int, count: int) -> dict[str, float]:
    """Microseconds of a cast and a call to a random actor, for each size divided by `shrunk`."""
    taken: dict[str, float] = {}
    refs: list[Ref] = []
    async with open_system("bench", tune_collector=True) as system:
        supervisor = await system.spawn(DynamicSupervisor)
        driver = await supervisor.call(StartChild(ChildSpec("driver", Driver)))
        for size in SIZES:
            missing = max(1, size // shrunk - len(refs))
            started, _ = await driver.call(Grow(supervisor, missing), timeout=None)
            refs += started
            await driver.call(Traffic(refs, count // 10), timeout=None)
            began = time.perf_counter()
            await driver.call(Traffic(refs, count), timeout=None)
            taken[TRAFFIC.format(size)] = (time.perf_counter() - began) / count * 1e6
    return taken


async def by_backlog(shrunk: int, count: int) -> dict[str, float]:
    """Microseconds of a message behind a backlog of each size divided by `shrunk`."""
    taken: dict[str, float] = {}
    async with open_system("bench") as system:
        supervisor = await system.spawn(DynamicSupervisor)
        rotor = await supervisor.call(StartChild(ChildSpec("rotor", Rotor)))
        await rotor.call(Rotate(SIZES[0], 1_000), timeout=60.0)
        for size in SIZES:
            seconds = await rotor.call(Rotate(size // shrunk, count), timeout=600.0)
            taken[MESSAGE.format(size)] = seconds / count * 1e6
    return taken


RUNS = (
    Run(
        "by actors",
        "bench.curves:by_actors",
        _figures(TRAFFIC, "a cast and a call to a random one of this many actors:"),
        full={"shrunk": 1, "count": 200_000},
        quick={"shrunk": 100, "count": 500},
        peers={OTP: "bench.otp:by_actors"},
        rounds=3,
    ),
    Run(
        "by backlog",
        "bench.curves:by_backlog",
        _figures(MESSAGE, "a message behind a backlog of"),
        full={"shrunk": 1, "count": 500_000},
        quick={"shrunk": 100, "count": 500},
        peers={OTP: "bench.otp:by_backlog"},
        rounds=3,
    ),
)
