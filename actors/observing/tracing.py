"""Message tracing with limits: `System.trace`, after OTP's ``sys:trace`` and ``recon_trace``.

    with system.trace(Counter, limit=50) as tracing:
        ...
    for event in tracing.events:
        print(event)

A trace sees the messages that actors take in hand and what comes of them, as `LogEvent` values with
bounded texts. It can be left on in a busy system: it ends by itself after `limit` events, or as
soon as there are more than `per_second` within one second, and says so, in the log ``actors`` and
in `Trace.over`. It ends and says so, too, when its callback or its predicate raises. While none is
on, tracing costs nothing; see `actors.observing.observation`.

Traced are one actor, or all actors of a class, or all that a predicate names: those alive when it
is switched on, and those that start while it is on.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Self

from actors.errors import CalleeDied
from actors.observing.events import Started, listen
from actors.observing.observation import observe, unobserve
from actors.observing.reports import logger
from actors.observing.statistics import LogEvent, event_end, event_in
from actors.reasons import NoProc
from actors.ref import LocalRef, Ref
from actors.scheduling.protection import protect
from actors.scheduling.signals import Signal
from actors.upgrading.versions import newest

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.actor import Actor
    from actors.observing.observation import Step
    from actors.scheduling.scheduler import Scheduler

MAX_LIMIT: Final = 1_000_000
MIN_CROWD: Final = 64
"""Traced actors before those that have ended are sorted out."""

Target = Ref | type["Actor"]


class Trace:
    """One trace. Made by `System.trace`; a context manager that ends it."""

    def __init__(
        self,
        scheduler: Scheduler,
        chosen: Callable[[LocalRef], bool],
        limits: tuple[int, int],
        callback: Callable[[LogEvent], object] | None,
    ) -> None:
        self._scheduler = scheduler
        self._chosen = chosen
        self._limit, self._per_second = limits
        self._callback = callback
        self._refs: dict[LocalRef, None] = {}
        self._crowded = MIN_CROWD
        self._unfollow: Callable[[], None] | None = None
        self._since = float("-inf")
        self._in_second = 0
        self._ended: Signal[str] = Signal()
        self.events: deque[LogEvent] = deque(maxlen=self._limit)
        """The events so far, the oldest first."""
        self.over: str | None = None
        """Why the trace has ended; None while it is on."""

    def __repr__(self) -> str:
        state = "on" if self.over is None else f"over: {self.over}"
        return f"<trace of {len(self._refs)} actors, {len(self.events)} events, {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the trace; its events stay."""
        self._end("it was stopped")

    async def wait(self, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """Wait until the trace has ended; why it has. Raises WaitTimeout."""
        return await self._ended.wait(timeout)

    def add(self, ref: LocalRef) -> None:
        """Trace `ref` too, if it is meant."""
        if self.over is None and ref not in self._refs and self._chosen(ref):
            self._refs[ref] = None
            observe(ref, self)
            if len(self._refs) > self._crowded:
                self._refs = {ref: None for ref in self._refs if ref.is_alive()}
                self._crowded = 2 * len(self._refs) + MIN_CROWD

    def follow(self) -> None:
        """Trace also those who start while the trace is on."""
        if self.over is None:
            self._unfollow = listen(self._scheduler, self._started, (Started,))

    def _started(self, event: Started) -> None:
        if not isinstance(event.ref, LocalRef):
            return
        try:
            self.add(event.ref)
        except BaseException as error:
            self._fail("predicate", error)

    def received(self, step: Step, /) -> None:
        """A traced actor takes a message in hand."""
        if self._admits(step.at):
            self._tell(event_in(step))

    def ended(self, step: Step, /) -> None:
        """It is done with it."""
        if self._admits(step.at + step.seconds):
            self._tell(event_end(step))

    def _admits(self, now: float) -> bool:
        if self.over is not None:
            return False
        if now - self._since >= 1.0:
            self._since, self._in_second = now, 0
        self._in_second += 1
        if self._in_second > self._per_second:
            self._end(f"there were more than {self._per_second:,} events within one second")
            return False
        return True

    def _tell(self, event: LogEvent) -> None:
        self.events.append(event)
        if self._callback is not None:
            try:
                self._callback(event)
            except BaseException as error:
                self._fail("callback", error)
        if len(self.events) >= self._limit:
            self._end(f"there were {self._limit:,} events")

    def _fail(self, what: str, error: BaseException) -> None:
        logger.exception("the %s of a trace raised; the trace ends", what)
        self._scheduler.system.note_fatal(error)
        self._end(f"its {what} raised")

    def _end(self, why: str) -> None:
        if self.over is not None:
            return
        self.over = why
        for ref in self._refs:
            unobserve(ref, self)
        self._refs.clear()
        if self._unfollow is not None:
            self._unfollow()
        logger.info("trace: over after %d events: %s", len(self.events), why)
        self._ended.set(why)


def start_trace(
    scheduler: Scheduler,
    target: Target | Callable[[LocalRef], bool],
    limits: tuple[int, int],
    callback: Callable[[LogEvent], object] | None,
) -> Trace:
    """Switch a trace on; see `System.trace`."""
    for what, limit in zip(("limit", "per_second"), limits, strict=True):
        if not 1 <= limit <= MAX_LIMIT:
            raise ValueError(f"trace got {what}={limit!r}; give a number from 1 to {MAX_LIMIT:,}")
    trace = Trace(scheduler, _predicate(target), limits, callback)
    if isinstance(target, LocalRef):
        if not target.is_alive():
            raise CalleeDied(target, target.exit_reason or NoProc())
        trace.add(target)
        return trace
    try:
        for ref in tuple(scheduler.table):
            trace.add(ref)
    except BaseException:
        trace.stop()  # nobody else could: the caller gets the error instead of the trace
        raise
    trace.follow()
    return trace


def _predicate(target: Any) -> Callable[[LocalRef], bool]:
    if isinstance(target, Ref):
        return lambda ref: ref is target
    if isinstance(target, type):
        current = newest(target) if hasattr(target, "_behaviour") else target
        return lambda ref: isinstance(ref.actor, current)
    if callable(target):
        return target  # type: ignore[no-any-return]
    raise TypeError(f"trace takes a ref, an actor class or a predicate of refs, not {target!r}")


protect(Trace, start_trace)
