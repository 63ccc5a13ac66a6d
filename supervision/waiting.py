"""The one place where supervisors use the runtime's waits: for an actor's end, and to give way.

Both work inside a handler, ``init`` or ``terminate``, park the actor without trio, and are cut
short when the actor that waits is killed.
"""

from __future__ import annotations

from math import isinf
from typing import Any, cast

from actors import Actor, ExitReason
from actors.errors import WaitTimeout
from actors.lifecycle.start_and_end import join
from actors.lifecycle.ties import untie
from actors.ref import LocalRef
from actors.scheduling.waits import Wait, park, wait_for


async def ended(waiter: Actor, ref: LocalRef, deadline: float) -> ExitReason | None:
    """The reason with which `ref` ends, or None if it lives on at `deadline` (trio's clock)."""
    wait = join(ref)
    scheduler = waiter.ref.scheduler
    if not (wait.done or isinf(deadline)):
        scheduler.wheel.add(cast("Any", wait), deadline)
    try:
        return cast("ExitReason", await wait_for(wait, scheduler.run.current))
    except WaitTimeout:
        return None
    finally:
        untie(ref, "joins", wait)


async def give_way(waiter: Actor) -> None:
    """Let everybody else who is ready have a turn first."""
    current = waiter.ref.scheduler.run.current
    if current is not None:
        wait = Wait(current)
        wait.resolve()
        await park(wait)
