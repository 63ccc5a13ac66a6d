"""Watching single actors: statistics, logs and traces, which cost nothing while nobody watches.

The scheduler finds an actor's handlers through ``ref.behaviour`` at each run. Who is watched gets a
`Watched` behaviour of its own, a copy whose table wraps every handler, also those for messages that
nobody handles; when the last observer goes, the class's behaviour comes back. So nothing is asked
for when nobody watches. (OTP's ``sys`` asks ``Debug =:= []`` for each message.)

An observer is told of every message that the actor takes in hand, and of its end::

    received(step)     a handler is about to run
    ended(step)        it has returned, raised or been unwound; `step` has the times and outcome

What is in hand when an observer comes is not seen; what is in hand when it goes is not finished.
Switching takes effect with the actor's next run, after at most 64 messages. Messages that a task
actor receives are told as received, only those that it dispatches as ended.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol

from actors.calling.reply import DIRECT
from actors.handlers import Behaviour
from actors.mailboxes.envelopes import Envelope
from actors.observing.statistics import Log, LogEvent
from actors.scheduling.outcomes import run_unhandled
from actors.scheduling.protection import protect
from actors.scheduling.waits import Call, RequestCall

if TYPE_CHECKING:
    from actors.ref import LocalRef, Ref


class Step:
    """One message in hand. Times are seconds: `at` on the system's clock, others measured.

    ``running`` is how long the actor's own code ran, ``seconds`` how long it had the message in
    hand, waits included. ``outcome`` is None until the end.
    """

    __slots__ = (
        "at",
        "caller",
        "error",
        "is_call",
        "message",
        "outcome",
        "ref",
        "running",
        "seconds",
        "value",
    )

    def __init__(self, ref: LocalRef, message: object, at: float) -> None:
        entry = ref.entry
        self.ref = ref
        self.message = message
        self.at = at
        self.is_call = entry is DIRECT or isinstance(entry, Call)
        self.caller: Ref | None = getattr(entry, "ref", None)
        self.running = 0.0
        self.seconds = 0.0
        self.outcome: str | None = None
        self.value: object = None
        self.error: BaseException | None = None


class Observer(Protocol):
    """Who watches an actor. Must not raise and not wait."""

    def received(self, step: Step, /) -> None:
        """The actor takes a message in hand."""
        ...

    def ended(self, step: Step, /) -> None:
        """It is done with it."""
        ...


class Watch:
    """The observers of one actor, in the order in which they came."""

    __slots__ = ("in_hand", "observers", "ref")

    def __init__(self, ref: LocalRef) -> None:
        self.ref = ref
        self.observers: tuple[Observer, ...] = ()
        self.in_hand: Step | None = None

    def begin(self, message: object) -> Step:
        """The actor takes `message` in hand."""
        step = self.in_hand = Step(self.ref, message, self.ref.scheduler.now())
        for observer in self.observers:
            observer.received(step)
        return step

    def end(self, step: Step, outcome: str, value: object, error: BaseException | None) -> None:
        """It is done with it."""
        if self.in_hand is step:
            self.in_hand = None
        step.outcome, step.value, step.error = outcome, value, error
        step.seconds = max(step.running, self.ref.scheduler.now() - step.at)
        for observer in self.observers:
            observer.ended(step)
        step.error = None

    def run(self, handler: Callable[[Any, Any], Any], actor: Any, message: Any) -> Any:
        """Run a handler and tell the observers."""
        step = self.in_hand
        if step is None or step.message is not message:  # a task actor has received it before
            step = self.begin(message)
        stopwatch = self.ref.scheduler.stopwatch
        began = stopwatch()
        try:
            result = handler(actor, message)
        except BaseException as error:
            step.running = stopwatch() - began
            self.end(step, "raised", None, error)
            raise
        step.running = stopwatch() - began
        if result.__class__ is CoroutineType:
            return _watched_coroutine(self, step, result)
        self.end(step, "returned", result, None)
        return result


async def _watched_coroutine(watch: Watch, step: Step, handler: Coroutine[Any, Any, Any]) -> Any:
    try:
        result = await _measured(watch, step, handler)
    except BaseException as error:
        watch.end(step, "raised", None, error)
        raise
    watch.end(step, "returned", result, None)
    return result


@types.coroutine
def _measured(
    watch: Watch, step: Step, handler: Coroutine[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    """Pass on what `handler` waits for, adding up how long it runs in between."""
    stopwatch = watch.ref.scheduler.stopwatch
    resume: Callable[[Any], Any] = handler.send
    value: Any = None
    while True:
        began = stopwatch()
        try:
            trap = resume(value)
        except StopIteration as stop:
            return stop.value
        finally:
            step.running += stopwatch() - began
        try:
            resume, value = handler.send, (yield trap)
        except BaseException as error:
            resume, value = handler.throw, error


class _Table(dict[type, Callable[[Any, Any], Any]]):
    """Wrapped handlers; a message that nobody handles finds one too, that says so."""

    __slots__ = ("_unhandled",)

    def __init__(self, watch: Watch, plain: Behaviour) -> None:
        super().__init__()
        for kind, handler in (plain.handlers | plain.coroutines).items():
            self[kind] = _wrapped(watch, handler)
        self._unhandled = _wrapped(watch, _run_unhandled)

    def get(self, kind: type, _default: object = None) -> Any:
        """The wrapped handler of `kind`, or the one for what nobody handles."""
        return None if kind is Call or kind is RequestCall else self[kind]

    def __missing__(self, kind: type) -> Callable[[Any, Any], Any]:
        # What is in an envelope comes back here, and is watched then.
        return _run_unhandled if issubclass(kind, Envelope) else self._unhandled


def _wrapped(watch: Watch, handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def run_watched(actor: Any, message: Any) -> Any:
        return watch.run(handler, actor, message)

    protect(run_watched)
    return run_watched


def _run_unhandled(actor: Any, message: Any) -> Any:
    ref = actor.ref
    if ref.entry is DIRECT:
        ref.entry = Call(None, ref, message)
    return run_unhandled(ref, message)


class Watched(Behaviour):
    """The behaviour of an actor that is watched."""

    __slots__ = ("plain", "watch")

    def __init__(self, plain: Behaviour, watch: Watch) -> None:
        for slot in Behaviour.__slots__:
            setattr(self, slot, getattr(plain, slot))
        self.plain = plain
        self.watch = watch
        self.handlers = _Table(watch, plain)
        self.coroutines = {}

    def adopt(self, kind: type) -> Callable[[Any, Any], Any] | None:
        """A handler for another version of a message class; it is for all actors of the class."""
        return self.plain.adopt(kind)

    def log(self) -> tuple[LogEvent, ...]:
        """The last events, if one of the observers is a log."""
        logs = (observer for observer in self.watch.observers if isinstance(observer, Log))
        return next((tuple(log.events) for log in logs), ())


def watch_of(ref: LocalRef) -> Watch | None:
    """The watch of `ref`, if it is watched."""
    behaviour = ref.behaviour
    return behaviour.watch if isinstance(behaviour, Watched) else None


def plain_behaviour(ref: LocalRef) -> Behaviour:
    """The behaviour of the actor's class, whether it is watched or not."""
    behaviour = ref.behaviour
    return behaviour.plain if isinstance(behaviour, Watched) else behaviour


def set_behaviour(ref: LocalRef, plain: Behaviour) -> None:
    """Give `ref` the behaviour of another class; who watches it goes on."""
    watch = watch_of(ref)
    ref.behaviour = plain if watch is None else Watched(plain, watch)


def observe(ref: LocalRef, observer: Observer) -> None:
    """Have `observer` told what `ref` does, from its next run on."""
    watch = watch_of(ref)
    if watch is None:
        watch = Watch(ref)
        ref.behaviour = Watched(ref.behaviour, watch)
    watch.observers = (*watch.observers, observer)


def unobserve(ref: LocalRef, observer: Observer) -> None:
    """Undo `observe`, if it was done."""
    watch = watch_of(ref)
    if watch is not None:
        watch.observers = tuple(other for other in watch.observers if other is not observer)
        if not watch.observers:
            ref.behaviour = plain_behaviour(ref)


def observers_of(ref: LocalRef) -> tuple[Observer, ...]:
    """Who observes `ref`."""
    watch = watch_of(ref)
    return () if watch is None else watch.observers


protect(
    Watch,
    _watched_coroutine,
    _measured,
    _Table,
    _run_unhandled,
    watch_of,
    plain_behaviour,
    set_behaviour,
    observe,
    unobserve,
)
