"""What one actor does, counted or kept: `ActorStatistics` and the log of its last messages.

Both are observers (see `actors.observing.observation`), switched on for single actors by
`System.start_statistics` and `System.start_log`, and free for everybody else. They are OTP's
``sys:statistics`` and ``sys:log``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.observing.summaries import summary
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.observing.observation import Step
    from actors.ref import Ref

MAX_LOG: Final = 1_000
"""The longest log of one actor."""


@dataclass(frozen=True, slots=True)
class ActorStatistics:
    """What an actor has done since `since`, a time of the system's clock; times in seconds.

    ``running`` is how long its own code ran, ``in_hand`` how long it had messages in hand, waits
    included; ``longest`` is the longest of these. ``failed`` messages are those whose handler
    raised, also to refuse.
    """

    since: float
    messages: int
    calls: int
    failed: int
    running: float
    in_hand: float
    longest: float


class Statistics:
    """Observer that counts."""

    __slots__ = ("_calls", "_failed", "_in_hand", "_longest", "_messages", "_running", "_since")

    def __init__(self, now: float) -> None:
        self._since = now
        self._messages = self._calls = self._failed = 0
        self._running = self._in_hand = self._longest = 0.0

    def received(self, step: Step, /) -> None:
        """The actor takes a message in hand."""
        self._messages += 1
        self._calls += step.is_call

    def ended(self, step: Step, /) -> None:
        """It is done with it."""
        self._failed += step.error is not None
        self._running += step.running
        self._in_hand += step.seconds
        self._longest = max(self._longest, step.seconds)

    def read(self) -> ActorStatistics:
        """The counts as a value."""
        return ActorStatistics(
            self._since,
            self._messages,
            self._calls,
            self._failed,
            self._running,
            self._in_hand,
            self._longest,
        )


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One thing that an actor did; texts have at most 400 characters.

    ``kind`` is "in" (it took a message in hand), "reply" (it answered a call), "done" (it is done
    with another message) or "raised". ``text`` shows the message, reply or error, ``other`` is the
    actor that called, if one did that is known, and ``seconds`` how long it took.
    """

    at: float
    ref: Ref
    kind: str
    text: str
    other: Ref | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        """One line for people."""
        of = "" if self.other is None else f" of {self.other!r}"
        took = "" if self.kind == "in" else f" ({self.seconds * 1e3:.1f} ms)"
        return f"{self.at:.6f} {self.ref!r} {self.kind}{of}: {self.text}{took}"


def event_in(step: Step) -> LogEvent:
    """The event of a message that is taken in hand."""
    return LogEvent(step.at, step.ref, "in", summary(step.message), step.caller)


def event_end(step: Step) -> LogEvent:
    """The event of a message that is done with."""
    if step.error is not None:
        kind, text = "raised", f"{type(step.error).__qualname__} by {_kind(step)}"
    elif step.is_call:
        kind, text = "reply", summary(step.value)
    else:
        kind, text = "done", _kind(step)
    at = step.at + step.seconds
    return LogEvent(at, step.ref, kind, text, step.caller, step.seconds)


def _kind(step: Step) -> str:
    return type(step.message).__qualname__


class Log:
    """Observer that keeps the last events."""

    __slots__ = ("events",)

    def __init__(self, size: int) -> None:
        self.events: deque[LogEvent] = deque(maxlen=size)

    def received(self, step: Step, /) -> None:
        """The actor takes a message in hand."""
        self.events.append(event_in(step))

    def ended(self, step: Step, /) -> None:
        """It is done with it."""
        self.events.append(event_end(step))


protect(Statistics, Log, event_in, event_end)
