"""What a `Registry` shows, says and raises: values that hold keys, refs and values, no tables.

They are all that would ever leave a node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from actors.errors import ActorError, CallError
from actors.naming.subscriptions import Change
from actors.ref import Ref


class AlreadyRegistered(CallError):
    """The unique key is taken. `ref` is the actor that has it."""

    def __init__(self, key: object, ref: Ref) -> None:
        super().__init__(f"the key {key!r} belongs to {ref!r} already; look it up or use another")
        self.key = key
        self.ref = ref


class NotRegistered(ActorError):
    """The actor has no such key (any more), so there is no value to update."""


class Entry(NamedTuple):
    """One registration."""

    key: Any
    ref: Ref
    value: Any


@dataclass(frozen=True, slots=True)
class Registered(Change):
    """An actor has got a key."""

    registry: str
    key: Any
    ref: Ref
    value: Any


@dataclass(frozen=True, slots=True)
class Unregistered(Change):
    """One registration is over, by `unregister` or by the end of its actor."""

    registry: str
    key: Any
    ref: Ref
    value: Any


@dataclass(frozen=True, slots=True)
class ValueUpdated(Change):
    """A registration has another value."""

    registry: str
    key: Any
    ref: Ref
    value: Any
