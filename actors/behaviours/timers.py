"""Timers: messages that an actor will get when their time has come.

===============================  ==================================================================
``send_after(s, m)``             `m` once, in `s` seconds
``send_after(s, m, to=ref)``     the same for another actor
``start_timer(key, s, m)``       the same, under a key: setting the key again replaces the timer
``send_interval(s, m)``          `m` again and again, with `s` seconds between one and the next
``start_interval(key, s, m)``    the same, under a key
``set_idle_timeout(s)``          a `Timeout` whenever nothing has been handled for `s` seconds
``cancel_timer(timer or key)``   the seconds that were left, or None
===============================  ==================================================================

**A timer belongs to the incarnation that gets its message**, and is dropped when that ends, by a
stop or before a restart. For a timer to another actor this is OTP's rule: a message is under way,
and as with a cast its sender may end meanwhile. It comes under the rules of casts, too: a full
mailbox drops it.

**Keys** are any hashable values. When a key is set again or cancelled, the message of the timer
that had it is not handled any more, even if the timer has fired and the message waits in the
mailbox (the promise of Akka's TimerScheduler). A timer without a key is OTP's: once it has fired,
its message is a message like others, and cancelling comes too late.

**Intervals** have a fixed delay: the pause to the next tick begins when a tick is taken in hand, so
there is never more than one tick in the mailbox, and after a stall - a long handler, a suspended
actor, a machine that slept - one tick comes and not all that were missed.

**Inactivity** is counted from the end of the last message that was handled. The timeout stays set
until it is changed, and comes again after each further such period. While it is set each message of
the actor costs a look at the clock; other actors pay nothing.

Times are in seconds, or with ``absolute=True`` a time of trio's clock (`trio.current_time`), which
may have passed. Deadlines live in the system's wheel: about 0.2 kB for a timer, two dictionary
operations to set and to cancel one. Timers with equal deadlines fire in the order of their setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from actors.errors import ActorError
from actors.lifecycle.ties import Ties
from actors.mailboxes.envelopes import Envelope
from actors.mailboxes.mailbox import EMPTY
from actors.ref import ASLEEP, DROWSY, IDLE
from actors.scheduling.clocks import deadline_after
from actors.scheduling.control import control_of
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Hashable

    from actors.ref import LocalRef
    from actors.scheduling.scheduler import Scheduler
    from actors.scheduling.wheel import Deadline


class TimerRef:
    """One timer that has been set. Compare by identity."""

    __slots__ = ("_ref", "deadline", "message", "slot")

    def __init__(self, ref: LocalRef, message: object) -> None:
        self._ref = ref
        self.message = message
        self.deadline = 0.0
        """When it fires, or fired, on trio's clock."""
        self.slot: dict[Deadline, None] | None = None

    @property
    def is_pending(self) -> bool:
        """Whether the message is still to come; with a key or an interval, to be handled."""
        return self.slot is not None

    @property
    def remaining(self) -> float | None:
        """Seconds to go, 0.0 when it is due; None if it is over (OTP: ``read_timer``)."""
        if not self.is_pending:
            return None
        return max(0.0, self.deadline - self._ref.scheduler.now())

    def fire(self, _scheduler: Scheduler, /) -> None:
        """The time has come."""
        _forget(self)
        self._ref.put(self.message)

    def void(self) -> None:
        """Take it back."""
        _forget(self)
        self._ref.scheduler.wheel.remove(self)

    @property
    def key(self) -> Any:
        """What it is entered under."""
        return self

    def __repr__(self) -> str:
        state = f"due at {self.deadline:.3f}" if self.is_pending else "over"
        return f"<timer of {self._ref!r}, {state}>"


class SentTimer(TimerRef):
    """A timer that one actor has set for another."""

    __slots__ = ()

    def fire(self, _scheduler: Scheduler, /) -> None:
        """The time has come."""
        _forget(self)
        self._ref.cast(self.message)


class KeyedTimer(TimerRef, Envelope):
    """A timer that can be taken back until its message is handled; also every interval."""

    __slots__ = ("_every", "_key", "_waits")

    def __init__(self, ref: LocalRef, message: object, key: Hashable, every: float | None) -> None:
        super().__init__(ref, message)
        self._key = self if key is None else key
        self._every = every
        self._waits = False

    @property
    def key(self) -> Any:
        """What it is entered under."""
        return self._key

    @property
    def is_pending(self) -> bool:
        """Whether the message is still to be handled."""
        return self.slot is not None or self._waits

    def fire(self, _scheduler: Scheduler, /) -> None:
        """The time has come: wait in the mailbox."""
        self._waits = True
        self._ref.put(self)

    def void(self) -> None:
        """Take it back, out of the mailbox as well."""
        self._waits = False
        super().void()

    def open(self) -> Any:
        """The message is handled now, unless it has been taken back."""
        if not self._waits:
            return EMPTY
        self._waits = False
        if self._every is None:
            _forget(self)
        else:
            scheduler = self._ref.scheduler
            scheduler.wheel.add(self, scheduler.now() + self._every)
        return self.message


@dataclass(frozen=True, slots=True)
class Hidden:
    """A key that is the runtime's, and not among the keys in use that an actor is shown."""

    name: Hashable


