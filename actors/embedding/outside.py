"""Work for a system that comes from outside of trio: from asyncio code and from other threads.

Two ways in, used by `actors.guest` and `actors.embedding.portal`, both called in the thread of the
system:

* `call_from_outside` puts a request into a mailbox. No task is made for it: the outcome is handed
  to an `Outsider`, which stands where an actor that asks would stand, and which resolves whatever
  future its own world waits for. Exactly one outcome comes for each call, also when the callee
  dies, when the deadline passes and when the system stops.
* `run_from_outside` runs an async function in a trio task of the system's own. The task ends with
  the system at the latest: after the orderly stop of the actors it is cancelled, and its waiter is
  told `SystemStopped`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import outcome
import trio

from actors.actor import local
from actors.errors import ActorError, SystemStopped
from actors.ref import Ref
from actors.scheduling.clocks import deadline_after
from actors.scheduling.protection import expose, protect
from actors.scheduling.waits import RequestCall

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.scheduling.scheduler import Scheduler


class Outsider(Ref):
    """Who calls from outside of trio. It gets one answer, and takes no messages."""

    __slots__ = ()

    def answer(self, _tag: object, value: object, error: BaseException | None, /) -> None:
        """The outcome of the call. Runs in the system's thread and must not raise."""
        raise NotImplementedError

    def cast(self, message: object) -> None:
        """Refused: there is no mailbox. Raises ActorError."""
        self._refuse(message)

    async def send(self, message: object, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Refused: there is no mailbox. Raises ActorError."""
        self._refuse(message)

    async def call(self, request: Any, timeout: float | None = None) -> Any:  # noqa: ARG002, ASYNC109
        """Refused: there is no mailbox. Raises ActorError."""
        self._refuse(request)

    def _refuse(self, message: object) -> NoReturn:
        kind = type(message).__qualname__
        raise ActorError(f"{self!r} is no actor and takes no {kind}; reply to its call instead")


def stopped(scheduler: Scheduler) -> SystemStopped:
    """The error for who comes too late."""
    error = SystemStopped(
        f"the system {scheduler.name!r} has stopped; use its bridge or portal inside its block only"
    )
    error.__cause__ = scheduler.fatal
    return error


def call_from_outside(
    ref: Ref, request: object, timeout: float | None, caller: Outsider
) -> RequestCall:
    """Put a call into the mailbox of `ref`; ``abandon()`` on what is returned gives it up.

    Raises:
        CalleeDied: the actor has ended.
        Busy: its mailbox is full.
        SystemStopped: its system has stopped.
        ActorError: it is no actor of this process.
    """
    target = local(ref)
    if target.scheduler.closed:
        raise stopped(target.scheduler)
    named: Any = caller  # in crash reports
    call = RequestCall(named, target, request, None, caller)
    scheduler = target.scheduler
    if timeout is not None:
        call.final = deadline_after(scheduler.now(), timeout)
    target._put_call(call)
    if timeout is not None:
        scheduler.wheel.add(call, call.final)
    return call


def run_from_outside(
    scheduler: Scheduler,
    function: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    done: Callable[[outcome.Outcome[Any]], object],
) -> trio.CancelScope:
    """Run ``function(*args)`` in a task of the system; `done` gets its outcome, exactly once.

    The function sees the context variables of the current context. Cancelling the scope that is
    returned cancels it; if it ends by that, the outcome is `SystemStopped` as well.

    Raises:
        SystemStopped: the system has stopped, or its actors have and its end is near.
    """
    if scheduler.closed or scheduler.system.is_stopping:
        raise stopped(scheduler)
    scope = trio.CancelScope()
    scheduler.nursery.start_soon(_run, scheduler, function, args, done, scope, name=function)
    return scope


async def _run(
    scheduler: Scheduler,
    function: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    done: Callable[[outcome.Outcome[Any]], object],
    scope: trio.CancelScope,
) -> None:
    result: outcome.Outcome[Any] = outcome.Error(stopped(scheduler))
    try:
        with scope:
            result = outcome.Value(await _user_code(function, args))
    except trio.Cancelled:
        done(result)
        raise
    except BaseException as error:
        result = outcome.Error(error)
    done(result)


async def _user_code(function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
    return await function(*args)


protect(Outsider, call_from_outside, run_from_outside, _run, stopped)
expose(_user_code)
