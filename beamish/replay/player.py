"""The player: a plan's steps through clients, one task for each log.

Within a log steps are played in order. `Say` hands its message to the sender's client and goes on
at once; with `--now` a speaker has at most 8 messages outstanding, paced at most 60. Every other
step is a barrier: it waits until all before it is answered, and is answered before the next.
A refusal that goes away is retried by the client in its place; one for good is noted.

Paced, each step waits for its time. A message's first write is the moment of its writing by the
client, or paced, the moment at which it was due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from beamish.client import ClientError, CommandError, PendingCommand, Sent
from beamish.replay.fleet import Fleet
from beamish.replay.ledger import Ledger
from beamish.replay.plan import Create, Join, Leave, LogPlan, Plan, Resume, Say, Step

OUTSTANDING_NOW = 8
OUTSTANDING_PACED = 60
LONGEST_TITLE = 128
NO_GROUP = "g:aaaaaaaaaaaaaaaaaaaaaaaa"
"""Stands for a group that could not be made: what goes there the node refuses, which counts."""


class Player:
    """Plays all logs of the ledger's plan; `speed` None means `--now`.

    `failed(sentence)` is told what went wrong for good.
    """

    def __init__(
        self, ledger: Ledger, fleet: Fleet, speed: float | None, failed: Callable[[str], None]
    ) -> None:
        self.ledger = ledger
        self.fleet = fleet
        self.speed = speed
        self.failed = failed
        self.began = 0.0
        self.last_answer_at = 0.0
        self.changing = 0
        """Changes of members that are under way and not answered."""
        limit = OUTSTANDING_NOW if speed is None else OUTSTANDING_PACED
        self.slots = [trio.Semaphore(limit) for _ in ledger.plan.nicks]

    async def play(self) -> None:
        """Plays everything; returns when every command is answered."""
        self.began = self.last_answer_at = trio.current_time()
        plan = self.ledger.plan
        for index, conversation in enumerate(plan.conversations):
            if conversation.pair is not None:
                self.ledger.bind(index, direct_id(self.ledger.names, conversation.pair))
        async with trio.open_nursery() as nursery:
            for log in range(len(plan.logs)):
                nursery.start_soon(_LogPlayer(self, plan, log).play)

    def note_answer(self, message: int, pending: PendingCommand[Sent]) -> None:
        """The outcome of a message's command."""
        self.last_answer_at = trio.current_time()
        if pending.value is not None:
            self.ledger.answer(message, pending.value.conversation, pending.value.n)
            if self.speed is None and pending.first_written_at is not None:
                self.ledger.written[message] = pending.first_written_at
            return
        if isinstance(pending.error, CommandError):
            self.ledger.refuse_for_good(message, pending.error.code)
        self.failed(f"A message was not sent: {pending.error}")


def direct_id(names: Sequence[str], pair: tuple[int, int]) -> str:
    """The id of the direct conversation between two users of the plan."""
    return ":".join(("d", *sorted(names[user] for user in pair)))


def title(name: str) -> str:
    """A log's name as a group's title: printable, without blanks at the ends, not too long."""
    shown = "".join(c if c.isprintable() else "?" for c in name)
    return shown.strip()[:LONGEST_TITLE].strip() or "log"


class _LogPlayer:
    """Plays one log."""

    def __init__(self, player: Player, plan: Plan, index: int) -> None:
        self._player = player
        self._plan = plan
        self._log: LogPlan = plan.logs[index]
        self._title = title(self._log.name)
        self._outstanding = 0
        self._all_answered = trio.Event()

    async def play(self) -> None:
        player = self._player
        for step, due in zip(self._log.steps, self._log.due, strict=True):
            if player.speed is not None:
                await trio.sleep_until(player.began + due / player.speed)
            if isinstance(step, Say):
                await self._say(step.message)
            else:
                await self._answered()
                await self._change(step)
        await self._answered()

    async def _say(self, message: int) -> None:
        player, said = self._player, self._plan.messages[message]
        await player.slots[said.sender].acquire()
        self._outstanding += 1
        now = trio.current_time()
        due = now if player.speed is None else player.began + said.due / player.speed
        player.ledger.write(message, due)
        try:
            client = await player.fleet.acquire(said.sender)
        except ClientError as error:
            self._unsent(message, error)
            return
        conversation = player.ledger.ids.get(said.conversation, NO_GROUP)

        def answered(pending: PendingCommand[Sent]) -> None:
            player.note_answer(message, pending)
            player.fleet.release(said.sender)
            self._done(said.sender)

        try:
            client.send_nowait(conversation, said.text, action=said.action, on_done=answered)
        except ClientError as error:
            player.fleet.release(said.sender)
            self._unsent(message, error)

    def _unsent(self, message: int, error: ClientError) -> None:
        self._player.ledger.refuse_for_good(message, str(error))
        self._player.failed(f"A message could not be sent: {error}")
        self._done(self._plan.messages[message].sender)

    def _done(self, sender: int) -> None:
        self._player.slots[sender].release()
        self._outstanding -= 1
        if not self._outstanding:
            self._all_answered.set()

    async def _answered(self) -> None:
        while self._outstanding:
            self._all_answered = trio.Event()
            await self._all_answered.wait()

    async def _change(self, step: Step) -> None:
        assert not isinstance(step, Say)
        fleet = self._player.fleet
        try:
            client = await fleet.acquire(step.user)
        except ClientError as error:
            self._player.failed(f"{self._log.name}: nobody online for a change: {error}")
            return
        self._player.changing += 1
        try:
            match step:
                case Resume():
                    client.drop_connection()
                case Create(members=members):
                    names = [self._player.ledger.names[user] for user in members]
                    created = await client.create_group(self._title, names, open=True)
                    assert self._log.group is not None
                    self._player.ledger.bind(self._log.group, created.conversation)
                case Join():
                    await client.join(self._group())
                case Leave():
                    await client.leave(self._group())
        except ClientError as error:
            kind = type(step).__name__.lower()
            nick = self._plan.nicks[step.user]
            self._player.failed(f"{self._log.name}: {kind} of {nick!r} failed: {error}")
        finally:
            self._player.changing -= 1
            fleet.release(step.user)
        self._player.last_answer_at = trio.current_time()

    def _group(self) -> str:
        assert self._log.group is not None
        return self._player.ledger.ids.get(self._log.group, NO_GROUP)
