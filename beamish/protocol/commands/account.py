"""The own account: what a user's devices agree on."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import Numbered, optional, required


@dataclass(frozen=True, slots=True, kw_only=True)
class OnAccount(Numbered):
    """A numbered command to the own account, which is the lane "@"."""

    conversation: str = required(validators.account_lane)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetProfile(OnAccount):
    """What others see of the user."""

    name = "set_profile"
    display: str | None = optional(validators.display)
    status: str | None = optional(validators.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPrivacy(OnAccount):
    """What others may know of the user."""

    name = "set_privacy"
    last_seen: str | None = optional(validators.audience)
    read_marks: bool | None = optional(validators.boolean)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetConversation(OnAccount):
    """How the user's devices show a conversation."""

    name = "set_conversation"
    target: str = required(validators.conversation)
    muted_until: int | None = optional(validators.integer())
    archived: bool | None = optional(validators.boolean)
    pinned: bool | None = optional(validators.boolean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(OnAccount):
    """Keeps somebody away."""

    name = "block"
    user: str = required(validators.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unblock(OnAccount):
    """Keeps somebody away no longer."""

    name = "unblock"
    user: str = required(validators.user)
