"""Asking about people."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import Command, required


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInfo(Command):
    """Asks for a user's display name; the command `user`."""

    name = "user"
    user: str = required(validators.user)
