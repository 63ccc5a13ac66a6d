"""Types of messages that the runtime itself knows.

A message is an immutable value; a frozen dataclass with slots is the usual form. A `Request`
declares the type of its reply, so that ``await ref.call(request)`` is typed::

    @dataclass(frozen=True, slots=True)
    class Add(Request[int]):
        amount: int
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from actors.errors import CallError
    from actors.lifecycle.links import MonitorRef
    from actors.reasons import ExitReason
    from actors.ref import Ref

R_co = TypeVar("R_co", covariant=True)


class Request(Generic[R_co]):
    """Base of messages that are answered with an ``R_co``."""

    __slots__ = ()


class NoReply(enum.Enum):
    """Type of `NO_REPLY`."""

    NO_REPLY = "no reply"


NO_REPLY: Final = NoReply.NO_REPLY
"""Returned by the handler of a call: the reply comes later, through ``self.reply_to()``."""


@dataclass(frozen=True, slots=True)
class Down:
    """The monitored actor ended. Comes once for each monitor, after the actor's last act."""

    monitor: MonitorRef
    ref: Ref
    reason: ExitReason


@dataclass(frozen=True, slots=True, init=False)
class Exit:
    """An exit signal, as the actors get it that trap exits. `ref` is None if no actor sent it."""

    ref: Ref | None
    reason: ExitReason

    def __init__(self, ref: Ref | None, reason: ExitReason) -> None:
        # By the slots' own setters: the generated one takes twice as long, in every restart.
        _set_ref(self, ref)
        _set_reason(self, reason)


_set_ref = Exit.__dict__["ref"].__set__
_set_reason = Exit.__dict__["reason"].__set__


@dataclass(frozen=True, slots=True)
class Answer:
    """Outcome of ``self.request(...)``: `error` is None and `value` the reply, or the other way."""

    tag: object
    value: object
    error: CallError | None


@dataclass(frozen=True, slots=True)
class Timeout:
    """Nothing has happened for the time that ``set_idle_timeout`` has set."""
