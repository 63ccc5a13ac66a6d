"""Telling every member how far a conversation has come, until all of them hold it.

One fan-out runs at a time; what is appended meanwhile only raises the next one's target. How many
notices are in flight is bounded over the whole node; see `window`. A notice says "reached
n" and is answered with the record number that the member's inbox then holds, durably; only such
answers count. When everybody holds the target, the stream is settled up to it. A notice that fails
is repeated, the first time at once, then after growing pauses; a member that fails ten times in a
row rests for long, with an alarm in the log, and the stream stays pending for it, while the others
go on. After a crash the next activation finds the stream pending and begins from what is settled;
members that hold it already say so at once.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from actors import Answer, CallError
from beamish.messenger.conversations.tail import Tail
from beamish.messenger.messages import FanOutTurn, Reached, Rested
from beamish.messenger.streams.records import Record

if TYPE_CHECKING:
    from beamish.messenger.conversations.conversation import Conversation

logger = logging.getLogger("beamish.messenger")

MAX_FAILURES = 10
LONG_REST_S = 30.0
FIRST_REST_S = 0.02
NOTICE_TIMEOUT_S = 30.0


class FanOut:
    """The fan-out of one activation of a conversation."""

    def __init__(self, actor: Conversation) -> None:
        self._actor = actor
        self._window = actor.environment.window
        self._held: dict[str, int] = {}
        self._to_tell: deque[tuple[str, int]] = deque()
        self._outstanding: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._resting: dict[str, None] = {}
        self._turn_wanted = False
        self._notice: Reached | None = None
        self._reached = 0
        self._tail = Tail()

    @property
    def busy(self) -> bool:
        """Whether anything is owed to anybody."""
        return bool(self._to_tell or self._outstanding or self._resting) or (
            self._actor.writer.settled < self._actor.state.version
        )

    @property
    def backlog(self) -> int:
        """Records that not all members hold, those aside who rest after failing too often."""
        return self._actor.state.version - max(self._reached, self._actor.writer.settled)

    def appended(self, record: Record, amended: Mapping[int, Record]) -> None:
        """A record was committed: keep it at hand for the notices."""
        self._actor.environment.logs.keep(self._actor.conversation, record)
        self._tail.append(record, amended)

    def amended(self, record: Record) -> None:
        """A record was changed into this one: nobody is told the old one any more."""
        self._actor.environment.logs.keep(self._actor.conversation, record)
        self._tail.replace(record)
        self._look_at_notice(record.n)

    def forget(self, n: int) -> None:
        """A record was changed, by somebody who did not say into what."""
        self._tail.forget(n)
        self._look_at_notice(n)

    def _look_at_notice(self, n: int) -> None:
        """Members who are still to be told read for themselves, if the notice holds record `n`."""
        log = None if self._notice is None else self._notice.log
        if log is not None and (log.first <= n <= log.last or n in log.targets):
            assert self._notice is not None
            self._notice = replace(self._notice, log=None)

    def wake(self) -> None:
        """Have a turn run soon, unless one is running."""
        idle = not (self._turn_wanted or self._to_tell or self._outstanding)
        if idle and self._actor.writer.settled < self._actor.state.version:
            self._turn_wanted = True
            self._actor.ref.cast(FanOutTurn())

    async def turn(self) -> None:
        """Tell the next slice of members; begin a fan-out, or end it, when there is none."""
        slots = self._window.take(self._actor.ref)
        if not slots:
            return
        self._turn_wanted = False
        if not self._to_tell and not self._outstanding:
            self._begin()
        notice = self._notice
        assert notice is not None
        count = min(slots, len(self._to_tell))
        self._window.give_back(self._actor.ref, slots - count)
        for told in range(count):
            user, upto = self._to_tell.popleft()
            self._outstanding[user] = upto
            await self._tell(user, notice if upto == notice.upto else _cut(notice, upto))
            if told == 0:
                self._actor.environment.faults.passing("conversation", "between fan-outs")
        if self._to_tell:
            self._turn_wanted = True
            self._actor.ref.cast(FanOutTurn())
        elif not self._outstanding:
            self._end()

    def leave(self) -> None:
        """The activation ends: what it has in flight is nobody's any more."""
        self._window.leave(self._actor.ref)

    async def _tell(self, user: str, notice: Reached) -> None:
        directory = self._actor.environment.directory
        try:
            ref = directory.find("user", user) or await directory.activate("user", user)
        except CallError as error:
            self.answered(user, notice.upto, Answer(None, None, error))
            return
        self._actor.request(ref, notice, ("held", user, notice.upto), timeout=NOTICE_TIMEOUT_S)

    def answered(self, user: str, upto: int, answer: Answer) -> None:
        """A member holds the conversation up to the answer's value, or could not be told."""
        if self._outstanding.get(user) != upto:
            return
        del self._outstanding[user]
        self._window.give_back(self._actor.ref, 1)
        if answer.error is None:
            assert isinstance(answer.value, int)
            before = self._held.get(user, self._actor.writer.settled)
            if answer.value >= upto or answer.value > before:
                self._held[user] = max(before, answer.value)
                self._failures.pop(user, None)
            else:
                self._rest(user, CallError(f"it holds {answer.value}, no more than before"))
        else:
            self._rest(user, answer.error)
        if not self._outstanding and not self._to_tell:
            self._end()

    def _rest(self, user: str, error: CallError) -> None:
        failures = self._failures[user] = self._failures.get(user, 0) + 1
        self._resting[user] = None
        pause = LONG_REST_S
        if failures < MAX_FAILURES:
            pause = FIRST_REST_S * 2 ** (failures - 2) if failures > 1 else 0.0
        else:
            logger.error(
                "%s could not be told of %s %d times and rests for %.0f s: %s",
                user, self._actor.conversation, failures, LONG_REST_S, error,
            )  # fmt: skip
        pause *= 1 + self._actor.system.random.random()
        self._actor.send_after(pause, Rested(user))

    def rested(self, user: str) -> None:
        """Tell this member again in the next fan-out."""
        self._resting.pop(user, None)
        self.wake()

    def _begin(self) -> None:
        state, writer = self._actor.state, self._actor.writer
        base = max(self._reached, writer.settled)
        self._notice = Reached(
            self._actor.conversation,
            state.version,
            writer.settled,
            self._actor.settings,
            self._tail.behind(base),
            len(state.members) > self._actor.environment.settings.limits.receipts_each,
        )
        self._to_tell.extend(
            (user, upto)
            for user, upto in state.recipients(writer.settled)
            if user not in self._resting and self._held.get(user, writer.settled) < upto
        )

    def _end(self) -> None:
        """Everybody was told: settle what all hold, go on with what came meanwhile."""
        assert self._notice is not None
        writer, state = self._actor.writer, self._actor.state
        target = self._notice.upto
        behind = [
            user
            for user, upto in state.recipients(writer.settled)
            if self._held.get(user, writer.settled) < min(upto, target)
        ]
        if all(user in self._resting for user in behind):
            self._reached = target
        if not behind:
            writer.settle(target)
            self._held = {user: n for user, n in self._held.items() if n > target}
        if [user for user in behind if user not in self._resting] or state.version > target:
            self.wake()


def _cut(notice: Reached, upto: int) -> Reached:
    """The notice for somebody who left at `upto`."""
    return Reached(
        notice.conversation,
        upto,
        notice.settled,
        notice.settings,
        notice.log and notice.log.up_to(upto),
        notice.large,
    )
