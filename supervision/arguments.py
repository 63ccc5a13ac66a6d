"""Whether an actor's class can be made with the arguments of its child spec.

A wrong argument would fail the child's first start, which may be long after its spec was written.
What is certain is said where the spec is made: that there are more arguments than the class takes,
or one that it does not know, or one twice. What is *missing* may be added by `StartChild`,
``extra_arguments`` or ``with_arguments``, so it is looked for by static supervisors alone, which
add nothing.

The look is one at the counts of ``__init__``'s code, some 0.2 µs; a class that is not made by a
plain Python ``__init__`` is left alone. Types are not looked at, and type checkers cannot do it
either: a spec's arguments are a tuple.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import CO_VARARGS, CO_VARKEYWORDS, signature
from types import FunctionType
from typing import Any, NamedTuple

from actors import Actor

_NONE: Mapping[str, Any] = {}


class Fault(NamedTuple):
    """What is wrong with the field `field`, and the arguments to write."""

    field: str
    sentence: str
    right: str


def find_fault(
    actor: type[Actor], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, *, complete: bool
) -> Fault | None:
    """What is certain to be wrong; with `complete`, nothing will be added to the arguments."""
    kwargs = _NONE if kwargs is None else kwargs
    init: Any = actor.__init__
    if init.__class__ is not FunctionType:
        if init is object.__init__ and actor.__new__ is object.__new__ and (args or kwargs):
            field = "args" if args else "kwargs"
            return Fault(field, f"{actor.__name__} has no __init__ and takes no arguments", "")
        return None
    code = init.__code__
    if len(args) >= code.co_argcount and not code.co_flags & CO_VARARGS:
        return _fault("args", actor, f"gets {len(args)}, but takes {signature(actor)}")
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for name in kwargs:
        if name in names[1 : len(args) + 1]:
            return _fault("kwargs", actor, f"gets {name!r} twice, in args and in kwargs")
        if name not in names[code.co_posonlyargcount :] and not code.co_flags & CO_VARKEYWORDS:
            return _fault("kwargs", actor, f"gets {name!r}, but takes {signature(actor)}")
    if complete:
        for name in _needed(init)[0][len(args) :] + _needed(init)[1]:
            if name not in kwargs:
                return _fault("args", actor, f"needs {name!r}; it takes {signature(actor)}")
    return None


def _needed(init: FunctionType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parameters without a default: those by position, and those by keyword alone."""
    code = init.__code__
    count = code.co_argcount
    named = code.co_varnames[count : count + code.co_kwonlyargcount]
    defaults = init.__kwdefaults__ or {}
    return (
        code.co_varnames[1 : count - len(init.__defaults__ or ())],
        tuple(name for name in named if name not in defaults),
    )


def _fault(field: str, actor: type[Actor], what: str) -> Fault:
    positional, named = _needed(actor.__init__)  # type: ignore[arg-type]
    right = f", ({', '.join(positional)},)" if positional else ""
    if named:
        right += f", kwargs={{{', '.join(f'{name!r}: ...' for name in named)}}}"
    return Fault(field, f"{actor.__name__} {what}", right)
