"""What becomes of an actor when its code has returned, raised, or left something open.

Also the working off of its system messages. Called by the scheduler (in the leader's task) and by
the drivers of bound handlers, so nothing here runs an actor's code except `work_off`, which only
the scheduler calls.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from actors.errors import CallError, Reject, Unhandled
from actors.lifecycle.hibernation import fall_asleep, has_mail, is_asleep, wake
from actors.lifecycle.start_and_end import finalize, reason_of, stop_self
from actors.lifecycle.ties import is_tied
from actors.mailboxes.envelopes import Envelope
from actors.mailboxes.mailbox import EMPTY
from actors.messages import NO_REPLY
from actors.reasons import Normal
from actors.ref import ASLEEP, BOUND, HELD, PARKED, LocalRef
from actors.scheduling.control import control_of, is_exiting
from actors.scheduling.protection import protect
from actors.scheduling.turns import Phase
from actors.scheduling.waits import Call, Receive

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from actors.scheduling.control import Control
    from actors.scheduling.scheduler import Scheduler


def work_off(scheduler: Scheduler, ref: LocalRef) -> bool:
    """Work off the system messages of an actor whose code does not run.

    True if it may go on with user messages; otherwise its status has been seen to.
    """
    control = ref.control
    assert control is not None
    behaviour = ref.behaviour
    if control.exit is not None:
        finalize(ref, control.exit)
    elif control.starting is not None:
        assert behaviour.init is not None
        scheduler.step_phase(ref, Phase.INIT, behaviour.init)
    elif control.stop is not None:
        _terminate(scheduler, ref, control)
    elif control.run:
        assert behaviour.run is not None
        control.run = False
        if control.is_idle:
            ref.control = None
        scheduler.step_phase(ref, Phase.RUN, behaviour.run)
    else:
        if is_asleep(control) and not _rouse(scheduler, ref, control):
            return False
        served = inspect(ref, control)
        if control.held or control.frozen:
            ref.status = HELD
            return False
        if control.hibernate and not fall_asleep(scheduler, ref):
            return False
        if control.has_work:
            scheduler.enqueue(ref)
            return False
        if control.idle is None:
            ref.control = None
        else:
            control.idle.touch()
        if not served:
            return True
        scheduler.enqueue(ref)  # whoever looked may have replaced what this run has in hand
    return False


def _rouse(scheduler: Scheduler, ref: LocalRef, control: Control) -> bool:
    """Wake an actor that hibernates if there is reason to. Whether it is awake now."""
    if has_mail(ref) or control.requests or control.held or control.frozen:
        return wake(scheduler, ref)
    ref.status = ASLEEP
    return False


def inspect(ref: LocalRef, control: Control) -> bool:
    """Serve those who wait for a pause between two messages. Whether there were any."""
    served = bool(control.requests)
    while control.requests:
        wait, function = control.requests.pop(0)
        if wait.done:
            continue
        try:
            wait.resolve(function(ref))
        except Exception as error:
            wait.resolve(None, error)
    return served


def _terminate(scheduler: Scheduler, ref: LocalRef, control: Control) -> None:
    reason = control.final = control.stop
    control.stop = None
    assert reason is not None
    terminate = ref.behaviour.terminate
    if terminate is not None and is_asleep(control) and not wake(scheduler, ref):
        return
    if terminate is None:
        finalize(ref, reason)
    else:
        scheduler.step_phase(ref, Phase.TERMINATE, terminate, reason)


def finished(scheduler: Scheduler, ref: LocalRef, phase: Phase, result: Any) -> None:
    """The actor's code returned."""
    control = ref.control
    if phase is Phase.MESSAGE:
        entry = ref.entry
        if isinstance(entry, Call):
            if result is NO_REPLY:
                check_owed(ref, entry)
            else:
                entry.resolve(result)
    elif phase is Phase.INIT:
        if control is not None and control.starting is not None:
            control.starting.resolve(ref)
            control.starting = None
            if control.is_idle:
                ref.control = None
        if ref.behaviour.run is not None:
            control_of(ref).run = True
    elif phase is Phase.TERMINATE:
        assert control is not None
        reason = control.exit or control.final
        assert reason is not None
        finalize(ref, reason)
        return
    elif not is_exiting(ref):
        stop_self(ref, Normal())
    release(scheduler, ref)


