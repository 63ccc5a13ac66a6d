"""What passes between clients and the messenger, counted for operators.

Counted are commands by name and outcome ("ok", the code of a refusal, or "silent" for one that
wants no answer), how long each took from the socket to its answer, updates handed to clients, and
how old a message was when it was. Names are those of the protocol; anything else is "unknown", so
that no client makes new ones. A session's meter remembers a command only until it is answered.

A *tap* sees the items themselves, of one user's sessions, while an operator wants it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Protocol

import trio

from beamish.protocol import COMMANDS, Codec, Item, reply_id, wants_reply

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets in seconds; one more bucket holds what takes longer."""

UNKNOWN = "unknown"


class Durations:
    """How long things took: a count for each bucket, not cumulated, and the sum."""

    __slots__ = ("buckets", "count", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.count = 0
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """One more; what a clock that was set back makes negative counts as nothing."""
        seconds = max(0.0, seconds)
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.count += 1
        self.sum += seconds


class Traffic:
    """The counts of a node.

    Attributes:
        commands: by name and outcome.
        took: by name, from the arrival of a command until its answer.
        updates: inbox records handed to clients.
        delivered: from a message's time until it was handed to a client that was there.
        appended: from handing an append to the journal until its outcome.
    """

    def __init__(self) -> None:
        self.commands: Counter[tuple[str, str]] = Counter()
        self.took: dict[str, Durations] = {}
        self.updates = 0
        self.delivered = Durations()
        self.appended = Durations()

    def answered(self, name: str, outcome: str, seconds: float | None) -> None:
        """A command was answered, or came that wants no answer (`seconds` is None then)."""
        self.commands[name, outcome] += 1
        if seconds is not None:
            took = self.took.get(name)
            if took is None:
                took = self.took[name] = Durations()
            took.add(seconds)


class Tap(Protocol):
    """What watches a session."""

    def received(self, item: Item) -> None:
        """A command came."""

    def queued(self, item: bytes) -> None:
        """An encoded item goes to the client."""

    def ended(self) -> None:
        """The session is over."""


class Meter:
    """Counts for one session.

    `codec` is that of its items. `tap`: who watches it, if anybody. At most so many commands are
    remembered as a session may have in hand: each is one entry, and each answer removes one.
    """

    __slots__ = ("_open", "_traffic", "codec", "tap")

    def __init__(self, traffic: Traffic, codec: Codec | None = None) -> None:
        self.codec = codec
        self._traffic = traffic
        self._open: dict[int | None, tuple[str, float]] = {}
        self.tap: Tap | None = None

    def received(self, item: Item) -> None:
        """A command came."""
        name = item.get("command")
        name = name if type(name) is str and name in COMMANDS else UNKNOWN
        if wants_reply(item):
            self._open[reply_id(item)] = (name, trio.current_time())
        else:
            self._traffic.answered(name, "silent", None)
        if self.tap is not None:
            self.tap.received(item)

    def answered(self, number: int | None, outcome: str) -> None:
        """A command was answered: "ok", or the code of the refusal."""
        found = self._open.pop(number, None)
        if found is not None:
            name, since = found
            self._traffic.answered(name, outcome, trio.current_time() - since)

    def name_of(self, number: int | None) -> str | None:
        """The name of a command that has no answer yet."""
        found = self._open.get(number)
        return None if found is None else found[0]
