"""Asking about people."""

from __future__ import annotations

from beamish import protocol as p
from beamish.messenger.sessions.handlers.handlers import Handler, Handlers


class PeopleHandlers(Handlers):
    """Who somebody is."""

    async def user(self, command: p.UserInfo) -> dict[str, object]:
        """A user's display name."""
        return {"user": command.user, "display": await self._display_of(command.user)}


HANDLERS: dict[type[p.Command], Handler] = {
    p.UserInfo: PeopleHandlers.user,
}
