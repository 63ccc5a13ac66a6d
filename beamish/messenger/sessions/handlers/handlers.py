"""What the groups of handlers share: the session, and how refusals and pages come about.

A handler carries out one of the protocol's commands. It gives the `ok` of the reply, or None when
the reply comes later; refusals are raised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from beamish import protocol as p
from beamish.messenger import messages as m
from beamish.messenger.conversations.actions import Action
from beamish.messenger.conversations.commands import Numbered
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.ids import is_conversation_id
from beamish.messenger.sessions.pages import room_in_frame

if TYPE_CHECKING:
    from beamish.messenger.sessions.session import Session

PAGE_BYTES = 512 << 10
"""Bytes of records or rows in one answer, as encoded, if a frame holds so much; at least one."""

Answered: TypeAlias = Awaitable["dict[str, object] | bytes | None"]
Handler: TypeAlias = Callable[[Any, Any], Answered]
"""A method of `Handlers`, not bound: it gets the handlers of a session, and the command."""


class Handlers:
    """Handlers of one concern, for one session; they keep nothing between two commands."""

    def __init__(self, actor: Session) -> None:
        self._actor = actor

    @property
    def _room(self) -> int:
        return min(PAGE_BYTES, room_in_frame(self._actor.environment.settings.limits))

    async def _put_on_lane(self, command: p.Numbered, conversation: str, action: Action) -> None:
        """Send an action to its conversation; the command is answered when that answers."""
        actor, now = self._actor, trio.current_time()
        numbered = Numbered(
            actor.user, actor.device, command.number, command.tag, action, now, actor.lease
        )
        await actor.lanes.send(command.id, conversation, numbered)

    async def _display_of(self, user: str) -> str:
        """The display name of a user who exists."""
        known = self._actor.environment.profiles.get(user)
        if known is not None:
            return known
        account = await self._actor.ask("user", user, m.AccountOf())
        if account is None:
            raise p.Refusal("not_found", f"there is no user {user}")
        self._actor.environment.profiles.put(user, account.display)
        return account.display

    async def _invited(self, user: str) -> tuple[str, Refusal | None]:
        """The name to show of somebody who is to be a member; or why that cannot be.

        That is for the conversation to say, which looks first whether the command is known.
        """
        answer = await self._actor.ask("user", user, m.MayInvite(self._actor.user))
        return ("", answer) if isinstance(answer, Refusal) else (answer, None)


def check_id(conversation: str) -> None:
    """Refuse what cannot be the id of a conversation."""
    if not is_conversation_id(conversation):
        raise p.Refusal("not_found", f"there is no conversation {conversation[:160]!r}")


def given(answer: Any) -> Any:
    """An actor's answer, its refusal raised."""
    if isinstance(answer, Refusal):
        raise p.Refusal(answer.code, answer.message, retry_after_ms=answer.retry_after_ms)
    return answer
