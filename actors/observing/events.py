"""System events: what happens in a system, as values, for those who subscribe to their kinds.

==================  ===========================================================================
kind                told when
==================  ===========================================================================
`Started`           an actor has been made; its ``init`` is still to come, and may fail
`Stopped`           an actor has ended for good, with its reason, also one that never got to run
`DeadLetter`        a message came for an actor that has ended
`CollectorPause`    Python's garbage collector has stopped the process (``tune_collector`` only)
`CrashReport`       an actor's code raised
`LongHandler`       one actor's turn stalled the system
`ZombieReport`      an actor that must end does not
`MailboxAlarm`      very many messages wait for an actor, or no longer
==================  ===========================================================================

The last four, and every other report that somebody publishes - a supervisor's for example - also
go to `System.on_report`. The first four are told to subscribers alone: nothing is made, counted or
asked for them while there are none. For starts and ends that is done by the table of all actors,
which is another kind of dict while somebody wants to know.

A kind is the class itself, exactly. Callbacks run inside the runtime: they must be short and must
not wait; one that raises is logged and stays. Each is called by itself: what a callback causes is
told after the event in hand (`actors.observing.reports`). Actors and tasks get events over a
bounded queue; what does not fit is dropped and counted. A subscription that has ended gets nothing
more, be it the event in hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from actors.errors import ActorError
from actors.lifecycle.links import Watch
from actors.lifecycle.ties import tie, untie
from actors.mailboxes.mailbox import length
from actors.observing.reports import DeadLetter, check_callback
from actors.scheduling.protection import protect
from actors.scheduling.signals import Signal

if TYPE_CHECKING:
    from actors.reasons import ExitReason
    from actors.ref import LocalRef, Ref
    from actors.scheduling.scheduler import Scheduler

DEFAULT_SIZE: Final = 1_000
"""Events that wait for a subscriber at most."""


@dataclass(frozen=True, slots=True)
class Started:
    """An actor has been made. `actor` is the name of its class, `parent` who has spawned it."""

    ref: Ref
    actor: str
    name: object
    parent: Ref | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """An actor has ended."""

    ref: Ref
    actor: str
    name: object
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class CollectorPause:
    """The garbage collector has stopped the process for `seconds`, in a collection of this age."""

    seconds: float
    generation: int


class _ObservedTable(dict["LocalRef", None]):
    """The table of all actors while somebody follows starts or ends."""

    __slots__ = ("_scheduler",)

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler.table)
        self._scheduler = scheduler

    def __setitem__(self, ref: LocalRef, value: None) -> None:
        super().__setitem__(ref, value)
        reporter = self._scheduler.reporter
        if Started in reporter.listeners:
            reporter.tell(Started(ref, ref.behaviour.name, ref.name, ref.parent))

    def pop(self, ref: LocalRef, default: Any = None) -> Any:
        """Remove `ref`, which has ended."""
        found = super().pop(ref, self)
        reporter, reason = self._scheduler.reporter, ref.exit_reason
        if found is not self and reason is not None and Stopped in reporter.listeners:
            reporter.tell(Stopped(ref, ref.behaviour.name, ref.name, reason))
        return default if found is self else found


def listen(
    scheduler: Scheduler, callback: Callable[[Any], object], kinds: tuple[type, ...]
) -> Callable[[], None]:
    """Have `callback` called with each event of these kinds; returns what undoes that."""
    if not kinds or not all(isinstance(kind, type) for kind in kinds):
        raise TypeError(f"name the classes of the events that are meant, as Started, not {kinds!r}")
    check_callback(callback)
    listeners = scheduler.reporter.listeners
    for kind in kinds:
        listeners[kind] = (*listeners.get(kind, ()), callback)
    _choose_table(scheduler)

    is_on = True

    def stop() -> None:
        nonlocal is_on
        if not is_on:
            return
        is_on = False
        for kind in kinds:
            left = list(listeners[kind])
            left.remove(callback)
            if left:
                listeners[kind] = tuple(left)
            else:
                del listeners[kind]
        _choose_table(scheduler)

    return stop


def _choose_table(scheduler: Scheduler) -> None:
    listeners, table = scheduler.reporter.listeners, scheduler.table
    if Started in listeners or Stopped in listeners:
        if type(table) is dict:
            scheduler.table = _ObservedTable(scheduler)
    elif type(table) is not dict:
        scheduler.table = dict(table)


class EventStream:
    """Events for a task or a handler, which reads them with ``async for`` or `receive`.

    A context manager that ends the subscription. At most `size` events wait; the newest are
    dropped then, and counted in ``dropped``.
    """

    def __init__(self, scheduler: Scheduler, kinds: tuple[type, ...], size: int) -> None:
        self._queue: deque[Any] = deque()
        self._size = _checked(size)
        self._arrival: Signal[None] = Signal()
        self._is_open = True
        self.dropped = 0
        """Events that did not fit."""
        self._stop = listen(scheduler, self._put, kinds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        await self._wait(None)
        if not self._queue:
            raise StopAsyncIteration
        return self._queue.popleft()

    def close(self) -> None:
        """End the subscription. What waits can still be received; who waits for more is told."""
        self._is_open = False
        self._stop()
        self._arrival.set(None)

    def receive_nowait(self) -> Any:
        """The oldest event that waits, None if there is none."""
        return self._queue.popleft() if self._queue else None

    async def receive(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        """The next event.

        Raises:
            WaitTimeout: none came within `timeout` seconds (None: wait for ever).
            ActorError: the subscription has ended, and nothing waits any more.
        """
        await self._wait(timeout)
        if not self._queue:
            raise ActorError("this stream of events has been closed; open another one")
        return self._queue.popleft()

    async def _wait(self, timeout: float | None) -> None:  # noqa: ASYNC109
        while self._is_open and not self._queue:
            await self._arrival.wait(timeout)

    def _put(self, event: Any) -> None:
        if not self._is_open:
            return
        if len(self._queue) >= self._size:
            self.dropped += 1
            return
        self._queue.append(event)
        arrival, self._arrival = self._arrival, Signal()
        arrival.set(None)


class EventSubscription(Watch):
    """Events for an actor, as messages: the event itself arrives, for ``@on(Started)``.

    While `size` messages wait in its mailbox, whatever they are, events are dropped and counted in
    ``dropped``. It ends with the actor, or by `close`.
    """

    __slots__ = ("_is_open", "_size", "_stop", "dropped")

    def __init__(
        self, scheduler: Scheduler, ref: LocalRef, kinds: tuple[type, ...], size: int
    ) -> None:
        self.ref = ref
        self._size = _checked(size)
        self.dropped = 0
        self._is_open = True
        self._stop = listen(scheduler, self._put, kinds)
        tie(ref, "watchers", self)

    def close(self) -> None:
        """End the subscription."""
        untie(self.ref, "watchers", self)
        self._end()

    def ended(self, _reason: ExitReason, /) -> None:
        """The actor has ended."""
        self._end()

    def _end(self) -> None:
        self._is_open = False
        self._stop()

    def _put(self, event: Any) -> None:
        if not self._is_open:
            return
        if length(self.ref) >= self._size:
            self.dropped += 1
        else:
            self.ref.put(event)


def _checked(size: int) -> int:
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"a subscription of size {size!r}: give a number of at least 1")
    return size


protect(_ObservedTable, listen, _choose_table, EventStream, EventSubscription)

__all__ = [
    "CollectorPause",
    "DeadLetter",
    "EventStream",
    "EventSubscription",
    "Started",
    "Stopped",
    "listen",
]
