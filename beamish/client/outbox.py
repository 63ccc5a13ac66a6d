"""Numbered commands: each executed once and in order, over any refusals and lost connections.

Pure bookkeeping, no I/O. For each conversation a *lane*: its unanswered commands in order, each
with a number (dense from 1 for this device and conversation) and a tag (random, kept for ever). A
group yet to be created has a lane of its own, since the conversation's name comes with the answer.

A lane writes ahead: up to 64 commands without waiting. What ends that is any refusal: from then on
it writes nothing until all that is outstanding is answered, and then

    refused, retryable     waits as asked, then writes again from the first unanswered on
    refused for good       fails that command; those behind it move up by one number, keeping tags
    expected n             those behind are numbered from n on, keeping tags, and written again
    number_used            fails that command and reports: this store is not the only one

and when the connection ends, everything unanswered is written again on the next. A node looks the
tag up first, so neither repetition nor renumbering can make one command happen twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any, TypeVar

import trio

from beamish.client.backoff import Backoff
from beamish.client.errors import (
    ClientError,
    CommandError,
    OutboxFull,
    error_from,
)
from beamish.client.link import Link
from beamish.client.pending import PendingCommand
from beamish.client.store import Batch, StoredCommand
from beamish.client.wire import Item

NEW_GROUP = "new:"
"""With its command's tag: the lane of a group or channel that is yet to be created."""

WINDOW = 64
"""Unanswered commands per conversation: a node remembers the tags of as many."""

R = TypeVar("R")
_RETRY_FIRST, _RETRY_CAP = 0.05, 5.0
_CREATIONS = frozenset(("create_group", "create_channel"))
_TAG_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_-"


def _letters(random: Random, count: int) -> str:
    bits = random.getrandbits(6 * count)
    return "".join(_TAG_ALPHABET[bits >> shift & 63] for shift in range(0, 6 * count, 6))


def new_secret(random: Random) -> str:
    """The secret of an invitation link: 32 characters, 192 bits of randomness."""
    return _letters(random, 32)


class Lane:
    """The commands of one conversation; see the module. `queue` is in order of number."""

    __slots__ = (
        "backoff",
        "base",
        "granted",
        "key",
        "last",
        "outstanding",
        "queue",
        "resume_at",
        "rounds",
        "settling",
        "waiters",
    )

    def __init__(self, key: str, last: int, backoff: Backoff) -> None:
        self.key = key
        self.last = last
        self.queue: list[PendingCommand[Any]] = []
        self.outstanding = 0
        self.settling = False
        self.base: int | None = None
        self.resume_at = 0.0
        self.rounds = 0
        self.backoff = backoff
        self.waiters: trio.lowlevel.ParkingLot | None = None
        self.granted = 0

    @property
    def idle(self) -> bool:
        """Nothing is in it, and nobody waits to put something in."""
        return not (self.queue or self.granted or self.waiters)

    def writable(self, now: float, window: int) -> list[PendingCommand[Any]]:
        """What may be written now, in order."""
        if self.settling or now < self.resume_at or self.outstanding >= len(self.queue):
            return []
        ready: list[PendingCommand[Any]] = []
        for command in self.queue[self.outstanding : window]:
            if not command.saved:
                break
            ready.append(command)
        return ready

    def reset(self) -> None:
        """Another device begins: nothing is unanswered, numbers start at 1."""
        self.last = self.outstanding = self.rounds = 0
        self.settling = False
        self.base = None
        self.resume_at = 0.0
        self.backoff.reset()

    def settle(self) -> bool:
        """Once nothing is outstanding: number anew what is to be written again. Whether it did."""
        if self.outstanding or not self.settling:
            return False
        self.settling = False
        self.rounds += 1
        base, self.base = self.base, None
        if base is None or (self.queue and self.queue[0].number == base):
            return False
        self.renumber(base)
        return True

    def renumber(self, base: int) -> None:
        """Number the queue from `base` on; its commands are to be stored anew."""
        for number, command in enumerate(self.queue, base):
            command.number = number
            command.saved = False
        self.last = base + len(self.queue) - 1


