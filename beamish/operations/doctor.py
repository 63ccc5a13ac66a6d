"""Checks what a journal holds against what the messenger promises (design, sections 4 and 5).

    async for finding in Doctor(journal).examine():
        print(finding.severity, finding.stream, finding.what)

It goes over every conversation, then over every user, with nothing running that could change them:

* **Conversations.** The whole log, as far as it is kept, replays through `ConversationState`; the
  snapshot holds the same members, former members and version as the replay. Times never fall.
  Command numbers are dense for each device. Levels in the side stream of marks lie within the log.
* **Users.** The stream, or its snapshot and what is behind it, replays through `UserState`. What is
  acknowledged lies within the stream. Of each conversation: it exists, no more of it is held than
  there is, and marks lie within what is held.
* **Both.** Every member holds all that is settled in the log and not hidden from it, and who has
  left, all up to that; but nothing of a membership that was declined.
* Streams of no known kind are a warning.

What it remembers is an entry for each membership, and one state at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple, TypeVar

import msgpack

from beamish.messenger.conversations.group_marks import MarksState
from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.ids import (
    CONVERSATION_STREAM,
    MARKS_SUFFIX,
    USER_STREAM,
    conversation_stream,
    is_channel_id,
    is_conversation_id,
    is_user_name,
    marks_stream,
    user_stream,
)
from beamish.messenger.users.state import Held, UserState
from storage import Finding, Journal, Loaded, Names, Refused, Scan

S = TypeVar("S")

PAGE = 1_024
MOST_EACH = 100
"""Findings of one stream that are told."""


class Owed(NamedTuple):
    """A member's inbox must hold a log up to this record, having joined by that one."""

    upto: int
    joined: int


class CannotExamine(Exception):
    """The journal could not be read to its end; the text says why."""


class Doctor:
    """One examination. `users`, `conversations`, `records`: what was looked at so far."""

    def __init__(self, journal: Journal) -> None:
        self.users = 0
        self.conversations = 0
        self.records = 0
        self._journal = journal
        self._versions: dict[str, int] = {}
        self._owed: dict[str, dict[str, Owed]] = {}
        """By user and conversation, the record up to which the inbox must hold the log."""

    async def examine(self) -> AsyncIterator[Finding]:
        """What is wrong, stream by stream; raises CannotExamine."""
        async for stream in self._names():
            kind, key = kind_of(stream)
            if kind == "conversation":
                for finding in await self._conversation(key):
                    yield finding
            elif kind == "unknown":
                yield Finding(stream, "nobody knows what this stream is for", "warning")
        async for stream in self._names(USER_STREAM):
            kind, key = kind_of(stream)
            if kind == "user":
                for finding in await self._user(key):
                    yield finding
        for user, owed in self._owed.items():
            for conversation in owed:
                what = f"{user} is or was a member, and there is no such user"
                yield Finding(conversation_stream(conversation), what)

    # -- conversations ---------------------------------------------------------------------------

    async def _conversation(self, conversation: str) -> list[Finding]:
        stream = conversation_stream(conversation)
        self.conversations += 1
        loaded = await self._load(stream)
        found = Findings(stream)
        replay = found.attempt(lambda: Replay(conversation, loaded, found))
        if replay is not None and await self._play(
            stream, replay.state.version, replay.take, found
        ):
            state = replay.state
            self._remember(conversation, replay, loaded.info.settled, found)
            found.list += await self._marks(conversation, state)
        return found.list

    def _remember(self, conversation: str, replay: Replay, settled: int, found: Findings) -> None:
        state = replay.state
        if settled > state.version:
            found.add(f"{settled} records are settled, there are {state.version}")
        self._versions[conversation] = state.version
        if is_channel_id(conversation):
            return  # Followers of channels read the log itself; all others hold it in the inbox.
        for user, member in state.members.items():
            owed = self._owed.setdefault(user, {})
            upto = replay.newest(user, settled) if member.joined <= settled else 0
            owed[conversation] = Owed(upto, member.joined)
        for user, gone in state.former.items():
            owed = self._owed.setdefault(user, {})
            owed[conversation] = Owed(min(gone.last, settled), gone.first)

    async def _marks(self, conversation: str, state: ConversationState) -> list[Finding]:
        stream = marks_stream(conversation)
        loaded = await self._load(stream)
        found = Findings(stream)
        marks = found.attempt(lambda: MarksState.load(loaded.snapshot))
        if marks is not None and await self._play(stream, marks.version, marks.take, found):
            for user, levels in marks.levels.items():
                if max(levels) > state.version:
                    at = f"marks of {user} are at {max(levels)}"
                    found.add(f"{at}, the log ends at {state.version}")
        return found.list

    # -- users -----------------------------------------------------------------------------------

    async def _user(self, user: str) -> list[Finding]:
        stream = user_stream(user)
        self.users += 1
        loaded = await self._load(stream)
        found = Findings(stream)
        owed = self._owed.pop(user, {})
        state = found.attempt(lambda: UserState.load(user, loaded.snapshot))
        if state is None or not await self._play(stream, state.version, state.take, found):
            return found.list
        if state.acked > state.version:
            found.add(f"{state.acked} records are acknowledged, there are {state.version}")
        for conversation, known in state.conversations.items():
            self._held(conversation, known, found)
        for conversation, (upto, joined) in owed.items():
            declined = state.account.declined.get(conversation)
            if declined is not None and joined <= declined.record:
                continue  # Such a membership is not taken into the inbox.
            held = state.held(conversation)
            if held < upto:
                found.add(f"it holds {conversation} up to {held}, settled is {upto}")
        return found.list

    def _held(self, conversation: str, known: Held, found: Findings) -> None:
        version = self._versions.get(conversation)
        if version is None:
            if known.held:
                found.add(f"it holds {conversation} up to {known.held}, and there is no such log")
            return
        if known.held > version:
            found.add(f"it holds {conversation} up to {known.held}, the log ends at {version}")
        for name, level in known.levels._asdict().items():
            if level > known.held and not is_channel_id(conversation):
                found.add(f"{conversation} is {name} up to {level}, held up to {known.held}")

    # -- reading ---------------------------------------------------------------------------------

    async def _names(self, prefix: str = "") -> AsyncIterator[str]:
        after = None
        while True:
            names = await self._journal.perform(Scan(prefix, after, PAGE))
            if isinstance(names, Refused):
                raise CannotExamine(names.message)
            assert isinstance(names, Names)
            for name in names.names:
                yield name
            if len(names.names) < PAGE:
                return
            after = names.names[-1]

    async def _load(self, stream: str) -> Loaded:
        loaded = await self._journal.load(stream, max_records=1)
        if isinstance(loaded, Refused):
            raise CannotExamine(f"{stream}: {loaded.message}")
        return loaded

    async def _play(
        self, stream: str, version: int, take: Callable[[int, bytes], None], found: Findings
    ) -> bool:
        """Have all records behind `version` taken in; whether that went well."""
        start = version + 1
        while True:
            page = await self._journal.read(stream, start, limit=PAGE)
            if isinstance(page, Refused):
                raise CannotExamine(f"{stream}: {page.message}")
            for n, raw in enumerate(page.records, page.start):
                try:
                    take(n, raw)
                except Exception as error:
                    found.add(f"it does not replay at {n}: {type(error).__name__}: {error}")
                    return False
            self.records += len(page.records)
            if not page.more or not page.records:
                return True
            start = page.start + len(page.records)


