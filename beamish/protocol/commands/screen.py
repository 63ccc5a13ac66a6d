"""What is on screen: presence and typing."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import Command, optional, required


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Command):
    """Says what the client has on screen now."""

    name = "look"
    users: tuple[str, ...] = optional(validators.few(validators.user, 64), default=())
    conversations: tuple[str, ...] = optional(
        validators.few(validators.conversation, 8), default=()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing(Command):
    """Says that the user is typing."""

    name = "typing"
    conversation: str = required(validators.conversation)
