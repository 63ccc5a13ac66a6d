"""Writing messages."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import InConversation, required


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(InConversation):
    """Sends a message."""

    name = "send"
    text: str = required(validators.text)
