"""Deferred replies: a handler returns `NO_REPLY` and the reply is given later, from anywhere.

Whoever holds the `ReplyTo` may reply, once; what comes after the first outcome is dropped, as is a
reply after the caller's timeout. If the actor ends while it owes replies, its callers get
`CalleeDied`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from actors.errors import ActorError, CallError
from actors.lifecycle.ties import tie, untie
from actors.scheduling.protection import protect
from actors.scheduling.waits import Call

if TYPE_CHECKING:
    from actors.ref import LocalRef

R = TypeVar("R")


class Direct:
    """Type of `DIRECT`."""

    __slots__ = ()


DIRECT = Direct()
"""An actor's entry in hand while a call steps it directly: a call record is made only if needed."""


class ReplyTo(Generic[R]):
    """A reply that is owed. To be given in the system's thread; RuntimeError in another one."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def is_open(self) -> bool:
        """Whether the caller still waits."""
        return not self._call.done

    def reply(self, value: R) -> None:
        """Give the caller `value`."""
        self._settle()
        self._call.resolve(value)

    def fail(self, error: CallError) -> None:
        """Have the caller's call raise `error`; the exception must be made for this one caller."""
        if not isinstance(error, CallError):
            raise TypeError(f"a call fails with a CallError, not with {error!r}")
        error.__traceback__ = error.__cause__ = error.__context__ = None
        self._settle()
        self._call.resolve(None, error)

    def _settle(self) -> None:
        self._call.callee.scheduler.check_thread()
        untie(self._call.callee, "owed", self._call)


def reply_to(ref: LocalRef) -> ReplyTo[R]:
    """Take over the reply to the call that `ref` has in hand."""
    entry = ref.entry
    if entry is DIRECT:
        entry = ref.entry = Call(None, ref, None)
    if not isinstance(entry, Call):
        raise ActorError(
            "reply_to() is for handlers of calls; this message was not called but cast"
        )
    tie(ref, "owed", entry)
    return ReplyTo(entry)


protect(ReplyTo, reply_to)
