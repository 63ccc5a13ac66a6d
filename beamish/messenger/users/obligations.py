"""What conversations have to be told because of what a user's stream says, until they know it.

Duties (`conversations.actions.duties`) follow from the stream: a group is left because the account
was deleted, or because its invitation was declined; a direct conversation knows who blocked whom.
The stream is pending until all are met, so a new activation, or a new node, goes on with them. They
are levels: asking again is harmless, and what two duties of one conversation say, the later says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from actors import Answer, CallError, ReplyTo
from beamish.messenger.conversations.actions.blocks import MarkBlock
from beamish.messenger.conversations.actions.duties import Depart, Duty
from beamish.messenger.conversations.commands import Fulfil
from beamish.messenger.ids import direct_id
from beamish.messenger.messages import DutiesTurn
from beamish.messenger.users.account import DELETED

if TYPE_CHECKING:
    from beamish.messenger.users.state import UserState
    from beamish.messenger.users.user import User

SLICE = 64
"""Duties under way at a time."""

TIMEOUT_S = 60.0


class Obligations:
    """The duties that one activation of a user has conversations meet."""

    def __init__(self, actor: User) -> None:
        self._actor = actor
        self._owed: dict[str, tuple[int, Duty]] = {}
        """By conversation: the inbox number that says so, and what."""
        self._sent: dict[str, int] = {}
        self._patient: dict[str, list[tuple[int, Any, ReplyTo[Any]]]] = {}
        """By conversation: answers that wait until it knows what inbox number says."""
        self._looked = 0
        self._not_before = 0.0
        self._turn_wanted = False

    @property
    def busy(self) -> bool:
        """Whether anything is owed."""
        return bool(self._owed)

    @property
    def owed_from(self) -> int | None:
        """The inbox number of the oldest record of which somebody has to be told."""
        return min((n for n, _ in self._owed.values()), default=None)

    def reply(self, n: int, answer: object, reply_to: ReplyTo[Any]) -> None:
        """Answer, once everybody who has to knows what inbox record `n` says."""
        for conversation, (owed, _) in self._owed.items():
            if owed == n:
                self._patient.setdefault(conversation, []).append((n, answer, reply_to))
                return
        reply_to.reply(answer)

    def _release(self, conversation: str, told: int) -> None:
        waiting = self._patient.pop(conversation, [])
        for n, answer, reply_to in waiting:
            if n <= told:
                reply_to.reply(answer)
            else:
                self._patient.setdefault(conversation, []).append((n, answer, reply_to))

    def load(self, settled: int) -> None:
        """Owe what the stream says and did not settle."""
        self._looked = settled
        self.look()

    def look(self) -> bool:
        """Owe what the stream says since the last look; whether it says anything."""
        state = self._actor.state
        if state.account.obliges_at <= self._looked:
            return False
        for conversation, n, duty in duties(state, self._looked):
            self._owed[conversation] = (n, duty)
        self._looked = state.version
        if self._owed:
            self._want_turn()
        return True

    def _want_turn(self) -> None:
        if self._turn_wanted:
            return
        self._turn_wanted = True
        wait = self._not_before - trio.current_time()
        if wait > 0:
            self._actor.send_after(wait, DutiesTurn())
        else:
            self._actor.ref.cast(DutiesTurn())

    async def turn(self) -> None:
        """Ask conversations for what they do not know yet."""
        self._turn_wanted = False
        waiting = [c for c in self._owed if c not in self._sent]
        for conversation in waiting[: SLICE - len(self._sent)]:
            n, duty = self._owed[conversation]
            self._sent[conversation] = n
            await self._ask(conversation, Fulfil(self._actor.user, duty))

    async def _ask(self, conversation: str, asked: Fulfil) -> None:
        directory = self._actor.environment.directory
        try:
            ref = directory.find("conversation", conversation) or await directory.activate(
                "conversation", conversation
            )
        except CallError as error:
            self.answered(conversation, Answer(None, None, error))
            return
        self._actor.request(ref, asked, ("duty", conversation), timeout=TIMEOUT_S)

    def answered(self, conversation: str, answer: Answer) -> None:
        """The conversation knows, or could not be told."""
        n = self._sent.pop(conversation, None)
        if n is None:
            return
        if answer.error is not None or answer.value is not True:
            self._not_before = trio.current_time() + self._actor.environment.settings.retry_s
        else:
            if self._owed[conversation][0] == n:
                del self._owed[conversation]
                self._actor.settle()
            self._release(conversation, n)
        if self._owed:
            self._want_turn()


def duties(state: UserState, above: int) -> list[tuple[str, int, Duty]]:
    """What the records above inbox number `above` oblige conversations to: `(id, number, duty)`."""
    account = state.account
    owed: list[tuple[str, int, Duty]] = [
        (conversation, declined.at, Depart())
        for conversation, declined in account.declined.items()
        if declined.at > above
    ]
    for peer, block in reversed(account.blocks.items()):
        if block.at <= above:
            break
        mark = MarkBlock(block.on, block.at)
        owed.append((direct_id(state.user, peer), block.at, mark))
    if account.standing == DELETED and account.deleted_at > above:
        owed += [
            (conversation, account.deleted_at, Depart())
            for conversation, held in state.conversations.items()
            if held.kind != "direct" and held.role is not None
        ]
    return owed
