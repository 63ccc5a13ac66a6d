"""An actor's start and end.

Start: the name is taken, the actor constructed, linked to its parent, ``init`` run; only then does
`start` return. If anything fails the actor is finalized first - its name is free again - and
`StartFailed` is raised.

End, in this order: the actor's code has unwound (a killed handler's ``finally`` has run), then
``terminate`` where it applies, then `finalize`: the name is released, the calls in hand, owed,
waiting in the mailbox or put aside fail with the reason, other such messages become dead letters,
timers are dropped, and at last links, the parent's after all others, and monitors are told. So one
incarnation never overlaps the next.

Signals only mark the target and queue it: a cascade of exits is a loop of the scheduler, never a
recursion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.behaviours.timers import drop_timers
from actors.errors import (
    CalleeDied,
    Ignore,
    StartFailed,
    Stop,
    SystemStopped,
    Unwind,
)
from actors.lifecycle.links import add_link, announce_end, remove_link
from actors.lifecycle.ties import tie, tied
from actors.mailboxes.envelopes import Envelope
from actors.mailboxes.mailbox import EMPTY, take_all
from actors.messages import Exit
from actors.observing.reports import ZOMBIE_S, Zombie
from actors.reasons import ExitReason, Ignored, Killed, Normal, Shutdown, crashed
from actors.ref import DEAD, IDLE, QUEUED, LocalRef
from actors.scheduling.control import control_of
from actors.scheduling.protection import protect
from actors.scheduling.turns import Phase
from actors.scheduling.waits import Call, Wait, park, wait_in_task
from actors.upgrading.versions import newest

if TYPE_CHECKING:
    from actors.actor import Actor
    from actors.handlers import Behaviour
    from actors.scheduling.scheduler import Scheduler


async def start(
    scheduler: Scheduler,
    cls: type[Actor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    name: Any = None,
    parent: LocalRef | None = None,
    link: bool = False,
) -> LocalRef:
    """Start an actor; see `Actor.spawn`."""
    ref = create(scheduler, cls, args, kwargs, name=name, parent=parent, link=link)
    behaviour = ref.behaviour
    if behaviour.init is None:
        if behaviour.run is not None:
            control_of(ref).run = True
            scheduler.enqueue(ref)
        return ref
    current = scheduler.run.current
    if scheduler.can_step_directly():
        started = scheduler.start_directly(ref)
        if started is None:
            return ref
        wait = started
    else:
        wait = control_of(ref).starting = Wait(current)
        scheduler.enqueue(ref)
    if not wait.done:
        await _await_start(ref, wait, current)
    if wait.error is not None:
        raise wait.take_error()
    return ref


async def _await_start(ref: LocalRef, wait: Wait, current: LocalRef | None) -> None:
    try:
        await (wait_in_task(wait) if current is None else park(wait))
    except BaseException:
        send_kill(ref)
        raise
    if wait.error is not None and not isinstance(wait.error, StartFailed):
        send_kill(ref)  # the waiter was unwound, or given up by a cancel scope of its handler


def create(
    scheduler: Scheduler,
    cls: type[Actor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    name: Any,
    parent: LocalRef | None,
    link: bool,
) -> LocalRef:
    """Construct an actor and enter it into the tables; ``init`` has not run."""
    if scheduler.closed:
        raise SystemStopped(
            f"the system {scheduler.name!r} has stopped; nothing can be started in it"
        )
    behaviour = getattr(cls, "_behaviour", None)
    if behaviour is None or not isinstance(cls, type):
        raise TypeError(f"spawn takes a subclass of Actor, not {cls!r}")
    if behaviour.successor is not None:
        cls = newest(cls)
        behaviour = cls._behaviour
    if name is not None:
        scheduler.names.check_free(name)
    try:
        actor = cls(*args, **kwargs)
    except Exception as error:
        reason = _not_constructed(scheduler, behaviour, name, parent if link else None, error)
        raise StartFailed(behaviour.name, reason) from None
    ref = actor.ref = scheduler.ref_class(scheduler, next(scheduler.numbers), behaviour, name)
    ref.actor = actor
    ref.parent = parent if link else None
    if name is not None:
        scheduler.names.take(name, ref)
    if behaviour.prepare is not None:
        behaviour.prepare(ref)
    scheduler.table[ref] = None
    scheduler.counters.spawned += 1
    if link and parent is not None:
        ref.links = parent
        add_link(parent, ref)
    return ref


def _not_constructed(
    scheduler: Scheduler,
    behaviour: Behaviour,
    name: Any,
    parent: LocalRef | None,
    error: Exception,
) -> ExitReason:
    """Report that ``__init__`` raised, as for ``init``; returns the reason."""
    if isinstance(error, AttributeError) and error.name == "ref":
        kind = type(error.obj)
        if hasattr(kind, "_behaviour"):
            text = f"{kind.__qualname__} has no ref in __init__, which runs in the starter without "
            error.args = (text + "the runtime; move what needs it into init()",)
    reason = crashed(error)
    ref = scheduler.ref_class(scheduler, next(scheduler.numbers), behaviour, name)
    ref.status, ref.parent = DEAD, parent
    scheduler.reporter.crash(ref, Phase.INIT, reason, error)
    ref.entry, ref.parent = reason, None
    return reason


def stop_self(ref: LocalRef, reason: ExitReason) -> None:
    """Have `ref` end with `reason`, with ``terminate``, after what it is doing now."""
    if not isinstance(reason, ExitReason):
        raise TypeError(f"stop takes an ExitReason such as Normal() or Shutdown(), not {reason!r}")
    control = control_of(ref)
    if control.stop is None and control.final is None:
        control.stop = reason
    ref.nudge()


def send_exit(target: LocalRef, reason: ExitReason, sender: LocalRef | None) -> None:
    """An exit signal: from a link, from ``exit``, or (sender None) from the system."""
    if not isinstance(reason, ExitReason):
        raise TypeError(f"exit takes an ExitReason such as Shutdown(), not {reason!r}")
    actor = target.actor
    if actor is None:
        return
    if actor.trap_exit:
        from_parent = sender is target.parent
        if from_parent and target.behaviour.run is None:
            stop_self(target, reason)
        else:
            target.put(Exit(sender, reason))
        return
    if isinstance(reason, Normal) and sender is not target:
        return
    unwind(target, reason)


def send_kill(target: LocalRef) -> None:
    """End `target` whatever it does."""
    if target.is_alive():
        unwind(target, Killed())


def unwind(target: LocalRef, reason: ExitReason) -> None:
    """Mark `target` as having to end with `reason` and raise in what it waits for."""
    control = control_of(target)
    if control.exit is None or isinstance(reason, Killed):
        control.exit = reason
    turn = target.turn
    if turn is None:
        target.nudge()
        return
    if control.zombie is None:
        control.zombie = Zombie(target)
        target.scheduler.wheel.add(control.zombie, target.scheduler.now() + ZOMBIE_S)
    if turn.scope is not None:
        turn.scope.cancel()
    if turn.wait is not None:
        turn.wait.resolve(None, Unwind())


def reason_of(ref: LocalRef, error: BaseException) -> tuple[ExitReason, bool]:
    """The reason that `error`, raised by the actor's code, stands for; whether it is a crash."""
    control = ref.control
    if control is not None and control.exit is not None:
        return control.exit, False
    if isinstance(error, Stop):
        return error.reason, False
    if isinstance(error, Ignore) and control is not None and control.starting is not None:
        return Ignored(), False
    return crashed(error), True


