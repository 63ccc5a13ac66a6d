"""A user's inbox, account and marks as a function of the user's stream.

Pure, like `conversations.state`: `apply` takes committed records only, `propose_*` builds records
from levels that were asked for. A record's number in the stream is its number in the inbox; what
devices see of it is stated in `inbox_items`. Records, in msgpack, by `t`:

    ranges       r: [[conversation, from, to, others, role or nil, joined, kind, title, open,
                      ordinal, at, mentioned, gone], ...]
    marks        a: inbox number acknowledged,
                 m: [[conversation, delivered, read, unread, mentions], ...]
    receipts     r: [[conversation, user or nil, delivered, read], ...]
    settings     conversation, muted_until, archived, pinned; `c` and `at` as in `account`

and those of the account, see `account`.

A range says "you hold records from..to of this conversation's log, each visible to you"; `others`
has a bit for every record, set where it is somebody else's message, and `mentioned` the numbers of
those that mention the user, so that counts need no look at the conversation. `gone` are the
messages of others that deletions in the range take away again: a message is counted where it stands
in the log, deleted or not, and taken away where its deletion stands. Marks and receipts are levels:
absolute, never falling. Rows of older versions lack the last of their elements.

The state is bounded whatever a user leaves unread or never acknowledges: for each conversation a
fixed amount (12 kB at most for what is unread, see `unread`, 8 kB for the mentions among it, see
`mentions`; `MAX_RECEIPTS` receipts), and one
entry of 24 bytes for each of the newest `keep` inbox records that nobody has acknowledged (see
`undelivered`). `keep` is how many records the stream itself keeps.
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack

from beamish.messenger.users.account import Account, Fields
from beamish.messenger.users.mentions import Mentions
from beamish.messenger.users.undelivered import Undelivered
from beamish.messenger.users.unread import Unread

MAX_MARKS = 256
"""Conversations whose levels one record raises; what is beyond goes into the next one."""

MAX_RECEIPTS = 256
"""Users whose levels are kept for one conversation; whoever was silent for longest goes first."""

KEEP = 10_000
"""Inbox records from which devices can resume, by default."""

FORM = 2
"""The form of snapshots. Form 1, which has no mark, held an entry for each unread message."""


class Levels(NamedTuple):
    """How far a log was delivered to and read by somebody: record numbers, 0 for not at all."""

    delivered: int
    read: int


class Range(NamedTuple):
    """Visible records `first..last` of a conversation, and what holds for this user after them.

    `role` is None for one who is no member any more; `ordinal` and `at` are those of the newest
    message and record told so far.
    """

    conversation: str
    first: int
    last: int
    others: bytes
    role: str | None
    joined: int
    kind: str
    title: str
    open: bool
    ordinal: int
    at: int
    mentioned: Sequence[int] = ()
    gone: Sequence[int] = ()


class Shown(NamedTuple):
    """How the user wants a conversation shown: muted until when (ms UTC), archived, pinned."""

    muted_until: int = 0
    archived: bool = False
    pinned: bool = False


AS_IT_COMES = Shown()


class Held:
    """What a user holds of one conversation."""

    __slots__ = (
        "at", "held", "joined", "kind", "levels", "marked_at", "mentions", "open", "ordinal",
        "receipts", "role", "shown", "title", "unread",
    )  # fmt: skip

    def __init__(self) -> None:
        self.held = 0
        self.role: str | None = None
        self.joined = 0
        self.kind = ""
        self.title = ""
        self.open = False
        self.ordinal = 0
        self.at = 0
        self.levels = Levels(0, 0)
        self.marked_at = 0
        self.unread = Unread()
        self.mentions: Mentions | None = None
        self.receipts: dict[str | None, Levels] | None = None
        self.shown = AS_IT_COMES

    def mentions_after(self, read: int, arriving: Iterable[Range]) -> int:
        """How many unread mentions there are with a read mark at `read` and `arriving` taken in."""
        mentions = Mentions() if self.mentions is None else self.mentions.copy()
        for new in arriving:
            mentions.add(new.mentioned)
            for n in new.gone:
                mentions.remove(n)
        mentions.drop(read)
        return len(mentions)

    def unread_after(self, read: int, seen: int, arriving: Iterable[Range]) -> int:
        """The same for unread messages; `seen` is as in `Unread.above`."""
        unread = self.unread.above(read, seen)
        for new in arriving:
            unread += sum(byte.bit_count() for byte in new.others)
            if new.gone:
                unread -= sum(n > read for n in new.gone)
        return unread


class UserState:
    """Everything that the user's stream up to `version` implies.

    `keep` is how many of its newest records the stream keeps at least.
    """

    def __init__(self, user: str, keep: int = KEEP) -> None:
        self.user = user
        self.version = 0
        self.account = Account()
        self.conversations: dict[str, Held] = {}
        self.acked = 0
        self.undelivered = Undelivered(keep)

    @property
    def exists(self) -> bool:
        """Whether the user was ever registered."""
        return self.version > 0

    def take(self, n: int, raw: bytes) -> None:
        """Take in record `n` as the journal holds it."""
        self.apply(n, msgpack.unpackb(raw))

    def apply(self, n: int, fields: Fields) -> None:
        """Take in record `n` of the stream, after it was committed; raises ValueError on a gap."""
        if n != self.version + 1:
            raise ValueError(
                f"inbox of {self.user} at {self.version} cannot apply record {n}:"
                " apply the stream in order and without gaps"
            )
        self.version = n
        effect = _APPLY.get(fields["t"])
        if effect is None:
            self.account.apply(n, fields)
        else:
            effect(self, fields)

    def conversation(self, conversation: str) -> Held:
        """What the user holds of `conversation`, made empty when there is nothing yet."""
        held = self.conversations.get(conversation)
        if held is None:
            held = self.conversations[conversation] = Held()
        return held

    def held(self, conversation: str) -> int:
        """The last record of `conversation` that this inbox has taken in."""
        known = self.conversations.get(conversation)
        return 0 if known is None else known.held

    def unsure(self, conversation: str, upto: int) -> tuple[int, int] | None:
        """The records of the log to count before the user can have read `upto`; mostly None."""
        held = self.conversations.get(conversation)
        if held is None or upto <= held.levels.read:
            return None
        return held.unread.unsure(min(upto, held.held))

    def propose_marks(
        self,
        acked: int,
        reads: dict[str, int],
        arriving: Iterable[Range] = (),
        seen: Mapping[str, tuple[tuple[int, int], int]] | None = None,
    ) -> Fields | None:
        """The `marks` record by which the levels rise, or None when they do not.

        `acked` is the highest inbox number that any device says it has stored, `reads` gives by
        conversation the record up to which the user has read, and `arriving` are the ranges that
        are appended just before, which count as unread. `seen` holds, by conversation, the records
        that `unsure` named and how many messages of others are among them.
        """
        acked = min(acked, self.version)
        raised: dict[str, Levels] = {}
        for n, conversation, last in self.undelivered:
            if n > acked:
                break
            if len(raised) >= MAX_MARKS:
                acked = n - 1
                break
            levels = raised.get(conversation) or self.conversations[conversation].levels
            if last > levels.delivered:
                raised[conversation] = Levels(last, levels.read)
        for conversation, upto in reads.items():
            known = self.conversations.get(conversation)
            if known is None:
                continue
            levels = raised.get(conversation) or known.levels
            read = min(upto, known.held)
            unsure = known.unread.unsure(read)
            # Not counted: the state has changed since. The reader is told the mark that holds.
            counted = unsure is None or (seen and seen.get(conversation, (None,))[0] == unsure)
            if read > levels.read and counted:
                raised[conversation] = Levels(max(levels.delivered, read), read)
        if not raised:
            return None
        fresh: dict[str, list[Range]] = {}
        for new in arriving:
            fresh.setdefault(new.conversation, []).append(new)
        rows = []
        for c, levels in raised.items():
            held, news = self.conversations[c], fresh.get(c, ())
            known_count = seen[c][1] if seen and c in seen else 0
            unread = held.unread_after(levels.read, known_count, news)
            rows.append([c, *levels, unread, held.mentions_after(levels.read, news)])
        return {"t": "marks", "a": max(acked, self.acked), "m": rows}

    def propose_recounts(self, arriving: Sequence[Range], told: Container[str]) -> list[Fields]:
        """The `marks` records that say where a deletion takes away a mention, but for `told`.

        A client cannot know that by itself: a deleted message does not say whom it mentioned.
        """
        rows = []
        for c in dict.fromkeys(new.conversation for new in arriving if new.gone):
            held = self.conversations.get(c)
            if held is None or held.mentions is None or c in told:
                continue
            news = [new for new in arriving if new.conversation == c]
            if any(n in held.mentions for new in news for n in new.gone):
                read = held.levels.read
                mentions = held.mentions_after(read, news)
                rows.append([c, *held.levels, held.unread_after(read, 0, news), mentions])
        parts = (rows[at : at + MAX_MARKS] for at in range(0, len(rows), MAX_MARKS))
        return [{"t": "marks", "a": self.acked, "m": part} for part in parts]

    def propose_receipts(self, receipts: Iterable[tuple[str, str | None, Levels]]) -> Fields | None:
        """The `receipts` record by which others' levels rise, or None when they do not."""
        rows = []
        open_about_reads = self.account.privacy.read_marks
        for conversation, user, told in receipts:
            held = self.conversations.get(conversation)
            known = held.receipts.get(user) if held is not None and held.receipts else None
            # Who tells nobody is told by nobody.
            read = told.read if open_about_reads else 0 if known is None else known.read
            levels = Levels(told.delivered, read)
            if known is None or levels.delivered > known.delivered or levels.read > known.read:
                rows.append([conversation, user, *(highest(known, levels))])
        return {"t": "receipts", "r": rows} if rows else None

    def open_to(self, user: str) -> bool:
        """Whether `user` may see when this one is there, by the privacy of last_seen."""
        last_seen = self.account.privacy.last_seen
        return last_seen == "everyone" or (last_seen == "shared" and user in self.account.wrote_to)

    def told(self, conversation: str) -> Levels:
        """The user's own levels, as far as others may know them."""
        held = self.conversations.get(conversation)
        levels = Levels(0, 0) if held is None else held.levels
        if self.account.privacy.read_marks:
            return levels
        return levels._replace(read=min(levels.read, self.account.read_caps.get(conversation, 0)))

    def known_reads(self, conversation: str) -> dict[str | None, int] | None:
        """How far others were told to have read, where the user may know no more; else None."""
        if self.account.privacy.read_marks:
            return None
        held = self.conversations.get(conversation)
        known = {} if held is None or held.receipts is None else held.receipts
        return {user: levels.read for user, levels in known.items()}

    def owed_marks(self, settled: int) -> Iterator[tuple[str, Levels, int]]:
        """Conversations whose levels others may not know: `(conversation, levels, marked at)`."""
        for conversation, held in self.conversations.items():
            if held.marked_at > settled:
                yield conversation, held.levels, held.marked_at

    def unread(self, conversation: str) -> int:
        """Messages of others, visible to the user, above the read mark."""
        held = self.conversations.get(conversation)
        return 0 if held is None else held.unread.total

    def mentions(self, conversation: str) -> int:
        """Those of them that mention the user, `MAX_MENTIONS` at most."""
        held = self.conversations.get(conversation)
        return 0 if held is None or held.mentions is None else len(held.mentions)

    def dump(self) -> bytes:
        """The state as a journal snapshot."""
        plain = {
            "form": FORM,
            "v": self.version,
            **self.account.dump(),
            "acked": self.acked,
            "undelivered": self.undelivered.dump(),
            "conversations": [
                [c, h.held, h.role, h.joined, h.kind, h.title, h.open, h.ordinal, h.at, *h.levels,
                 h.marked_at, h.unread.dump(),
                 [[u, *r] for u, r in (h.receipts or {}).items()], list(h.shown),
                 [] if h.mentions is None else h.mentions.dump()]
                for c, h in self.conversations.items()
            ],
        }  # fmt: skip
        return bytes(msgpack.packb(plain))

    @classmethod
    def load(cls, user: str, snapshot: bytes | None, keep: int = KEEP) -> UserState:
        """The state that `snapshot` holds, or that of an empty stream."""
        state = cls(user, keep)
        if snapshot is None:
            return state
        plain: dict[str, Any] = msgpack.unpackb(snapshot)
        state.version = plain["v"]
        state.account.load(plain)
        state.acked = plain["acked"]
        young = plain.get("form", 1) > 1
        if young:
            state.undelivered.load(plain["undelivered"])
        else:
            for entry in plain["undelivered"]:
                state.undelivered.add(*entry)
        for row in plain["conversations"]:
            held = state.conversation(row[0])
            held.held, held.role, held.joined, held.kind, held.title = row[1:6]
            held.open, held.ordinal, held.at = row[6:9]
            held.levels, held.marked_at = Levels(row[9], row[10]), row[11]
            held.unread = Unread.load(row[12]) if young else _unread_of_form_1(row[12])
            held.receipts = {user: Levels(d, r) for user, d, r in row[13]} or None
            # Absent where an older version wrote.
            held.shown = Shown(*row[14]) if len(row) > 14 else AS_IT_COMES
            held.mentions = Mentions(row[15]) if len(row) > 15 and row[15] else None
        return state

    def _ranges(self, fields: Fields) -> None:
        for row in fields["r"]:
            new = Range(*row)
            held = self.conversation(new.conversation)
            held.held, held.role, held.joined = new.last, new.role, new.joined
            held.kind, held.title, held.open = new.kind, new.title, new.open
            if new.kind == "direct":
                self._note_writing(held, new)
            held.ordinal, held.at = new.ordinal, new.at
            held.unread.add(new.first, new.others)
            if new.mentioned:
                held.mentions = held.mentions or Mentions()
                held.mentions.add(new.mentioned)
            for n in new.gone:
                held.unread.remove(n)
                if held.mentions is not None:
                    held.mentions.remove(n)
                    held.mentions = held.mentions or None
            self.undelivered.add(self.version, new.conversation, new.last)

    def _note_writing(self, held: Held, new: Range) -> None:
        """Whether one of the messages that a direct conversation grew by is the user's own."""
        one, other = new.conversation.split(":")[1:]
        peer = other if one == self.user else one
        if peer not in self.account.wrote_to:
            others = sum(byte.bit_count() for byte in new.others)
            if new.ordinal - held.ordinal > others:
                self.account.wrote_to[peer] = None

    def _marks(self, fields: Fields) -> None:
        self.acked = max(self.acked, fields["a"])
        for conversation, delivered, read, unread, *_ in fields["m"]:
            held = self.conversation(conversation)
            levels = highest(held.levels, Levels(delivered, read))
            if levels != held.levels:
                held.levels = levels
                held.marked_at = self.version
            held.unread.drop(held.levels.read, unread)
            if held.mentions is not None:
                held.mentions.drop(held.levels.read)
                held.mentions = held.mentions or None
        while (first := self.undelivered.first) is not None:
            n, conversation, last = first
            if n > self.acked and last > self.conversations[conversation].levels.delivered:
                break
            self.undelivered.drop()

    def _receipts(self, fields: Fields) -> None:
        for conversation, user, delivered, read in fields["r"]:
            held = self.conversation(conversation)
            if held.receipts is None:
                held.receipts = {}
            known = held.receipts.pop(user, None)
            held.receipts[user] = highest(known, Levels(delivered, read))
            if len(held.receipts) > MAX_RECEIPTS:
                del held.receipts[next(iter(held.receipts))]

    def _privacy(self, fields: Fields) -> None:
        account, before = self.account, self.account.privacy.read_marks
        account.apply(self.version, fields)
        if account.privacy.read_marks:
            account.read_caps = {}
        elif before:
            # What was read until now was read while others could know.
            reads = {c: held.levels.read for c, held in self.conversations.items()}
            account.read_caps = {c: read for c, read in reads.items() if read}

    def _settings(self, fields: Fields) -> None:
        shown = Shown(fields["muted_until"], fields["archived"], fields["pinned"])
        self.conversation(fields["conversation"]).shown = shown
        self.account.note_command(self.version, fields)


_APPLY = {
    "ranges": UserState._ranges,
    "marks": UserState._marks,
    "receipts": UserState._receipts,
    "settings": UserState._settings,
    "privacy": UserState._privacy,
}


def _unread_of_form_1(numbers: bytes) -> Unread:
    unread = Unread()
    for n in array("Q", numbers):
        unread.add(n, b"\x01")
    return unread


def highest(one: Levels | None, other: Levels) -> Levels:
    """The higher of two levels in each part; levels never fall."""
    if one is None:
        return other
    return Levels(max(one.delivered, other.delivered), max(one.read, other.read))


def mark_bits(numbers: Iterable[int], first: int, last: int) -> bytes:
    """A bit for every record `first..last`, set for those in `numbers`."""
    bits = bytearray((last - first) // 8 + 1)
    for n in numbers:
        bits[(n - first) >> 3] |= 1 << ((n - first) & 7)
    return bytes(bits)


def marked_numbers(first: int, bits: bytes) -> Iterator[int]:
    """The inverse of `mark_bits`: the numbers whose bit is set, ascending."""
    for index, byte in enumerate(bits):
        if byte:
            for bit in range(8):
                if byte >> bit & 1:
                    yield first + 8 * index + bit
