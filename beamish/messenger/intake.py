"""What a user actor is asked for between two appends, and the batch that becomes of it.

Notices, marks and receipts are levels, so asking twice is asking for the higher one. Account
changes are decided one after another against the committed state; one of a kind that changes the
account is taken per batch, so that each sees the one before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgpack

from actors import CallError, ReplyTo
from beamish.messenger import messages as m
from beamish.messenger.conversation_commands import Refusal
from beamish.messenger.journal_port import LogReader
from beamish.messenger.records import Record
from beamish.messenger.stream_writer import Proposal
from beamish.messenger.user_state import Fields, Held, Levels, Range, UserState, highest
from beamish.messenger.visibility import visible_ranges

if TYPE_CHECKING:
    from beamish.messenger.user import User

MAX_CATCH_UP = 2_048
"""Records of one conversation taken in by one batch; the notice is answered with how far it got."""

MAX_APPENDED = 1_024
"""Notices taken by one batch."""

MAX_RANGES_IN_ROW = 2
"""Ranges in one inbox record."""

AccountChange = Callable[[UserState], "list[Fields] | Refusal"]
Question = Callable[[UserState], object]
Replies = list["ReplyTo[Any]"]


class Intake:
    """Everything that waits for the next batch of one user."""

    def __init__(self, actor: User) -> None:
        self._actor = actor
        self._notices: dict[str, tuple[m.Reached, Replies]] = {}
        self._receipts: dict[tuple[str, str | None], Levels] = {}
        self._receipt_replies: Replies = []
        self._reads: dict[str, int] = {}
        self._read_replies: list[tuple[str, ReplyTo[Any]]] = []
        self._acked = 0
        self._accounts: deque[tuple[AccountChange, ReplyTo[Any]]] = deque()
        self._questions: list[tuple[Question, ReplyTo[Any]]] = []
        self._large: dict[str, bool] = {}

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

    def reached(self, notice: m.Reached, reply_to: ReplyTo[int]) -> None:
        """A conversation has grown: the highest notice stands for all."""
        self._large[notice.conversation] = notice.large
        known = self._notices.get(notice.conversation)
        if known is None:
            self._notices[notice.conversation] = (notice, [reply_to])
            return
        known[1].append(reply_to)
        if notice.upto > known[0].upto:
            self._notices[notice.conversation] = (notice, known[1])

    def receipts(self, message: m.Receipts, reply_to: ReplyTo[bool]) -> None:
        """Others have come further."""
        for user, levels in message.rows:
            key = (message.conversation, user)
            self._receipts[key] = highest(self._receipts.get(key), levels)
        self._receipt_replies.append(reply_to)

    def read(self, message: m.MarkRead, reply_to: ReplyTo[Any]) -> None:
        """The user has read further."""
        known = self._reads.get(message.conversation, 0)
        self._reads[message.conversation] = max(known, message.upto)
        self._read_replies.append((message.conversation, reply_to))

    def acknowledged(self, number: int) -> bool:
        """A device has stored up to `number`; whether that may raise a mark."""
        self._acked = max(self._acked, number)
        owed = self._actor.state.undelivered
        return bool(owed) and owed[0][0] <= self._acked

    def account(self, change: AccountChange, reply_to: ReplyTo[Any]) -> None:
        """A change of the account."""
        self._accounts.append((change, reply_to))

    def question(self, question: Question, reply_to: ReplyTo[Any]) -> None:
        """Something to be answered from state that is known to be the journal's."""
        self._questions.append((question, reply_to))

    def is_large(self, conversation: str) -> bool:
        """Whether the conversation is a group whose marks need not hurry."""
        return self._large.get(conversation, False)

    def take(self, *, with_acks: bool) -> Batch:
        """Everything that waits, as a batch; acknowledgements only when it is time."""
        taken = dict(list(self._notices.items())[:MAX_APPENDED])
        for conversation in taken:
            del self._notices[conversation]
        batch = Batch(self._actor, taken, self._acked if with_acks or self._reads else 0)
        batch.receipts, self._receipts = self._receipts, {}
        batch.receipt_replies, self._receipt_replies = self._receipt_replies, []
        batch.reads, self._reads = self._reads, {}
        batch.read_replies, self._read_replies = self._read_replies, []
        batch.questions, self._questions = self._questions, []
        if self._accounts:
            batch.account = self._accounts.popleft()
        return batch


