"""The direct step: a call handled inside its caller's step.

A call to an idle actor need not go through a mailbox and the run queue. Inside the leader's slice,
and if the leader's task is clean, the callee is stepped at once, as a function would be called; if
its handler waits, the callee is parked, or bound, and the caller is parked on a `Call` like any
other. The depth of such calls inside each other is limited, and each counts as a message of the
slice.

Order is kept: a callee with waiting messages handles them first (if they are few, and if nothing
makes it wait), so a call never overtakes a cast. The current actor of the run is the innermost one;
every caller outside of it records whom it waits for, so that a call back to it is found as a cycle.

When a callee must be bound, `binding` is set, and from then on no user code may run in this task:
every caller on the stack gives way.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from actors.calling.reply import DIRECT
from actors.mailboxes.mailbox import EMPTY
from actors.messages import NO_REPLY
from actors.ref import IDLE, MAX_DEPTH, QUEUED, RUNNING
from actors.scheduling._trio_internals import LOCK_OWNERS, is_clean
from actors.scheduling.control import control_of
from actors.scheduling.outcomes import check_owed, finished, run_unhandled
from actors.scheduling.protection import protect
from actors.scheduling.turns import Phase, Turn
from actors.scheduling.waits import Call, Wait

if TYPE_CHECKING:
    from actors.ref import LocalRef
    from actors.scheduling.scheduler import Scheduler

CATCH_UP: Final = 16
"""A call steps an actor directly past this many messages in its mailbox, handling them first."""


def can_step_directly(scheduler: Scheduler) -> bool:
    """Whether an idle actor may be stepped here and now, inside the current actor's step."""
    return (
        scheduler.left > 0
        and scheduler.depth < MAX_DEPTH
        and scheduler.run.current is not None
        and is_clean(scheduler.leader, scheduler.base)
    )


def catch_up(scheduler: Scheduler, ref: LocalRef, caller: LocalRef) -> bool:
    """Have a runnable actor handle the few messages that it has, so that a call may step it.

    This keeps the order of its mailbox and only anticipates its turn. True if it is idle now.
    If one of its handlers must be bound, `binding` is set and the caller has to give way.
    """
    if (
        ref.status != QUEUED
        or ref.turn is not None
        or ref.control is not None
        or (ref.mailbox is not None and len(ref.mailbox) > CATCH_UP)
    ):
        return False
    run = scheduler.run
    caller.waiting = ref
    scheduler.depth += 1
    scheduler._run_actor(ref)
    scheduler.depth -= 1
    caller.waiting = None
    run.current = caller
    return ref.status == IDLE and scheduler.left > 0


def step_into(scheduler: Scheduler, ref: LocalRef, request: object, caller: LocalRef) -> Any:
    """Handle a call to the idle `ref` in the caller's step.

    Returns the reply, or a `Call` if the reply is still to come.
    """
    run = scheduler.run
    run.current = ref
    ref.status = RUNNING
    ref.entry = DIRECT
    caller.waiting = ref
    scheduler.depth += 1
    scheduler.left -= 1
    scheduler.counters.direct_calls += 1
    context = scheduler.context.copy()
    behaviour, kind = ref.behaviour, request.__class__
    handler = behaviour.handlers.get(kind)
    try:
        if handler is not None:
            result = context.run(handler, ref.actor, request)
        elif (coroutine := behaviour.coroutines.get(kind)) is not None:
            result = coroutine(ref.actor, request)
        else:
            ref.entry = Call(caller, ref, request)
            result = context.run(run_unhandled, ref, request)
        if result.__class__ is CoroutineType:
            try:
                trap = context.run(result.send, None)
            except StopIteration as stop:
                result = stop.value
            else:
                call = _direct_call(ref, request, caller)
                scheduler.hold(Turn(ref, result, context, Phase.MESSAGE), trap)
                return call
    except BaseException as error:
        call = _direct_call(ref, request, caller)
        scheduler.raised(ref, Phase.MESSAGE, error)
        return call
    finally:
        scheduler.depth -= 1
        run.current = caller
    leader = scheduler.leader
    if (
        leader._cancel_status is not scheduler.base
        or leader._child_nurseries
        or (LOCK_OWNERS and leader in LOCK_OWNERS)
    ):
        call = _direct_call(ref, request, caller)
        scheduler.left_open(ref, Phase.MESSAGE)
        return call
    if result is NO_REPLY:
        result = _direct_call(ref, request, caller)
        check_owed(ref, result)
    elif ref.entry is not DIRECT and ref.entry.done:
        result = _direct_call(ref, request, caller)
    if ref.control is None and ref.first is EMPTY and ref.mailbox is None:
        ref.status = IDLE
        ref.entry = None
    else:
        ref.entry = None
        scheduler.enqueue(ref)
    caller.waiting = None
    return result


def _direct_call(ref: LocalRef, request: object, caller: LocalRef) -> Call:
    entry = ref.entry
    if entry is DIRECT:
        entry = ref.entry = Call(caller, ref, request)
    call: Call = entry
    call.ref = caller
    call.request = request
    return call


def start_directly(scheduler: Scheduler, ref: LocalRef) -> Wait | None:
    """Run the ``init`` of a new actor inside its parent's step.

    None if it has run and all is well, else the wait for its outcome.
    """
    run, init = scheduler.run, ref.behaviour.init
    assert init is not None
    parent = run.current
    run.current = ref
    ref.status = RUNNING
    scheduler.depth += 1
    scheduler.left -= 1
    context = scheduler.context.copy()
    wait = None
    try:
        result = context.run(init, ref.actor)
        if result.__class__ is CoroutineType:
            try:
                trap = context.run(result.send, None)
            except StopIteration:
                pass
            else:
                wait = control_of(ref).starting = Wait(parent)
                scheduler.hold(Turn(ref, result, context, Phase.INIT), trap)
                return wait
        if is_clean(scheduler.leader, scheduler.base):
            finished(scheduler, ref, Phase.INIT, None)
        else:
            wait = control_of(ref).starting = Wait(parent)
            scheduler.left_open(ref, Phase.INIT)
    except BaseException as error:
        wait = control_of(ref).starting = Wait(parent)
        scheduler.raised(ref, Phase.INIT, error)
    finally:
        scheduler.depth -= 1
        run.current = parent
    return wait


protect(can_step_directly, catch_up, step_into, _direct_call, start_directly)
