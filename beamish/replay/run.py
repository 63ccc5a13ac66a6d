"""A whole run: register, play, wait for the deliveries, read the history on fresh devices, judge.

    registering   every user comes online once; with a cap they leave again when others need to
    playing       see `player.py`
    settling      until every user was handed what is due, or nothing came for `quiet` seconds;
                  with a cap the users still lacking something come online in turn
    reading       a fresh device of each user reads everything from the start
    judging       see `verdict.py`

The live clients stay online while fresh devices read (with a cap they leave), so that what
arrives twice or where it should not has time to be seen; then the run is judged.

When no client has a connection, nor gets one opened, for `give_up` seconds, the run ends with
`NoNode`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import trio

from beamish.client import Client, ClientError, open_client
from beamish.replay.fleet import Fleet, Tally
from beamish.replay.history import HistoryReader, Opener
from beamish.replay.ledger import Ledger
from beamish.replay.names import fresh_run_tag, user_name
from beamish.replay.plan import Plan
from beamish.replay.player import Player
from beamish.replay.report import Report
from beamish.replay.settings import PlaySettings
from beamish.replay.verdict import judge, match

MOST_FAILURES = 20
WATCH_EVERY = 0.25
"""Seconds between two looks at connections and progress."""


class CannotPlay(Exception):
    """The run could not go on; the text says why and what to do."""


class NoNode(CannotPlay):
    """No node could be reached for the time that the settings allow."""


@dataclass(frozen=True, slots=True)
class InHand:
    """What clients wait for at one moment.

    `users`: those who register, who lack deliveries at the end, or whose fresh device reads.
    `messages`: written and not answered. `changes`: of members, asked for and not answered.
    `deliveries`: of messages that were answered, not handed over yet.
    """

    users: int = 0
    messages: int = 0
    changes: int = 0
    deliveries: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything at all."""
        return bool(self.users or self.messages or self.changes or self.deliveries)


@dataclass(slots=True)
class Progress:
    """How far a run is. `phase` is a word of the module's list; counts are of that phase.

    `busy`: users whose part of the phase has begun and is not over.
    """

    phase: str = "registering"
    done: int = 0
    total: int = 0
    delivered: int = 0
    expected: int = 0
    connected: bool = False
    busy: int = 0
    ledger: Ledger | None = None
    player: Player | None = None
    account: Callable[[], Report] | None = None
    """The incomplete report of a run that is going on; None before it began."""

    @property
    def unanswered(self) -> int:
        """Messages that are written and not yet answered."""
        return 0 if self.ledger is None else self.ledger.sent - self.ledger.acknowledged

    @property
    def acknowledged(self) -> int:
        """Messages that were answered *sent*."""
        return 0 if self.ledger is None else self.ledger.acknowledged

    def in_hand(self) -> InHand:
        """What the clients wait for now."""
        if self.ledger is None or self.player is None:
            return InHand()
        return InHand(self.busy, self.unanswered, self.player.changing, self.ledger.owed)


async def play(
    plan: Plan,
    settings: PlaySettings,
    *,
    progress: Progress | None = None,
    source: random.Random | None = None,
    opener: Opener = open_client,
) -> Report:
    """Plays `plan` and returns the report; `progress` is kept up to date meanwhile.

    `source` draws the run's tag, password and the clients' randomness.

    Raises:
        NoNode: no node could be reached for `settings.give_up` seconds.
        CannotPlay: users could not register.
    """
    run = _Run(plan, settings, progress or Progress(), source or random.SystemRandom(), opener)
    await run.run()
    return run.report()


