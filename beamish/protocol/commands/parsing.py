"""From decoded items to commands.

Unknown fields are ignored, null in an optional field counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

from beamish.protocol import validators
from beamish.protocol.codec import Item
from beamish.protocol.commands import (
    account,
    channels,
    devices,
    groups,
    inbox,
    login,
    membership,
    messages,
    people,
    reading,
    screen,
)
from beamish.protocol.commands.command import Command
from beamish.protocol.errors import ErrorCode, Refusal
from beamish.protocol.limits import DEFAULT_LIMITS, MAX_INTEGER, Limits
from beamish.protocol.validators import Check

VERSIONS = (1,)
"""The protocol versions that this node speaks."""

COMMANDS: dict[str, type[Command]] = {
    kind.name: kind
    for module in (
        account,
        channels,
        devices,
        groups,
        inbox,
        login,
        membership,
        messages,
        people,
        reading,
        screen,
    )
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Command) and hasattr(kind, "name")
}
"""Every command's class, by its name on the wire."""

_Plan = tuple[tuple[str, str, Check, Callable[[Limits], Any] | None, bool], ...]


def _plan(kind: type[Command]) -> _Plan:
    """For each field: attribute, name on the wire, check, default by limits, whether required."""
    return tuple(
        (
            f.name,
            f.metadata.get("wire", f.name),
            f.metadata["check"],
            _bounded(f.default, f.metadata["most"]) if "most" in f.metadata else None,
            f.default is MISSING,
        )
        for f in fields(kind)
        if "check" in f.metadata
    )


def _bounded(default: Any, most: Callable[[Limits], int]) -> Callable[[Limits], int]:
    return lambda limits: min(default, most(limits))


_PLANS: dict[str, tuple[type[Command], _Plan]] = {
    name: (kind, _plan(kind)) for name, kind in COMMANDS.items()
}


def parse(item: Item, limits: Limits = DEFAULT_LIMITS) -> Command:
    """The command that a decoded item asks for.

    Args:
        item: one item of `Codec.decode`.
        limits: those in force; bounds of lengths and counts.

    Raises:
        Refusal: bad_request, unknown_command, too_large or bad_credentials; to be answered under
            `reply_id(item)` if `wants_reply(item)`.
    """
    answer_to = item.get("id")
    if answer_to is not None and reply_id(item) is None:
        raise validators.bad_request("id must be an integer from 1 to 2^53 - 1", "id")
    name = item.get("command")
    found = _PLANS.get(name) if type(name) is str else None
    if found is None:
        if type(name) is not str:
            raise validators.bad_request("command must be the name of a command", "command")
        raise Refusal(ErrorCode.UNKNOWN_COMMAND, f"there is no command {name[:40]!r}")
    kind, plan = found
    values: dict[str, Any] = {}
    for attribute, wire, check, default, required in plan:
        value = item.get(wire)
        if value is not None:
            values[attribute] = check(value, limits, wire)
        elif required:
            raise validators.bad_request(f"{name} needs the field {wire}", wire)
        elif default is not None:
            values[attribute] = default(limits)
    return kind(id=answer_to, **values)


def wants_reply(item: Item) -> bool:
    """Whether the item is to be answered: it has an `id`, be it a wrong one."""
    return item.get("id") is not None


def reply_id(item: Item) -> int | None:
    """The `id` to answer under; None when the item's is not an integer in range."""
    number = item.get("id")
    if type(number) is int and 1 <= number <= MAX_INTEGER:
        return number
    return None