def finalize(ref: LocalRef, reason: ExitReason) -> None:
    """The actor's code has ended for good: take the actor out of the world and tell everybody."""
    scheduler = ref.scheduler
    control, entry = ref.control, ref.entry
    waiting = [] if ref.first is EMPTY and ref.mailbox is None else take_all(ref)
    ref.status = DEAD
    ref.entry = reason
    ref.actor = ref.control = ref.turn = ref.waiting = None
    if ref.name is not None:
        scheduler.names.release(ref)
    scheduler.table.pop(ref, None)
    scheduler.counters.ended += 1
    has_ties = ref.ties is not None
    if has_ties:
        drop_timers(ref)
    if has_ties or waiting or isinstance(entry, Call):
        _fail_calls(ref, entry, waiting, reason)
    if control is not None:
        if control.zombie is not None:
            scheduler.wheel.remove(control.zombie)
        if control.starting is not None:
            _forget_links(ref)
            control.starting.resolve(None, StartFailed(ref.behaviour.name, reason))
        for wait, _ in control.requests:
            wait.resolve(None, CalleeDied(ref, reason))
    links = ref.links
    if links is not None:
        ref.links = None
        if isinstance(links, dict):
            if (parent := ref.parent) in links:
                links[parent] = links.pop(parent)  # last: it may start the next incarnation at once
            for other in links:
                remove_link(other, ref)
                send_exit(other, reason, ref)
        else:
            remove_link(links, ref)
            send_exit(links, reason, ref)
    if has_ties:
        announce_end(ref, reason)
        for wait in tied(ref, "joins"):
            wait.resolve(reason)
        ref.ties = None
    ref.parent = None


def end_at_once(ref: LocalRef, reason: ExitReason) -> bool:
    """End an actor in the caller's turn, as a signal would in the actor's own next turn.

    False, and nothing is done, unless that comes to the same: none of its code runs or waits, it
    has no system messages, and it does not trap exits.
    """
    actor = ref.actor
    if (
        actor is None
        or ref.turn is not None
        or ref.control is not None
        or actor.trap_exit
        or ref.status not in (IDLE, QUEUED)
    ):
        return False
    finalize(ref, reason)
    return True


def _forget_links(ref: LocalRef) -> None:
    # A failed start is told by StartFailed alone; a signal besides would end the parent.
    parent = ref.parent
    if parent is not None:
        remove_link(parent, ref)
        remove_link(ref, parent)


def _fail_calls(ref: LocalRef, entry: Any, waiting: list[Any], reason: ExitReason) -> None:
    if isinstance(entry, Call):
        entry.resolve(None, CalleeDied(ref, reason))
    for call in tied(ref, "owed"):
        call.resolve(None, CalleeDied(ref, reason))
    if ref.ties is not None and ref.ties.aside is not None:
        waiting[:0] = ref.ties.aside.take_all()
    for message in waiting:
        if isinstance(message, Call):
            message.resolve(None, CalleeDied(ref, reason))
        elif not isinstance(message, Envelope):
            ref.scheduler.reporter.dead_letter(ref, message)


def join(ref: LocalRef) -> Wait:
    """A wait that ends when `ref` has ended; its value is the exit reason."""
    wait = Wait(ref.scheduler.run.current)
    reason = ref.exit_reason
    if reason is not None:
        wait.resolve(reason)
    else:
        tie(ref, "joins", wait)
    return wait


def end_by_system(ref: LocalRef) -> None:
    """The system stops: an orderly exit signal, as from a parent."""
    if ref.actor is not None and ref.actor.trap_exit and ref.behaviour.run is None:
        stop_self(ref, Shutdown())
    else:
        send_exit(ref, Shutdown(), ref.parent)


protect(
    start,
    _await_start,
    create,
    _not_constructed,
    stop_self,
    send_exit,
    send_kill,
    unwind,
    finalize,
    end_at_once,
    _fail_calls,
    _forget_links,
    join,
    end_by_system,
)
