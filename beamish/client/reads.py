"""Read marks on their way: levels, so only the highest per conversation is ever sent.

Kept in memory only: a mark lost with the process is set again by whoever reads next.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random

import trio

from beamish.client.backoff import Backoff
from beamish.client.errors import error_from
from beamish.client.link import Link
from beamish.client.wire import Item

_RETRY_FIRST, _RETRY_CAP = 0.1, 5.0


class ReadMarks:
    """The marks to send; bounded by one per conversation. `refused`: marks refused for good."""

    def __init__(self, random: Random) -> None:
        self.refused = 0
        self._wanted: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._resume_at = 0.0
        self._backoff = Backoff(_RETRY_FIRST, _RETRY_CAP, random)

    @property
    def unwritten(self) -> bool:
        """Marks wait to be sent."""
        return bool(self._wanted)

    def want(self, conversation: str, upto: int) -> None:
        """Have the mark of `conversation` raised to `upto`."""
        if upto > self._wanted.get(conversation, 0):
            self._wanted[conversation] = upto

    def write(self, link: Link, now: float, limit: int) -> Iterator[bytes]:
        """The marks to send now, at most `limit`, encoded; one a conversation at a time."""
        if now < self._resume_at:
            return
        ready = [c for c in self._wanted if c not in self._asked]
        for conversation in ready[:limit]:
            upto = self._asked[conversation] = self._wanted.pop(conversation)
            request = link.request(partial(self._answer, conversation, upto))
            yield link.wire.encode(
                {"id": request, "command": "read", "conversation": conversation, "upto": upto}
            )

    def next_write(self, now: float) -> float:
        """When refused marks may be sent again; infinity: none waits."""
        return self._resume_at if self._wanted and self._resume_at > now else float("inf")

    def connection_lost(self) -> None:
        """What was not answered is to be sent again."""
        asked, self._asked = self._asked, {}
        for conversation, upto in asked.items():
            self.want(conversation, upto)

    def _answer(self, conversation: str, upto: int, item: Item) -> None:
        self._asked.pop(conversation, None)
        if "ok" in item:
            self._backoff.reset()
            return
        error = error_from(item["error"])
        if error.retryable:
            self.want(conversation, upto)
            wait = self._backoff.next(error.retry_after or 0.0)
            self._resume_at = trio.current_time() + wait
        else:
            self.refused += 1
