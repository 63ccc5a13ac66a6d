"""The ledger: what the clients of one replay wrote, were answered and were handed.

It only notes; `verdict.py` judges afterwards. It holds 5 million hand-overs in about 100 MB: for
each conversation the text first seen under each record number (`canon`), for each user of it one
byte per record number (how often it was handed over) and for each hand-over its record number and
time in two arrays. Nothing is kept per (user, message) pair as an object.

Conversations are known by the node's ids. The id of a group comes with the answer to its creation,
and hand-overs may come before that answer: so entries are made by id as they come, and `bind`
tells later which conversation of the plan an id is.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from beamish.replay.plan import Plan, shown

ODD_LIMIT = 10_000
"""Hand-overs that contradict `canon` are kept one by one up to here, beyond it only counted."""

SEEN_LIMIT = 255
"""One byte counts the hand-overs of a record to a user; more repetitions count no further."""

Record = Mapping[str, Any]


class ConversationLedger:
    """What was seen of one conversation by all its readers together."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self.canon: dict[int, tuple[str, str]] = {}
        """(author's user name, text) as first handed to anybody, by record number."""
        self.readers: dict[int, Reader] = {}
        self.numbers = array("I")
        self.times = array("d")
        self.odd: list[tuple[int, int, str, str]] = []
        """(user, record number, author, text) where a later hand-over differs from `canon`."""
        self.odd_beyond = 0

    def note_odd(self, user: int, n: int, by: str, text: str) -> None:
        """Notes a hand-over that differs from `canon`."""
        if len(self.odd) < ODD_LIMIT:
            self.odd.append((user, n, by, text))
        else:
            self.odd_beyond += 1


class Reader:
    """What one user was handed of one conversation: `seen[n]` times record `n`."""

    __slots__ = ("_conversation", "_name", "_user", "last", "out_of_order", "seen")

    def __init__(self, conversation: ConversationLedger, user: int, name: str) -> None:
        self._conversation = conversation
        self._user = user
        self._name = name
        self.last = 0
        self.out_of_order = 0
        self.seen = bytearray()

    def hand(self, records: Iterable[Record], now: float) -> int:
        """Notes records handed over at `now`; how many were others' messages seen first."""
        conversation, seen = self._conversation, self.seen
        fresh = 0
        for record in records:
            n = record["n"]
            if n >= len(seen):
                seen.extend(bytes(n + 64 - len(seen)))
            times = seen[n]
            if times < SEEN_LIMIT:
                seen[n] = times + 1
            if n > self.last:
                self.last = n
            elif not times:
                self.out_of_order += 1
            if record["type"] != "message":
                continue
            by, text = record["by"], shown(record["text"], action="action" in record)
            first = conversation.canon.get(n)
            if first is None:
                conversation.canon[n] = (by, text)
            elif first[1] != text or first[0] != by:
                conversation.note_odd(self._user, n, by, text)
            if not times and by != self._name:
                fresh += 1
                conversation.numbers.append(n)
                conversation.times.append(now)
        return fresh


class Ledger:
    """Notes of a whole run. `names` are the user names of the plan's users; times in seconds."""

    def __init__(self, plan: Plan, names: Sequence[str]) -> None:
        self.plan = plan
        self.names = names
        self.written = array("d", [math.nan]) * len(plan.messages)
        self.answered = array("Q", [0]) * len(plan.messages)
        """Record number that the answer *sent* gave to each message; 0: not answered."""
        self.refused_for_good: dict[int, str] = {}
        self.doubly_answered = 0
        self.handed = 0
        """Others' messages handed over for the first time, over all users."""
        self.handed_to = array("Q", [0]) * len(plan.nicks)
        self.due = array("Q", plan.due())
        """Messages that the plan wants each user to be handed."""
        self._recipients = array("I", plan.recipients())
        self.on_complete: Callable[[int], None] | None = None
        """Called with a user who has just been handed as many messages as are due."""
        self.last_handed_at = 0.0
        self.conversations: dict[str, ConversationLedger] = {}
        self.ids: dict[int, str] = {}

    @property
    def sent(self) -> int:
        """Distinct commands to send a message that were given to a client."""
        return sum(not math.isnan(at) for at in self.written)

    @property
    def acknowledged(self) -> int:
        """Those of them that were answered *sent*."""
        return sum(n > 0 for n in self.answered)

    @property
    def owed(self) -> int:
        """Hand-overs that acknowledged messages still want, at least."""
        pairs = zip(self.answered, self._recipients, strict=True)
        return max(0, sum(recipients for n, recipients in pairs if n) - self.handed)

    def complete(self, user: int) -> bool:
        """Whether `user` was handed as many messages as are due."""
        return self.handed_to[user] >= self.due[user]

    def write(self, message: int, at: float) -> None:
        """`message` is written for the first time at `at`; later calls change nothing."""
        if math.isnan(self.written[message]):
            self.written[message] = at

    def answer(self, message: int, conversation_id: str, n: int) -> None:
        """`message` was answered *sent* as record `n`."""
        expected = self.ids.get(self.plan.messages[message].conversation)
        if self.answered[message] or conversation_id != expected:
            self.doubly_answered += 1
        else:
            self.answered[message] = n

    def refuse_for_good(self, message: int, reason: str) -> None:
        """`message` was refused with an error that does not go away."""
        self.refused_for_good[message] = reason

    def bind(self, conversation: int, conversation_id: str) -> None:
        """Conversation `conversation` of the plan has the id `conversation_id`."""
        self.ids[conversation] = conversation_id

    def receiver(
        self, user: int, clock: Callable[[], float]
    ) -> Callable[[str, Sequence[Record]], None]:
        """A hook `on_records(conversation_id, records)` for the client of `user`."""
        readers: dict[str, Reader] = {}
        handed_to = self.handed_to

        def receive(conversation_id: str, records: Sequence[Record]) -> None:
            reader = readers.get(conversation_id)
            if reader is None:
                reader = readers[conversation_id] = self._reader(conversation_id, user)
            now = clock()
            fresh = reader.hand(records, now)
            if fresh:
                handed_to[user] += fresh
                self.handed += fresh
                self.last_handed_at = now
                if self.on_complete is not None and self.complete(user):
                    self.on_complete(user)

        return receive

    def conversation(self, index: int) -> ConversationLedger:
        """What was seen of the plan's conversation `index`, empty when nobody saw any."""
        conversation_id = self.ids.get(index, "")
        return self.conversations.get(conversation_id) or ConversationLedger(conversation_id)

    def _reader(self, conversation_id: str, user: int) -> Reader:
        conversation = self.conversations.get(conversation_id)
        if conversation is None:
            conversation = ConversationLedger(conversation_id)
            self.conversations[conversation_id] = conversation
        reader = conversation.readers.get(user)
        if reader is None:
            reader = conversation.readers[user] = Reader(conversation, user, self.names[user])
        return reader
