"""What a user actor is asked for between two appends, and how it becomes the next one.

Notices, marks and receipts are levels, so asking twice is asking for the higher one. Account
changes are decided one after another against the committed state: one goes with each batch, so
that it sees the one before. While a batch is being committed, the next one fills up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgpack

from actors import CallError, ReplyTo
from beamish.messenger import messages as m
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.log_part import Excerpt, LogPart
from beamish.messenger.streams.log_reader import LogReader
from beamish.messenger.streams.stream_writer import Proposal
from beamish.messenger.streams.visibility import visible_ranges
from beamish.messenger.users.account import Fields
from beamish.messenger.users.account_actions import Written
from beamish.messenger.users.invitations import Taken
from beamish.messenger.users.recount import count_seen
from beamish.messenger.users.state import (
    MAX_MARKS,
    Held,
    Levels,
    Range,
    UserState,
    highest,
)

MAX_CATCH_UP = 2_048
"""Records of one conversation taken in by one batch; the notice is answered with how far it got."""

MAX_RANGES_IN_ROW = 1
"""Ranges in one inbox record."""

Change = Callable[[UserState], "Written | Refusal"]
Question = Callable[[UserState], object]
Replies = list["ReplyTo[Any]"]


class Replier(Protocol):
    """Whoever waits for the answer to an account change."""

    def reply(self, answer: Any, /) -> None:
        """Take it."""


class Batch:
    """What goes together into one append: filled, prepared, decided, committed, answered.

    Most batches hold one notice and nothing else, hence the parts that are made on demand.
    """

    __slots__ = (
        "_account_answer", "_accounts", "_base", "_considered", "_logs", "_notices", "_questions",
        "_read_replies", "_reads", "_receipt_replies", "_receipts", "_seen", "_user", "acked",
        "committed", "marked", "owes", "with_acks",
    )  # fmt: skip

    def __init__(
        self,
        user: str,
        acked: int,
        base: dict[str, int] | None = None,
        accounts: deque[Any] | None = None,
    ) -> None:
        """`acked` and `accounts` are what the batch before could not take.

        `base` is kept from batch to batch: by conversation, how far its log was looked through
        without finding anything visible.
        """
        self._user = user
        self._base: dict[str, int] = {} if base is None else base
        self.acked = acked
        self.with_acks = True
        self._accounts: deque[tuple[Change, Replier | None]] | None = accounts
        self._notices: dict[str, tuple[m.Reached, Replies]] = {}
        self._receipts: dict[tuple[str, str | None], Levels] | None = None
        self._receipt_replies: Replies = []
        self._reads: dict[str, int] | None = None
        self._seen: dict[str, tuple[tuple[int, int], int]] = {}
        self._read_replies: list[tuple[str, ReplyTo[Any]]] | None = None
        self._questions: list[tuple[Question, ReplyTo[Any]]] | None = None
        self._logs: dict[str, LogPart | None] = {}
        self._considered: dict[str, int] = {}
        self._account_answer: object = True
        self.committed: tuple[Fields, ...] = ()
        self.marked: tuple[str, ...] = ()
        self.owes = False

    @property
    def changes_account(self) -> bool:
        """Whether the account may be another afterwards."""
        return bool(self._accounts)

    @property
    def waiting(self) -> bool:
        """Whether anything but acknowledgements waits."""
        return bool(
            self._notices
            or self._receipt_replies
            or self._read_replies
            or self._accounts
            or self._questions
        )

    # -- filling -----------------------------------------------------------------------------------

    def reached(self, notice: m.Reached, reply_to: ReplyTo[int]) -> None:
        """A conversation has grown: the highest notice stands for all."""
        known = self._notices.get(notice.conversation)
        if known is None:
            self._notices[notice.conversation] = (notice, [reply_to])
            return
        known[1].append(reply_to)
        if notice.upto > known[0].upto:
            self._notices[notice.conversation] = (notice, known[1])

    def receipts(self, message: m.Receipts, reply_to: ReplyTo[bool]) -> None:
        """Others have come further."""
        if self._receipts is None:
            self._receipts = {}
        for user, levels in message.rows:
            key = (message.conversation, user)
            self._receipts[key] = highest(self._receipts.get(key), levels)
        self._receipt_replies.append(reply_to)

    def read(self, message: m.MarkRead, reply_to: ReplyTo[Any]) -> None:
        """The user has read further."""
        if self._reads is None or self._read_replies is None:
            self._reads, self._read_replies = {}, []
        known = self._reads.get(message.conversation, 0)
        self._reads[message.conversation] = max(known, message.upto)
        self._read_replies.append((message.conversation, reply_to))

    def account(self, change: Change, reply_to: Replier | None) -> None:
        """A change of the account; nobody is told when `reply_to` is None."""
        if self._accounts is None:
            self._accounts = deque()
        self._accounts.append((change, reply_to))

    def question(self, question: Question, reply_to: ReplyTo[Any]) -> None:
        """Something to be answered from state that is known to be the journal's."""
        if self._questions is None:
            self._questions = []
        self._questions.append((question, reply_to))

    def next(self) -> Batch:
        """The batch that fills up from now on: it has what this one does not take."""
        later = None
        if self._accounts is not None and len(self._accounts) > 1:
            later = deque(list(self._accounts)[1:])
        return Batch(self._user, self.acked, self._base, later)

    # -- committing --------------------------------------------------------------------------------

    async def prepare(self, state: UserState, logs: LogReader) -> None:
        """Read, for every notice, what the inbox lacks of the log, and what reads have to count.

        Again before each time that it is decided: the state may have moved.
        """
        for conversation, (notice, _) in self._notices.items():
            base = self._base.get(conversation, 0)
            first = max(state.held(conversation), notice.settled, base) + 1
            last = min(notice.upto, first + MAX_CATCH_UP - 1)
            log = notice.log
            if first > last:
                self._logs[conversation] = None
            elif log is not None and log.first <= first <= log.last and log.last <= last:
                self._logs[conversation] = log.behind(first - 1)
            else:
                self._logs[conversation] = await logs.part(conversation, first, last)
        for conversation, upto in (self._reads or {}).items():
            stretch = state.unsure(conversation, upto)
            if stretch is not None:
                seen = await count_seen(state, logs, conversation, stretch)
                self._seen[conversation] = stretch, seen

    def decide(self, state: UserState) -> Proposal | None:
        """The records of this batch against the committed state; None when there are none."""
        changed = self._decide_account(state) if self._accounts else NOTHING_WRITTEN
        rows: list[Fields] = list(changed.records)
        ranges, declined = self._decide_ranges(state) if self._notices else ([], [])
        rows += declined
        rows += [
            {"t": "ranges", "r": ranges[at : at + MAX_RANGES_IN_ROW]}
            for at in range(0, len(ranges), MAX_RANGES_IN_ROW)
        ]
        pending = changed.owes or bool(declined)
        acked = self.acked if self.with_acks or self._reads else 0
        raised: tuple[str, ...] = ()
        if acked > state.acked or self._reads:
            marks = state.propose_marks(acked, self._reads or {}, ranges, self._seen)
            if marks is not None:
                raised = tuple([row[0] for row in marks["m"]])
                self.marked = tuple(dict.fromkeys((*self.marked, *raised)))
                rows.append(marks)
                pending = True
        if [new for new in ranges if new.gone]:
            rows += state.propose_recounts(ranges, raised)
        if self._receipts:
            rows += self._decide_receipts(state, self._receipts)
        self.committed = tuple(rows)
        self.owes = pending
        if not rows:
            return None
        return Proposal(tuple([bytes(msgpack.packb(row)) for row in rows]), pending)

    def _decide_account(self, state: UserState) -> Written:
        assert self._accounts is not None
        decided = self._accounts[0][0](state)
        if isinstance(decided, Refusal):
            self._account_answer = decided
            return NOTHING_WRITTEN
        self._account_answer = decided.answer
        return decided

    @staticmethod
    def _decide_receipts(
        state: UserState, receipts: dict[tuple[str, str | None], Levels]
    ) -> list[Fields]:
        items = [(c, user, levels) for (c, user), levels in receipts.items()]
        parts = (items[at : at + MAX_MARKS] for at in range(0, len(items), MAX_MARKS))
        return [row for part in parts if (row := state.propose_receipts(part)) is not None]

    def _decide_ranges(self, state: UserState) -> tuple[list[Range], list[Fields]]:
        ranges: list[Range] = []
        declined: list[Fields] = []
        for conversation, (notice, _) in self._notices.items():
            known = state.conversations.get(conversation) or _NOTHING
            log = self._logs[conversation]
            if log is not None:
                log = log.behind(known.held)
            considered = max(known.held, notice.settled, self._base.get(conversation, 0))
            if log is not None:
                taken = Taken(state.account, conversation)
                found = visible_ranges(
                    self._user, conversation, known, log, notice.settings, taken.refuses
                )
                declined += taken.records()
                considered = log.last
                if found:
                    self._base.pop(conversation, None)
                    ranges += found
                else:
                    self._base[conversation] = considered
            self._considered[conversation] = considered
        return ranges, declined

    # -- answering ---------------------------------------------------------------------------------

    def logs(self) -> dict[str, Excerpt]:
        """The records that the committed ranges speak of."""
        return {c: log for c, log in self._logs.items() if log is not None}

    def reply(self, state: UserState) -> None:
        """Answer everybody: what was asked for is committed."""
        for conversation, (_, replies) in self._notices.items():
            for reply_to in replies:
                reply_to.reply(self._considered[conversation])
        for reply_to in self._receipt_replies:
            reply_to.reply(True)
        for conversation, reply_to in self._read_replies or ():
            levels = state.conversation(conversation).levels
            unread, mentions = state.unread(conversation), state.mentions(conversation)
            reply_to.reply(m.ReadState(levels.read, unread, mentions))
        self._reply_account(self._account_answer)
        for question, reply_to in self._questions or ():
            reply_to.reply(question(state))

    def _reply_account(self, answer: object) -> None:
        reply_to = self._accounts[0][1] if self._accounts else None
        if reply_to is not None:
            reply_to.reply(answer)

    def reply_refused(self, refusal: Refusal) -> None:
        """Nothing was written: those who can be told so are, the others ask again by themselves."""
        waiting = [reply for _, replies in self._notices.values() for reply in replies]
        for reply_to in [*waiting, *self._receipt_replies]:
            reply_to.fail(CallError(refusal.message))
        for _, reply_to in self._read_replies or ():
            reply_to.reply(refusal)
        self._reply_account(refusal)
        for _, reply_to in self._questions or ():
            reply_to.fail(CallError(refusal.message))


_NOTHING = Held()
NOTHING_WRITTEN = Written([])