class IdleTimer(TimerRef):
    """The inactivity timeout of an actor; see `control.Control.idle`."""

    __slots__ = ("_seconds", "_since")

    def __init__(self, ref: LocalRef, message: object, seconds: float) -> None:
        super().__init__(ref, message)
        self._seconds = seconds
        self.touch()

    def touch(self) -> None:
        """The actor has handled something."""
        self._since = self._ref.scheduler.now()

    def fire(self, scheduler: Scheduler, /) -> None:
        """The message, if the actor has been idle all the while; and on to the next look."""
        now, due = scheduler.now(), self._since + self._seconds
        if self._ref.status not in (IDLE, DROWSY, ASLEEP):
            due = now + self._seconds
        elif due <= now:
            due = now + self._seconds
            self._ref.put(self.message)
        scheduler.wheel.add(self, due)


def send_after(
    owner: LocalRef, to: LocalRef, seconds: float, message: object, *, absolute: bool
) -> TimerRef:
    """Set a timer without a key. Raises ValueError for a negative or non-finite time."""
    deadline = _deadline(to, "send_after", seconds, absolute=absolute)
    timer = (TimerRef if to is owner else SentTimer)(to, message)
    if to.is_alive():
        _set(timer, deadline)
    return timer


def start_timer(
    ref: LocalRef, key: Hashable, seconds: float, message: object, *, absolute: bool
) -> TimerRef:
    """Set the timer `key`. Raises ValueError for a negative or non-finite time or a bad key."""
    deadline = _deadline(ref, "start_timer", seconds, absolute=absolute)
    check_key(key)
    return _set(KeyedTimer(ref, message, key, None), deadline)


def start_interval(ref: LocalRef, key: Hashable, seconds: float, message: object) -> TimerRef:
    """Set an interval; without a key (None) it has only its `TimerRef`."""
    due = deadline_after(ref.scheduler.now(), seconds, "an interval is")
    if not 0 < seconds < inf:
        raise ValueError(f"an interval got {seconds!r} seconds; give a finite number above 0")
    return _set(KeyedTimer(ref, message, key, seconds), due)


def find_timer(ref: LocalRef, key: Hashable) -> TimerRef | None:
    """The pending timer with this key."""
    return _timers(ref).get(key)


def cancel_timer(ref: LocalRef, timer: TimerRef | Hashable) -> float | None:
    """Take a timer back; the seconds that were left, None if there is nothing to take back."""
    if not isinstance(timer, TimerRef):
        found = find_timer(ref, timer)
        if found is None:
            return None
        timer = found
    remaining = timer.remaining
    if remaining is not None:
        timer.void()
    return remaining


def keyed_timers(ref: LocalRef) -> dict[Hashable, TimerRef]:
    """The keys in use."""
    return {
        key: timer
        for key, timer in _timers(ref).items()
        if key is not timer and not isinstance(key, Hidden)
    }


def timers_of(ref: LocalRef) -> tuple[TimerRef, ...]:
    """All pending timers, with keys and without, in the order of their setting."""
    return tuple(_timers(ref).values())


def set_idle_timeout(ref: LocalRef, seconds: float | None, message: object) -> None:
    """Set or (None) remove the inactivity timeout. Raises ValueError for a bad time."""
    if ref.behaviour.run is not None:
        raise ActorError(
            "a TaskActor has no idle timeout; write 'with trio.move_on_after(s)' around receive()"
        )
    due = 0.0
    if seconds is not None:
        due = deadline_after(ref.scheduler.now(), seconds, "set_idle_timeout takes")
        if not 0 < seconds < inf:
            raise ValueError(
                f"set_idle_timeout got {seconds!r} seconds; give a finite number above 0"
            )
    control = control_of(ref)
    if control.idle is not None:
        control.idle.void()
        control.idle = None
    if seconds is not None:
        timer = control.idle = IdleTimer(ref, message, seconds)
        _set(timer, due)


def drop_timers(ref: LocalRef) -> None:
    """The actor has ended: its timers are void."""
    ties = ref.ties
    if ties is not None and ties.timers is not None:
        for timer in tuple(ties.timers.values()):
            timer.void()


def _deadline(ref: LocalRef, what: str, seconds: float, *, absolute: bool) -> float:
    now = 0.0 if absolute else ref.scheduler.now()
    deadline = deadline_after(now, seconds, f"{what} takes")
    if not (-inf if absolute else now) <= deadline < inf:
        raise ValueError(f"{what} got {seconds!r} seconds; give a finite number of at least 0")
    return deadline


def check_key(key: Hashable) -> None:
    """Raise ValueError if `key` cannot be the key of a timer."""
    if key is None or isinstance(key, TimerRef):
        raise ValueError(f"{key!r} cannot be the key of a timer; take a string, for instance")


def _timers(ref: LocalRef) -> dict[Any, TimerRef]:
    return (None if ref.ties is None else ref.ties.timers) or {}


def _set(timer: TimerRef, deadline: float) -> TimerRef:
    ref, key = timer._ref, timer.key
    ties = ref.ties
    if ties is None:
        ties = ref.ties = Ties()
    if ties.timers is None:
        ties.timers = {}
    old = ties.timers.get(key)
    if old is not None:
        old.void()
    if ties.timers is None:
        ties.timers = {}
    ties.timers[key] = timer
    ref.scheduler.wheel.add(timer, deadline)
    return timer


def _forget(timer: TimerRef) -> None:
    ties = timer._ref.ties
    if ties is not None and ties.timers is not None and ties.timers.get(timer.key) is timer:
        del ties.timers[timer.key]
        if not ties.timers:
            ties.timers = None


protect(
    TimerRef,
    SentTimer,
    KeyedTimer,
    IdleTimer,
    send_after,
    start_timer,
    start_interval,
    find_timer,
    cancel_timer,
    keyed_timers,
    timers_of,
    set_idle_timeout,
    drop_timers,
    _deadline,
    check_key,
    _timers,
    _set,
    _forget,
)
