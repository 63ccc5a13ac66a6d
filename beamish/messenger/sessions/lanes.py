"""A session's numbered commands on their way: one lane for each conversation, one for the account.

Commands go to the conversation as asynchronous requests, so many are under way at once. When the
conversation's actor dies, every command of the lane that has no answer is sent again, in order, to
the next activation: it recognises those that were executed. While a lane has anything under way it
keeps its actor, so nothing overtakes. After `MAX_ATTEMPTS` the commands are answered `internal`,
which a client may repeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from actors import Answer, Busy, CallError, CallTimeout, Ref
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.commands import Numbered
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.ids import ACCOUNT_LANE
from beamish.messenger.messages import LaneTurn
from beamish.messenger.users.account_actions import AccountCommand

if TYPE_CHECKING:
    from beamish.messenger.sessions.session import Session

MAX_ATTEMPTS = 10
ANSWER_TIMEOUT_S = 60.0

AnyNumbered: TypeAlias = "Numbered | AccountCommand"


class _Lane:
    __slots__ = ("attempts", "generation", "ref", "under_way")

    def __init__(self) -> None:
        self.ref: Ref | None = None
        self.generation = 0
        self.attempts = 0
        self.under_way: dict[int, tuple[int | None, AnyNumbered]] = {}


class Lanes:
    """All lanes of one session."""

    def __init__(self, actor: Session) -> None:
        self._actor = actor
        self._lanes: dict[str, _Lane] = {}
        self._serial = 0

    @property
    def busy(self) -> bool:
        """Whether any command has no answer yet."""
        return bool(self._lanes)

    async def send(self, reply_id: int | None, conversation: str, command: AnyNumbered) -> None:
        """Send a command to its conversation; the answer comes through `answered`."""
        lane = self._lanes.get(conversation)
        if lane is None:
            lane = self._lanes[conversation] = _Lane()
        if len(lane.under_way) >= self._actor.environment.settings.limits.unanswered:
            text = "too many commands of this conversation are unanswered: wait for some of them"
            self._actor.refuse(reply_id, Refusal("overloaded", text, None, 500))
            return
        self._serial += 1
        lane.under_way[self._serial] = (reply_id, command)
        self._actor.link_to_client.begun()
        if lane.ref is None and lane.attempts == 0:
            await self._open(conversation, lane)
        elif lane.ref is not None:
            self._request(conversation, lane, self._serial, command)

    async def _open(self, conversation: str, lane: _Lane) -> None:
        directory = self._actor.environment.directory
        kind, key = "conversation", conversation
        if conversation == ACCOUNT_LANE:
            kind, key = "user", self._actor.user
        try:
            lane.ref = directory.find(kind, key) or await directory.activate(kind, key)
        except CallError:
            self._failed(conversation, lane)
            return
        for serial, (_, command) in list(lane.under_way.items()):
            self._request(conversation, lane, serial, command)

    def _request(self, conversation: str, lane: _Lane, serial: int, command: AnyNumbered) -> None:
        assert lane.ref is not None
        tag = ("lane", conversation, lane.generation, serial)
        self._actor.request(lane.ref, command, tag, timeout=ANSWER_TIMEOUT_S)

    async def turn(self, conversation: str) -> None:
        """Send again what has no answer, to whoever is the conversation's actor now."""
        lane = self._lanes.get(conversation)
        if lane is not None and lane.ref is None:
            await self._open(conversation, lane)

    def answered(self, answer: Answer) -> None:
        """A command has its answer, or its conversation's actor has died."""
        tag: Any = answer.tag
        _, conversation, generation, serial = tag
        lane = self._lanes.get(conversation)
        if lane is None or lane.generation != generation or serial not in lane.under_way:
            return
        error = answer.error
        if error is None or isinstance(error, Busy | CallTimeout):
            reply_id, _ = lane.under_way.pop(serial)
            lane.attempts = 0
            self._finish(conversation, reply_id, answer)
            if not lane.under_way:
                del self._lanes[conversation]
        else:
            self._failed(conversation, lane)

    def _failed(self, conversation: str, lane: _Lane) -> None:
        lane.generation += 1
        lane.ref = None
        lane.attempts += 1
        if lane.attempts > MAX_ATTEMPTS:
            del self._lanes[conversation]
            refusal = Refusal("internal", "the conversation does not answer: try again", None, 1000)
            for reply_id, _ in lane.under_way.values():
                self._actor.link_to_client.finished()
                self._actor.refuse(reply_id, refusal)
            return
        pause = 0.0 if lane.attempts == 1 else min(2.0, 0.01 * 2**lane.attempts)
        self._actor.send_after(
            pause * (0.5 + self._actor.system.random.random()), LaneTurn(conversation)
        )

    def _finish(self, conversation: str, reply_id: int | None, answer: Answer) -> None:
        self._actor.link_to_client.finished()
        value = answer.value
        if isinstance(value, Result):
            ok: dict[str, object] = {"conversation": conversation, "n": value.n, "at": value.at}
            if value.ordinal:
                ok["ordinal"] = value.ordinal
            self._actor.reply(reply_id, ok)
        elif isinstance(value, Refusal):
            self._actor.refuse(reply_id, value)
        elif isinstance(answer.error, Busy):
            message = "the conversation has too much in hand"
            self._actor.refuse(reply_id, Refusal("overloaded", message, None, 500))
        else:
            message = "the command has no answer yet: repeat it with the same number and tag"
            self._actor.refuse(reply_id, Refusal("internal", message, None, 1000))
