"""Ctrl-C: the runtime's functions are protected from KeyboardInterrupt, handlers are not.

trio decides by the innermost stack frame that it knows something about whether Ctrl-C is raised on
the spot or kept for the main task's next checkpoint. Functions of the runtime are marked protected,
functions of actor classes unprotected. So a handler that spins can be interrupted, and no queue or
link of the runtime is ever left half changed.
"""

from __future__ import annotations

import types
from typing import Any

from trio.lowlevel import disable_ki_protection, enable_ki_protection


def protect(*targets: Any) -> None:
    """Mark functions, and all functions defined in classes, as the runtime's."""
    for function in _functions(targets):
        enable_ki_protection(function)


def expose(*targets: Any) -> None:
    """Mark functions, and all functions defined in classes, as user code."""
    for function in _functions(targets):
        disable_ki_protection(function)


def _functions(targets: tuple[Any, ...]) -> list[types.FunctionType]:
    found = []
    for target in targets:
        members = vars(target).values() if isinstance(target, type) else (target,)
        for member in members:
            function = getattr(member, "__func__", member)
            if isinstance(member, property):
                function = member.fget
            if isinstance(function, types.FunctionType):
                found.append(function)
    return found
