"""Reading the inbox."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import Command, optional, page, required


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPage(Command):
    """Asks for a page of the user's conversations; the command `snapshot`."""

    name = "snapshot"
    after: str | None = optional(validators.string)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach(Command):
    """Asks for updates beyond a cursor."""

    name = "attach"
    number: int = required(validators.integer())
    epoch: int | None = optional(validators.integer())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch(Command):
    """Asks for a part of the inbox."""

    name = "fetch"
    epoch: int = required(validators.integer())
    start: int = required(validators.integer(1), wire="from")
    limit: int = page(lambda limits: limits.fetch_items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack(Command):
    """Tells what the device has stored."""

    name = "ack"
    number: int = required(validators.integer())
