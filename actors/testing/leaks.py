"""`leak_check`: what a block of code has left over in a system.

    async with leak_check(system):
        ...                     # whatever starts here should have ended, and been taken back, here

At the end of the block these must be as they were: the living actors, and of those that were there
before: names in use, timers, monitors and other watches, links, replies owed, calls and handlers
that still wait, suspension, faults of the kit; and the trio tasks that handlers hold. What is just
about to end is given `within` seconds of trio's clock for it. What is then left is listed by class
and name in a `LeakError`. If the block itself raises, nothing is checked and its error is raised.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import trio

from actors.behaviours.timers import timers_of
from actors.lifecycle.links import MonitorRef, links_of
from actors.lifecycle.ties import tied
from actors.observing.summaries import summary
from actors.scheduling.turns import Phase
from actors.scheduling.waits import Call, Receive
from actors.testing.faults import FaultyBehaviour

if TYPE_CHECKING:
    from actors.ref import LocalRef
    from actors.system import System

WITHIN_S: Final = 1.0
POLL_S: Final = 0.005
MAX_LISTED: Final = 20

Leaks = dict[Any, str]
"""What there is, by identity, each with its line of text."""


class LeakError(AssertionError):
    """A block left something over. `left` has one line for each."""

    def __init__(self, system: System, left: list[str]) -> None:
        shown = left[:MAX_LISTED]
        if len(left) > MAX_LISTED:
            shown.append(f"… {len(left) - MAX_LISTED} more")
        super().__init__(f"left over in {system!r}:" + "".join(f"\n  {line}" for line in shown))
        self.left = tuple(left)


@asynccontextmanager
async def leak_check(system: System, *, within: float = WITHIN_S) -> AsyncIterator[None]:
    """Check that the block leaves nothing over in `system`; see the module's docstring.

    Raises:
        LeakError: names what is left after `within` seconds.
    """
    before = _inventory(system)
    yield
    deadline = trio.current_time() + within
    while left := _left(system, before):
        if trio.current_time() >= deadline:
            raise LeakError(system, left)
        await trio.sleep(POLL_S)


def _left(system: System, before: Leaks) -> list[str]:
    return [line for key, line in _inventory(system).items() if key not in before]


def _inventory(system: System) -> Leaks:
    found: Leaks = {}
    for ref in system.actors():
        found[ref] = f"the actor {ref!r}, {_doing(ref)}"
        found.update(_of(ref))
    bound = system._scheduler.run.bound
    for task, ref in bound.items():
        if ref.scheduler is system._scheduler:
            found[task] = f"the trio task of a handler of {ref!r}"
    return found


def _doing(ref: LocalRef) -> str:
    turn = ref.turn
    if turn is None:
        return "idle" if ref.queue_length == 0 else f"with {ref.queue_length} messages"
    if turn.phase is Phase.RUN:
        return "running"
    entry = getattr(ref.entry, "request", ref.entry)
    return f"in the handler of {summary(entry)}"


def _of(ref: LocalRef) -> Iterator[tuple[Any, str]]:
    if ref.name is not None:
        yield (ref, "name", ref.name), f"the name {ref.name!r}, of {ref!r}"
    for timer in timers_of(ref):
        due = f"due at {timer.deadline:.3f}: {summary(timer.message)}"
        yield timer, f"a timer of {ref!r}, {due}"
    for watch in tied(ref, "watchers"):
        by = f"monitor of it by {watch.watcher!r}" if isinstance(watch, MonitorRef) else repr(watch)
        yield watch, f"a watch of {ref!r}: {by}"
    for other in links_of(ref):
        yield (ref, "link", other), f"a link of {ref!r} with {other!r}"
    for call in tied(ref, "owed"):
        yield call, f"a reply that {ref!r} owes: {summary(call.request)}"
    for wait in tied(ref, "joins"):
        yield wait, f"somebody who waits for the end of {ref!r}"
    yield from _waiting(ref)
    if ref.control is not None and ref.control.held:
        yield (ref, "held"), f"{ref!r} is suspended"
    if isinstance(ref.behaviour, FaultyBehaviour):
        for fault in ref.behaviour.faults:
            yield fault, f"a fault: {fault!r}"


def _waiting(ref: LocalRef) -> Iterator[tuple[Any, str]]:
    turn = ref.turn
    if turn is None or turn.phase is Phase.RUN or isinstance(turn.wait, Receive):
        return
    wait = turn.wait
    for_what = f", which waits for {wait.callee!r}" if isinstance(wait, Call) else ""
    yield (
        turn,
        f"the handler of {summary(getattr(ref.entry, 'request', ref.entry))} in {ref!r}"
        + (for_what),
    )
