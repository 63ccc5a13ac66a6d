"""Whether a handler can be called as it will be: checked when its class is defined.

A handler is called with the actor and one message. One that cannot take these would crash at its
first message, and one whose parameter is annotated as another class would most likely do so a line
later; both are mistakes that can be told from the definition, so they are errors there.

The look is cheap, a microsecond for each handler: the counts of the code object and one annotation.
Judged is what is certain only. Left alone are annotations that are more than a class or the name of
one (unions, generics, protocols, type variables), names that the module does not know, as of
imports for type checkers, and inside of functions all names, which may mean something local.
"""

from __future__ import annotations

import builtins
from inspect import CO_COROUTINE, CO_VARARGS
from types import FunctionType, MethodType
from typing import Any, Final

from actors.messages import Request
from actors.scheduling.protection import protect

PROMOTED: Final = (complex, float, bytes)
"""What type checkers also accept other types for that are no subclasses, such as int for float."""


def check_handler(handler: object, message_type: type) -> None:
    """Raise TypeError unless `handler` can be called with an actor and a message of this type."""
    function, names = _signature(handler)
    if function is None:
        return
    if names is None:
        raise TypeError(
            f"the handler {function.__qualname__} takes ({_parameters(function)}), but it is "
            f"called with the actor and one message; write {_example(function, message_type)}"
        )
    if len(names) < 2:
        return
    annotated = _class_of(function, names[1])
    if annotated is not None and not _takes(annotated, message_type):
        kind = annotated.__name__
        raise TypeError(
            f"the handler {function.__qualname__} is for {message_type.__name__}, but its "
            f"parameter {names[1]} is annotated as {kind}; write @on({kind}), or "
            f"{_example(function, message_type)}"
        )


def check_entry(method: object) -> None:
    """Raise TypeError unless `method` can be called with a machine and the state that it leaves."""
    function, names = _signature(method)
    if function is not None and names is None:
        raise TypeError(
            f"{function.__qualname__}, marked by @on_enter, takes ({_parameters(function)}), but "
            "it is called with the machine and the state that it comes from; "
            f"write {_definition(function)}(self, old_state)"
        )


def _signature(method: object) -> tuple[FunctionType | None, tuple[str, ...] | None]:
    """The function, and the names of what it takes by position; None if it does not take two.

    No function either if the method is none of Python's own, so that nothing is known of it.
    """
    bound = isinstance(method, MethodType)
    function = method.__func__ if isinstance(method, MethodType) else method
    if not isinstance(function, FunctionType):
        return None, None
    code = function.__code__
    given = 3 if bound else 2
    optional = len(function.__defaults__ or ())
    fits = code.co_argcount >= given or code.co_flags & CO_VARARGS
    keywords = code.co_kwonlyargcount - len(function.__kwdefaults__ or ())
    if not fits or code.co_argcount - optional > given or keywords:
        return function, None
    return function, code.co_varnames[bound : code.co_argcount]


def _class_of(function: FunctionType, name: str) -> type | None:
    """The class that a parameter is annotated with, if it is certain to be one."""
    try:
        found: Any = function.__annotations__.get(name)
    except NameError:
        return None  # evaluated at this moment, from Python 3.14 on, and not defined (yet)
    if isinstance(found, str):
        if "<locals>" in function.__qualname__:
            return None
        name = found.strip("'\"")
        found = function.__globals__.get(name, vars(builtins).get(name))
    return found if isinstance(found, type) else None


def _takes(annotated: Any, message_type: type) -> bool:
    if annotated is Any or annotated in PROMOTED or getattr(annotated, "_is_protocol", False):
        return True
    # By name too: another version of the class, from before an upgrade, is as good.
    return annotated.__name__ == message_type.__name__ or issubclass(message_type, annotated)


def _parameters(function: FunctionType) -> str:
    code = function.__code__
    names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    if code.co_kwonlyargcount:
        names.insert(code.co_argcount, "*")
    return ", ".join(names)


def _example(function: FunctionType, message_type: type) -> str:
    parameter = "request" if issubclass(message_type, Request) else "message"
    return f"{_definition(function)}(self, {parameter}: {message_type.__name__})"


def _definition(function: FunctionType) -> str:
    keyword = "async def" if function.__code__.co_flags & CO_COROUTINE else "def"
    return f"{keyword} {function.__name__}"


protect(check_handler, check_entry)
