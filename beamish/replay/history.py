"""Reading the history: a fresh device of each user takes everything from the start.

A fresh device logs in with the password, holds nothing, and attaches with number 0 (the client
goes by snapshot and history pages where the inbox no longer reaches back so far). It has read all
when it holds, of each conversation, the newest record that the snapshot says was told to the
user's inbox; or when nothing came for the quiet time, and what is missing counts as missing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

import trio

from beamish.client import Client, MemoryStore
from beamish.replay.fleet import CLIENT_SETTINGS, Connector, ignore_event
from beamish.replay.ledger import Ledger, Record
from beamish.replay.verdict import Matched, history_ledger, history_mismatches

LOOK_EVERY = 0.02
"""Seconds between two looks whether a device has read all."""

Opener = Callable[..., AbstractAsyncContextManager[Client]]


class HistoryReader:
    """Reads user by user into a ledger of its own; `online` are the clients doing so now."""

    def __init__(
        self,
        ledger: Ledger,
        matched: Sequence[Matched],
        *,
        urls: Sequence[str],
        connector: Connector,
        password: str,
        quiet: float,
        source: random.Random,
        opener: Opener,
    ) -> None:
        self.online: dict[int, Client] = {}
        self._matched = matched
        self._found = history_ledger(ledger, matched)
        self._urls = tuple(urls)
        self._connector = connector
        self._password = password
        self._quiet = quiet
        self._source = source
        self._opener = opener

    async def read(self, user: int) -> bool:
        """Reads all of `user`; whether everything that the node announced came in time."""
        receive = self._found.receiver(user, trio.current_time)
        last: dict[str, int] = {}

        def on_records(conversation: str, records: Sequence[Record]) -> None:
            receive(conversation, records)
            last[conversation] = max(last.get(conversation, 0), records[-1]["n"])

        async with self._opener(
            self._urls,
            user=self._found.names[user],
            password=self._password,
            store=MemoryStore(),
            connect=self._connector,
            random=random.Random(self._source.getrandbits(64)),  # noqa: S311
            on_records=on_records,
            on_event=ignore_event,
            settings=CLIENT_SETTINGS,
        ) as client:
            self.online[user] = client
            try:
                rows = await client.snapshot()
                return await self._wait({row["conversation"]: row["last"] for row in rows}, last)
            finally:
                del self.online[user]

    def mismatches(self) -> int:
        """What was found against what was to be found, over all users."""
        return history_mismatches(self._matched, self._found)

    async def _wait(self, target: dict[str, int], last: dict[str, int]) -> bool:
        moved, before = trio.current_time(), -1
        while any(last.get(conversation, 0) < n for conversation, n in target.items()):
            total = sum(last.values())
            if total != before:
                moved, before = trio.current_time(), total
            elif trio.current_time() - moved > self._quiet:
                return False
            await trio.sleep(LOOK_EVERY)
        return True
