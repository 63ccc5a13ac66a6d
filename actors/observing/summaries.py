"""Short texts of any value, at bounded cost.

``repr`` of a message may be gigabytes long, or run user code for minutes. A summary looks at a few
members of the standard containers and of dataclasses, two levels deep, and calls no ``__repr__`` of
anybody else's.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields, is_dataclass
from itertools import islice
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final

from actors.reasons import ExitReason
from actors.ref import Ref
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.actor import Actor

MAX_TEXT: Final = 400
MAX_ITEM: Final = 60
MAX_ITEMS: Final = 6
MAX_DEPTH: Final = 2
MAX_BITS: Final = 256
MAX_STATE: Final = 4_000
MAX_ATTRIBUTES: Final = 20


def summary(value: object, depth: int = 0) -> str:
    """Text of `value` in at most `MAX_TEXT` characters."""
    try:
        text = _summary(value, depth)
    except Exception as error:
        text = f"<{type(value).__qualname__}, {type(error).__name__} while describing it>"
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _summary(value: Any, depth: int) -> str:
    kind = type(value)
    if kind in (str, bytes):
        return repr(value) if len(value) <= MAX_ITEM else repr(value[:MAX_ITEM]) + "…"
    if kind is int:
        bits = value.bit_length()
        return repr(value) if bits <= MAX_BITS else f"<int of {bits} bits>"
    if value is None or kind in (bool, float, type) or isinstance(value, (Ref, ExitReason)):
        return repr(value)
    if depth >= MAX_DEPTH:
        return f"<{kind.__qualname__}>"
    if kind is dict:
        pairs = ((summary(k, depth + 1), summary(value[k], depth + 1)) for k in _some(value))
        return "{" + _joined([f"{k}: {v}" for k, v in pairs], len(value)) + "}"
    if kind in (tuple, list, set, frozenset):
        items = _joined([summary(item, depth + 1) for item in _some(value)], len(value))
        return f"[{items}]" if kind is list else f"({items})"
    if is_dataclass(value):
        named = [f.name for f in islice(fields(value), MAX_ITEMS)]
        shown = [f"{name}={summary(getattr(value, name, None), depth + 1)}" for name in named]
        return f"{kind.__qualname__}({_joined(shown, len(fields(value)))})"
    return f"<{kind.__qualname__}>"


def state_summary(actor: Actor) -> str:
    """Text of what ``actor.format_status()`` gives, in at most `MAX_STATE` characters."""
    try:
        state = actor.format_status()
        if type(state) is not dict:
            return summary(state)
        shown = [f"{summary(k)}={summary(state[k])}" for k in islice(state, MAX_ATTRIBUTES)]
        text = f"{type(actor).__qualname__}({_joined(shown, len(state))})"
    except Exception as error:
        text = f"<{type(actor).__qualname__}, {type(error).__name__} in format_status>"
    return text if len(text) <= MAX_STATE else text[: MAX_STATE - 1] + "…"


def slots_of(kind: type) -> dict[str, Any]:
    """The slots of a class and its bases: descriptors by name."""
    return {
        name: member
        for klass in reversed(kind.__mro__)
        for name, member in vars(klass).items()
        if isinstance(member, MemberDescriptorType)
    }


def attributes(thing: object) -> dict[str, Any]:
    """The attributes of an object by name, those in slots included."""
    found: dict[str, Any] = {}
    for name, member in slots_of(type(thing)).items():
        with suppress(AttributeError):
            found[name] = member.__get__(thing)
    found.update(getattr(thing, "__dict__", ()))
    return found


def _some(items: Any) -> list[Any]:
    return list(islice(items, MAX_ITEMS))


def _joined(parts: list[str], count: int) -> str:
    more = [f"… {count - len(parts)} more"] if count > len(parts) else []
    return ", ".join([*parts, *more])


protect(summary, _summary, state_summary, slots_of, attributes)
