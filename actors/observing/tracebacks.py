"""Tracebacks as bounded values, cheap to take and formatted only when somebody reads them.

The standard library's formatting follows causes, contexts and groups without an end: a group whose
members are shared takes exponential time, and a long chain of contexts megabytes; and it reads the
source at once, a hundred times the cost of the crash itself. Here an exception is its name, a
bounded text and its last frames as names and numbers; of what caused it and of the members of a
group a few are kept the same way. No frame and no exception is kept alive.
"""

from __future__ import annotations

import linecache
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.reasons import bounded, crashed

if TYPE_CHECKING:
    from types import TracebackType

MAX_TEXT: Final = 4_000
MAX_FRAMES: Final = 8
MAX_LINE: Final = 200
MAX_EXCEPTIONS: Final = 4

Frame = tuple[str, int, str]
"""File name, line number, function name."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What an exception and its relatives looked like: for each its text and last frames."""

    exceptions: tuple[tuple[str, tuple[Frame, ...]], ...]

    def __str__(self) -> str:
        """Text for people, the cause first; at most `MAX_TEXT` characters."""
        parts = ["\n".join([*map(_frame_text, frames), text]) for text, frames in self.exceptions]
        return bounded("\nwhich led to\n".join(reversed(parts)), MAX_TEXT)


def take_trace(error: BaseException) -> Trace:
    """Describe `error` without keeping it."""
    return Trace(
        tuple((str(crashed(found)), _frames(found.__traceback__)) for found in _related(error))
    )


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


def _frames(traceback: TracebackType | None) -> tuple[Frame, ...]:
    frames: deque[Frame] = deque(maxlen=MAX_FRAMES)
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append((code.co_filename, traceback.tb_lineno, code.co_qualname))
        traceback = traceback.tb_next
    return tuple(frames)


def _frame_text(frame: Frame) -> str:
    file, line, function = frame
    source = linecache.getline(file, line).strip()[:MAX_LINE]
    text = f'  File "{file}", line {line}, in {function}'
    return f"{text}\n    {source}" if source else text
