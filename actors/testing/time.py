"""Virtual time: tests that wait for hours and take milliseconds.

    def test_a_session_expires():                       # without pytest-trio
        async def test():
            async with open_test_system() as system:
                session = await system.spawn(Session)
                await advance(3600)
                assert not session.is_alive()

        run_virtual(test)

On trio's `MockClock` with ``autojump_threshold=0`` time stands still while anything can run, and
jumps to the next deadline when nothing can: timers, call timeouts, backoffs, `Probe` expectations
all follow it, and nothing is ever late. With pytest-trio its fixture ``autojump_clock`` does what
`run_virtual` does here.

A system on such a clock is deterministic besides: its slices end by counts (see `open_system`), its
randomness has a seed. What is not virtual: threads and sockets, for which the clock does not wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
import trio.testing

from actors.system import System, open_system

R = TypeVar("R")


def virtual_clock() -> trio.testing.MockClock:
    """A clock for ``trio.run`` that jumps to the next deadline when nothing can run."""
    return trio.testing.MockClock(autojump_threshold=0)


def run_virtual(function: Callable[..., Awaitable[R]], *args: Any) -> R:
    """``trio.run(function, *args)`` in virtual time; its result."""
    return trio.run(function, *args, clock=virtual_clock())


@asynccontextmanager
async def open_test_system(
    name: str = "test", *, seed: int = 1, stop_timeout: float = 10.0
) -> AsyncIterator[System]:
    """`open_system` with a seed, so that a test does the same in each run.

    On a virtual clock all times are virtual; on a real one it is a system like any other.
    """
    async with open_system(name, seed=seed, stop_timeout=stop_timeout) as system:
        yield system


async def advance(seconds: float) -> None:
    """Let `seconds` pass on the virtual clock, with everything that is due, and settle.

    Works on a clock that jumps by itself and on one that is moved by hand.

    Raises:
        RuntimeError: the clock is real.
        ValueError: `seconds` is negative.
    """
    clock = trio.lowlevel.current_clock()
    if not isinstance(clock, trio.testing.MockClock):
        raise RuntimeError(  # noqa: TRY004 - the type is not the caller's choice
            "advance needs a virtual clock; run the test with run_virtual or, in pytest-trio, with "
            "the fixture autojump_clock"
        )
    if seconds < 0:
        raise ValueError(f"time does not go back: advance got {seconds!r} seconds")
    until = trio.current_time() + seconds
    while (deadline := trio.lowlevel.current_statistics().seconds_to_next_deadline) <= (
        until - trio.current_time()
    ):
        clock.jump(max(0.0, deadline))
        await trio.testing.wait_all_tasks_blocked()
    clock.jump(max(0.0, until - trio.current_time()))
    await trio.testing.wait_all_tasks_blocked()
