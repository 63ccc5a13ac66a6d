"""What `System` shows and does of single actors while they run (OTP's ``sys``).

Everything here overtakes the messages in an actor's mailbox. What needs the actor between two
messages waits until the one in hand is done with, at most `timeout` seconds; what does not, as
`get_status`, answers at once, also about an actor that hangs.

Raised by all that take a ref:

    CalleeDied   the actor has ended, or ended before its turn came
    CallTimeout  it did not come to a pause in time; nothing has been done, nothing will be
    CallCycle    an actor asked this of itself, from a handler that it would have to wait for
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeVar

from actors.actor import Actor, local
from actors.behaviours.timers import timers_of
from actors.errors import ActorError, CallCycle, CalleeDied, CallTimeout, WaitTimeout
from actors.lifecycle.links import links_of
from actors.lifecycle.ties import tied
from actors.observing.observation import observe, observers_of, plain_behaviour, unobserve, watch_of
from actors.observing.statistics import MAX_LOG, ActorStatistics, Log, LogEvent, Statistics
from actors.observing.summaries import state_summary, summary
from actors.observing.tracing import Trace, start_trace
from actors.observing.tree import Node, build_tree
from actors.reasons import NoProc
from actors.ref import CALL_TIMEOUT_S, STATUS_NAMES, LocalRef
from actors.scheduling.clocks import deadline_after
from actors.scheduling.control import control_of
from actors.scheduling.protection import protect
from actors.scheduling.waits import Wait, wait_for

if TYPE_CHECKING:
    from actors.ref import Ref
    from actors.scheduling.scheduler import Scheduler

MAX_SHOWN: Final = 100
"""Links and monitors that a status lists; the counts are whole."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ActorStatus:
    """What one actor is and does. All texts and lists are bounded.

    =================  =====================================================================
    ``actor``          qualified name of its class, ``module`` where that is defined
    ``status``         "idle", "runnable", "running", "waiting", "waiting in trio",
                       "receiving" or "suspended"
    ``ancestors``      its parent, the parent's parent and so on, as far as they live; at
                       most 32
    ``links``          the first 100 linked actors, of ``link_count``
    ``monitors``       the first 100 that it monitors, of ``monitor_count``;
                       ``monitored_by`` counts those who are told of its end
    ``message``        summary of the message in hand, None if there is none
    ``in_hand_since``  when it took it in hand, on the system's clock; known while the actor
                       is watched: statistics, log or trace
    ``caller``         the actor that waits for the reply, if that is known
    ``waits_for``      the actor whose reply its handler waits for
    ``state``          summary of ``format_status()``, at most 4,000 characters
    ``log``            its last events, if a log is on
    =================  =====================================================================
    """

    ref: Ref
    actor: str
    module: str
    name: object
    status: str
    parent: Ref | None
    ancestors: tuple[Ref, ...]
    links: tuple[Ref, ...]
    link_count: int
    monitors: tuple[Ref, ...]
    monitor_count: int
    monitored_by: int
    timers: int
    replies_owed: int
    queue_length: int
    message: str | None
    in_hand_since: float | None
    caller: Ref | None
    waits_for: Ref | None
    trap_exit: bool
    suspended: bool
    state: str
    statistics: ActorStatistics | None
    log: tuple[LogEvent, ...]


class Inspection:
    """The part of `System` that looks at single actors."""

    _scheduler: Scheduler

    async def suspend(self, ref: Ref, timeout: float | None = CALL_TIMEOUT_S) -> None:  # noqa: ASYNC109
        """Have `ref` leave its user messages waiting, from the end of the current one on.

        It still ends when it is told to, by a signal, its parent or the system.
        """
        await at_pause(local(ref), _suspend, timeout)

    async def resume(self, ref: Ref) -> None:
        """Undo `suspend`. Nothing happens to an actor that is not suspended or has ended."""
        target = local(ref)
        if target.control is not None:
            target.control.held = False
            target.nudge()

    async def get_state(self, ref: Ref, timeout: float | None = CALL_TIMEOUT_S) -> Actor:  # noqa: ASYNC109
        """The actor object between two messages, for looking at; do not change or keep it."""
        return await at_pause(local(ref), _state, timeout)

    async def replace_state(
        self,
        ref: Ref,
        function: Callable[[Any], Actor | None],
        timeout: float | None = CALL_TIMEOUT_S,  # noqa: ASYNC109
    ) -> None:
        """Call ``function(actor)`` between two messages. For repairs by hand, not for programs.

        It changes the object, or returns another one of the same class, made but not started, that
        takes its place. What it raises is raised here; the actor goes on with what it has.

        Raises besides:
            TypeError: it returned something else.
        """
        if not callable(function):
            raise TypeError(f"replace_state takes a function of the actor, not {summary(function)}")
        await at_pause(local(ref), lambda target: _replace(target, function), timeout)

    async def get_status(self, ref: Ref) -> ActorStatus:
        """What `ref` is and does, at once, whatever it does. Raises CalleeDied if it has ended."""
        return status_of(_living(ref))

    def tree(self, max_nodes: int = 1_000) -> Node:
        """The system as a tree, each actor below its parent; ``print(system.tree())`` shows it.

        At most `max_nodes` actors are shown, those near the root first; the rest is counted.

        Raises:
            ValueError: `max_nodes` is less than 1.
        """
        return build_tree(self._scheduler, max_nodes)

    def trace(
        self,
        target: Ref | type[Actor] | Callable[[LocalRef], bool],
        *,
        limit: int = 100,
        per_second: int = 100,
        callback: Callable[[LogEvent], object] | None = None,
    ) -> Trace:
        """Trace one actor, those of a class, or those that a predicate names; see `Trace`.

        It ends by itself after `limit` events, or when there are more than `per_second` in one
        second. Each event goes to `callback`, which must be short, and to ``Trace.events``.

        Raises:
            CalleeDied: the actor has ended.
            ValueError: a limit is not between 1 and 1,000,000.
            TypeError: `target` is none of these.
        """
        return start_trace(self._scheduler, target, (limit, per_second), callback)

    def start_statistics(self, ref: Ref) -> None:
        """Begin to count what `ref` does, anew if it is counted already."""
        target = _living(ref)
        _switch_off(target, Statistics)
        observe(target, Statistics(self._scheduler.now()))

    def statistics_of(self, ref: Ref) -> ActorStatistics:
        """The counts since `start_statistics`. Raises ActorError if that was not called."""
        target = _living(ref)
        for observer in observers_of(target):
            if isinstance(observer, Statistics):
                return observer.read()
        raise ActorError(f"{target!r} is not counted; call system.start_statistics(ref) before")

    def stop_statistics(self, ref: Ref) -> None:
        """Count no more."""
        _switch_off(local(ref), Statistics)

    def start_log(self, ref: Ref, size: int = 10) -> None:
        """Keep the last `size` events of `ref`, for `log_of`, its status and its crash report.

        Raises:
            ValueError: `size` is not between 1 and 1,000.
        """
        if not isinstance(size, int) or not 1 <= size <= MAX_LOG:
            raise ValueError(f"a log of {size!r} events: give a number between 1 and {MAX_LOG}")
        target = _living(ref)
        _switch_off(target, Log)
        observe(target, Log(size))

    def log_of(self, ref: Ref) -> tuple[LogEvent, ...]:
        """The last events of `ref`, the oldest first; none if no log is kept."""
        return local(ref).behaviour.log()

    def stop_log(self, ref: Ref) -> None:
        """Keep no log any more."""
        _switch_off(local(ref), Log)


