"""What every command is made of: a class for each command, a field for each of its fields.

A field carries its check in its metadata, beside it, so that whatever a class holds has been
checked: forms, lengths and ranges, never rights or existence, which are the messenger's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from beamish.protocol import validators
from beamish.protocol.limits import MAX_INTEGER, Limits
from beamish.protocol.validators import Check


def required(check: Check, wire: str | None = None) -> Any:
    """A field that must be there; `wire` is its name if that is no name in Python."""
    return field(metadata={"check": check} if wire is None else {"check": check, "wire": wire})


def optional(check: Check, default: Any = None) -> Any:
    """A field that may be left out."""
    return field(default=default, metadata={"check": check})


def page(most: Callable[[Limits], int], default: int = MAX_INTEGER) -> Any:
    """How many things a reply may hold: at most `most`; left out, `default` or `most`."""
    return field(default=default, metadata={"check": validators.integer(1, most), "most": most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every command has: `id`, or None when it is not to be answered."""

    name: ClassVar[str]
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered(Command):
    """A command that changes a conversation: `(device, number, tag)` makes it idempotent."""

    number: int = required(validators.integer(1))
    tag: str = required(validators.tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class InConversation(Numbered):
    """A numbered command to a conversation that has an id already."""

    conversation: str = required(validators.conversation)
