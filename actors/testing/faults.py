"""Faults on purpose: crash an actor, delay it, have it fail, have messages vanish.

    crash(ref, ValueError("on purpose"))           # at once: after what it does now
    with fail_nth(ref, 3, OSError("disk")):        # its third message from now raises
        ...
    fault = delay(ref, 0.5, only=Save)             # each Save is handled half a second later
    fault.undo()
    drop(ref, only=lambda message: message.id == 7, times=1)

A fault is made by swapping the behaviour of this one ref (``ref.behaviour``) for one whose handlers
are wrapped, so the runtime has no check for it and what happens is what would happen otherwise: a
crash is an exception raised in the actor's handler, with its crash report, ``terminate``, links,
monitors and the supervisor's decision. A fault belongs to the incarnation: the one that a
supervisor starts next has none. It holds from the actor's next turn on.

`only` says which messages count: a pattern of `actors.testing.matching` (a class, a function, a
value). `times` bounds how often a fault strikes; None is for ever. Several faults may be set on one
actor; for each message they are asked in the order in which they were set.
"""

from __future__ import annotations

from copy import copy
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Self

from actors.actor import local
from actors.calling.reply import DIRECT
from actors.errors import ActorError
from actors.handlers import Behaviour
from actors.mailboxes.mailbox import push_front
from actors.messages import NO_REPLY
from actors.ref import QUEUED, LocalRef
from actors.scheduling.waits import Call
from actors.testing.matching import ANYTHING, describe, matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.actor import Actor
    from actors.ref import Ref

_HANDLE: Final = object()
"""A fault lets the message pass."""


class Fault:
    """One fault of one actor. Also a context manager: the fault is undone at its end."""

    def __init__(self, ref: LocalRef, only: Any, times: int | None, first: int = 1) -> None:
        self._ref = ref
        self._only = only
        self._times = times
        self._first = first
        self._seen = 0
        self.hits = 0
        """How often it has struck."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._ref!r}, {self.hits} hits>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def undo(self) -> None:
        """Take the fault back. Has no effect when it is not set (any more)."""
        behaviour = self._ref.behaviour
        if isinstance(behaviour, FaultyBehaviour) and self in behaviour.faults:
            behaviour.faults.remove(self)
            if not behaviour.faults:
                self._ref.behaviour = behaviour.original

    def strikes(self, message: object) -> bool:
        """Whether this message is hit; counts it."""
        if self._times == 0 or not matches(self._only, message):
            return False
        self._seen += 1
        if self._seen < self._first:
            return False
        self.hits += 1
        if self._times is not None:
            self._times -= 1
        return True

    async def strike(self, actor: Actor, /) -> Any:
        """Do the harm; `_HANDLE` lets the message be handled after all."""
        raise NotImplementedError

    def describe(self) -> str:
        """What is set, in words."""
        return f"{type(self).__name__} of {describe(self._only)}"


class Failure(Fault):
    """The handler raises."""

    error: BaseException

    async def strike(self, _actor: Actor, /) -> Any:
        """Raise in place of the handler."""
        raise self.error


class Delay(Fault):
    """The handler runs later; the actor handles nothing else meanwhile."""

    seconds: float

    async def strike(self, actor: Actor, /) -> Any:
        """Wait, then handle."""
        await actor.sleep(self.seconds)
        return _HANDLE


class Drop(Fault):
    """The message vanishes; a call to it waits for its timeout."""

    async def strike(self, actor: Actor, /) -> Any:
        """Handle nothing and owe the reply for ever."""
        entry = actor.ref.entry
        if isinstance(entry, Call) or entry is DIRECT:
            actor.reply_to()
            return NO_REPLY
        return None


class _Crash:
    """The message that crashes an actor."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class FaultyBehaviour(Behaviour):
    """A behaviour whose handlers are asked of faults first; there only while faults are set."""

    __slots__ = ("faults", "original")

    def __init__(self, original: Behaviour) -> None:
        for name in Behaviour.__slots__:
            setattr(self, name, copy(getattr(original, name)))
        self.original = original
        self.faults: list[Fault] = []
        handlers = original.handlers | original.coroutines
        self.handlers = {}
        self.coroutines = {kind: self._wrapped(handler) for kind, handler in handlers.items()}
        self.coroutines[_Crash] = _raise
        self.fallback = self._wrapped(original.fallback)

    def _wrapped(self, handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        async def handle(actor: Actor, message: Any) -> Any:
            for fault in tuple(self.faults):
                if fault.strikes(message):
                    outcome = await fault.strike(actor)
                    if outcome is not _HANDLE:
                        return outcome
            result = handler(actor, message)
            return await result if isinstance(result, CoroutineType) else result

        return handle


async def _raise(_actor: Actor, message: _Crash) -> None:
    raise message.error


def crash(ref: Ref, error: BaseException | None = None) -> None:
    """Crash `ref` with `error`, ahead of all messages that wait; it finishes what it does now.

    It ends as by any exception of a handler. A `TaskActor` gets the crash when its ``run`` next
    receives and dispatches a message.

    Raises:
        ActorError: the actor has ended, or is none of this process.
    """
    target = _faulty(ref)
    push_front(target, _Crash(RuntimeError("crashed by a test") if error is None else error))
    if target.status < QUEUED:
        target.scheduler.enqueue(target)


def fail_nth(
    ref: Ref, nth: int = 1, error: BaseException | None = None, *, only: Any = ANYTHING
) -> Fault:
    """The `nth` message from now that matches `only` raises `error` instead of being handled.

    Raises:
        ValueError: `nth` is below 1.
        ActorError: the actor has ended, or is none of this process.
    """
    if nth < 1:
        raise ValueError(f"fail_nth counts from 1, not from {nth}")
    fault = Failure(local(ref), only, 1, nth)
    fault.error = RuntimeError("failed by a test") if error is None else error
    return _set(fault)


def delay(ref: Ref, seconds: float, *, only: Any = ANYTHING, times: int | None = None) -> Fault:
    """Messages that match `only` are handled `seconds` later. Raises ActorError as `crash`."""
    fault = Delay(local(ref), only, times)
    fault.seconds = seconds
    return _set(fault)


def drop(ref: Ref, *, only: Any = ANYTHING, times: int | None = None) -> Fault:
    """Messages that match `only` vanish; calls run into their timeout. Raises as `crash`."""
    return _set(Drop(local(ref), only, times))


def _set(fault: Fault) -> Fault:
    behaviour = _faulty(fault._ref).behaviour
    assert isinstance(behaviour, FaultyBehaviour)
    behaviour.faults.append(fault)
    return fault


def _faulty(ref: Ref) -> LocalRef:
    target = local(ref)
    if not target.is_alive():
        raise ActorError(f"{target!r} has ended ({target.exit_reason}); a fault needs a living one")
    if not isinstance(target.behaviour, FaultyBehaviour):
        target.behaviour = FaultyBehaviour(target.behaviour)
    return target