class Outbox:
    """All lanes of a client.

    `window`: how many of a conversation the node takes ahead. `refusals` counts the retryable ones
    met. `trouble`: a refusal that concerns the device, not the command (number_used,
    unauthenticated); the connection acts on it.
    """

    def __init__(self, random: Random, max_pending: int) -> None:
        self.window = WINDOW
        self.refusals = 0
        self.trouble: CommandError | None = None
        self._random = random
        self._max_pending = max_pending
        self._lanes: dict[str, Lane] = {}
        self._numbers: dict[str, int] = {}
        self._pending = 0
        self._granted = 0
        self._parked = 0
        self._unsaved: list[PendingCommand[Any]] = []
        self._renumbered: dict[str, int] = {}
        self._answered: list[tuple[str, str]] = []
        self._finished: list[PendingCommand[Any]] = []
        self._resume_at = 0.0
        self._settled: trio.Event | None = None

    # -- adding ---------------------------------------------------------------------------------

    def restore(
        self,
        numbers: dict[str, int],
        commands: list[StoredCommand],
        convert: Callable[[str, Item], Callable[[Item], Any]],
    ) -> None:
        """Take over what a store held."""
        self._numbers = numbers
        for stored in commands:
            pending = PendingCommand[Any](
                stored, convert(stored.command, stored.fields), None, saved=True
            )
            self._lane(stored.lane).queue.append(pending)
            self._pending += 1

    def new_tag(self) -> str:
        """16 characters, 96 bits of randomness."""
        return _letters(self._random, 16)

    def add(
        self,
        key: str,
        what: tuple[str, str, Item],
        convert: Callable[[Item], R],
        on_done: Callable[[PendingCommand[R]], None] | None,
        *,
        granted: bool = False,
    ) -> PendingCommand[R]:
        """A new command at the end of its lane; `what`: tag, command and fields.

        Raises:
            OutboxFull: as many as allowed are unanswered, or others wait to add theirs before.
        """
        lane = self._lane(key)
        if granted:
            lane.granted = 0
            self._granted -= 1
        elif not self.has_room(key):
            raise OutboxFull(
                f"{len(lane.queue)} commands of {key} and {self._pending} in all are unanswered:"
                " wait for answers, or use the waiting form of the command"
            )
        lane.last += 1
        self._note(lane)
        stored = StoredCommand(key, lane.last, *what)
        pending = PendingCommand(stored, convert, on_done, saved=False)
        lane.queue.append(pending)
        self._pending += 1
        self._unsaved.append(pending)
        self._grant_all()
        return pending

    def has_room(self, key: str) -> bool:
        """Whether `add` would take one more."""
        if self._pending + self._granted >= self._max_pending:
            return False
        lane = self._lanes.get(key)
        if lane is None:
            return True
        return len(lane.queue) < WINDOW and not lane.granted and not lane.waiters

    async def wait_for_room(self, key: str) -> None:
        """Wait in line for a place in the lane; it is then granted: `add(..., granted=True)`."""
        if self.has_room(key):
            self._lane(key).granted = 1
            self._granted += 1
            return
        lane = self._lane(key)
        if lane.waiters is None:
            lane.waiters = trio.lowlevel.ParkingLot()
        self._parked += 1
        try:
            await lane.waiters.park()
        finally:
            self._parked -= 1
            self._drop_if_idle(lane)

    def _grant_all(self) -> None:
        if self._parked:
            for lane in self._lanes.values():
                self._grant(lane)

    def _grant(self, lane: Lane) -> None:
        """Wake the first in line. One at a time: trio runs those woken together in any order."""
        if (
            lane.waiters
            and not lane.granted
            and len(lane.queue) < WINDOW
            and self._pending + self._granted < self._max_pending
        ):
            lane.granted = 1
            self._granted += 1
            lane.waiters.unpark()

    def _note(self, lane: Lane) -> None:
        if not lane.key.startswith(NEW_GROUP):
            self._numbers[lane.key] = lane.last

    def _drop_if_idle(self, lane: Lane) -> None:
        if lane.idle and self._lanes.get(lane.key) is lane:
            del self._lanes[lane.key]

    def _lane(self, key: str) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            backoff = Backoff(_RETRY_FIRST, _RETRY_CAP, self._random)
            lane = self._lanes[key] = Lane(key, self._numbers.get(key, 0), backoff)
        return lane

    # -- writing --------------------------------------------------------------------------------

    def unsaved(self) -> Batch | None:
        """What has to be in the store before anything more is written; `saved` says it is."""
        if not self._unsaved and not self._renumbered and len(self._answered) < WINDOW:
            return None
        return self.batch()

    def batch(self) -> Batch:
        """All changes since the last batch."""
        batch = Batch(numbers=dict(self._renumbered), answered=self._answered)
        commands = []
        assert batch.numbers is not None
        for command in self._unsaved:
            if command.value is None and command.error is None:
                commands.append(command.stored())
                command.saved = True
                if command.lane in self._numbers:
                    batch.numbers[command.lane] = self._numbers[command.lane]
        batch.commands = commands
        self._unsaved, self._answered, self._renumbered = [], [], {}
        return batch

    def write(self, link: Link, now: float, limit: int) -> Iterator[bytes]:
        """The commands that may be written now, at most `limit`, as encoded items."""
        if now < self._resume_at:
            return
        for lane in self._lanes.values():
            for command in lane.writable(now, self.window):
                if limit <= 0:
                    return
                limit -= 1
                lane.outstanding += 1
                command.written = command.risked = True
                if command.first_written_at is None:
                    command.first_written_at = now
                request = link.request(partial(self._answer, lane, command))
                yield link.wire.encode(
                    {
                        "id": request,
                        "command": command.command,
                        "number": command.number,
                        "tag": command.tag,
                        **command.fields,
                    }
                )

    def next_write(self, now: float) -> float:
        """When something that waits for its time may be written; infinity: nothing does."""
        times = [
            max(lane.resume_at, self._resume_at)
            for lane in self._lanes.values()
            if lane.queue and not lane.settling and lane.outstanding < len(lane.queue)
        ]
        return min((t for t in times if t > now), default=float("inf"))

    def connection_lost(self) -> None:
        """Everything outstanding is to be written again."""
        for lane in list(self._lanes.values()):
            lane.outstanding = 0
            for command in lane.queue:
                command.written = False
            self._settle(lane)

    # -- answers --------------------------------------------------------------------------------

    def _answer(self, lane: Lane, command: PendingCommand[Any], item: Item) -> None:
        lane.outstanding -= 1
        command.written = False
        if "ok" in item:
            lane.backoff.reset()
            self._finish(lane, command, item["ok"], None)
        else:
            self._refused(lane, command, item["error"])
        self._settle(lane)

    def _refused(self, lane: Lane, command: PendingCommand[Any], answer: Item) -> None:
        error = error_from(answer)
        lane.settling = True
        now = trio.current_time()
        if error.code == "expected":
            lane.base = int(answer["expected"])
            if lane.rounds:  # again, without anything answered since: do not run hot
                lane.resume_at = max(lane.resume_at, now + lane.backoff.next())
        elif error.code in ("unauthenticated", "number_used"):
            self.trouble = error
            if error.code == "number_used":
                self._finish(lane, command, None, error)
        elif error.retryable:
            self.refusals += 1
            lane.resume_at = max(lane.resume_at, now + lane.backoff.next(error.retry_after or 0.0))
            wait = error.retry_after or 0.0
            if error.code == "rate_limited" and wait <= _RETRY_CAP:
                # A connection's or a user's pace. What is longer is a conversation's slow mode.
                self._resume_at = max(self._resume_at, now + wait)
        else:
            if lane.base is None:
                lane.base = command.number
            self._finish(lane, command, None, error)

    def _settle(self, lane: Lane) -> None:
        if lane.settle():
            self._unsaved.extend(lane.queue)
            self._note(lane)
            if lane.key in self._numbers:
                self._renumbered[lane.key] = lane.last
        self._drop_if_idle(lane)

    def _finish(
        self,
        lane: Lane,
        command: PendingCommand[Any],
        ok: Item | None,
        error: ClientError | None,
    ) -> None:
        lane.queue.remove(command)
        lane.rounds = 0
        self._pending -= 1
        self._answered.append((lane.key, command.tag))
        self._finished.append(command)
        if ok is not None and command.command in _CREATIONS:
            group = ok["conversation"]
            self._numbers[group] = self._renumbered[group] = max(self._numbers.get(group, 0), 1)
        self._grant_all()
        if self._settled is not None and not self._pending:
            self._settled.set()
            self._settled = None
        command.set(ok, error)

    def announce(self) -> None:
        """Tell who waits what has finished; callbacks run here, apart from our bookkeeping."""
        while self._finished:
            finished, self._finished = self._finished, []
            for command in finished:
                command.announce()

    def abandon(self, error: ClientError, *, closing: bool) -> None:
        """Another device begins: fail what a node may have, and what stands behind it in its lane.

        Lanes of which nothing was ever written start again at number 1. `closing`: no device
        begins; everything fails, and who waits for room is woken and has to look.
        """
        lanes = list(self._lanes.values())
        self._numbers, self._renumbered = {}, {}
        self._unsaved, self._answered = [], []
        for lane in lanes:
            lane.reset()
            if closing or any(command.risked for command in lane.queue):
                self._fail(lane, error)
            else:
                lane.renumber(1)
                self._unsaved += lane.queue
                self._note(lane)
        for lane in lanes:
            if closing and lane.waiters:
                lane.waiters.unpark_all()
            self._grant(lane)
            self._drop_if_idle(lane)
        if self._settled is not None and not self._pending:
            self._settled.set()
            self._settled = None
        self.announce()

    def _fail(self, lane: Lane, error: ClientError) -> None:
        failed, lane.queue = lane.queue, []
        self._pending -= len(failed)
        for command in failed:
            command.set(None, error)
        self._finished += failed

    # -- watching -------------------------------------------------------------------------------

    @property
    def unwritten(self) -> bool:
        """Commands wait to be written, or a store has much to forget."""
        if len(self._answered) >= WINDOW:
            return True
        return any(lane.outstanding < len(lane.queue) for lane in self._lanes.values())

    @property
    def pending(self) -> int:
        """Unanswered commands in all."""
        return self._pending

    def commands(self) -> list[PendingCommand[Any]]:
        """All unanswered commands, in order within each lane."""
        return [command for lane in self._lanes.values() for command in lane.queue]

    async def settled(self) -> None:
        """Wait until no command is unanswered."""
        while self._pending:
            if self._settled is None:
                self._settled = trio.Event()
            await self._settled.wait()