async def at_pause(
    target: LocalRef,
    function: Callable[[LocalRef], T],
    timeout: float | None,  # noqa: ASYNC109
) -> T:
    """Run ``function(target)`` when no code of the actor runs or waits; see the module."""
    scheduler = target.scheduler
    current = scheduler.run.current
    if current is target:
        raise CallCycle([target, target])
    if not target.is_alive():
        raise CalleeDied(target, NoProc())
    due = inf if timeout is None else deadline_after(scheduler.now(), timeout)
    wait = Wait(current)
    control_of(target).requests.append((wait, function))
    target.nudge()
    if timeout is not None:
        scheduler.wheel.add(wait, due)
    try:
        return await wait_for(wait, current)  # type: ignore[return-value]
    except WaitTimeout:
        raise CallTimeout(
            f"{target!r} did not come to a pause within {timeout:g} s: it is "
            f"{STATUS_NAMES[target.status]}, in hand is {in_hand(target) or 'nothing'}"
        ) from None


def status_of(ref: LocalRef) -> ActorStatus:
    """What `ref` is and does."""
    actor, watch, control = ref.actor, watch_of(ref), ref.control
    assert actor is not None
    step = None if watch is None else watch.in_hand
    links, monitors = links_of(ref), tied(ref, "monitors")
    counts = [one.read() for one in observers_of(ref) if isinstance(one, Statistics)]
    return ActorStatus(
        ref=ref,
        actor=plain_behaviour(ref).name,
        module=type(actor).__module__,
        name=ref.name,
        status=STATUS_NAMES[ref.status],
        parent=ref.parent,
        ancestors=ref.ancestors,
        links=links[:MAX_SHOWN],
        link_count=len(links),
        monitors=tuple(monitor.ref for monitor in islice(monitors, MAX_SHOWN)),
        monitor_count=len(monitors),
        monitored_by=len(tied(ref, "watchers")),
        timers=len(timers_of(ref)),
        replies_owed=len(tied(ref, "owed")),
        queue_length=ref.queue_length,
        message=in_hand(ref),
        in_hand_since=None if step is None else step.at,
        caller=getattr(ref.entry, "ref", None),
        waits_for=ref.waiting,
        trap_exit=bool(actor.trap_exit),
        suspended=control is not None and (control.held or control.frozen),
        state=state_summary(actor),
        statistics=counts[0] if counts else None,
        log=ref.behaviour.log(),
    )


def in_hand(ref: LocalRef) -> str | None:
    """Summary of the message that `ref` has in hand; None if there is none."""
    entry = ref.entry
    return (
        None if entry is None or not ref.is_alive() else summary(getattr(entry, "request", entry))
    )


def _living(ref: Ref) -> LocalRef:
    target = local(ref)
    if not target.is_alive():
        raise CalleeDied(target, target.exit_reason or NoProc())
    return target


def _switch_off(ref: LocalRef, kind: type) -> None:
    for observer in observers_of(ref):
        if isinstance(observer, kind):
            unobserve(ref, observer)


def _suspend(ref: LocalRef) -> None:
    control_of(ref).held = True


def _state(ref: LocalRef) -> Actor:
    assert ref.actor is not None
    return ref.actor


def _replace(ref: LocalRef, function: Callable[[Any], Actor | None]) -> None:
    old = ref.actor
    new = function(old)
    if new is None or new is old:
        return
    if type(new) is not type(old):
        raise TypeError(
            f"replace_state got {type(new).__qualname__} for {type(old).__qualname__}; return "
            "None, or another object of the same class"
        )
    if ref.behaviour.run is not None:
        raise TypeError(f"{ref!r} is a task actor, whose object is in use: change it in place")
    new.ref = ref
    ref.actor = new


protect(Inspection, at_pause, status_of, in_hand, _living, _suspend, _state)
