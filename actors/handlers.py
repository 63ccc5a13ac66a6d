"""Handlers: which method of an actor class handles which type of message.

`on` marks a method; the class's `Behaviour` is compiled once, when the class is defined: a table
from exact message type to function, and the class's settings. A subclass that overrides a marked
method by name handles the message with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from actors.behaviours.signatures import check_handler
from actors.lifecycle.hibernation import Hibernation, hibernation_of, start_drowsing
from actors.mailboxes.rules import MailboxRules
from actors.messages import NoReply, Request
from actors.scheduling.protection import expose
from actors.upgrading.versions import adopt

if TYPE_CHECKING:
    from actors.actor import Actor
    from actors.observing.statistics import LogEvent
    from actors.ref import LocalRef

A = TypeVar("A")
R = TypeVar("R")
M_co = TypeVar("M_co", covariant=True)
Q_co = TypeVar("Q_co", bound=Request[Any], covariant=True)

_MARK = "__handles__"
RUNTIME: Final = __name__.partition(".")[0]
HOOKS = ("init", "terminate", "handle_info", "handle_event", "run")
"""Methods that the runtime calls and that a class may override."""
STATE_MARK = "__handles_in_state__"
"""Methods carry with it the pairs of state and message type that they handle."""


class _AnyState:
    __slots__ = ()

    def __repr__(self) -> str:
        return "ANY_STATE"


ANY_STATE: Final = _AnyState()
"""A handler that is not for one state only."""


class OnRequest(Generic[Q_co]):
    """The decorator that `on` returns for a request: the handler returns its reply."""

    __slots__ = ("_message_type", "_state")

    def __init__(self, message_type: Callable[..., Q_co], state: Hashable) -> None:
        self._message_type = message_type
        self._state = state

    @overload
    def __call__(
        self: OnRequest[Request[R]],
        handler: Callable[[A, Q_co], Coroutine[Any, Any, R | NoReply]],
    ) -> Callable[[A, Q_co], Coroutine[Any, Any, R | NoReply]]: ...
    @overload
    def __call__(
        self: OnRequest[Request[R]], handler: Callable[[A, Q_co], R | NoReply]
    ) -> Callable[[A, Q_co], R | NoReply]: ...
    def __call__(self, handler: Any) -> Any:
        """Mark `handler`; it stays an ordinary method."""
        return _mark_message(handler, self._message_type, self._state)


class OnMessage(Generic[M_co]):
    """The decorator that `on` returns for any other message: the handler returns nothing."""

    __slots__ = ("_message_type", "_state")

    def __init__(self, message_type: Callable[..., M_co], state: Hashable) -> None:
        self._message_type = message_type
        self._state = state

    @overload
    def __call__(
        self, handler: Callable[[A, M_co], Coroutine[Any, Any, None]]
    ) -> Callable[[A, M_co], Coroutine[Any, Any, None]]: ...
    @overload
    def __call__(self, handler: Callable[[A, M_co], None]) -> Callable[[A, M_co], None]: ...
    def __call__(self, handler: Any) -> Any:
        """Mark `handler`; it stays an ordinary method."""
        return _mark_message(handler, self._message_type, self._state)


def _mark_message(handler: Any, message_type: Any, state: Hashable) -> Any:
    _refuse_generator(handler)
    if state is ANY_STATE:
        return mark(handler, _MARK, message_type)
    return mark(handler, STATE_MARK, (state, message_type))


def _refuse_generator(method: Any) -> None:
    if isgeneratorfunction(method) or isasyncgenfunction(method):
        raise TypeError(
            f"{method.__qualname__} contains yield, so nobody would run it; "
            "return its answer, or write async def and await"
        )


def _check_methods(cls: type[Actor]) -> None:
    """Raise TypeError for methods of `cls` that cannot do what is expected of them."""
    for name in HOOKS:
        _refuse_generator(vars(cls).get(name))
    ours = [kind for kind in cls.__mro__[1:] if kind.__module__.partition(".")[0] == RUNTIME]
    for name, member in vars(cls).items():
        if name in HOOKS or not _is_handler(member):
            continue
        if any(name in vars(kind) and not _is_handler(vars(kind)[name]) for kind in ours):
            raise TypeError(
                f"the handler {cls.__qualname__}.{name} would replace the method {name} that such "
                "an actor has; give the handler another name"
            )


def _is_handler(member: object) -> bool:
    return bool(getattr(member, _MARK, ()) or getattr(member, STATE_MARK, ()))


def mark(handler: Any, name: str, key: Hashable) -> Any:
    """Note on a method what it is for; it stays an ordinary method."""
    setattr(handler, name, (*getattr(handler, name, ()), key))
    return handler


@overload
def on(  # type: ignore[overload-overlap]
    message_type: Callable[..., Q_co], *, state: Hashable = ...
) -> OnRequest[Q_co]: ...
@overload
def on(message_type: Callable[..., M_co], *, state: Hashable = ...) -> OnMessage[M_co]: ...
def on(message_type: Any, *, state: Hashable = ANY_STATE) -> Any:
    """Have the decorated method handle messages whose type is exactly `message_type`.

    In a `StateMachine`, with `state`, in this state only; write several above each other for a
    method that handles several types, or one in several states.

    The handler takes ``(self, message)`` and may be ``def`` or ``async def``. For a `Request[R]` it
    returns the ``R``, or `NO_REPLY` if the reply comes later; for other messages it returns None.
    One that cannot be called so, or is annotated to take another class of messages, is a TypeError
    where its class is defined.

    Raises:
        TypeError: `message_type` is not a class.
    """
    if not isinstance(message_type, type):
        raise TypeError(f"@on takes a message class, not {message_type!r}; write @on(MyMessage)")
    decorator = OnRequest if issubclass(message_type, Request) else OnMessage
    return decorator(message_type, state)


class Behaviour:
    """What the runtime needs to know of an actor class, compiled once for each class.

    ``coroutines`` holds the handlers that are ``async def``, ``handlers`` all others;
    ``catch_all``, if there is one, handles all messages that have no handler, calls included;
    ``rest_limit`` is how many messages may wait beside the oldest before
    `actors.mailboxes.overflow` is asked what to do, because of the bound (``mailbox_limit``), of
    the mark of the mailbox alarm (``alarm``), or always. ``prepare``, if there is one, is run
    for each new actor. ``hibernation`` is None if its actors cannot hibernate. ``successor`` is the
    next version of the class, and ``adopted`` the other versions of message classes that have
    been entered into ``handlers``; see `actors.upgrading.versions`.
    """

    __slots__ = (
        "adopted",
        "alarm",
        "catch_all",
        "coroutines",
        "fallback",
        "handlers",
        "hibernation",
        "init",
        "mailbox_limit",
        "mailbox_policy",
        "name",
        "prepare",
        "rest_limit",
        "run",
        "stash_limit",
        "successor",
        "terminate",
    )

    def __init__(self, cls: type[Actor], base: type[Actor] | None) -> None:
        self.name = cls.__qualname__
        if base is not None:
            _check_methods(cls)
        table = _table(cls)
        in_states = marked_methods(cls, STATE_MARK)
        for kind, handler in (*table.items(), *((kind, h) for (_, kind), h in in_states.items())):
            check_handler(handler, kind)
        self.coroutines = {kind: h for kind, h in table.items() if iscoroutinefunction(h)}
        self.handlers = {kind: h for kind, h in table.items() if kind not in self.coroutines}
        self.fallback: Callable[[Any, Any], Any] = cls.handle_info
        self.init: Callable[[Any], Any] | None = (
            cls.init if base is not None and cls.init is not base.init else None
        )
        self.terminate = (
            cls.terminate if base is not None and cls.terminate is not base.terminate else None
        )
        self.run: Callable[[Any], Any] | None = getattr(cls, "_run_as_task", None)
        mailbox = MailboxRules.of(cls)
        self.mailbox_limit = mailbox.limit
        self.mailbox_policy = mailbox.policy
        self.alarm = mailbox.alarm
        self.rest_limit = mailbox.rest_limit
        self.hibernation = hibernation_of(cls, base)
        self.prepare = _prepare(mailbox, self.hibernation)
        self.stash_limit = cls.stash_limit
        if type(self.stash_limit) is not int or self.stash_limit < 1:
            raise TypeError(
                f"{self.name}.stash_limit is {self.stash_limit!r}; it must be an int of at least 1"
            )
        self.successor: type[Actor] | None = None
        self.adopted: dict[type, None] = {}
        self.catch_all: Callable[[Any, Any], Any] | None = None
        if in_states and not hasattr(cls, "initial_state"):
            raise TypeError(f"{self.name} has handlers with state=; derive it from StateMachine")
        if base is not None:
            expose(cls, *table.values())

    def adopt(self, kind: type) -> Callable[[Any, Any], Any] | None:
        """A handler for another version of a message class, if an upgrade has made `kind` that."""
        return adopt(self, kind)

    def log(self) -> tuple[LogEvent, ...]:
        """The last events of the one actor that this is for, if it is watched and logged."""
        return ()


def _prepare(
    mailbox: MailboxRules, hibernation: Hibernation | None
) -> Callable[[LocalRef], None] | None:
    if hibernation is None or hibernation.after is None:
        return mailbox.prepare
    first = mailbox.prepare

    def prepare(ref: LocalRef) -> None:
        if first is not None:
            first(ref)
        start_drowsing(ref)

    return prepare


def _table(cls: type[Actor]) -> dict[type, Callable[[Any, Any], Any]]:
    return marked_methods(cls, _MARK)


def marked_methods(cls: type[Actor], name: str) -> dict[Any, Callable[[Any, Any], Any]]:
    """The methods of `cls` by what they are marked for; a subclass overrides by method name.

    Raises:
        TypeError: one class has two methods for the same.
    """
    names: dict[Any, str] = {}
    for klass in reversed(cls.__mro__):
        own: dict[Any, str] = {}
        for method, member in vars(klass).items():
            for key in getattr(member, name, ()):
                if key in own:
                    raise TypeError(
                        f"{klass.__qualname__} has two handlers for {_shown(key)}: "
                        f"{own[key]} and {method}; remove one"
                    )
                own[key] = method
        names.update(own)
    return {key: getattr(cls, method) for key, method in names.items()}


def _shown(key: Any) -> str:
    if isinstance(key, tuple) and isinstance(key[-1], type):
        return f"{key[-1].__qualname__} in state {key[0]!r}"
    return key.__qualname__ if isinstance(key, type) else repr(key)
