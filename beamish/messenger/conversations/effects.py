"""What each type of record does to a conversation, one function each.

The same functions serve the state, which takes committed records, and a draft, which is the state
as it would be: that is why a batch is decided by the very rules by which its records count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from beamish.messenger.conversations.charter import Charter, Link, Permissions
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


class Blocked(NamedTuple):
    """Whether somebody has blocked the other, as of which record of the own inbox."""

    level: int
    on: bool


class Roster(Protocol):
    """What records change: members, settings."""

    kind: str
    title: str
    open: bool
    charter: Charter

    @property
    def bans(self) -> dict[str, int] | Overlay[str, int]:
        """Who is kept out, and the record that did it."""

    @property
    def links(self) -> dict[str, Link] | Overlay[str, Link]:
        """Invitation links by id."""

    @property
    def spoke(self) -> dict[str, int] | Overlay[str, int]:
        """In slow mode: when who wrote last, ms UTC."""

    @property
    def blocks(self) -> dict[str, Blocked] | Overlay[str, Blocked]:
        """In a direct conversation: what each has said about the other."""

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
    if "description" in fields:
        roster.charter = roster.charter._replace(description=fields["description"])
    for user, display, role in fields["members"]:
        roster.members[user] = Member(display, role, fields["n"])


def _join(roster: Roster, fields: Fields) -> None:
    user = fields["user"] if fields["type"] == "invite" else fields["by"]
    roster.members[user] = Member(fields["display"], fields.get("role", "member"), fields["n"])
    roster.former.pop(user, None)
    link = roster.links.get(fields.get("link", ""))
    if link is not None:
        roster.links[fields["link"]] = link._replace(used=link.used + 1)


def _leave(roster: Roster, fields: Fields) -> None:
    user = fields["by"] if fields["type"] == "leave" else fields["user"]
    gone = roster.members.pop(user, None)
    if gone is not None:
        roster.former[user] = Interval(gone.joined, fields["n"])
    if fields.get("owner") is not None:
        _set_role(roster, fields["owner"], "owner")


def _role(roster: Roster, fields: Fields) -> None:
    if fields["role"] == "owner":
        _set_role(roster, fields["by"], "admin")
    _set_role(roster, fields["user"], fields["role"])


def _info(roster: Roster, fields: Fields) -> None:
    roster.title = fields.get("title", roster.title)
    roster.open = fields.get("open", roster.open)
    roster.charter = roster.charter._replace(
        description=fields.get("description", roster.charter.description)
    )


def _permissions(roster: Roster, fields: Fields) -> None:
    permissions = Permissions(fields["post"], fields["invite"], fields["info"])
    roster.charter = roster.charter._replace(permissions=permissions)


def _slow_mode(roster: Roster, fields: Fields) -> None:
    roster.charter = roster.charter._replace(slow_mode=fields["seconds"])
    for user, _ in list(roster.spoke.items()):
        roster.spoke.pop(user, None)


def _message(roster: Roster, fields: Fields) -> None:
    if roster.charter.slow_mode:
        roster.spoke[fields["by"]] = fields["at"]


def _link(roster: Roster, fields: Fields) -> None:
    for old, link in list(roster.links.items()):
        if not link.is_live(fields["at"]):
            roster.links.pop(old, None)
    roster.links[fields["link"]] = Link(
        fields["by"], fields.get("expires_at", 0), fields.get("uses", 0)
    )


def _link_gone(roster: Roster, fields: Fields) -> None:
    roster.links.pop(fields["link"], None)


def _ban(roster: Roster, fields: Fields) -> None:
    _leave(roster, fields)
    roster.bans[fields["user"]] = fields["n"]


def _unban(roster: Roster, fields: Fields) -> None:
    roster.bans.pop(fields["user"], None)


def _block(roster: Roster, fields: Fields) -> None:
    roster.blocks[fields["by"]] = Blocked(fields["level"], fields["on"])


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
    "info": _info,
    "permissions": _permissions,
    "slow_mode": _slow_mode,
    "message": _message,
    "link": _link,
    "link_gone": _link_gone,
    "ban": _ban,
    "unban": _unban,
    "block": _block,
}
