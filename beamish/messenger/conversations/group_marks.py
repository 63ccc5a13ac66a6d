"""How far the members of a group have come, and telling it to the authors.

Members send their levels here; they are durable in the side stream `c/<id>#marks` before the
answer. Then the authors whose messages may have been passed over are told: in groups of up to
`receipts_each` members each member's levels, in larger ones the levels that all others have
reached. The side stream is pending until the authors' inboxes hold that. All of it happens at most
once in `mark_interval_s`, more rarely in larger groups, since ticks there hurry nobody.

Records of the side stream: `{"m": [[user, delivered, read], ...], "low": level}`, where only
messages above `low` can have been passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgpack
import trio

from actors import Answer, CallError, ReplyTo
from beamish.messenger.ids import marks_stream
from beamish.messenger.messages import MarksTurn, MemberMarks, Receipts
from beamish.messenger.streams.journal_port import JournalUnavailable
from beamish.messenger.streams.stream_writer import Proposal, StreamWriter
from beamish.messenger.users.state import Levels, highest

if TYPE_CHECKING:
    from beamish.messenger.conversations.conversation import Conversation

Rows = tuple[tuple[str | None, Levels], ...]

ZERO = Levels(0, 0)
MARKS_KEPT = 256
"""Records kept behind the snapshot of the side stream."""


class MarksState:
    """Members' levels as a function of the side stream."""

    def __init__(self) -> None:
        self.version = 0
        self.levels: dict[str, Levels] = {}
        self.lows: dict[int, int] = {}
        """Record number -> its `low`, for the newest `MARKS_KEPT` records."""

    def take(self, n: int, raw: bytes) -> None:
        """Take in record `n`, committed."""
        fields: dict[str, Any] = msgpack.unpackb(raw)
        self.version = n
        for user, delivered, read in fields["m"]:
            self.levels[user] = highest(self.levels.get(user), Levels(delivered, read))
        self.lows[n] = fields["low"]
        self.lows.pop(n - MARKS_KEPT, None)

    def dump(self) -> bytes:
        """The state as a journal snapshot."""
        rows = [[user, *levels] for user, levels in self.levels.items()]
        return bytes(msgpack.packb({"v": self.version, "m": rows}))

    @classmethod
    def load(cls, snapshot: bytes | None) -> MarksState:
        """The inverse of `dump`."""
        state = cls()
        if snapshot is not None:
            plain: dict[str, Any] = msgpack.unpackb(snapshot)
            state.version = plain["v"]
            state.levels = {user: Levels(d, r) for user, d, r in plain["m"]}
        return state

    def low_above(self, settled: int) -> int | None:
        """The lowest `low` of the records above `settled`; None without such records."""
        if settled >= self.version:
            return None
        if settled + 1 not in self.lows:
            return 0
        return min(low for n, low in self.lows.items() if n > settled)


