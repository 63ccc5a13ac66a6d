"""The marks that a user owes to others: told until confirmed, at most once a second each.

A user's stream is pending, besides what `obligations` holds, while somebody who is concerned may
not know the levels in it: the other user of a direct conversation, or the conversation itself when
it is a group. What is owed follows from the stream (conversations marked after the settled number),
so a new activation owes the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors import Answer, CallError, Request
from beamish.messenger.ids import direct_users
from beamish.messenger.messages import DebtTurn, MemberMarks, Receipts

if TYPE_CHECKING:
    from beamish.messenger.users.user import User

SLICE = 64
"""Notices sent in one turn."""


class MarksDebt:
    """What one activation of a user owes."""

    def __init__(self, actor: User) -> None:
        self._actor = actor
        settings = actor.environment.settings
        self._interval = settings.mark_interval_s
        self._retry = settings.retry_s
        self._owed: dict[str, None] = {}
        self._sent: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._turn_at: float | None = None

    @property
    def busy(self) -> bool:
        """Whether anything is owed."""
        return bool(self._owed)

    @property
    def owed_from(self) -> int | None:
        """The inbox number of the oldest record of which somebody has to be told."""
        state = self._actor.state
        return min((state.conversation(c).marked_at for c in self._owed), default=None)

    def load(self) -> None:
        """Owe what the stream says."""
        for conversation, _levels, _at in self._actor.state.owed_marks(self._actor.writer.settled):
            self.owe(conversation)

    def owe(self, conversation: str) -> None:
        """The levels of this conversation have risen."""
        self._owed[conversation] = None
        self._want_turn(self._not_before.get(conversation, 0.0))

    def _want_turn(self, at: float) -> None:
        if self._turn_at is not None and self._turn_at <= at:
            return
        self._turn_at = at
        wait = at - trio.current_time()
        if wait > 0:
            self._actor.send_after(wait, DebtTurn())
        else:
            self._actor.ref.cast(DebtTurn())

    async def turn(self) -> None:
        """Tell what may be told now."""
        now = trio.current_time()
        self._turn_at = None
        if self._owed and not self._actor.environment.load.admits("receipts"):
            self._want_turn(now + self._retry)
            return
        due = [c for c in self._owed if c not in self._sent and self._not_before.get(c, 0.0) <= now]
        for conversation in due[:SLICE]:
            self._not_before[conversation] = now + self._interval
            self._sent[conversation] = self._actor.state.conversation(conversation).marked_at
            await self._tell(conversation)
        self._not_before = {c: at for c, at in self._not_before.items() if at > now}
        waiting = [self._not_before.get(c, 0.0) for c in self._owed if c not in self._sent]
        if waiting:
            self._want_turn(min(waiting))

    async def _tell(self, conversation: str) -> None:
        directory = self._actor.environment.directory
        levels = self._actor.state.told(conversation)
        pair = direct_users(conversation)
        me = self._actor.user
        message: Request[bool]
        if pair is None:
            kind, key = "conversation", conversation
            message = MemberMarks(me, levels)
        else:
            kind, key = "user", pair[0] if pair[1] == me else pair[1]
            message = Receipts(conversation, ((me, levels),))
        try:
            ref = directory.find(kind, key) or await directory.activate(kind, key)
        except CallError as error:
            self.answered(conversation, Answer(None, None, error))
            return
        self._actor.request(ref, message, ("marks", conversation), timeout=60.0)

    def answered(self, conversation: str, answer: Answer) -> None:
        """The levels are durable where they were owed, or could not be told."""
        marked_at = self._sent.pop(conversation, None)
        if marked_at is None:
            return
        if answer.error is not None:
            self._not_before[conversation] = trio.current_time() + self._retry
            self._want_turn(self._not_before[conversation])
        elif self._actor.state.conversation(conversation).marked_at == marked_at:
            self._owed.pop(conversation, None)
            self._actor.settle()
        else:
            self._want_turn(self._not_before.get(conversation, 0.0))
