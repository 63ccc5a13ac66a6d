"""`StateMachine`: OTP's gen_statem. What an event means depends on the state.

    class Door(StateMachine[str]):
        initial_state = "closed"

        @on(Push, state="closed")
        def open(self, request: Push) -> None:
            self.next_state("open")
            self.set_state_timeout(10, Close())

        @on(Close, state="open")
        def close(self, message: Close) -> None:
            self.next_state("closed")

        @on(Enter)
        def enter(self, request: Enter) -> str | NoReply:
            return self.postpone() if self.state == "closed" else "welcome"

**Handlers.** Every message is an event: casts, calls, answers, downs, timeouts. It is handled by
the method marked for its type in the present state, else by the one for its type in any state, else
by ``handle_event``, which by default hands casts to ``handle_info`` and refuses calls. States are
any hashable values. The state's data are the object's attributes.

**What a handler asks for is done when it has returned**, in gen_statem's order, whatever the order
of its requests:

1. The reply that it returns is given.
2. With ``next_state`` of another state, or ``repeat_state``, the `on_enter` method of the state is
   run, if it has one, with the old state as argument. `self.state` is the new one by then. It may
   set timeouts and call ``repeat_state`` for being run again, and nothing else of what follows.
3. With ``postpone`` the event is put aside.
4. If the state has changed, all postponed events are inserted before everything queued, in their
   order, and the state timeout is cancelled.
5. The event timeout is cancelled: any event does so.
6. Timeouts are set, the last request for each counts.
7. The events of ``next_event`` are inserted before everything, the first of them first.

Then events are handled that have been inserted; when there are none, timeouts of zero seconds, in
the order of their setting; and only then what waits in the mailbox. With ``stop`` nothing of this
is done but the reply.

**Timeouts.** The *state timeout* ends with the state; the *event timeout* ends with the next event,
also one that has been inserted; *named* ones end when they fire or are set again. Of one that has
been cancelled or set again no message is handled any more, even if it has fired. Zero seconds mean:
after what has been inserted, before anything from outside.

**Bounds.** ``stash_limit`` events may be postponed (see `actors.mailboxes.aside` for what happens
beyond, and what becomes of postponed calls); ``mailbox_limit`` events may be inserted, beyond which
``next_event`` raises. A machine costs others nothing, and per event one more function call; which
handlers there are is compiled once for each class, by state and type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from actors.actor import Actor
from actors.behaviours.timers import Hidden
from actors.behaviours.transitions import (
    ENTER_MARK,
    EVENT,
    STATE,
    UNSET,
    Begin,
    Events,
    Table,
    Todo,
    begin,
    handle,
    start,
)
from actors.calling.reply import DIRECT
from actors.errors import ActorError
from actors.handlers import ANY_STATE, mark
from actors.mailboxes.aside import in_hand
from actors.messages import NO_REPLY, NoReply, Timeout
from actors.scheduling.clocks import deadline_after
from actors.scheduling.outcomes import refusal
from actors.scheduling.protection import expose, protect
from actors.scheduling.waits import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

S = TypeVar("S")
F = TypeVar("F")

_TIMEOUT: Final = Timeout()


def on_enter(*states: Hashable) -> Callable[[F], F]:
    """Have the decorated method run when one of `states`, or without any, any state is entered.

    It takes ``(self, old_state)``, ``def`` or ``async def``, and returns nothing. The state in
    which the machine begins is entered, too, from itself, when ``spawn`` has returned.
    """

    def decorate(method: F) -> F:
        for state in states or (ANY_STATE,):
            mark(method, ENTER_MARK, state)
        return method

    return decorate


class StateMachine(Actor, Generic[S]):
    """Base of state machines; see the module. ``StateMachine[S]`` has states of the type S."""

    __slots__ = ("_entering", "_events", "_state", "_todo")

    initial_state: ClassVar[Any] = UNSET
    """The first state. Or call ``self.next_state(...)`` in ``init``."""

    _table: ClassVar[Table]
    _state: Any
    _events: Events | None
    _todo: Todo | None
    _entering: bool

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        behaviour = cls._behaviour
        table = cls._table = Table(cls, behaviour.handlers | behaviour.coroutines)
        behaviour.coroutines = {}
        behaviour.handlers = dict.fromkeys(table.kinds(), handle) | {Begin: begin}
        behaviour.catch_all = handle
        behaviour.init = start
        expose(*table.enter.values())

    @property
    def state(self) -> S:
        """The present state; while a handler runs, the one in which its event is handled.

        Raises:
            ActorError: ``init`` has not returned.
        """
        state: S = self._state
        if state is UNSET:
            raise ActorError(f"{type(self).__qualname__} is in no state before init has returned")
        return state

    def handle_event(self, event: Any) -> Any:
        """Override for events without a handler in the present state; calls return their reply."""
        entry = self.ref.entry
        if entry is DIRECT or isinstance(entry, Call):
            raise refusal(self.ref, event, f" in state {self._state!r}")
        return self.handle_info(event)

    def next_state(self, state: S) -> None:
        """Go to `state` when the handler has returned. The same state is no change.

        Raises:
            TypeError: `state` is not hashable.
        """
        hash(state)
        self._ask("next_state()").state = state

    def repeat_state(self) -> None:
        """Run the `on_enter` method of the present state again; nothing else changes."""
        self._note().repeat = True

    def postpone(self) -> NoReply:
        """Put the event in hand aside until the state has changed.

        The handler of a call returns what this returns.

        Raises:
            ActorError: there is no event in hand.
        """
        todo = self._ask("postpone()")
        in_hand(self.ref, "postpone()")
        todo.postpone = True
        return NO_REPLY

    def next_event(self, event: object) -> None:
        """Handle `event` next, before all that has been inserted and all that waits.

        Raises:
            ActorError: more than ``mailbox_limit`` events have been inserted.
        """
        todo = self._ask("next_event()")
        waiting = len(todo.inserted) + (0 if self._events is None else len(self._events.queue))
        if waiting >= self.ref.behaviour.mailbox_limit:
            raise ActorError(f"{self.ref!r} has inserted {waiting} events; it must handle some")
        todo.inserted.append(event)

    def set_state_timeout(
        self, seconds: float | None, event: object = _TIMEOUT, *, absolute: bool = False
    ) -> None:
        """Get `event` in `seconds` unless the state changes before. None takes the timeout back.

        With `absolute`, `seconds` is a time of trio's clock. ValueError: the time makes no sense.
        """
        self._set(STATE, seconds, event, absolute)

    def set_event_timeout(
        self, seconds: float | None, event: object = _TIMEOUT, *, absolute: bool = False
    ) -> None:
        """Get `event` in `seconds` unless any other event comes before. None takes it back."""
        self._set(EVENT, seconds, event, absolute)

    def set_timeout(
        self,
        name: Hashable,
        seconds: float | None,
        event: object = _TIMEOUT,
        *,
        absolute: bool = False,
    ) -> None:
        """Get `event` in `seconds`, whatever happens; `name` is for setting it again (or None)."""
        self._set(Hidden((name,)), seconds, event, absolute)

    def update_state_timeout(self, event: object) -> None:
        """Have the running state timeout bring `event` instead; if none runs, in zero seconds."""
        self._note().ask_timeout(STATE, 0.0, event, absolute=None)

    def update_event_timeout(self, event: object) -> None:
        """The same for the event timeout; as this event cancels it, it is one of zero seconds."""
        self._note().ask_timeout(EVENT, 0.0, event, absolute=None)

    def update_timeout(self, name: Hashable, event: object) -> None:
        """The same for the timeout `name`."""
        self._note().ask_timeout(Hidden((name,)), 0.0, event, absolute=None)

    def stash(self) -> NoReply:
        """Not here: a state machine postpones."""
        raise ActorError("a StateMachine does not stash; use self.postpone()")

    def _note(self) -> Todo:
        todo = self._todo
        if todo is None:
            todo = self._todo = Todo()
        return todo

    def _ask(self, what: str) -> Todo:
        if self._entering:
            raise ActorError(f"{what} is not for on_enter methods; they may set timeouts")
        return self._note()

    def _set(self, key: Hidden, seconds: float | None, event: object, absolute: bool) -> None:
        if seconds is not None:
            deadline_after(0.0, seconds)
            if not (abs(seconds) < float("inf") and (absolute or seconds >= 0)):
                raise ValueError(f"a timeout got {seconds!r} s; give a finite number of at least 0")
        self._note().ask_timeout(key, seconds, event, absolute=absolute)


protect(StateMachine)
