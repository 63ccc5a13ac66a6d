"""Making groups, and who belongs to them in which role."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import InConversation, Numbered, optional, required


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateGroup(Numbered):
    """Makes a group."""

    name = "create_group"
    title: str = required(validators.title)
    open: bool = optional(validators.boolean, default=False)
    members: tuple[str, ...] = optional(validators.users, default=())

    def __post_init__(self) -> None:
        if self.number != 1:
            raise validators.bad_request(
                "number must be 1: a new group has no command yet", "number"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite(InConversation):
    """Adds a user to a group."""

    name = "invite"
    user: str = required(validators.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(InConversation):
    """Joins an open group, or any by the secret of an invitation link."""

    name = "join"
    link: str | None = optional(validators.link_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(InConversation):
    """Leaves a group."""

    name = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove(InConversation):
    """Ends the membership of another."""

    name = "remove"
    user: str = required(validators.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRole(InConversation):
    """Gives another member a role."""

    name = "set_role"
    user: str = required(validators.user)
    role: str = required(validators.role)
