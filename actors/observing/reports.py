"""What the runtime tells people: counters, crash reports and log records, all bounded.

Reports are values with short texts; they hold no exception, no traceback object and no message.
Everything goes to the logger ``actors`` and to the callbacks given to `System.on_report`. Dead
letters, dropped and unhandled messages are counted each, and logged at most `LOG_BURST` times a
second and kind; the next line says how many were left out.

A warning is what somebody should look at. Dead letters are not: whoever holds a ref cannot know
that its actor is about to end, so where actors come and go there are some (OTP logs none). They are
logged for debugging when the actor ended in order, as information when it crashed or was killed;
the crash itself is an error of its own. A late reply is no letter at all: it is dropped silently.

Callbacks are called one after the other, never within each other: what one of them causes is told
when all have heard of the event in hand, so everybody hears events in one order. Two bounds hold
there, since a callback that sends to an actor which has ended would otherwise go on for ever: a
dead letter that is caused by telling of another is not told, and at most `MAX_CAUSED` events are
kept to be told. All are counted and logged as ever.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from actors.observing.summaries import state_summary, summary
from actors.observing.tracebacks import Trace, take_trace
from actors.reasons import ExitReason
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.observing.statistics import LogEvent
    from actors.ref import LocalRef, Ref
    from actors.scheduling.scheduler import Scheduler
    from actors.scheduling.turns import Phase
    from actors.scheduling.wheel import Deadline

logger = logging.getLogger("actors")

Callbacks = tuple["Callable[[Any], object]", ...]

LOG_BURST = 5
MAX_CAUSED = 1_000
"""Events caused by callbacks that wait to be told; what comes beyond is not."""

ZOMBIE_S = 5.0
"""An ended actor that has not unwound after this long is reported."""


@dataclass(frozen=True, slots=True)
class CrashReport:
    """An actor's code raised. All texts are bounded, the whole to some 30,000 characters.

    `state` is a summary of the actor's ``format_status()``, `log` its last events, where a log was
    on (`System.start_log`), `ancestors` its parent and so on upwards.
    """

    ref: LocalRef
    actor: str
    name: object
    reason: ExitReason
    phase: str
    message: str
    caller: Ref | None
    trace: Trace
    queue_length: int
    state: str
    ancestors: tuple[Ref, ...]
    log: tuple[LogEvent, ...]

    @property
    def traceback(self) -> str:
        """The trace as text, with source lines."""
        return str(self.trace)


@dataclass(frozen=True, slots=True)
class LongHandler:
    """One actor's turn kept the whole system from running for `seconds`."""

    ref: LocalRef
    seconds: float
    message: str


