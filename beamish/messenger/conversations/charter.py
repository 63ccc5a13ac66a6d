"""What a group has agreed on besides its members: who may do what, how fast, who is kept out.

All of it is a function of the log, like the rest of a conversation's state.
"""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

RANK = {"member": 0, "admin": 1, "owner": 2}

MAX_LINKS = 32
"""Live invitation links of one group."""

MAX_BANS = 10_000


class Permissions(NamedTuple):
    """The least role for messages, for invitations, for title, description and openness."""

    post: str
    invite: str
    info: str


OPEN_GROUP = Permissions("member", "member", "admin")
CLOSED_GROUP = Permissions("member", "admin", "admin")
CHANNEL = Permissions("admin", "admin", "admin")


class Charter(NamedTuple):
    """Description, permissions (None: those usual for its kind), seconds between two messages."""

    description: str = ""
    permissions: Permissions | None = None
    slow_mode: int = 0

    def in_force(self, kind: str, *, is_open: bool) -> Permissions:
        """The permissions that hold in an open or closed conversation of this kind."""
        if self.permissions is not None:
            return self.permissions
        if kind == "channel":
            return CHANNEL
        return OPEN_GROUP if is_open else CLOSED_GROUP


NO_CHARTER = Charter()


class Link(NamedTuple):
    """An invitation link: its maker, its last moment in ms UTC (0: none), uses (0: any), used."""

    by: str
    expires_at: int
    uses: int
    used: int = 0

    def is_live(self, now: int) -> bool:
        """Whether somebody may still come by it."""
        return (not self.expires_at or now < self.expires_at) and (
            not self.uses or self.used < self.uses
        )


def link_id(secret: str) -> str:
    """What the log says of a link instead of its secret, which only those have who got the link."""
    digest = hashlib.sha256(secret.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii")[:16]
