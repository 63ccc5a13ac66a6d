"""Timers of an actor: `send_after`.

A timer puts its message into its own actor's mailbox when the time has come. It belongs to the
incarnation that set it: when the actor stops, its timers are dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.protection import protect
from actors.ties import tie, tied, untie

if TYPE_CHECKING:
    from actors.ref import LocalRef
    from actors.scheduler import Scheduler
    from actors.wheel import Deadline


class TimerRef:
    """One timer that has been set. Compare by identity."""

    __slots__ = ("_message", "_ref", "deadline", "slot")

    def __init__(self, ref: LocalRef, message: object) -> None:
        self._ref = ref
        self._message = message
        self.deadline = 0.0
        self.slot: dict[Deadline, None] | None = None

    @property
    def is_pending(self) -> bool:
        """Whether the message is still to come."""
        return self.slot is not None

    def fire(self, _scheduler: Scheduler, /) -> None:
        """The time has come."""
        untie(self._ref, "timers", self)
        self._ref.put(self._message)

    def __repr__(self) -> str:
        state = f"due at {self.deadline:.3f}" if self.is_pending else "over"
        return f"<timer of {self._ref!r}, {state}>"


def start_timer(ref: LocalRef, seconds: float, message: object) -> TimerRef:
    """Set a timer. Raises ValueError for a negative or non-finite time."""
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"send_after got {seconds!r} seconds; give a finite number of at least 0")
    timer = TimerRef(ref, message)
    tie(ref, "timers", timer)
    scheduler = ref.scheduler
    scheduler.wheel.add(timer, scheduler.now() + seconds)
    return timer


def cancel_timer(timer: TimerRef) -> bool:
    """Cancel a timer. False if its message has been delivered, or the timer cancelled, already."""
    untie(timer._ref, "timers", timer)
    pending = timer.is_pending
    timer._ref.scheduler.wheel.remove(timer)
    return pending


def drop_timers(ref: LocalRef) -> None:
    """The actor has ended: its timers are void."""
    for timer in tied(ref, "timers"):
        ref.scheduler.wheel.remove(timer)


protect(TimerRef, start_timer, cancel_timer, drop_timers)