class Findings:
    """What is wrong with one stream, up to `MOST_EACH`."""

    def __init__(self, stream: str) -> None:
        self.list: list[Finding] = []
        self._stream = stream

    def add(self, what: str) -> None:
        """One more."""
        if len(self.list) < MOST_EACH:
            self.list.append(Finding(self._stream, what))

    def attempt(self, load: Callable[[], S]) -> S | None:
        """The state of a snapshot; None where it cannot be read, which is a finding."""
        try:
            return load()
        except Exception as error:
            self.add(f"its snapshot cannot be read: {type(error).__name__}: {error}")
            return None


class Replay:
    """A conversation's log played again, with an eye on what the state itself takes as given.

    A log that is whole is played from its beginning and compared with the snapshot on the way; one
    that has lost its beginning continues the snapshot.
    """

    def __init__(self, conversation: str, loaded: Loaded, found: Findings) -> None:
        self._whole = loaded.info.first == 1
        self._snapshot = ConversationState.load(conversation, loaded.snapshot)
        self.state = ConversationState(conversation) if self._whole else self._snapshot
        self._found = found
        self._numbers: dict[tuple[str, str], int] = {}
        self._shown_to: dict[int, str] = {}
        """Records that one user alone sees, by number."""

    def newest(self, user: str, upto: int) -> int:
        """The newest record up to `upto` that a member sees."""
        while self._shown_to.get(upto, user) != user:
            upto -= 1
        return upto

    def take(self, n: int, raw: bytes) -> None:
        """Take in record `n`. Raises whatever the state does."""
        before = self.state.at
        self.state.take(n, raw)
        fields = msgpack.unpackb(raw)
        at, device = fields["at"], fields.get("device")
        if fields["type"] == "block":
            self._shown_to[n] = fields["by"]
        if at < before:
            self._found.add(f"record {n} is of {at}, before the one in front of it ({before})")
        if device is not None:
            self._count(n, (fields["by"], device), fields["number"])
        if self._whole and n == self._snapshot.version:
            for what in differences(self.state, self._snapshot):
                self._found.add(what)

    def _count(self, n: int, key: tuple[str, str], number: int) -> None:
        # Of a log that has lost its beginning the first number of each device is unknown.
        due = self._numbers.get(key, 0 if self._whole else number - 1) + 1
        if number != due:
            self._found.add(f"record {n} is command {number} of {key[0]}'s device, due was {due}")
        self._numbers[key] = number


def differences(replayed: ConversationState, snapshot: ConversationState) -> Iterator[str]:
    """Where a snapshot tells otherwise than the log that it stands for."""
    for what in ("members", "former", "ordinal", "kind", "title"):
        if getattr(replayed, what) != getattr(snapshot, what):
            yield f"its snapshot at {snapshot.version} has other {what} than the log"


def kind_of(stream: str) -> tuple[str, str]:
    """What a stream is for, and for whom."""
    if stream.startswith(USER_STREAM):
        user = stream.removeprefix(USER_STREAM)
        return ("user", user) if is_user_name(user) else ("unknown", stream)
    if stream.startswith(CONVERSATION_STREAM):
        conversation = stream.removeprefix(CONVERSATION_STREAM)
        kind = "marks" if conversation.endswith(MARKS_SUFFIX) else "conversation"
        conversation = conversation.removesuffix(MARKS_SUFFIX)
        if is_conversation_id(conversation):
            return kind, conversation
    return "unknown", stream
