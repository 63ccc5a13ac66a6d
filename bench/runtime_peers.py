"""The runtime's peer: each "actor" a trio task with a memory channel, and nothing more."""

from __future__ import annotations

import math
import time

import trio
import trio.testing

from bench.machine import rss_bytes

BATCH = 1_000
"""Messages between two confirmations, as in `bench.runtime_programs`."""


class Total:
    """Ask a task for its count; it answers by setting `value` and `done`."""

    __slots__ = ("done", "value")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.value = 0


async def counter(
    inbox: trio.MemoryReceiveChannel[object],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Count what arrives."""
    count = 0
    task_status.started()
    async for message in inbox:
        if isinstance(message, Total):
            message.value = count
            message.done.set()
        else:
            count += 1


async def casts(count: int) -> dict[str, float]:
    """Messages over a memory channel, counted when handled."""
    async with trio.open_nursery() as nursery:
        send, receive = trio.open_memory_channel[object](math.inf)
        nursery.start_soon(counter, receive)
        began = time.perf_counter()
        for _ in range(count // BATCH):
            for _ in range(BATCH):
                send.send_nowait(None)
            total = Total()
            send.send_nowait(total)
            await total.done.wait()
        seconds = time.perf_counter() - began
        nursery.cancel_scope.cancel()
    return {"casts_per_s": count / seconds}


async def calls(count: int) -> dict[str, float]:
    """A request and its answer, under a trio timeout."""
    async with trio.open_nursery() as nursery:
        send, receive = trio.open_memory_channel[object](math.inf)
        nursery.start_soon(counter, receive)
        began = time.perf_counter()
        for _ in range(count):
            total = Total()
            send.send_nowait(total)
            with trio.fail_after(5.0):
                await total.done.wait()
        seconds = time.perf_counter() - began
        nursery.cancel_scope.cancel()
    return {"calls_per_s": count / seconds}


async def starts(count: int) -> dict[str, float]:
    """Tasks started one after another, each having said so."""
    async with trio.open_nursery() as nursery:
        channels = []
        began = time.perf_counter()
        for _ in range(count):
            send, receive = trio.open_memory_channel[object](math.inf)
            await nursery.start(counter, receive)
            channels.append(send)
        seconds = time.perf_counter() - began
        nursery.cancel_scope.cancel()
    return {"starts_per_s": count / seconds}


async def memory(actors: int) -> dict[str, float]:
    """RSS growth by tasks that have each handled a message."""
    async with trio.open_nursery() as nursery:
        before = rss_bytes()
        channels = []
        for _ in range(actors):
            send, receive = trio.open_memory_channel[object](math.inf)
            await nursery.start(counter, receive)
            send.send_nowait(None)
            channels.append(send)
        await trio.testing.wait_all_tasks_blocked()
        grown = rss_bytes() - before
        nursery.cancel_scope.cancel()
    return {"bytes_per_actor": grown / actors}
