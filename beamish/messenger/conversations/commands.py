"""What can be asked of a conversation: numbered commands, and the refusals they may meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from actors import Request
from beamish.messenger.conversations.command_numbers import Result


@dataclass(frozen=True, slots=True)
class SendText:
    """Append a message of `text`; `displays` are `(user, display)` for a creation by it."""

    text: str
    displays: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CreateGroup:
    """Create this group; `members` are `(user, display)` without the creator."""

    title: str
    open: bool
    display: str
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Invite:
    """Make `user` a member."""

    user: str
    display: str


@dataclass(frozen=True, slots=True)
class Join:
    """Become a member of an open group."""

    display: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Stop being a member; an owner's leaving passes ownership on."""


@dataclass(frozen=True, slots=True)
class Remove:
    """End the membership of `user`."""

    user: str


@dataclass(frozen=True, slots=True)
class SetRole:
    """Give `user` the role "owner", "admin" or "member"; a new owner makes the old one admin."""

    user: str
    role: str


Action: TypeAlias = SendText | CreateGroup | Invite | Join | Leave | Remove | SetRole


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command was not executed and left no trace. `code` is one of the protocol's error codes.

    `expected` accompanies the code "expected": the number that the device has to use next.
    """

    code: str
    message: str
    expected: int | None = None
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Numbered(Request[Result | Refusal]):
    """A command as its stream sees it: who, from which device, under which number and tag.

    Answered when its record is on disk, when its first result is found, or when it is refused.
    """

    user: str
    device: str
    number: int
    tag: str
    action: Action