@dataclass(frozen=True, slots=True)
class ZombieReport:
    """An actor that must end still runs after `ZOMBIE_S` seconds, or at the end of the system."""

    ref: LocalRef
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message came for an actor that has ended. `message` is a summary."""

    ref: LocalRef
    message: str


@dataclass(frozen=True, slots=True)
class MailboxAlarm:
    """`length` messages wait for `ref`: at least `mark` (`raised`), or no longer nearly as many."""

    ref: LocalRef
    length: int
    mark: int
    raised: bool


Report = CrashReport | LongHandler | ZombieReport | MailboxAlarm


@dataclass(slots=True)
class Counters:
    """Counts since the start of the system."""

    spawned: int = 0
    ended: int = 0
    crashes: int = 0
    messages: int = 0
    direct_calls: int = 0
    bound: int = 0
    dead_letters: int = 0
    dropped: int = 0
    dropped_new: int = 0
    dropped_old: int = 0
    rejected: int = 0
    dropped_block: int = 0
    dropped_own: int = 0
    dropped_aside: int = 0
    busy: int = 0
    waited: int = 0
    mailbox_alarms: int = 0
    unhandled: int = 0
    left_open: int = 0
    zombies: int = 0
    long_handlers: int = 0
    gc_pauses: int = 0
    gc_total_us: int = 0
    gc_longest_us: int = 0


@dataclass(slots=True)
class _Limiter:
    since: float = float("-inf")
    logged: int = 0
    skipped: int = 0


class Zombie:
    """Wheel item: report `ref` unless it is dead by then."""

    __slots__ = ("deadline", "ref", "slot")

    def __init__(self, ref: LocalRef) -> None:
        self.ref = ref
        self.deadline = 0.0
        self.slot: dict[Deadline, None] | None = None

    def fire(self, scheduler: Scheduler, /) -> None:
        """Five seconds have passed."""
        control = self.ref.control
        if self.ref.is_alive() and control is not None and control.exit is not None:
            scheduler.reporter.zombie(self.ref, control.exit)


@dataclass(slots=True)
class Reporter:
    """Counts, logs and hands out reports for one system."""

    now: Callable[[], float]
    note_fatal: Callable[[BaseException], object]
    counters: Counters = field(default_factory=Counters)
    callbacks: list[Callable[[Report], object]] = field(default_factory=list)
    listeners: dict[type, tuple[Callable[[Any], object], ...]] = field(default_factory=dict)
    _limiters: dict[str, _Limiter] = field(default_factory=dict)
    _in_hand: object = None
    _caused: deque[tuple[Callbacks, object]] = field(default_factory=deque)

    def dead_letter(self, ref: LocalRef, message: object) -> None:
        """A message for an actor that has ended."""
        self.counters.dead_letters += 1
        if DeadLetter in self.listeners:
            self.tell(DeadLetter(ref, summary(message)))
        reason = ref.exit_reason
        level = logging.INFO if reason is not None and reason.abnormal else logging.DEBUG
        if logger.isEnabledFor(level):
            name = type(message).__qualname__
            self._log("dead letter", "%s for %r, which has ended", name, ref, level=level)

    def dropped(self, ref: LocalRef, message: object, counter: str) -> None:
        """A message at a full mailbox, to be counted also under `counter`."""
        counters = self.counters
        counters.dropped += 1
        setattr(counters, counter, getattr(counters, counter) + 1)
        kind, policy = type(message).__qualname__, ref.behaviour.mailbox_policy
        self._log("dropped", "%s for %r, whose mailbox is full (%s)", kind, ref, policy)

    def stash_full(self, ref: LocalRef, message: object) -> None:
        """A message that should have been put aside, above the stash limit."""
        self.counters.dropped += 1
        self.counters.dropped_aside += 1
        kind, limit = type(message).__qualname__, ref.behaviour.stash_limit
        self._log("dropped", "%s for %r, which has put aside %d messages", kind, ref, limit)

    def mailbox_alarm(self, ref: LocalRef, length: int, mark: int, *, raised: bool) -> None:
        """The mailbox alarm of `ref` is raised or cleared."""
        if raised:
            self.counters.mailbox_alarms += 1
            limit = ref.behaviour.mailbox_limit
            self._log("mailbox alarm", "%d of %d messages wait for %r", length, limit, ref)
        else:
            self._log("mailbox alarm", "over: %d messages wait for %r", length, ref)
        self.publish(MailboxAlarm(ref, length, mark, raised))

    def unhandled(self, ref: LocalRef, message: object) -> None:
        """A message that the actor has no handler for."""
        self.counters.unhandled += 1
        self._log("unhandled", "%s, for which %r has no handler", type(message).__qualname__, ref)

    def crash(self, ref: LocalRef, phase: Phase, reason: ExitReason, error: BaseException) -> None:
        """An actor's code raised `error`. Described only if somebody will read it."""
        self.counters.crashes += 1
        logged = self._may_log("crash", logging.ERROR)
        wanted = self.wants(CrashReport)
        if not logged and not wanted:
            return
        trace = take_trace(error)
        if logged:
            logger.error("crash: %r in %s: %s\n%s", ref, phase.name.lower(), reason, trace)
        if wanted:
            entry = ref.entry
            report = CrashReport(
                ref=ref,
                actor=ref.behaviour.name,
                name=ref.name,
                reason=reason,
                phase=phase.name.lower(),
                message=summary(getattr(entry, "request", entry)),
                caller=getattr(entry, "ref", None),
                trace=trace,
                queue_length=ref.queue_length,
                state="" if ref.actor is None else state_summary(ref.actor),
                ancestors=ref.ancestors,
                log=ref.behaviour.log(),
            )
            self.publish(report)

    def long_handler(self, ref: LocalRef, entry: object, seconds: float) -> None:
        """An actor's turn, the last message of which was `entry`, took `seconds`."""
        self.counters.long_handlers += 1
        message = type(getattr(entry, "request", entry)).__qualname__
        self._log(
            "long handler", "%r ran for %.0f ms, last message %s", ref, seconds * 1e3, message
        )
        self.publish(LongHandler(ref, seconds, message))

    def zombie(self, ref: LocalRef, reason: ExitReason) -> None:
        """An actor does not unwind."""
        self.counters.zombies += 1
        self._log("zombie", "%r does not end (%s): its code swallows the unwinding", ref, reason)
        self.publish(ZombieReport(ref, reason))

    def add_callback(self, callback: Callable[[Report], object]) -> Callable[[], None]:
        """Have `callback` called with every report; returns what removes it again."""
        check_callback(callback)

        def call(report: Report) -> None:
            callback(report)

        def remove() -> None:
            if call in self.callbacks:
                self.callbacks.remove(call)

        self.callbacks.append(call)
        return remove

    def wants(self, kind: type) -> bool:
        """Whether anybody would get a report of this kind, besides the log."""
        return bool(self.callbacks) or kind in self.listeners

    def publish(self, report: Report) -> None:
        """Hand `report` to the callbacks for reports and to those who listen to its kind."""
        self._call(tuple(self.callbacks), report)
        self.tell(report)

    def tell(self, event: object) -> None:
        """Hand `event` to those who listen to its kind; see `actors.observing.events`."""
        self._call(self.listeners.get(type(event), ()), event)

    def _call(self, callbacks: Callbacks, event: object) -> None:
        if not callbacks:
            return
        if self._in_hand is not None:
            is_echo = isinstance(event, DeadLetter) and isinstance(self._in_hand, DeadLetter)
            if len(self._caused) < MAX_CAUSED and not is_echo:
                self._caused.append((callbacks, event))
            return
        self._in_hand = event
        try:
            self._call_each(callbacks, event)
            while self._caused:
                callbacks, self._in_hand = self._caused.popleft()
                self._call_each(callbacks, self._in_hand)
        finally:
            self._in_hand = None

    def _call_each(self, callbacks: Callbacks, event: object) -> None:
        for callback in callbacks:
            try:
                callback(event)
            except BaseException as error:
                # Also those: it is called in the midst of the runtime, which must go on to stop.
                logger.exception("a report callback raised")
                self.note_fatal(error)

    def _log(self, kind: str, text: str, *values: Any, level: int = logging.WARNING) -> None:
        if self._may_log(kind, level):
            logger.log(level, "%s: " + text, kind, *values)  # noqa: G003 - text is a constant

    def _may_log(self, kind: str, level: int) -> bool:
        limiter = self._limiters.get(kind)
        if limiter is None:
            limiter = self._limiters[kind] = _Limiter()
        now = self.now()
        if now - limiter.since >= 1.0:
            skipped, limiter.skipped = limiter.skipped, 0
            limiter.since, limiter.logged = now, 0
            if skipped:
                logger.log(level, "%s: %d more were not logged", kind, skipped)
        if limiter.logged >= LOG_BURST:
            limiter.skipped += 1
            return False
        limiter.logged += 1
        return True


def check_callback(callback: object) -> None:
    """Raise TypeError if `callback` is nothing that can be called at once, with one argument."""
    if not callable(callback) or iscoroutinefunction(callback):
        raise TypeError(f"a callback is an ordinary function of the event, not {summary(callback)}")


protect(Reporter, Zombie, check_callback)
