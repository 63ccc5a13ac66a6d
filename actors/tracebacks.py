"""Tracebacks as bounded text.

The standard library's formatting follows causes, contexts and groups without an end: a group whose
members are shared takes exponential time, and a long chain of contexts megabytes. Here an exception
is its last frames, its name and a bounded text; of what caused it and of the members of a group a
few are shown the same way.
"""

from __future__ import annotations

import traceback
from typing import Final

from actors.reasons import bounded, crashed

MAX_TEXT: Final = 4_000
MAX_FRAMES: Final = 8
MAX_LINE: Final = 200
MAX_EXCEPTIONS: Final = 4


def bounded_traceback(error: BaseException) -> str:
    """Text of `error`, its causes and members, innermost first; at most `MAX_TEXT` characters."""
    try:
        parts = [_one(found) for found in _related(error)]
    except Exception as failure:
        return f"<no traceback: {type(failure).__name__} while formatting>"
    return bounded("\nwhich led to\n".join(reversed(parts)), MAX_TEXT)


def _related(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    todo = [error]
    while todo and len(found) < MAX_EXCEPTIONS:
        current = todo.pop(0)
        if any(current is other for other in found):
            continue
        found.append(current)
        if isinstance(current, BaseExceptionGroup):
            todo.extend(current.exceptions[:MAX_EXCEPTIONS])
        if current.__cause__ is not None:
            todo.append(current.__cause__)
        elif current.__context__ is not None and not current.__suppress_context__:
            todo.append(current.__context__)
    return found


def _one(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__, limit=-MAX_FRAMES)
    lines = [line for entry in frames.format() for line in entry.splitlines()]
    return "\n".join([*(line[:MAX_LINE] for line in lines), str(crashed(error))])
