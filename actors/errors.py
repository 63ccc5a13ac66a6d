"""Exceptions of the runtime.

Errors of one call derive from `CallError`; the caller may catch them, and they leave the callee
alone. `Stop`, `Ignore` and `Reject` are raised *by* handlers to say something to the runtime.
`Unwind` is thrown into a handler whose actor must end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.reasons import ExitReason, NoProc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.ref import Ref

MAX_SHOWN = 12
"""Actors of a cycle that are named in its text; all are in `CallCycle.cycle`."""


class ActorError(Exception):
    """Base of the runtime's exceptions."""


class CallError(ActorError):
    """A call did not get its reply. Subclass it for refusals of your own."""


class CallTimeout(CallError):
    """The reply did not come in time. The callee may still handle the request, in vain."""


class CalleeDied(CallError):
    """The callee was dead, or died before it replied. `reason` says why."""

    def __init__(self, callee: object, reason: ExitReason) -> None:
        if isinstance(reason, NoProc):
            text = f"{callee!r} had ended before: {reason}; a ref is good for one incarnation"
        else:
            text = f"{callee!r} ended before it replied: {reason}"
        super().__init__(text)
        self.reason = reason


class Busy(CallError):
    """The callee's mailbox is full; nothing was delivered. Retry later or slow down."""


class Unhandled(CallError):
    """The callee has no handler for this type of request."""


class CallCycle(CallError):
    """The call would wait for ever: its callee waits, directly or through others, for the caller.

    `cycle` holds the actors in the order in which they wait, the caller first and last.
    """

    def __init__(self, cycle: Sequence[Ref]) -> None:
        shown = [repr(ref) for ref in cycle]
        if len(shown) > MAX_SHOWN:
            middle = f"({len(shown) - MAX_SHOWN} more)"
            shown[MAX_SHOWN // 2 : -MAX_SHOWN // 2] = [middle]
        names = " waits for ".join(shown)
        super().__init__(
            f"deadlock among calls: {names}; use cast or a deferred reply for one of them"
        )
        self.cycle = tuple(cycle)


class StartFailed(CallError):
    """``__init__`` or ``init`` of the actor failed; its name is free again. `reason` says why."""

    def __init__(self, actor: str, reason: ExitReason) -> None:
        super().__init__(f"{actor} did not start: {reason}")
        self.reason = reason


class StopFailed(CallError):
    """An actor that was to be stopped was dead (`NoProc`), or ended with another reason."""

    def __init__(self, actor: object, reason: ExitReason, asked: ExitReason) -> None:
        super().__init__(f"{actor!r} was asked to end with {asked}, but ended with: {reason}")
        self.reason = reason


class AlreadyStarted(CallError):
    """The name is taken. `ref` is the actor that has it."""

    def __init__(self, name: object, ref: Ref) -> None:
        super().__init__(f"the name {name!r} belongs to {ref!r} already; use that or another name")
        self.name = name
        self.ref = ref


class SystemStopped(ActorError):
    """The system does not run (any more), so nothing can be started in it."""


class WaitTimeout(ActorError):
    """`Signal.wait` with a timeout: the signal was not set in time."""


class Stop(ActorError):
    """Raise it in a handler or in ``init``: the actor ends with this reason after ``terminate``."""

    def __init__(self, reason: ExitReason) -> None:
        if not isinstance(reason, ExitReason):
            raise TypeError(
                f"Stop takes an ExitReason such as Normal() or Shutdown(), not {reason!r}"
            )
        super().__init__(str(reason))
        self.reason = reason


class Ignore(ActorError):
    """Raise it in ``init``: do not start, without this being a failure (OTP: ``ignore``)."""


class Reject(ActorError):
    """Raise it in the handler of a call: the call fails with `error`, the actor goes on."""

    def __init__(self, error: CallError) -> None:
        if not isinstance(error, CallError):
            raise TypeError(
                f"Reject takes a CallError, not {error!r}; derive its class from CallError"
            )
        super().__init__(str(error))
        self.error = error


class UpgradeFailed(ActorError):
    """A code upgrade did not take place. Everything is as before; the text says what was wrong."""


class LeftOpen(ActorError):
    """A handler returned, or waited for the runtime, and left something of trio's open."""


class Unwind(BaseException):
    """Raised at every wait of a handler whose actor must end. Do not swallow it."""