class GroupMarks:
    """The marks of one activation of a group."""

    def __init__(self, actor: Conversation) -> None:
        self._actor = actor
        settings = actor.environment.settings
        self._interval = settings.mark_interval_s
        self._retry = settings.retry_s
        self._each = settings.limits.receipts_each
        self._writer: StreamWriter[MarksState] = StreamWriter(
            actor.environment.journal,
            marks_stream(actor.conversation),
            MarksState.load,
            snapshot_every=MARKS_KEPT,
            keep=MARKS_KEPT,
            obligation=True,
        )
        self._waiting: dict[str, tuple[Levels, list[ReplyTo[bool]]]] = {}
        self._turn_wanted = False
        self._next_at = 0.0
        self._low: int | None = None
        self._telling: dict[str, int] = {}
        self._failed = False
        self._settle_to = 0

    @property
    def levels(self) -> dict[str, Levels]:
        """Members' levels, committed; a member that never said anything is not in it."""
        return self._writer.state.levels

    @property
    def busy(self) -> bool:
        """Whether anything waits to be written or told."""
        return bool(self._waiting or self._telling) or self._low is not None

    async def load(self) -> None:
        """Read the side stream; take up what authors were not told."""
        await self._writer.load_patiently(self._actor.sleep)
        self._low = self._writer.state.low_above(self._writer.settled)
        if self._low is not None:
            self._want_turn()

    def resume(self) -> None:
        """The side stream is pending in the journal."""
        if not self.busy:
            self._writer.settle_again()

    def raised(self, message: MemberMarks, reply_to: ReplyTo[bool]) -> None:
        """A member's levels: written in the next turn, answered after that."""
        known = self._waiting.get(message.user)
        if known is None:
            self._waiting[message.user] = (message.levels, [reply_to])
        else:
            known[1].append(reply_to)
            self._waiting[message.user] = (highest(known[0], message.levels), known[1])
        self._want_turn()

    def membership_may_have_changed(self) -> None:
        """Somebody who left a large group may have held up what all others have reached."""
        members = self._actor.state.members
        if len(members) >= self._each and self.levels:
            self._owe(min(min(self._level(user, 0)) for user in members))
            self._want_turn()

    def _owe(self, low: int) -> None:
        self._low = low if self._low is None else min(self._low, low)

    def _want_turn(self) -> None:
        if self._turn_wanted:
            return
        self._turn_wanted = True
        wait = self._next_at - trio.current_time()
        if wait > 0:
            self._actor.send_after(wait, MarksTurn())
        else:
            self._actor.ref.cast(MarksTurn())

    async def turn(self) -> None:
        """Write the levels that have come together, answer, and tell the authors."""
        self._turn_wanted = False
        members = len(self._actor.state.members)
        spread = 1 if members <= self._each else -(-members // self._each)
        self._next_at = trio.current_time() + self._interval * spread
        waiting, self._waiting = self._waiting, {}
        if waiting:
            if await self._write(waiting):
                for user, (levels, replies) in waiting.items():
                    for reply_to in replies:
                        self.raised(MemberMarks(user, levels), reply_to)
            else:
                for _, replies in waiting.values():
                    for reply_to in replies:
                        reply_to.reply(True)
        if self._low is not None and not self._telling:
            if self._actor.environment.load.admits("receipts"):
                await self._tell()
            else:
                self._want_turn()

    async def _write(self, waiting: dict[str, tuple[Levels, list[ReplyTo[bool]]]]) -> bool:
        """Whether the levels could not be written now."""
        try:
            refused = await self._writer.commit(lambda: self._propose(waiting), force=True)
        except JournalUnavailable:
            return True
        return refused is not None

    def _propose(self, waiting: dict[str, tuple[Levels, list[ReplyTo[bool]]]]) -> Proposal | None:
        version = self._actor.state.version
        rows: list[list[object]] = []
        low: int | None = None
        for user, (levels, _) in waiting.items():
            known = self.levels.get(user)
            new = highest(known, Levels(min(levels[0], version), min(levels[1], version)))
            if new == known:
                continue
            before = known or ZERO
            rows.append([user, *new])
            passed = [old for old, now in zip(before, new, strict=True) if now > old]
            low = min([*passed, version if low is None else low])
        if not rows or low is None:
            return None
        self._owe(low)
        return Proposal((msgpack.packb({"m": rows, "low": low}),), pending=True)

    async def _tell(self) -> None:
        """Tell every author who has messages above `low`, as of the levels now."""
        assert self._low is not None
        state = self._actor.state
        low, self._low = self._low, None
        self._settle_to = self._writer.state.version
        self._failed = False
        authors = [a for a, n in state.last_message.items() if n > low and a in state.members]
        rows_for = self._each_member if len(state.members) <= self._each else self._all_others()
        told = {author: rows for author in authors if (rows := rows_for(author, low))}
        self._telling = dict.fromkeys(told, low)
        for author, rows in told.items():
            await self._send(author, Receipts(self._actor.conversation, rows))
        if not self._telling:
            self._told()

    def _each_member(self, author: str, low: int) -> Rows:
        return tuple(
            (user, self.levels[user])
            for user in self._actor.state.members
            if user != author and user in self.levels and self.levels[user].delivered > low
        )

    def _all_others(self) -> Callable[[str, int], Rows]:
        """For each author the levels that all others have reached: looks at each member once."""
        levels = {u: self._level(u, m.joined) for u, m in self._actor.state.members.items()}
        # Without an author's own, the lowest is the second lowest, or the lowest of somebody else.
        delivered = sorted((level.delivered, user) for user, level in levels.items())[:2]
        read = sorted((level.read, user) for user, level in levels.items())[:2]

        def rows(author: str, low: int) -> Rows:
            others = Levels(_lowest_but(author, delivered), _lowest_but(author, read))
            return ((None, others),) if others.delivered > low else ()

        return rows

    def _level(self, user: str, joined: int) -> Levels:
        """A member's levels; whoever joined late does not hold up what was said before."""
        known = self.levels.get(user, ZERO)
        return Levels(max(known.delivered, joined), max(known.read, joined))

    async def _send(self, author: str, receipts: Receipts) -> None:
        directory = self._actor.environment.directory
        try:
            ref = directory.find("user", author) or await directory.activate("user", author)
        except CallError as error:
            self.answered(author, Answer(None, None, error))
            return
        self._actor.request(ref, receipts, ("receipt", author), timeout=30.0)

    def answered(self, author: str, answer: Answer) -> None:
        """An author's inbox holds the receipts, or could not be told."""
        low = self._telling.pop(author, None)
        if low is None:
            return
        if answer.error is not None:
            self._failed = True
            self._owe(low)
        if not self._telling:
            self._told()

    def _told(self) -> None:
        if self._failed:
            self._next_at = max(self._next_at, trio.current_time() + self._retry)
        else:
            self._writer.settle(self._settle_to)
        if self._low is not None:
            self._want_turn()


def _lowest_but(author: str, lowest: list[tuple[int, str]]) -> int:
    return next(level for level, user in lowest if user != author)
