"""What a state machine does with one event: dispatch, and all that its handler has asked for.

`state_machine` says what is done in which order; here it is done. Nothing is kept for a machine
that has nothing postponed, inserted or timed but its state.
"""

from __future__ import annotations

from collections import deque
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from actors.behaviours.signatures import check_entry
from actors.behaviours.timers import Hidden, cancel_timer, find_timer, start_timer
from actors.errors import ActorError, Reject
from actors.handlers import ANY_STATE, STATE_MARK, marked_methods
from actors.mailboxes.aside import admit, in_hand, release, set_aside
from actors.mailboxes.envelopes import Envelope
from actors.mailboxes.mailbox import EMPTY, push_front
from actors.messages import NO_REPLY
from actors.scheduling.control import Control
from actors.scheduling.protection import protect
from actors.scheduling.waits import Call

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from actors.actor import Actor
    from actors.behaviours.state_machine import StateMachine
    from actors.ref import LocalRef

ENTER_MARK: Final = "__enters_state__"
"""Methods carry with it the states that they are to be run for."""
UNSET: Final = object()
STATE: Final = Hidden("state timeout")
EVENT: Final = Hidden("event timeout")


class Table:
    """The handlers of a class, by state and type."""

    __slots__ = ("anywhere", "enter", "enter_any", "states")

    def __init__(self, cls: type[Actor], anywhere: dict[type, Any]) -> None:
        self.anywhere = anywhere
        self.states: dict[Any, dict[type, Any]] = {}
        for (state, kind), handler in marked_methods(cls, STATE_MARK).items():
            self.states.setdefault(state, dict(anywhere))[kind] = handler
        self.enter: dict[Any, Any] = marked_methods(cls, ENTER_MARK)
        for method in self.enter.values():
            check_entry(method)
        self.enter_any = self.enter.pop(ANY_STATE, None)

    def kinds(self) -> set[type]:
        """All types of events that have a handler."""
        return set(self.anywhere).union(*self.states.values())


class Todo:
    """What the handler of one event has asked for."""

    __slots__ = ("inserted", "postpone", "repeat", "state", "timeouts")

    def __init__(self) -> None:
        self.state: Any = UNSET
        self.repeat = False
        self.postpone = False
        self.inserted: list[Any] = []
        self.timeouts: dict[Hidden, tuple[float | None, object, bool | None]] = {}

    @property
    def needs_events(self) -> bool:
        """Whether there is anything to keep until later."""
        return bool(self.postpone or self.timeouts or self.inserted)

    def ask_timeout(
        self, key: Hidden, seconds: float | None, event: object, *, absolute: bool | None
    ) -> None:
        """Set a timeout, take it back (`seconds` None) or change its event (`absolute` None)."""
        self.timeouts.pop(key, None)
        self.timeouts[key] = (seconds, event, absolute)


class Events(Envelope):
    """What a machine has to handle before its mailbox, and what it has postponed.

    It is at the same time the envelope that stands at the front of the mailbox while there is
    something: each event is a step of the scheduler like any other.
    """

    __slots__ = ("event_timeout", "is_queued", "postponed", "queue", "ref", "zero")

    def __init__(self, ref: LocalRef) -> None:
        self.ref = ref
        self.queue: deque[Any] = deque()
        self.postponed: list[Any] = []
        self.zero: dict[Hidden, object] = {}
        self.event_timeout = False
        self.is_queued = False

    def open(self) -> Any:
        """The next event."""
        self.is_queued = False
        if self.queue:
            return release(self.ref, self.queue.popleft())
        if self.zero:
            return self.zero.pop(next(iter(self.zero)))
        return EMPTY

    def announce(self) -> None:
        """Have the scheduler come for the next event, if there is one."""
        if not self.is_queued and (self.queue or self.zero):
            self.is_queued = True
            push_front(self.ref, self)

    def take_all(self) -> list[Any]:
        """The machine has ended."""
        entries = [*self.queue, *self.postponed]
        self.queue.clear()
        self.postponed.clear()
        return entries

    def __repr__(self) -> str:
        return f"<{len(self.queue) + len(self.zero)} inserted events>"


class Begin:
    """The event with which a machine begins, after ``init``: enters the first state."""

    __slots__ = ()


# -- start -----------------------------------------------------------------------------------------


def start(machine: StateMachine[Any]) -> Any:
    """Run ``init``, and find out in which state the machine begins."""
    machine._state = UNSET
    machine._todo = machine._events = None
    machine._entering = False
    result = machine.init()
    if result.__class__ is CoroutineType:
        return _start_later(machine, result)
    _started(machine)
    return None


async def _start_later(machine: StateMachine[Any], init: Coroutine[Any, Any, Any]) -> None:
    await init
    _started(machine)


def _started(machine: StateMachine[Any]) -> None:
    todo = machine._todo
    state = machine.initial_state
    if todo is not None and todo.state is not UNSET:
        state, todo.state = todo.state, UNSET
    if state is UNSET:
        raise ActorError(
            f"{type(machine).__qualname__} begins in no state; set initial_state in the class or "
            "call self.next_state(...) in init"
        )
    machine._state = state
    if todo is not None or _enter_handler(machine) is not None:
        push_front(machine.ref, Begin())


