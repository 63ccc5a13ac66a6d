"""`open_system`: a world of actors inside a trio program.

    async with open_system(name="node") as system:
        counter = await system.spawn(Counter, 5, name="counter")
        print(await counter.call(Add(3)))

Several systems may live in one process and in one trio run; they share nothing. When the block is
left, also by an exception or an outer cancellation, the system stops in order: the actors without a
parent get a shutdown signal, the newest first, each given time to end with all below it; then the
rest; after `stop_timeout` seconds whatever is left is killed, and every coroutine is unwound before
the block is left.

Ctrl-C: a KeyboardInterrupt (or SystemExit) raised by a handler stops the system in the same order
and is then raised from the block.
"""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import asdict
from random import Random
from typing import TYPE_CHECKING, Any, ParamSpec, overload

import trio

from actors.actor import local
from actors.embedding.portal import Portal
from actors.lifecycle.start_and_end import (
    end_by_system,
    finalize,
    join,
    send_exit,
    send_kill,
    start,
)
from actors.lifecycle.stopping import stop_and_wait
from actors.lifecycle.ties import untie
from actors.naming.subscriptions import actor_here, check_alive
from actors.observing.events import DEFAULT_SIZE, EventStream, EventSubscription, listen
from actors.observing.inspection import Inspection, at_pause
from actors.observing.metrics import Metric, metrics_of
from actors.reasons import ExitReason, Killed, Normal
from actors.ref import CALL_TIMEOUT_S
from actors.scheduling import _trio_internals
from actors.scheduling.clocks import is_simulated, stopwatch, trio_clock
from actors.scheduling.collector import Collector
from actors.scheduling.driver import Tasks
from actors.scheduling.protection import protect
from actors.scheduling.run_state import run_state
from actors.scheduling.scheduler import Scheduler
from actors.scheduling.threads import is_debug
from actors.scheduling.waits import wait_for
from actors.upgrading.upgrade import UPGRADE_TIMEOUT_S, UpgradeReport, change_code, upgrade

if TYPE_CHECKING:
    from types import ModuleType

    from actors.actor import Actor
    from actors.observing.reports import Report
    from actors.ref import LocalRef, Ref

P = ParamSpec("P")

STOP_TIMEOUT_S = 10.0
KILL_TIMEOUT_S = 2.0
"""After the stop timeout: time for killed actors to unwind, before they are reported and closed."""
_NORMAL = Normal()


