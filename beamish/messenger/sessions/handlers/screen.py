"""What is on screen: presence and typing."""

from __future__ import annotations

from beamish import protocol as p
from beamish.messenger.sessions.handlers.handlers import Handler, Handlers, check_id


class ScreenHandlers(Handlers):
    """Hints, which are never worth a wait."""

    async def look(self, command: p.Look) -> dict[str, object]:
        """Say what is on screen."""
        for conversation in command.conversations:
            check_id(conversation)
        return {"presence": await self._actor.screen.show(command.users, command.conversations)}

    async def typing(self, command: p.Typing) -> dict[str, object]:
        """Say that the user types."""
        check_id(command.conversation)
        await self._actor.screen.type(command.conversation)
        return {}


HANDLERS: dict[type[p.Command], Handler] = {
    p.Look: ScreenHandlers.look,
    p.Typing: ScreenHandlers.typing,
}
