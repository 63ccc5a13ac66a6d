"""What a client says by the way: what it has on screen, and that somebody types.

Hints without truth: lost with a connection and refused without consequence. What is on screen is
said anew on each connection and every 45 s (a node forgets it after 90); that somebody types is
said at most every 4 s for a conversation, and only while there is a connection.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from beamish.client.events import Event, Typing
from beamish.client.link import Link
from beamish.client.telling import presence_of
from beamish.client.wire import Item

RENEW_AFTER = 45.0
TYPING_EVERY = 4.0


class Hints:
    """The hints of a client. `notices`: what came of them, to be told to the application."""

    __slots__ = ("_look_at", "_screen", "_typed", "_typing", "notices")

    def __init__(self) -> None:
        self.notices: list[Event] = []
        self._screen: Item = {}
        self._look_at = math.inf
        self._typing: str | None = None
        self._typed: tuple[str, float] = ("", -math.inf)

    @property
    def unwritten(self) -> bool:
        """There is something to say at once."""
        return self._typing is not None or self._look_at == -math.inf

    def look(self, users: Sequence[str], conversations: Sequence[str]) -> Item:
        """Have this on screen from now on; the fields of `look`."""
        self._screen = {"users": list(users), "conversations": list(conversations)}
        self._look_at = -math.inf
        return self._screen

    def said(self, now: float) -> None:
        """What is on screen has just been told by somebody else."""
        self._look_at = now + RENEW_AFTER if any(self._screen.values()) else math.inf

    def type(self, conversation: str, now: float) -> bool:
        """Tell that the user types, unless that was told just now; whether it is to be told."""
        if self._typed[0] == conversation and now < self._typed[1] + TYPING_EVERY:
            return False
        self._typed = conversation, now
        self._typing = conversation
        return True

    def write(self, link: Link, now: float, limit: int) -> Iterator[bytes]:
        """What is to be said now, encoded."""
        if now >= self._look_at and limit > 0:
            limit -= 1
            self.said(now)
            request = link.request(self._answer)
            yield link.wire.encode({"id": request, "command": "look", **self._screen})
        if self._typing is not None and limit > 0:
            conversation, self._typing = self._typing, None
            yield link.wire.encode({"command": "typing", "conversation": conversation})

    def next_write(self, now: float) -> float:
        """When to say again what is on screen; infinity: nothing is."""
        return self._look_at if self._look_at > now else math.inf

    def connection_lost(self) -> None:
        """Say on the next what is on screen."""
        self._typing = None
        self._look_at = -math.inf if any(self._screen.values()) else math.inf

    def presence(self, event: Item) -> None:
        """Apply a `presence` event."""
        self.notices += map(presence_of, event["users"])

    def typing(self, event: Item) -> None:
        """Apply a `typing` event."""
        self.notices.append(Typing(event["conversation"], event["user"]))

    def _answer(self, item: Item) -> None:
        if "ok" in item:
            self.notices += map(presence_of, item["ok"]["presence"])
