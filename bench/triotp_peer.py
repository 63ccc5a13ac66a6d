"""The runtime's peer on triotp, a program of its own: `triotp_peer.py calls|casts COUNT`.

A gen_server under a supervisor, called with a deadline of 5 s from a trio task; prints the rate as
one line. It imports nothing of ours, since triotp pins an old trio and lives in an environment of
its own (see `triotp`).
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

import trio

BATCH = 1_000
"""Casts between two confirmations, as in `bench.runtime_programs`."""
NAME = "counter"

gen_server: Any = importlib.import_module("triotp.gen_server")
mailbox: Any = importlib.import_module("triotp.mailbox")
supervisor: Any = importlib.import_module("triotp.supervisor")


async def init(_: object) -> int:
    """Nothing is counted yet."""
    return 0


async def handle_call(_message: object, _caller: object, count: int) -> tuple[Any, int]:
    """Tell."""
    return gen_server.Reply(payload=count), count


async def handle_cast(_message: object, count: int) -> tuple[Any, int]:
    """Count one."""
    return gen_server.NoReply(), count + 1


async def measure(kind: str, count: int) -> float:
    """Calls or casts a second."""
    mailbox._init()
    child = supervisor.child_spec(NAME, gen_server.start, [sys.modules[__name__], None, NAME])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.start, [child], supervisor.options())
        while mailbox._resolve(NAME) is None:
            await trio.sleep(0.001)
        began = time.perf_counter()
        if kind == "casts":
            for _ in range(count // BATCH):
                for _ in range(BATCH):
                    await gen_server.cast(NAME, "bump")
                await gen_server.call(NAME, "total", timeout=60.0)
        else:
            for _ in range(count):
                await gen_server.call(NAME, "total", timeout=5.0)
        seconds = time.perf_counter() - began
        nursery.cancel_scope.cancel()
    return count / seconds


if __name__ == "__main__":
    print(trio.run(measure, sys.argv[1], int(sys.argv[2])))
