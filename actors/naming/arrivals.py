"""Waiting for a name: until an actor has it, as after a crash until it has been started again.

    await system.spawn(Supervisor, [ChildSpec("counter", Counter, name="counter")])
    counter = await system.wait_for("counter", timeout=5.0)

Contract:

* `System.wait_for` and `Registry.wait_for` answer at once if `whereis` finds an actor, else as soon
  as it would, else they raise `WaitTimeout` after `timeout` seconds (None: they wait for ever). The
  system's end ends every wait with `SystemStopped`.
* What is found is what `whereis` finds: the actor has its name before its ``init`` has run, and a
  call waits for that. It may have ended by the time that it is called, as any actor may.
* In a handler the wait parks the actor; in a trio task it is an ordinary wait.
* Who waits costs an entry here until the wait is over, however that ends; who does not, nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from actors.errors import SystemStopped, WaitTimeout
from actors.scheduling.clocks import deadline_after
from actors.scheduling.protection import protect
from actors.scheduling.waits import Wait, wait_for

if TYPE_CHECKING:
    from collections.abc import Hashable

    from actors.ref import LocalRef
    from actors.scheduling.scheduler import Scheduler


class Table(Protocol):
    """Where one looks."""

    def whereis(self, key: Hashable, /) -> LocalRef | None:
        """The living actor under this key."""


class Arrivals:
    """Who waits for which key of which table of one system."""

    __slots__ = ("waits",)

    def __init__(self) -> None:
        self.waits: dict[tuple[object, Hashable], dict[Wait, None]] = {}

    def announce(self, table: Table, key: Hashable) -> None:
        """An actor has got this key: those who wait for it look again."""
        for wait in self.waits.pop((table, key), ()):
            wait.resolve()

    def close(self) -> None:
        """The system has stopped: all look again, and find that."""
        for place in tuple(self.waits):
            for wait in self.waits.pop(place):
                wait.resolve()


async def wait_until_found(
    scheduler: Scheduler,
    table: Table,
    key: Hashable,
    timeout: float | None,  # noqa: ASYNC109
    lacking: str,
) -> LocalRef:
    """The actor under `key` in `table`; waits until there is one. `lacking` begins the error."""
    due = None
    if timeout is not None:
        due = deadline_after(scheduler.now(), timeout, "wait_for takes")
    while (found := table.whereis(key)) is None:
        if scheduler.closed:
            raise SystemStopped(f"{lacking}, and the system {scheduler.name!r} has stopped")
        try:
            await _next_arrival(scheduler, (table, key), due)
        except WaitTimeout:
            raise WaitTimeout(f"{lacking} within {timeout} s") from None
    return found


async def _next_arrival(
    scheduler: Scheduler, place: tuple[object, Hashable], due: float | None
) -> None:
    current = scheduler.run.current
    wait = Wait(current)
    waits = scheduler.arrivals.waits
    waits.setdefault(place, {})[wait] = None
    if due is not None:
        scheduler.wheel.add(wait, due)
    try:
        await wait_for(wait, current)
    finally:
        wait.abandon()
        others = waits.get(place, {})
        others.pop(wait, None)
        if not others:
            waits.pop(place, None)


protect(Arrivals, wait_until_found, _next_arrival)