class _Run:
    def __init__(
        self,
        plan: Plan,
        settings: PlaySettings,
        progress: Progress,
        source: random.Random,
        opener: Opener,
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.progress = progress
        self.source = source
        self.opener = opener
        self.failures: list[str] = []
        tag = fresh_run_tag(source)
        self.password = f"{tag}-{source.getrandbits(64):x}-replay"
        self.ledger = Ledger(plan, [user_name(nick, tag) for nick in plan.nicks])
        self.mismatches = 0
        self.history: HistoryReader | None = None
        self.setup_s = self.history_s = 0.0
        self.tally = Tally()
        self._scope = trio.CancelScope()
        self._fatal: CannotPlay | None = None
        self._complete: dict[int, trio.Event] = {}

    async def run(self) -> None:
        """All phases."""
        async with trio.open_nursery() as nursery:
            self._scope = nursery.cancel_scope
            self._start_fleet(nursery)
            nursery.start_soon(self._watch)
            await self._phases()
            self.tally = self.fleet.tally()
            self.progress.phase = "judging"
            nursery.cancel_scope.cancel()
        if self._fatal is not None:
            raise self._fatal

    def _abort(self, error: CannotPlay) -> None:
        """Ends the run; the first error stays."""
        self._fatal = self._fatal or error
        self._scope.cancel()

    def _start_fleet(self, nursery: trio.Nursery) -> None:
        self.fleet = Fleet(
            nursery,
            self.settings.urls,
            capacity=self.settings.connections,
            password=self.password,
            source=self.source,
            opener=self.opener,
        )
        for user, (nick, name) in enumerate(zip(self.plan.nicks, self.ledger.names, strict=True)):
            self.fleet.add(name, nick, self.ledger.receiver(user, trio.current_time))
        self.player = Player(self.ledger, self.fleet, self.settings.speed, self.fail)
        self.progress.expected = sum(self.ledger.due)
        self.progress.ledger, self.progress.player = self.ledger, self.player
        self.progress.account = self.account

    def fail(self, sentence: str) -> None:
        """Notes what went wrong for good, up to 20 times."""
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(sentence)

    async def _phases(self) -> None:
        began = trio.current_time()
        await self._each_user("registering", self._register, self.settings.registering)
        self.setup_s = trio.current_time() - began
        self._phase("playing", len(self.plan.messages))
        await self.player.play()
        await self._each_user("settling", self._settle, self.settings.connections)
        if self.settings.connections is not None:
            await self.fleet.close()
        began = trio.current_time()
        await self._read_history()
        self.history_s = trio.current_time() - began

    def _phase(self, name: str, total: int) -> None:
        self.progress.phase, self.progress.done, self.progress.total = name, 0, total

    async def _each_user(self, phase: str, work: Callable[[int], Any], at_once: int | None) -> None:
        """`work(user)` for every user, at most `at_once` of them at a time."""
        users = len(self.plan.nicks)
        self._phase(phase, users)
        limiter = trio.Semaphore(at_once or users)

        async def one(user: int) -> None:
            self.progress.busy += 1
            try:
                await work(user)
            finally:
                self.progress.busy -= 1
                limiter.release()
            self.progress.done += 1

        async with trio.open_nursery() as nursery:
            for user in range(users):
                await limiter.acquire()
                nursery.start_soon(one, user)

    async def _register(self, user: int) -> None:
        try:
            await self.fleet.acquire(user)
        except ClientError as error:
            nick = self.plan.nicks[user]
            self._abort(CannotPlay(f"User {nick!r} could not be registered: {error}"))
            return
        self.fleet.release(user)

    async def _settle(self, user: int) -> None:
        if self.ledger.complete(user):
            return
        complete = self._complete[user] = trio.Event()
        self.ledger.on_complete = self._completed
        try:
            client = await self.fleet.acquire(user)
        except ClientError as error:
            self.fail(f"{self.plan.nicks[user]!r} could not come back: {error}")
            return
        try:
            while not complete.is_set():
                before = self._signs_of_life(client)
                with trio.move_on_after(self.settings.quiet):
                    await complete.wait()
                if before == self._signs_of_life(client) and client.connected:
                    self.fail(f"{self.plan.nicks[user]!r} was not handed everything.")
                    return
        finally:
            self.fleet.release(user)

    def _signs_of_life(self, client: Client) -> tuple[int, int]:
        return self.ledger.handed, client.reconnects

    def _completed(self, user: int) -> None:
        complete = self._complete.get(user)
        if complete is not None:
            complete.set()

    async def _watch(self) -> None:
        """Keeps the progress up to date; ends the run when nobody was connected for too long."""
        heard = trio.current_time()
        while trio.current_time() - heard < self.settings.give_up:
            self.progress.connected = any(client.connected for client in self._clients())
            reached = trio.current_time() if self.progress.connected else heard
            heard = max(reached, self.fleet.connector.reached)
            self.progress.delivered = self.ledger.handed
            if self.progress.phase == "playing":
                self.progress.done = self.ledger.acknowledged
            await trio.sleep(WATCH_EVERY)
        addresses, seconds = ", ".join(self.settings.urls), self.settings.give_up
        self._abort(
            NoNode(
                f"No node could be reached at {addresses} for {seconds:g} s: does one run there?"
            )
        )

    def _clients(self) -> Iterator[Client]:
        fresh = list(self.history.online.values()) if self.history is not None else []
        return itertools.chain(self.fleet.online(), fresh)

    async def _read_history(self) -> None:
        self.history = HistoryReader(
            self.ledger,
            match(self.ledger),
            urls=self.settings.urls,
            connector=self.fleet.connector,
            password=self.password,
            quiet=self.settings.quiet,
            source=self.source,
            opener=self.opener,
        )
        at_once = min(self.settings.reading, self.settings.connections or self.settings.reading)
        await self._each_user("reading", self._read, at_once)
        self.mismatches = self.history.mismatches()

    async def _read(self, user: int) -> None:
        assert self.history is not None
        nick = self.plan.nicks[user]
        try:
            if not await self.history.read(user):
                self.fail(f"A fresh device of {nick!r} did not get all that was announced.")
        except ClientError as error:
            self.fail(f"A fresh device of {nick!r} could not read: {error}")

    def account(self) -> Report:
        """What came of it so far."""
        self.tally = self.fleet.tally()
        return replace(self.report(), lost=None, history_mismatches=None, complete=False)

    def report(self) -> Report:
        """What came of it."""
        ledger, player = self.ledger, self.player
        counts, tally = judge(ledger), self.tally
        expected = sum(ledger.due)
        wall = max(player.last_answer_at, ledger.last_handed_at) - player.began
        return Report(
            users=len(self.plan.nicks),
            messages=len(self.plan.messages),
            sent=ledger.sent,
            acknowledged=ledger.acknowledged,
            expected_deliveries=expected,
            delivered=counts.delivered,
            lost=expected - counts.delivered,
            duplicated=counts.duplicated,
            reordered=counts.reordered,
            unexpected=counts.unexpected,
            history_mismatches=self.mismatches,
            refused=tally.refused + len(ledger.refused_for_good),
            repeats=tally.repeats,
            reconnects=tally.reconnects,
            latency_ms=counts.latency.summary(),
            messages_per_s=round(ledger.acknowledged / wall, 1) if wall else 0.0,
            deliveries_per_s=round(counts.delivered / wall, 1) if wall else 0.0,
            wall_s=round(wall, 3),
            skipped_lines=self.plan.skipped_lines,
            setup_s=round(self.setup_s, 3),
            history_s=round(self.history_s, 3),
            failures=list(self.failures),
        )
