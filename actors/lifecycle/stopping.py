"""Stopping an actor in order from outside (OTP's ``gen_server:stop/3``, ``proc_lib:stop/3``).

The request overtakes waiting user messages: the actor ends after the message in hand, with
``terminate(reason)``, and the caller goes on when it has ended, its name free and its links told.

A `TaskActor` has no messages in hand but its ``run``. If it traps exits it gets
``Exit(None, reason)`` and has to return from ``run``; then ``terminate`` runs, with that reason.
Otherwise ``run`` is unwound where it waits, its ``finally`` runs, and ``terminate`` does not: the
same that a signal would do to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from actors.errors import CallCycle, CallTimeout, StopFailed, WaitTimeout
from actors.lifecycle.start_and_end import join, stop_self, unwind
from actors.lifecycle.ties import untie
from actors.messages import Exit
from actors.reasons import ExitReason, NoProc
from actors.scheduling.clocks import deadline_after
from actors.scheduling.cycles import find_cycle
from actors.scheduling.protection import protect
from actors.scheduling.turns import Phase
from actors.scheduling.waits import wait_for

if TYPE_CHECKING:
    from actors.ref import LocalRef


async def stop_and_wait(target: LocalRef, reason: ExitReason, seconds: float | None) -> None:
    """Stop `target` and wait for its end; see `System.stop`."""
    if not target.is_alive():
        raise StopFailed(target, NoProc(), reason)
    check_no_cycle(target)
    if seconds is not None:
        deadline_after(target.scheduler.now(), seconds)  # a wrong one stops nobody
    _ask(target, reason)
    ended_with = await wait_for_end(target, seconds)
    if ended_with is None:
        raise CallTimeout(f"{target!r} was asked to stop and has not ended within {seconds} s")
    if ended_with != reason:
        raise StopFailed(target, ended_with, reason)


def check_no_cycle(target: LocalRef) -> None:
    """Raise CallCycle if `target` is the current actor or waits, through whomever, for it."""
    run = target.scheduler.run
    owner = run.current or run.owner_of_current_task()
    cycle = None if owner is None else find_cycle(owner, target, None)
    if cycle is not None:
        raise CallCycle(cycle)


async def wait_for_end(target: LocalRef, seconds: float | None) -> ExitReason | None:
    """The exit reason of `target`, None if it has not ended within `seconds` (None: for ever).

    A handler that waits so counts as waiting for `target`, as if it had called it.
    """
    scheduler = target.scheduler
    current = scheduler.run.current
    deadline = None if seconds is None else deadline_after(scheduler.now(), seconds)
    wait = join(target)
    if deadline is not None and not wait.done:
        scheduler.wheel.add(wait, deadline)
    if current is not None:
        current.waiting = target
    try:
        return cast("ExitReason", await wait_for(wait, current))
    except WaitTimeout:
        return None
    finally:
        untie(target, "joins", wait)
        if current is not None:
            current.waiting = None


def _ask(target: LocalRef, reason: ExitReason) -> None:
    stop_self(target, reason)
    turn = target.turn
    if turn is None or turn.phase is not Phase.RUN:
        return
    if target.actor is not None and target.actor.trap_exit:
        target.put(Exit(None, reason))
    else:
        unwind(target, reason)


protect(stop_and_wait, check_no_cycle, wait_for_end, _ask)