class Batch:
    """One batch: prepared (logs are read), decided, committed, answered."""

    def __init__(
        self, actor: User, notices: dict[str, tuple[m.Reached, Replies]], acked: int
    ) -> None:
        self._actor = actor
        self._notices = notices
        self._acked = acked
        self.receipts: dict[tuple[str, str | None], Levels] = {}
        self.receipt_replies: Replies = []
        self.reads: dict[str, int] = {}
        self.read_replies: list[tuple[str, ReplyTo[Any]]] = []
        self.questions: list[tuple[Question, ReplyTo[Any]]] = []
        self.account: tuple[AccountChange, ReplyTo[Any]] | None = None
        self.logs: dict[str, tuple[Record, ...]] = {}
        self.committed: tuple[Fields, ...] = ()
        self.marked: tuple[str, ...] = ()
        self._account_answer: object = True
        self._considered: dict[str, int] = {}

    @property
    def has_marks(self) -> bool:
        """Whether marks rose."""
        return bool(self.marked)

    async def prepare(self, logs: LogReader) -> None:
        """Read, for every notice, what the inbox lacks of the conversation's log."""
        for conversation, (notice, _) in self._notices.items():
            held = self._actor.state.held(conversation)
            first = max(held, notice.settled) + 1
            last = min(notice.upto, first + MAX_CATCH_UP - 1)
            if first > last:
                self.logs[conversation] = ()
            elif notice.records and notice.records[0].n <= first <= notice.records[-1].n + 1:
                skip = first - notice.records[0].n
                have = notice.records[skip : skip + MAX_CATCH_UP]
                missing = have[-1].n + 1 if have else first
                more = await logs.read(conversation, missing, last) if missing <= last else []
                self.logs[conversation] = (*have, *more)
            else:
                self.logs[conversation] = tuple(await logs.read(conversation, first, last))

    def decide(self) -> Proposal | None:
        """The records of this batch against the committed state; None when there are none."""
        state = self._actor.state
        rows: list[Fields] = self._decide_account(state)
        ranges = self._decide_ranges(state)
        rows += [
            {"t": "ranges", "r": [[*r] for r in ranges[at : at + MAX_RANGES_IN_ROW]]}
            for at in range(0, len(ranges), MAX_RANGES_IN_ROW)
        ]
        marks = state.propose_marks(self._acked, self.reads, ranges)
        self.marked = () if marks is None else tuple(row[0] for row in marks["m"])
        if marks is not None:
            rows.append(marks)
        receipts = state.propose_receipts(
            (conversation, user, levels) for (conversation, user), levels in self.receipts.items()
        )
        if receipts is not None:
            rows.append(receipts)
        self.committed = tuple(rows)
        if not rows:
            return None
        return Proposal(tuple(bytes(msgpack.packb(row)) for row in rows), pending=bool(self.marked))

    def _decide_account(self, state: UserState) -> list[Fields]:
        if self.account is None:
            return []
        decided = self.account[0](state)
        if isinstance(decided, Refusal):
            self._account_answer = decided
            return []
        self._account_answer = True
        return decided

    def _decide_ranges(self, state: UserState) -> list[Range]:
        ranges: list[Range] = []
        for conversation, (notice, _) in self._notices.items():
            known = state.conversations.get(conversation) or _NOTHING
            log = [record for record in self.logs[conversation] if record.n > known.held]
            ranges += visible_ranges(self._actor.user, conversation, known, log, notice.settings)
            last = log[-1].n if log else max(known.held, notice.settled)
            self._considered[conversation] = max(last, known.held)
        return ranges

    def reply(self) -> None:
        """Answer everybody: what was asked for is committed."""
        state = self._actor.state
        for conversation, (_, replies) in self._notices.items():
            for reply_to in replies:
                reply_to.reply(self._considered[conversation])
        for reply_to in self.receipt_replies:
            reply_to.reply(True)
        for conversation, reply_to in self.read_replies:
            levels = state.conversation(conversation).levels
            reply_to.reply((levels.read, state.unread(conversation)))
        if self.account is not None:
            self.account[1].reply(self._account_answer)
        for question, reply_to in self.questions:
            reply_to.reply(question(state))

    def reply_refused(self, refusal: Refusal) -> None:
        """Nothing was written: those who can be told so are, the others ask again by themselves."""
        waiting = [reply for _, replies in self._notices.values() for reply in replies]
        for reply_to in [*waiting, *self.receipt_replies]:
            reply_to.fail(CallError(refusal.message))
        for _, reply_to in self.read_replies:
            reply_to.reply(refusal)
        if self.account is not None:
            self.account[1].reply(refusal)
        for _, reply_to in self.questions:
            reply_to.fail(CallError(refusal.message))


_NOTHING = Held()