class System(Inspection):
    """One world of actors. Made by `open_system`."""

    def __init__(self, scheduler: Scheduler, random: Random, body: trio.CancelScope) -> None:
        self._scheduler = scheduler
        self._body = body
        self._stopping = False
        self.random = random
        """The system's source of randomness; seeded in simulation."""

    def __repr__(self) -> str:
        return f"<System {self.name!r}, {len(self._scheduler.table)} actors>"

    @property
    def name(self) -> str:
        """The name given to `open_system`."""
        return self._scheduler.name

    @property
    def is_stopping(self) -> bool:
        """Whether the orderly stop has begun."""
        return self._stopping

    @overload
    async def spawn(
        self, cls: Callable[P, Actor], *args: P.args, **kwargs: P.kwargs
    ) -> LocalRef: ...
    @overload
    async def spawn(
        self, cls: type[Actor], *args: Any, name: Hashable, **kwargs: Any
    ) -> LocalRef: ...
    async def spawn(self, cls: Any, *args: Any, name: Any = None, **kwargs: Any) -> LocalRef:
        """Start an actor without a parent; returns when its ``init`` has run.

        Type checkers compare the arguments with the class's own ``__init__``, but not beside
        ``name=``: Python's types have no way to say both.

        Raises:
            StartFailed: its construction or ``init`` failed.
            AlreadyStarted: the name is taken.
            SystemStopped: the system has stopped.
        """
        self._scheduler.check_thread()
        return await start(self._scheduler, cls, args, kwargs, name=name)

    def whereis(self, name: Hashable) -> LocalRef | None:
        """The living actor with this name."""
        return self._scheduler.names.whereis(name)

    async def wait_for(
        self,
        name: Hashable,
        timeout: float | None = CALL_TIMEOUT_S,  # noqa: ASYNC109
    ) -> LocalRef:
        """The living actor with this name; waits until there is one, as while it is restarted.

        Also for a name that `Registry.via` has made. See `actors.naming.arrivals`.

        Raises:
            WaitTimeout: nobody has got the name within `timeout` seconds (None: wait for ever).
            SystemStopped: the system has stopped.
            TypeError: it is a `Via` of another table, which does not tell of changes.
        """
        return await self._scheduler.names.wait_for(self._scheduler, name, timeout)

    def register(self, name: Hashable, ref: Ref) -> None:
        """Give a living actor that has no name this one; it loses it when it ends.

        Raises:
            AlreadyRegistered: the name is taken.
            ActorError: the actor has ended, has a name, or lives elsewhere.
        """
        self._scheduler.names.register(name, actor_here(self._scheduler, local(ref)))

    def unregister(self, name: Hashable) -> None:
        """Take a name from its actor, which lives on. Raises ActorError if nobody has it."""
        self._scheduler.names.unregister(name)

    def actors(self) -> tuple[LocalRef, ...]:
        """All living actors, the oldest first."""
        return tuple(self._scheduler.table)

    def exit(self, ref: Ref, reason: ExitReason) -> None:
        """Send an exit signal that comes from no actor."""
        send_exit(local(ref), reason, None)

    def kill(self, ref: Ref) -> None:
        """End an actor whatever it does."""
        send_kill(local(ref))

    async def stop(
        self,
        ref: Ref,
        reason: ExitReason = _NORMAL,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        """Have an actor end after the message in hand, with ``terminate``; returns when it has.

        Args:
            ref: the actor. A supervisor restarts it if its spec and the reason say so.
            reason: what it shall end with.
            timeout: seconds to wait (None: for ever); what is late goes on stopping.

        Raises:
            CallTimeout: it did not end in time.
            StopFailed: it was dead, or ended with another reason.
            CallCycle: it is the caller itself, or waits for it.
        """
        await stop_and_wait(local(ref), reason, timeout)

    async def join(self, ref: Ref) -> ExitReason:
        """Wait until `ref` has ended; its exit reason."""
        target = local(ref)
        wait = join(target)
        try:
            return await wait_for(wait, wait.ref)  # type: ignore[return-value]
        finally:
            untie(target, "joins", wait)

    async def upgrade(
        self,
        *modules: str | ModuleType,
        sources: Mapping[str, str] | None = None,
        timeout: float = UPGRADE_TIMEOUT_S,  # noqa: ASYNC109
        also: Iterable[System] = (),
    ) -> UpgradeReport:
        """Load new versions of running modules and bring their actors over, all or none.

        Living actors keep their state, adapted by ``code_change``; messages wait meanwhile. See
        `actors.upgrading.upgrade` for the protocol and its limits.

        Args:
            modules: full names, whose source is loaded anew, bases before what derives from them;
                or new module objects, made by the caller, that carry the name of a running one.
            sources: the text to take instead of the module's source, by name.
            timeout: seconds for all actors concerned to come to rest between two messages.
            also: other systems of this thread whose actors are brought over as well.

        Raises:
            UpgradeFailed: something was wrong; everything is as before.
            TypeError, ValueError: `timeout` is no finite number; nothing was done.
        """
        schedulers = [self._scheduler, *(system._scheduler for system in also)]
        return await upgrade(schedulers, modules, sources or {}, timeout)

    async def change_code(
        self,
        ref: Ref,
        cls: type[Actor],
        timeout: float | None = CALL_TIMEOUT_S,  # noqa: ASYNC109
    ) -> None:
        """Give one living actor another class, between two messages, with ``code_change``.

        If that raises, it is raised here and the actor stays what it was.

        Raises:
            UpgradeFailed: it is or would become a task actor, or an upgrade is under way.
            TypeError: `cls` is no actor class.
            CallError: it has ended, or came to no pause in time, as `get_state`.
        """
        await at_pause(local(ref), lambda target: change_code(target, cls), timeout)

    def statistics(self) -> dict[str, int]:
        """Counts since the start, and what is there now."""
        scheduler = self._scheduler
        counters = scheduler.counters
        return asdict(counters) | {
            "messages": counters.messages + counters.direct_calls,
            "actors": len(scheduler.table),
            "alarms": len(scheduler.alarms),
            "names": len(scheduler.names),
            "runnable": len(scheduler.runq),
            "deadlines": len(scheduler.wheel),
            "tasks": len(scheduler.nursery.child_tasks),
        }

    def metrics(self, *, per_class: bool = False) -> Iterator[Metric]:
        """The same as `Metric` values, for an exporter; see `actors.observing.metrics`.

        With `per_class` also how many actors of each class live, at most 1,000 classes.
        """
        return metrics_of(self._scheduler, self.statistics(), per_class=per_class)

    def on_report(self, callback: Callable[[Report], object]) -> Callable[[], None]:
        """Have `callback` called with every report; returns what removes it again.

        Raises TypeError if it cannot be called.
        """
        return self._scheduler.reporter.add_callback(callback)

    def on_event(self, callback: Callable[[Any], object], *kinds: type) -> Callable[[], None]:
        """Have `callback` called with each event of these kinds; returns what removes it again.

        The kinds are classes, those of `actors.observing.events` or of any report. See there
        what a callback may do. Raises TypeError if none is named.
        """
        return listen(self._scheduler, callback, kinds)

    def events(self, *kinds: type, size: int = DEFAULT_SIZE) -> EventStream:
        """Follow the events of these kinds with ``async for``; at most `size` wait to be read."""
        return EventStream(self._scheduler, kinds, size)

    def send_events(self, ref: Ref, *kinds: type, size: int = DEFAULT_SIZE) -> EventSubscription:
        """Have events of these kinds sent to the actor `ref`, while less than `size` wait there.

        Raises:
            ActorError: it has ended or is no actor of this system.
        """
        target = actor_here(self._scheduler, ref)
        check_alive(target, "follow events")
        return EventSubscription(self._scheduler, target, kinds, size)

    def portal(self) -> Portal:
        """A way in for other threads."""
        return Portal(self, trio.lowlevel.current_trio_token())

    def fail(self, error: BaseException) -> None:
        """The runtime itself has failed: there is no leader any more."""
        self._scheduler.closed = True
        if self._scheduler.fatal is None:
            self._scheduler.fatal = error
        self.stop_soon()

    def stop_soon(self) -> None:
        """Cancel the body of ``async with open_system``; the orderly stop follows."""
        self._body.cancel()

    def note_fatal(self, error: BaseException) -> None:
        """Stop the system if `error` is or contains a KeyboardInterrupt or SystemExit."""
        fatal = _find_fatal(error)
        if fatal is not None and self._scheduler.fatal is None:
            self._scheduler.fatal = fatal
            self.stop_soon()


def _find_fatal(error: BaseException) -> BaseException | None:
    # Not BaseExceptionGroup.subgroup: that takes exponential time when groups share members.
    seen: set[int] = set()
    todo = [error]
    while todo:
        current = todo.pop()
        if isinstance(current, (KeyboardInterrupt, SystemExit)):
            return current
        if isinstance(current, BaseExceptionGroup) and id(current) not in seen:
            seen.add(id(current))
            todo.extend(current.exceptions)
    return None


@asynccontextmanager
async def open_system(
    name: str = "actors",
    *,
    seed: int | None = None,
    deterministic: bool | None = None,
    stop_timeout: float = STOP_TIMEOUT_S,
    tune_collector: bool = False,
    debug: bool | None = None,
) -> AsyncIterator[System]:
    """Open a system of actors for the duration of the block.

    Args:
        name: appears in refs and logs.
        seed: of ``system.random``; None takes one from the operating system.
        deterministic: end slices by counts only, never by time, so that a seed replays the same
            history. Default: whether trio runs on a `MockClock`.
        tune_collector: adapt Python's garbage collector to very many actors while the system is
            open (see `actors.scheduling.collector`); it is the process's, hence off by default.
        stop_timeout: seconds for the orderly stop; then everything is killed.
        debug: have every use of a ref in another thread raise, not only those that are found at no
            cost (see `actors.scheduling.threads`). Default: whether Python runs with ``-X dev``.
    """
    _trio_internals.check()
    if deterministic is None:
        deterministic = is_simulated()
    scheduler = Scheduler(
        name,
        run_state(),
        contextvars.copy_context(),
        trio_clock(),
        stopwatch(deterministic=deterministic),
        counted=deterministic,
        debug=is_debug(debug),
    )
    body = trio.CancelScope()
    system = scheduler.system = System(scheduler, Random(seed), body)  # noqa: S311 - not for secrets
    error: BaseException | None = None
    tuning: AbstractContextManager[Collector | None] = nullcontext()
    if tune_collector:
        tuning = Collector(scheduler.reporter, stopwatch(deterministic=False))
    with tuning as collector:
        async with trio.open_nursery() as nursery:
            scheduler.nursery = nursery
            tasks = Tasks(scheduler, collector)
            nursery.start_soon(scheduler.wheel.keep_time, name=f"actors {name}: timekeeper")
            tasks.promote()
            try:
                with body:
                    yield system
            except BaseException as raised:
                error = raised
            with trio.CancelScope(shield=True):
                await _stop(system, tasks, stop_timeout)
                scheduler.arrivals.close()
            nursery.cancel_scope.cancel()
    if scheduler.fatal is not None:
        raise scheduler.fatal
    if error is not None:
        raise error


async def _stop(system: System, tasks: Tasks, timeout: float) -> None:  # noqa: ASYNC109
    scheduler = system._scheduler
    system._stopping = True
    if scheduler.closed:
        _abandon_all(scheduler)
        return
    # One actor that does not end may use up half of the time, not that of everybody else.
    with trio.move_on_after(timeout / 2):
        await _end_all([ref for ref in scheduler.table if ref.parent is None])
        await _end_all(list(scheduler.table))
    with trio.move_on_after(timeout / 2):
        for ref in reversed(list(scheduler.table)):
            end_by_system(ref)
        await _end_all(list(scheduler.table))
    with trio.move_on_after(KILL_TIMEOUT_S):
        await _kill_all(scheduler)
    for ref in scheduler.table:
        scheduler.reporter.zombie(ref, Killed())
    tasks.unshield()
    await _kill_all(scheduler)
    scheduler.closed = True
    if scheduler.idle:
        scheduler.wake()


def _abandon_all(scheduler: Scheduler) -> None:
    """End all actors without a leader; those bound to tasks are cancelled and end by themselves."""
    for ref in tuple(scheduler.table):
        turn = ref.turn
        if turn is not None and turn.scope is not None:
            send_kill(ref)
            continue
        if turn is not None:
            with suppress(BaseException):
                turn.coroutine.close()
        finalize(ref, Killed())


async def _kill_all(scheduler: Scheduler) -> None:
    while scheduler.table:
        for ref in tuple(scheduler.table):
            send_kill(ref)
        await wait_for(join(next(iter(scheduler.table))), None)


async def _end_all(refs: list[LocalRef]) -> None:
    for ref in reversed(refs):
        if ref.is_alive():
            end_by_system(ref)
            await wait_for(join(ref), None)


protect(System, _stop, _kill_all, _end_all, _abandon_all)
