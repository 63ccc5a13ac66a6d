"""Channels: making them, and following them by a cursor of the client's own."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.account import OnAccount
from beamish.protocol.commands.command import Command, Numbered, optional, required


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateChannel(Numbered):
    """Makes a channel."""

    name = "create_channel"
    title: str = required(validators.title)
    description: str = optional(validators.description, default="")
    public: bool = optional(validators.boolean, default=False)

    def __post_init__(self) -> None:
        if self.number != 1:
            raise validators.bad_request(
                "number must be 1: a new channel has no command yet", "number"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(OnAccount):
    """Notes a channel as one that the user reads."""

    name = "subscribe"
    target: str = required(validators.channel)
    link: str | None = optional(validators.link_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe(OnAccount):
    """Notes it no longer."""

    name = "unsubscribe"
    target: str = required(validators.channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow(Command):
    """Asks for the posts of channels behind this client's own cursors, now and as they come."""

    name = "follow"
    channels: tuple[tuple[str, int], ...] = required(validators.cursors)
