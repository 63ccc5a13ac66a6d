"""Who watches a user, and what they are told.

A watcher is told a row, and another when that has changed: at most one in `TURN_S`, so somebody
whose connection flickers does not. What a watcher may see is looked up whenever something is
told, in the user's own settings: nothing of this is kept.

A new activation says nothing for `SILENT_S`. Its sessions find it one after another, and until all
have, it would tell of an absence that is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors import Ref
from beamish.messenger.presence import WATCHED_S, Look, PresenceTurn, Row, Seen, Viewer
from beamish.messenger.users.account import DELETED

if TYPE_CHECKING:
    from beamish.messenger.users.user import User

TURN_S = 1.0
SILENT_S = 5.0

MAX_WATCHERS = 1_024
"""Sessions that watch one user; beyond it the one that looked longest ago is told no more."""


class _Watcher:
    __slots__ = ("look", "told", "until")

    def __init__(self, look: Look, until: float) -> None:
        self.look = look
        self.until = until
        self.told: Row | None = None


class Presence:
    """The watchers of one activation of a user."""

    def __init__(self, actor: User) -> None:
        self._actor = actor
        self._watchers: dict[Ref, _Watcher] = {}
        self._not_before = trio.current_time() + SILENT_S
        self._turn_wanted = False

    @property
    def watched(self) -> bool:
        """Whether anybody watches, or may still: those who do not renew are forgotten."""
        now = trio.current_time()
        watchers = self._watchers.items()
        self._watchers = {ref: w for ref, w in watchers if w.until > now and ref.is_alive()}
        return bool(self._watchers)

    def look(self, look: Look) -> Row | None:
        """Watch from now on, or again."""
        if not self._actor.state.exists:
            return None
        self._watchers.pop(look.session, None)
        watcher = self._watchers[look.session] = _Watcher(look, trio.current_time() + WATCHED_S)
        if len(self._watchers) > MAX_WATCHERS:
            del self._watchers[next(iter(self._watchers))]
        watcher.told = self._row(look)
        return watcher.told

    def look_away(self, session: Ref) -> None:
        """Watch no longer."""
        self._watchers.pop(session, None)

    def changed(self) -> None:
        """Something may be different: have watchers told soon."""
        if self._turn_wanted or not self._watchers:
            return
        self._turn_wanted = True
        wait = max(TURN_S, self._not_before - trio.current_time())
        self._actor.send_after(wait, PresenceTurn())

    def turn(self) -> None:
        """Tell those for whom something is different."""
        self._turn_wanted = False
        environment = self._actor.environment
        if not self.watched or not environment.load.admits("presence"):
            return
        for session, watcher in self._watchers.items():
            row = self._row(watcher.look)
            if row != watcher.told and environment.connections.hint(session, Seen(row)):
                watcher.told = row

    def _row(self, look: Look) -> Row:
        """The user as a viewer may see it now."""
        account = self._actor.state.account
        row: Row = {"user": self._actor.user, "online": False}
        row |= {"display": account.display, "status": ""}
        if look.deaf or account.has_blocked(look.by) or account.standing == DELETED:
            return row
        row["status"] = account.status
        if look.curious and self._actor.state.open_to(look.by):
            row["online"] = bool(self._actor.environment.connections.devices(self._actor.user))
            if not row["online"] and account.seen_at:
                row["last_seen"] = account.seen_at
        return row

    def viewer(self, users: frozenset[str]) -> Viewer:
        """What the user may see of others."""
        state = self._actor.state
        blocked = frozenset(state.account.blocked)
        return Viewer(blocked, frozenset(user for user in users if state.open_to(user)))
