"""Writing messages, and changing what was written."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import InConversation, optional, required


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(InConversation):
    """Sends a message; `reply` is the number of the one that it answers."""

    name = "send"
    text: str = required(validators.text)
    reply: int | None = optional(validators.integer(1))
    mentions: tuple[str, ...] = optional(validators.mentions, default=())
    action: bool = optional(validators.boolean, default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(InConversation):
    """Gives an own message another text."""

    name = "edit"
    target: int = required(validators.integer(1))
    text: str = required(validators.text)
    mentions: tuple[str, ...] = optional(validators.mentions, default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(InConversation):
    """Takes a message away from everybody."""

    name = "delete"
    target: int = required(validators.integer(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class React(InConversation):
    """Sets the own reaction to a message; an empty one takes it back."""

    name = "react"
    target: int = required(validators.integer(1))
    emoji: str = required(validators.emoji)
