"""What actors say to each other about presence and typing: hints, of which nothing is durable.

A session says what its client has on screen. The actor of each user shown keeps the session as a
watcher for `WATCHED_S`, that of each conversation shown keeps it as a screen as long; so nothing
has to be taken back when a session ends. Whatever is lost on the way is told by the next change, or
when the client renews.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from actors import Ref, Request
from beamish.messenger.conversations.refusal import Refusal

WATCHED_S = 90.0
"""Seconds for which something stays on screen; clients renew it within 60."""

Row = dict[str, Any]
"""A user as a watcher may see it: user, online, last_seen (ms UTC, sometimes), display, status."""


@dataclass(frozen=True, slots=True)
class AsViewer(Request["Viewer"]):
    """To a user: what the user's own settings say about looking at these others."""

    users: Collection[str]


@dataclass(frozen=True, slots=True)
class Viewer:
    """What a user may see of others.

    Of those who are `blocked` the user hears nothing; those asked for who are in `open_to` may see
    when the user was last there, so that the user may see it of them.
    """

    blocked: frozenset[str]
    open_to: frozenset[str]


@dataclass(frozen=True, slots=True)
class Look(Request[Row | None]):
    """To a user: tell `session`, of the user `by`, what changes from now on.

    `curious` is false where the viewer's own privacy forbids to see more than a name, `deaf` where
    the viewer has blocked the user. Answered with how it is now; None: there is no such user.
    """

    session: Ref
    by: str
    curious: bool
    deaf: bool


@dataclass(frozen=True, slots=True)
class LookAway:
    """To a user or a conversation: it is not on the session's screen any more."""

    session: Ref


@dataclass(frozen=True, slots=True)
class PresenceTurn:
    """A user's own: tell watchers what changed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """To a session: how somebody on its screen is now."""

    row: Row


@dataclass(frozen=True, slots=True)
class OnScreen(Request[bool | Refusal]):
    """To a conversation: tell `session`, of the member `user`, who types, but for `ignored`."""

    session: Ref
    user: str
    ignored: frozenset[str]


@dataclass(frozen=True, slots=True)
class Typed:
    """To a conversation: `user` is typing, of which those in `hidden_from` shall not hear."""

    user: str
    hidden_from: frozenset[str]


@dataclass(frozen=True, slots=True)
class Typing:
    """To a session: `user` is typing in a conversation on its screen."""

    conversation: str
    user: str


@dataclass(frozen=True, slots=True)
class LookAgain:
    """To a session: its user's blocks or privacy have changed."""