def begin(machine: StateMachine[Any], _: Begin) -> Any:
    """Enter the first state and do what ``init`` has asked for."""
    machine._note().repeat = True
    return _finish(machine, None)


# -- one event -------------------------------------------------------------------------------------


def handle(machine: StateMachine[Any], event: Any) -> Any:
    """Handle one event; the result is its reply, or a coroutine that ends with it."""
    table = machine._table
    handler = table.states.get(machine._state, table.anywhere).get(event.__class__)
    try:
        result = machine.handle_event(event) if handler is None else handler(machine, event)
    except Reject as rejection:
        outcome = _finish(machine, NO_REPLY)
        if outcome.__class__ is CoroutineType:
            return _reject_later(outcome, rejection)
        raise
    if result.__class__ is CoroutineType:
        return _handle_later(machine, result)
    if machine._todo is None and machine._events is None:
        return result
    return _finish(machine, result)


async def _handle_later(machine: StateMachine[Any], handler: Coroutine[Any, Any, Any]) -> Any:
    try:
        result = await handler
    except Reject:
        outcome = _finish(machine, NO_REPLY)
        if outcome.__class__ is CoroutineType:
            await outcome
        raise
    outcome = _finish(machine, result)
    return await outcome if outcome.__class__ is CoroutineType else outcome


async def _reject_later(finish: Coroutine[Any, Any, Any], rejection: Reject) -> Any:
    await finish
    raise rejection


def _finish(machine: StateMachine[Any], result: Any) -> Any:
    """Do what has been asked for; a coroutine if a state is to be entered."""
    todo = machine._todo
    if _is_ending(machine.ref.control):
        machine._todo = None
        return result
    if todo is None:
        return _settle(machine, None, result, changed=False)
    old = machine._state
    changed = todo.state is not UNSET and todo.state != old
    if changed:
        machine._state = todo.state
    if (changed or todo.repeat) and _enter_handler(machine) is not None:
        return _enter(machine, todo, result, old, changed=changed)
    return _settle(machine, todo, result, changed=changed)


async def _enter(
    machine: StateMachine[Any], todo: Todo, result: Any, old: Any, *, changed: bool
) -> Any:
    """Give the reply, run the ``on_enter`` method as often as it asks for, and go on."""
    ref = machine.ref
    if result is not NO_REPLY and not todo.postpone:
        entry = in_hand(ref, "a reply")
        if isinstance(entry, Call):
            entry.resolve(result)
    machine._entering = True
    try:
        todo.repeat = True
        while todo.repeat and not _is_ending(ref.control):
            todo.repeat = False
            handler = _enter_handler(machine)
            entered = handler(machine, old)
            if entered.__class__ is CoroutineType:
                await entered
    finally:
        machine._entering = False
    if _is_ending(ref.control):
        machine._todo = None
        return result
    return _settle(machine, todo, result, changed=changed)


def _settle(machine: StateMachine[Any], todo: Todo | None, result: Any, *, changed: bool) -> Any:
    """The rest, after a state has been entered."""
    machine._todo = None
    ref, events = machine.ref, machine._events
    if events is None:
        if todo is None or not todo.needs_events:
            return result
        events = machine._events = Events(ref)
        set_aside(ref, events)
    if todo is not None and todo.postpone:
        entry = in_hand(ref, "postpone()")
        if admit(ref, entry, len(events.postponed)):
            events.postponed.append(entry)
        result = NO_REPLY
    if changed:
        events.queue.extendleft(reversed(events.postponed))
        events.postponed.clear()
        _cancel(machine, STATE)
    if events.event_timeout:
        events.event_timeout = False
        _cancel(machine, EVENT)
    if todo is not None:
        for key, (seconds, event, absolute) in todo.timeouts.items():
            if absolute is not None or not _update(machine, events, key, event):
                _set(machine, events, key, seconds, event, absolute=bool(absolute))
        events.queue.extendleft(reversed(todo.inserted))
    events.announce()
    return result


def _set(
    machine: StateMachine[Any],
    events: Events,
    key: Hidden,
    seconds: float | None,
    event: Any,
    *,
    absolute: bool,
) -> None:
    _cancel(machine, key)
    if seconds is None:
        return
    if key is EVENT:
        events.event_timeout = True
    if seconds == 0 and not absolute:
        events.zero[key] = event
    else:
        start_timer(machine.ref, key, seconds, event, absolute=absolute)


def _update(machine: StateMachine[Any], events: Events, key: Hidden, event: Any) -> bool:
    timer = find_timer(machine.ref, key)
    if timer is not None:
        timer.message = event
    elif key in events.zero:
        events.zero[key] = event
    else:
        return False
    return True


def _cancel(machine: StateMachine[Any], key: Hidden) -> None:
    if machine._events is not None:
        machine._events.zero.pop(key, None)
    cancel_timer(machine.ref, key)


def _enter_handler(machine: StateMachine[Any]) -> Any:
    table = machine._table
    return table.enter.get(machine._state, table.enter_any)


def _is_ending(control: Control | None) -> bool:
    return control is not None and (control.stop is not None or control.exit is not None)


protect(
    Table,
    Todo,
    Events,
    start,
    _start_later,
    _started,
    begin,
    handle,
    _handle_later,
    _reject_later,
    _finish,
    _enter,
    _settle,
    _set,
    _update,
    _cancel,
    _enter_handler,
    _is_ending,
)
