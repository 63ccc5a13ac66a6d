"""What an expectation may be, and how its failure reads.

A *pattern* says what is expected of a value:

=================  ===============================================================
a class            an instance of it; for exit reasons an exception class means
                   "crashed with this exception"
a tuple of classes an instance of one of them
a function         a true result of ``function(value)``
anything else      an equal value
=================  ===============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from actors.observing.summaries import summary
from actors.reasons import Crashed, ExitReason, crashed

MAX_SHOWN: Final = 8
"""Messages that a failure's text shows."""


class ExpectationFailed(AssertionError):
    """What a test expected did not come; the text says what came instead."""


class _Anything:
    def __repr__(self) -> str:
        return "anything"


ANYTHING: Final = _Anything()
"""The pattern that every value meets."""


def matches(pattern: Any, value: object) -> bool:
    """Whether `value` meets `pattern`."""
    if pattern is ANYTHING:
        return True
    if isinstance(pattern, type):
        return isinstance(value, pattern) or _crashed_with(pattern, value)
    if isinstance(pattern, tuple) and pattern and all(isinstance(kind, type) for kind in pattern):
        return any(matches(kind, value) for kind in pattern)
    if callable(pattern):
        return bool(pattern(value))
    return bool(pattern == value)


def _crashed_with(pattern: type, value: object) -> bool:
    if not issubclass(pattern, BaseException) or not isinstance(value, Crashed):
        return False
    name = pattern.__qualname__
    return value.exception in (name, f"{pattern.__module__}.{name}")


def describe(pattern: Any) -> str:
    """The pattern in words."""
    if isinstance(pattern, type):
        return pattern.__qualname__
    if isinstance(pattern, tuple) and pattern and all(isinstance(kind, type) for kind in pattern):
        return " or ".join(kind.__qualname__ for kind in pattern)
    if callable(pattern):
        return f"what {getattr(pattern, '__qualname__', repr(pattern))}() is true for"
    return repr(pattern) if pattern is ANYTHING else summary(pattern)


def listed(values: Iterable[object], count: int) -> str:
    """A few values, one a line."""
    lines = [f"\n  {summary(value)}" for value in islice(values, MAX_SHOWN)]
    if count > MAX_SHOWN:
        lines.append(f"\n  … {count - MAX_SHOWN} more")
    return "".join(lines)


def as_reason(reason: ExitReason | BaseException | None) -> object:
    """An exception stands for the crash that it makes."""
    return crashed(reason) if isinstance(reason, BaseException) else reason


Pattern = type | tuple[type, ...] | Callable[[Any], object] | object
