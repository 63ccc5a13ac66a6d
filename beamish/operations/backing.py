"""A backup of a running node, as something that goes on and tells how far it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import trio

from storage import Backup, BackupError, Journal, backup

MOST_WAITING = 16
"""Reports of progress that wait to be read; more are dropped, the next one says it all."""


class Backing:
    """A backup under way. Made by `backing_up`."""

    def __init__(self) -> None:
        self._result: Backup | None = None
        self._failure: BackupError | None = None
        self._send, self._receive = trio.open_memory_channel[dict[str, Any]](MOST_WAITING)

    def begins(self) -> dict[str, Any]:
        """What is told first."""
        return {"begun": True}

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """The bytes done, of how many."""
        async with self._receive:
            async for told in self._receive:
                yield told

    def ends(self) -> dict[str, Any]:
        """What was copied; raises ValueError when it did not work."""
        if self._failure is not None:
            raise ValueError(str(self._failure)) from self._failure
        assert self._result is not None
        return asdict(self._result)

    async def run(self, journal: Journal, target: Path) -> None:
        """Back up, and close the events."""
        async with self._send:
            try:
                self._result = await backup(journal, target, progress=self._tell)
            except BackupError as error:
                self._failure = error

    def _tell(self, done: int, total: int) -> None:
        if self._send.statistics().current_buffer_used < MOST_WAITING:
            self._send.send_nowait({"done": done, "total": total})


@asynccontextmanager
async def backing_up(journal: Journal, target: Path) -> AsyncIterator[Backing]:
    """Back up `journal` into `target`; leaving the block before its end takes it back."""
    backing = Backing()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(backing.run, journal, target)
        try:
            yield backing
        finally:
            nursery.cancel_scope.cancel()
