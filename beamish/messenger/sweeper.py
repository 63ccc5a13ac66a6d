"""Looks for pending work that nobody does, and for sessions that missed something.

Every `sweep_s` it pages through the journal's pending streams and makes sure that each has a living
actor: an actor that loads finds what is pending by itself. One that lives and has left a stream
pending for long is reminded, in case the journal did not hear of a settlement. Every
`head_check_s` it compares, in batches, the inbox of every connected user with what the journal
holds, and tells the sessions; a hint may therefore fail in any way and be late by that much.

Once in `tidy_s` it has every account log out devices that were not used for long: `TIDY_PAGE` of
them every `sweep_s`, so that a million accounts are gone through in days and not in one rush.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import trio

from actors import Actor, CallError, Ref, on
from beamish.messenger import messages as m
from beamish.messenger.environment import Environment
from beamish.messenger.ids import USER_STREAM, owner_of_stream, user_stream
from beamish.messenger.users.account_changes import ChangeAccount, ListDevices
from storage import Describe, Pending, PendingStream, Refused, Scan

logger = logging.getLogger("beamish.messenger")

OVERDUE_MS = 5_000
"""Age of pending work above which an actor that lives is reminded of it."""

TIDY_PAGE = 16
"""Accounts looked through at a time."""

PAGE = 256
"""Streams looked at in one step."""


@dataclass(frozen=True, slots=True)
class _Sweep:
    after: str | None


@dataclass(frozen=True, slots=True)
class _CheckHeads:
    after: int


@dataclass(frozen=True, slots=True)
class _Tidy:
    after: str | None
    began: float


class Sweeper(Actor):
    """One for a node; named "sweeper"."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._checking: list[tuple[Ref, str]] = []

    def init(self) -> None:
        """Begin at once: what a dead node left pending is the first work of the next."""
        self.ref.cast(_Sweep(None))
        self.send_after(self._environment.settings.head_check_s, _CheckHeads(0))
        # Not at once, when there is enough to do, and not late, should starts be frequent.
        tidy_s = self._environment.settings.tidy_s
        self.send_after(tidy_s / 24, _Tidy(None, trio.current_time() + tidy_s / 24))

    @on(_Sweep)
    async def sweep(self, message: _Sweep) -> None:
        """Wake the actors of one page of pending streams."""
        outcome = await self._environment.journal.perform(Pending(None, message.after, PAGE))
        if isinstance(outcome, Refused):
            self.send_after(self._environment.settings.sweep_s, _Sweep(None))
            return
        for pending in outcome.streams:
            await self._wake(pending)
        if outcome.more:
            self.ref.cast(_Sweep(outcome.streams[-1].stream))
        else:
            self.send_after(self._environment.settings.sweep_s, _Sweep(None))

    async def _wake(self, pending: PendingStream) -> None:
        owner = owner_of_stream(pending.stream)
        if owner is None:
            logger.error("the pending stream %r is nobody's: of another making?", pending.stream)
            return
        directory = self._environment.directory
        ref = directory.find(*owner)
        age_ms = self._environment.now_ms() - pending.since_ms
        if ref is not None and 0 <= age_ms < OVERDUE_MS:
            return
        try:
            ref = ref or await directory.activate(*owner)
            ref.cast(m.Resume(pending.stream))
        except CallError as error:
            logger.warning("%s %s could not be started: %s", *owner, error)

    @on(_Tidy)
    async def tidy(self, message: _Tidy) -> None:
        """Go through one page of accounts."""
        environment, settings = self._environment, self._environment.settings
        outcome = await environment.journal.perform(Scan(USER_STREAM, message.after, TIDY_PAGE))
        if isinstance(outcome, Refused):
            self.send_after(settings.sweep_s, message)
            return
        for stream in outcome.names:
            await self._tidy(stream.removeprefix(USER_STREAM))
        if outcome.more:
            self.send_after(settings.sweep_s, _Tidy(outcome.names[-1], message.began))
            return
        following = message.began + settings.tidy_s
        pause = max(settings.sweep_s, following - trio.current_time())
        self.send_after(pause, _Tidy(None, trio.current_time() + pause))

    async def _tidy(self, user: str) -> None:
        try:
            ref = await self._environment.directory.activate("user", user)
            await ref.call(ChangeAccount(ListDevices()), timeout=30.0)
        except CallError as error:
            logger.warning("the devices of %s could not be looked through: %s", user, error)

    @on(_CheckHeads)
    async def check_heads(self, message: _CheckHeads) -> None:
        """Compare one batch of inboxes with what their sessions were handed."""
        if message.after == 0:
            self._environment.connections.prune()
            self._environment.window.prune()
            self._environment.leases.prune()
            self._checking = self._environment.connections.logged_in_sessions()
        page = self._checking[message.after : message.after + PAGE]
        if page:
            streams = tuple(dict.fromkeys(user_stream(user) for _, user in page))
            outcome = await self._environment.journal.perform(Describe(streams))
            if not isinstance(outcome, Refused):
                heads = {info.stream: info.version for info in outcome.streams}
                for ref, user in page:
                    self._environment.connections.tell_head(ref, heads[user_stream(user)])
        following = message.after + PAGE
        if following < len(self._checking):
            self.ref.cast(_CheckHeads(following))
        else:
            self.send_after(self._environment.settings.head_check_s, _CheckHeads(0))