def failed(scheduler: Scheduler, ref: LocalRef, phase: Phase, error: BaseException) -> None:
    """The actor's code raised."""
    if not isinstance(error, Exception) or isinstance(error, BaseExceptionGroup):
        scheduler.system.note_fatal(error)
    entry = ref.entry
    exiting = is_exiting(ref)
    if phase is Phase.MESSAGE and isinstance(error, Reject) and isinstance(entry, Call):
        error.error.__traceback__ = error.error.__context__ = None
        entry.resolve(None, error.error)
        release(scheduler, ref)
        return
    reason, is_crash = reason_of(ref, error)
    if is_crash:
        scheduler.reporter.crash(ref, phase, reason, error)
    hopeless = phase is Phase.INIT or phase is Phase.TERMINATE or phase is Phase.REHYDRATE
    if exiting or hopeless or ref.behaviour.terminate is None:
        finalize(ref, reason)
        return
    control_of(ref).stop = reason
    scheduler.enqueue(ref)


def release(scheduler: Scheduler, ref: LocalRef) -> None:
    """The actor has nothing in hand any more: on to its next messages, or to rest."""
    ref.entry = None
    ref.waiting = None
    if ref.control is not None or ref.first is not EMPTY or ref.mailbox:
        scheduler.enqueue(ref)
    else:
        scheduler.rest(ref)


def check_owed(ref: LocalRef, call: Call) -> None:
    """A handler returned `NO_REPLY`: somebody must hold the reply."""
    if not call.done and not is_tied(ref, "owed", call):
        kind = type(call.request).__qualname__
        call.resolve(
            None,
            CallError(
                f"the handler of {kind} in {ref!r} returned NO_REPLY without taking self.reply_to()"
            ),
        )


def run_unhandled(ref: LocalRef, message: object) -> Any:
    """There is no handler: refuse a call, hand anything else to ``handle_info``.

    Or it is no message but an envelope: handle what is in it.
    """
    if isinstance(message, Envelope):
        return _run_opened(ref, message)
    handler = ref.behaviour.adopt(message.__class__)
    if handler is not None:
        return handler(ref.actor, message)
    catch_all = ref.behaviour.catch_all
    if catch_all is not None:
        return catch_all(ref.actor, message)
    if isinstance(ref.entry, Call):
        raise refusal(ref, message)
    return ref.behaviour.fallback(ref.actor, message)


def refusal(ref: LocalRef, message: object, where: str = "") -> Reject:
    """What a call gets for which there is no handler, counted."""
    ref.scheduler.reporter.unhandled(ref, message)
    kind = type(message).__qualname__
    return Reject(Unhandled(f"{ref!r} has no handler for {kind}{where}; add one with @on({kind})"))


def _run_opened(ref: LocalRef, envelope: Envelope) -> Any:
    entry = envelope.open()
    if entry is EMPTY:
        ref.entry = None
        return None
    ref.entry = entry
    if not isinstance(entry, Call):
        return _run(ref, entry)
    result = _run(ref, entry.request)
    if result.__class__ is CoroutineType:
        return _answer_later(ref, entry, result)
    _answer(ref, entry, result)
    return None


def _run(ref: LocalRef, message: object) -> Any:
    behaviour, kind = ref.behaviour, type(message)
    handler = behaviour.handlers.get(kind) or behaviour.coroutines.get(kind)
    return run_unhandled(ref, message) if handler is None else handler(ref.actor, message)


async def _answer_later(ref: LocalRef, call: Call, handler: Coroutine[Any, Any, Any]) -> Any:
    result = await handler
    _answer(ref, call, result)
    return result


def _answer(ref: LocalRef, call: Call, result: Any) -> None:
    if result is NO_REPLY:
        check_owed(ref, call)
    else:
        call.resolve(result)


def wake_receiver(ref: LocalRef) -> None:
    """A task actor that waits for a message has got one, or a system message."""
    turn = ref.turn
    assert turn is not None
    ref.status = PARKED if turn.scope is None else BOUND
    if isinstance(turn.wait, Receive):
        turn.wait.resolve()


def left_open_text(ref: LocalRef, what: str) -> str:
    """The sentence of `LeftOpen`."""
    return (
        f"a handler of {ref!r} left {what} open; open and close it within one message, "
        "with 'with' or 'async with', or make the actor a TaskActor"
    )


protect(
    work_off,
    _rouse,
    inspect,
    _terminate,
    finished,
    failed,
    release,
    check_owed,
    run_unhandled,
    refusal,
    _run_opened,
    _run,
    _answer_later,
    _answer,
    wake_receiver,
)
