"""Reading conversations, and marks."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import Command, optional, page, required


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Command):
    """Raises the own read mark."""

    name = "read"
    conversation: str = required(validators.conversation)
    upto: int = required(validators.integer())


@dataclass(frozen=True, slots=True, kw_only=True)
class History(Command):
    """Asks for records of a conversation, before or after one, or the newest."""

    name = "history"
    conversation: str = required(validators.conversation)
    before: int | None = optional(validators.integer())
    after: int | None = optional(validators.integer())
    limit: int = page(lambda limits: limits.history_records, default=50)

    def __post_init__(self) -> None:
        if self.before is not None and self.after is not None:
            raise validators.bad_request("give before or after, not both", "after")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationInfo(Command):
    """Asks for a conversation's settings and members; the command `conversation`."""

    name = "conversation"
    conversation: str = required(validators.conversation)
    link: str | None = optional(validators.link_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks(Command):
    """Asks how far the others have come."""

    name = "marks"
    conversation: str = required(validators.conversation)
    n: int = required(validators.integer(1))
