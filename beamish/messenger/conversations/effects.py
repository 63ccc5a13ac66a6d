"""What each type of record does to a conversation, one function each.

The same functions serve the state, which takes committed records, and a draft, which is the state
as it would be: that is why a batch is decided by the very rules by which its records count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from beamish.messenger.conversations.overlay import Overlay
from beamish.messenger.streams.records import Fields


class Member(NamedTuple):
    """A current member: name to show, role ("owner", "admin", "member") and joining record."""

    display: str
    role: str
    joined: int


class Interval(NamedTuple):
    """The latest stretch of a log that a user may read: records `first` to `last` inclusive."""

    first: int
    last: int


class Roster(Protocol):
    """What records change: members, settings."""

    kind: str
    title: str
    open: bool

    @property
    def members(self) -> dict[str, Member] | Overlay[str, Member]:
        """Those who are members now."""

    @property
    def former(self) -> dict[str, Interval] | Overlay[str, Interval]:
        """What those who were members may still read."""


def take_effect(roster: Roster, fields: Fields) -> None:
    """Do to `roster` what the record does; records without effect on it do nothing."""
    effect = _EFFECTS.get(fields["type"])
    if effect is not None:
        effect(roster, fields)


def _create(roster: Roster, fields: Fields) -> None:
    roster.kind, roster.title, roster.open = fields["kind"], fields["title"], fields["open"]
    for user, display, role in fields["members"]:
        roster.members[user] = Member(display, role, fields["n"])


def _join(roster: Roster, fields: Fields) -> None:
    user = fields["user"] if fields["type"] == "invite" else fields["by"]
    roster.members[user] = Member(fields["display"], fields.get("role", "member"), fields["n"])
    roster.former.pop(user, None)


def _leave(roster: Roster, fields: Fields) -> None:
    user = fields["user"] if fields["type"] == "remove" else fields["by"]
    gone = roster.members.pop(user, None)
    if gone is not None:
        roster.former[user] = Interval(gone.joined, fields["n"])
    if fields.get("owner") is not None:
        _set_role(roster, fields["owner"], "owner")


def _role(roster: Roster, fields: Fields) -> None:
    if fields["role"] == "owner":
        _set_role(roster, fields["by"], "admin")
    _set_role(roster, fields["user"], fields["role"])


def _set_role(roster: Roster, user: str, role: str) -> None:
    member = roster.members.get(user)
    if member is not None:
        roster.members[user] = member._replace(role=role)


_EFFECTS: dict[str, Callable[[Roster, Fields], None]] = {
    "create": _create,
    "join": _join,
    "invite": _join,
    "leave": _leave,
    "remove": _leave,
    "role": _role,
}
