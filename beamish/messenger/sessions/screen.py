"""What a session's client has on screen, and what it is told because of that.

What the user may see is looked up in the user's own account each time the client says what is on
screen, and again when blocks or privacy change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from beamish.messenger.presence import (
    AsViewer,
    Look,
    LookAway,
    OnScreen,
    Row,
    Seen,
    Typed,
    Typing,
    Viewer,
)

if TYPE_CHECKING:
    from beamish.messenger.sessions.session import Session

TYPING_STEP_S = 3.0
"""Seconds between two notices that somebody types in a conversation; clients send every 4."""

MAX_TYPED = 64
"""Conversations in which somebody is known to have typed; the oldest go first."""


class Screen:
    """The screen of one session."""

    def __init__(self, actor: Session) -> None:
        self._actor = actor
        self._users: tuple[str, ...] = ()
        self._conversations: tuple[str, ...] = ()
        self._typed: dict[str, float] = {}

    async def show(self, users: tuple[str, ...], conversations: tuple[str, ...]) -> list[Row]:
        """Have this on screen, and nothing that was; the users among it as they are now."""
        gone = [("user", user) for user in self._users if user not in users]
        gone += [("conversation", c) for c in self._conversations if c not in conversations]
        for kind, key in gone:
            ref = self._actor.environment.directory.find(kind, key)
            if ref is not None:
                ref.cast(LookAway(self._actor.ref))
        self._users, self._conversations = users, conversations
        return await self._look()

    async def look_again(self) -> None:
        """The user's settings have changed: tell anew who is there."""
        if self._users or self._conversations:
            for row in await self._look():
                self._tell(row)

    async def _look(self) -> list[Row]:
        viewer = await self._viewer(self._users)
        rows = []
        for user in self._users:
            look = Look(
                self._actor.ref,
                self._actor.user,
                curious=user in viewer.open_to,
                deaf=user in viewer.blocked,
            )
            row = await self._actor.ask("user", user, look)
            if row is not None:
                rows.append(row)
        shown = OnScreen(self._actor.ref, self._actor.user, viewer.blocked)
        for conversation in self._conversations:
            await self._actor.ask("conversation", conversation, shown)
        return rows

    async def _viewer(self, users: tuple[str, ...]) -> Viewer:
        return await self._actor.ask_user(AsViewer(users))

    async def type(self, conversation: str) -> None:
        """Tell those who have it on screen that the user types; too often is not at all."""
        environment, now = self._actor.environment, trio.current_time()
        if now - self._typed.get(conversation, -TYPING_STEP_S) < TYPING_STEP_S:
            return
        self._typed.pop(conversation, None)
        self._typed[conversation] = now
        if len(self._typed) > MAX_TYPED:
            del self._typed[next(iter(self._typed))]
        ref = environment.directory.find("conversation", conversation)
        if ref is None or not environment.load.admits("typing"):
            return  # Nobody who is looking: their looking would keep it here.
        viewer = await self._viewer(())
        ref.cast(Typed(self._actor.user, viewer.blocked))

    def seen(self, seen: Seen) -> None:
        """Somebody on screen has changed."""
        if seen.row["user"] in self._users:
            self._tell(seen.row)

    def typing(self, told: Typing) -> None:
        """Somebody types in a conversation on screen."""
        if told.conversation in self._conversations and self._actor.outbox.has_room:
            fields = {"conversation": told.conversation, "user": told.user}
            self._actor.event("typing", fields)

    def _tell(self, row: Row) -> None:
        if self._actor.outbox.has_room:
            self._actor.event("presence", {"users": [row]})
