"""The actor of one conversation: decides commands, appends them, and sees to their fan-out.

Commands and questions queue up while an append is in flight, and go together into the next batch.
Each is answered after the append, or after a look at the journal that shows that this activation
is not behind. An append leaves the stream pending until every member holds it; see `fan_out`.

Of a group it also keeps how far each member has come; see `group_marks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors import NO_REPLY, Actor, Answer, ExitReason, NoReply, ReplyTo, on
from beamish.messenger import messages as m
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.commands import CreateGroup, Numbered, Refusal, SendText
from beamish.messenger.conversations.device_check import Checked, check_devices, refusal_of_device
from beamish.messenger.conversations.fan_out import FanOut
from beamish.messenger.conversations.group_marks import GroupMarks
from beamish.messenger.conversations.state import ConversationState, Draft, Interval
from beamish.messenger.environment import Environment
from beamish.messenger.ids import conversation_stream, direct_users
from beamish.messenger.refusals import refusal_of
from beamish.messenger.streams.journal_port import JournalUnavailable
from beamish.messenger.streams.records import Record
from beamish.messenger.streams.stream_writer import Proposal, StreamWriter
from beamish.messenger.streams.visibility import Settings
from beamish.messenger.users.state import Levels

MAX_BATCH = 256
"""Commands decided together."""

MAX_BATCH_BYTES = 1 << 20
"""Bytes of records decided together, far below what one append may hold."""

MAX_WAITING = 10_000
"""Commands and questions waiting for a batch; beyond it they are refused as overloaded."""


@dataclass(frozen=True, slots=True)
class _Load:
    pass


@dataclass(frozen=True, slots=True)
class _Batch:
    pass


@dataclass(frozen=True, slots=True)
class _Idle:
    pass


Question = Callable[[ConversationState], object]


class Conversation(Actor):
    """Named `("conversation", id)`; requests: `Numbered` and those of `messages`."""

    def __init__(self, conversation: str, environment: Environment) -> None:
        self.conversation = conversation
        self.environment = environment
        settings = environment.settings
        self.writer: StreamWriter[ConversationState] = StreamWriter(
            environment.journal,
            conversation_stream(conversation),
            lambda snapshot: ConversationState.load(conversation, snapshot),
            snapshot_every=settings.snapshot_every,
        )
        self._waiting: list[tuple[Numbered | Question, ReplyTo[Any]]] = []
        self._batch_wanted = False
        self._busy_since_look = True
        self.fan_out = FanOut(self)
        self.marks: GroupMarks | None = None

    # -- life ----------------------------------------------------------------------------------

    def init(self) -> None:
        """Load before anything else is handled."""
        self.continue_with(_Load())

    @on(_Load)
    async def load(self, _message: _Load) -> None:
        """Read the stream; take up what is pending."""
        await self.writer.load_patiently(self.sleep)
        if self.state.kind == "group":
            await self._open_marks()
        self.fan_out.wake()
        self.send_after(self.environment.settings.idle_s, _Idle())

    def terminate(self, _reason: ExitReason) -> None:
        """Leave the window, whatever the reason."""
        self.fan_out.leave()

    async def _open_marks(self) -> None:
        self.marks = GroupMarks(self)
        await self.marks.load()

    @property
    def state(self) -> ConversationState:
        """The conversation as committed."""
        return self.writer.state

    @property
    def settings(self) -> Settings:
        """What notices say of the conversation besides its log."""
        return Settings(self.state.kind, self.state.title, self.state.open)

    @on(m.Resume)
    def resume(self, message: m.Resume) -> None:
        """A stream of ours is pending in the journal."""
        if message.stream == self.writer.stream:
            self.writer.settle_again()
            self.fan_out.wake()
        elif self.marks is not None:
            self.marks.resume()

    @on(_Idle)
    def idle(self, _message: _Idle) -> None:
        """Leave memory when nothing happened since the last look and nothing is owed."""
        owing = self._waiting or self.fan_out.busy or (self.marks is not None and self.marks.busy)
        if self._busy_since_look or owing:
            self._busy_since_look = False
            self.send_after(self.environment.settings.idle_s, _Idle())
        else:
            self.stop()

    # -- commands and questions ------------------------------------------------------------------

    @on(Numbered)
    def command(self, command: Numbered) -> NoReply | Refusal | Result:
        """A numbered command: into the next batch."""
        self.environment.faults.passing("conversation", "before handling")
        return self._enqueue(command)

    @on(m.Readable)
    def readable(self, question: m.Readable) -> NoReply | Interval | Refusal:
        """The latest interval that this user may read."""
        return self._enqueue(lambda state: readable_by(state, question.user))

    @on(m.Describe)
    def describe(self, question: m.Describe) -> NoReply | m.Description | Refusal:
        """Settings and members, as far as this user may know them."""
        return self._enqueue(lambda state: self._description(state, question.user))

    @on(m.MarksOf)
    def marks_of(self, question: m.MarksOf) -> NoReply | tuple[tuple[str, Levels], ...] | Refusal:
        """How far the others have come."""
        return self._enqueue(lambda state: self._marks_of(state, question))

    def _enqueue(self, what: Numbered | Question) -> NoReply | Refusal:
        if len(self._waiting) >= MAX_WAITING:
            return Refusal("overloaded", "this conversation has too much in hand", None, 500)
        self._waiting.append((what, self.reply_to()))
        self.want_batch()
        return NO_REPLY

    def want_batch(self) -> None:
        """Have a batch run behind the messages that are in the mailbox already."""
        if not self._batch_wanted:
            self._batch_wanted = True
            self.ref.cast(_Batch())

    @on(_Batch)
    async def batch(self, _message: _Batch) -> None:
        """Decide, append, apply, answer what has come together."""
        self._batch_wanted = False
        self._busy_since_look = True
        waiting = self._take_waiting()
        if not waiting:
            return
        asked = [what for what, _ in waiting]
        checked = await check_devices(self, asked)
        before = self.state.version
        batch = _Decision(self, asked, checked)
        try:
            refused: object = await self.writer.commit(batch.decide)
        except JournalUnavailable as unavailable:
            refused = unavailable.refused
        if self.marks is None and self.state.kind == "group":
            await self._open_marks()
        for record in batch.committed(before, self.state.version):
            self.fan_out.appended(record)
        self.environment.faults.passing("conversation", "between append and reply")
        for (_, reply_to), answer in zip(waiting, batch.answers(refused), strict=True):
            reply_to.reply(answer)
        self.environment.faults.passing("conversation", "after reply")
        self.fan_out.wake()
        if self.marks is not None and self.state.version > before:
            self.marks.membership_may_have_changed()
        if self._waiting:
            self.want_batch()
        elif not self.state.version:
            self.stop()

    def _take_waiting(self) -> list[tuple[Numbered | Question, ReplyTo[Any]]]:
        count = size = 0
        for what, _ in self._waiting[:MAX_BATCH]:
            size += weight(what)
            if count and size > MAX_BATCH_BYTES:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    # -- fan-out and marks: see their modules ----------------------------------------------------

    @on(m.MemberMarks)
    def member_marks(self, message: m.MemberMarks) -> NoReply | bool:
        """A member has come this far."""
        if self.marks is None:
            return True
        self.marks.raised(message, self.reply_to())
        return NO_REPLY

    @on(Answer)
    def answered(self, answer: Answer) -> None:
        """A notice or a receipt was taken in, or failed."""
        tag: Any = answer.tag
        if tag[0] == "held":
            self.fan_out.answered(tag[1], tag[2], answer)
        elif self.marks is not None:
            self.marks.answered(tag[1], answer)

    @on(m.FanOutTurn)
    async def fan_out_turn(self, _message: m.FanOutTurn) -> None:
        """Go on telling members."""
        await self.fan_out.turn()

    @on(m.Rested)
    def rested(self, message: m.Rested) -> None:
        """Try a member again who could not be told."""
        self.fan_out.rested(message.user)

    @on(m.MarksTurn)
    async def marks_turn(self, _message: m.MarksTurn) -> None:
        """Write marks and tell the authors."""
        if self.marks is not None:
            await self.marks.turn()

    # -- answers ---------------------------------------------------------------------------------

    def _description(self, state: ConversationState, user: str) -> m.Description | Refusal:
        settings = Settings(state.kind, state.title, state.open)
        if user in state.members:
            members = tuple(sorted(state.members.items()))
            return m.Description(settings, state.version, members)
        if state.open:
            # Record 1 is all that this says; of later ones only those whom they concern may know.
            gone = state.former.get(user)
            return m.Description(settings, 1 if gone is None else gone.last, ())
        return stranger(state, user)

    def _marks_of(
        self, state: ConversationState, question: m.MarksOf
    ) -> tuple[tuple[str, Levels], ...] | Refusal:
        interval = readable_by(state, question.user)
        if isinstance(interval, Refusal):
            return interval
        if not interval.first <= question.n <= interval.last:
            return Refusal("not_found", f"you cannot see a record {question.n} here")
        known = {} if self.marks is None else self.marks.levels
        return tuple(
            (user, _as_seen(known.get(user, Levels(0, 0)), interval))
            for user, joined in sorted(fellows(state, question.user, interval).items())
            if joined <= question.n
        )


def weight(what: Numbered | Question) -> int:
    """An upper bound of the bytes that the record of a command will have."""
    action = what.action if isinstance(what, Numbered) else None
    if isinstance(action, SendText):
        return 512 + 4 * len(action.text)
    if isinstance(action, CreateGroup):
        return 512 + 512 * len(action.members)
    return 512


def fellows(state: ConversationState, user: str, interval: Interval) -> dict[str, int]:
    """The other members since when, for one who left: those at that time who did not join anew."""
    joined = {other: member.joined for other, member in state.members.items()}
    if user not in joined:
        gone = state.former.items()
        joined |= {other: theirs.first for other, theirs in gone if theirs.last > interval.last}
    joined.pop(user, None)
    return joined


def _as_seen(levels: Levels, interval: Interval) -> Levels:
    """Somebody's levels as far as they speak of records that the asker may see."""
    seen = [min(level, interval.last) if level >= interval.first else 0 for level in levels]
    return Levels(*seen)


def readable_by(state: ConversationState, user: str) -> Interval | Refusal:
    """The interval that `user` may read, or why there is none."""
    return state.readable(user) or stranger(state, user)


def stranger(state: ConversationState, user: str) -> Refusal:
    """Why somebody who never was a member learns nothing."""
    pair = direct_users(state.conversation)
    if not state.version and (pair is None or user in pair):
        return Refusal("not_found", f"there is no conversation {state.conversation}")
    return Refusal(
        "not_member",
        f"you are not a member of {state.conversation}"
        + ("" if pair else ": join it, or have somebody invite you"),
    )


class _Decision:
    """One batch: what it proposes, and the answers once that is committed or refused."""

    def __init__(
        self, actor: Conversation, asked: list[Numbered | Question], checked: Checked
    ) -> None:
        self._actor = actor
        self._checked = checked
        self._asked = asked
        self._known: list[Result | None] = []
        self._decided: list[Result | Refusal | None] = []
        self._records: list[Record] = []

    def decide(self) -> Proposal | None:
        """Decide all commands from their first check; called again after a conflict."""
        state, settings = self._actor.state, self._actor.environment.settings
        closed = None
        if self._actor.fan_out.backlog > settings.unsettled_records:
            closed = Refusal("overloaded", "its members are behind: try again", None, 500)
        draft = Draft(state, self._actor.environment.now_ms(), settings.limits.members, closed)
        self._known = [
            state.first_result(what) if isinstance(what, Numbered) else None for what in self._asked
        ]
        self._decided = [
            self._decide_one(draft, what) if isinstance(what, Numbered) else None
            for what in self._asked
        ]
        self._records = [Record.new(fields) for fields in draft.records]
        if not self._records:
            return None
        return Proposal(tuple(record.raw for record in self._records), pending=True)

    def _decide_one(self, draft: Draft, command: Numbered) -> Result | Refusal:
        if self._checked:
            refusal = refusal_of_device(self._actor.state, self._checked, command)
            if refusal is not None:
                return refusal
        return draft.decide(command)

    def committed(self, before: int, after: int) -> list[Record]:
        """The batch's own records, if they are what was committed."""
        return [record for record in self._records if before < record.n <= after]

    def answers(self, refused: object) -> list[object]:
        """The answers in the order of the questions, `refused` being the journal's refusal."""
        state = self._actor.state
        refusal = None if refused is None else refusal_of(refused)
        answers: list[object] = []
        for what, known, decided in zip(self._asked, self._known, self._decided, strict=True):
            if known is not None:
                answers.append(known)
            elif refusal is not None:
                answers.append(refusal)
            else:
                answers.append(decided if isinstance(what, Numbered) else what(state))
        return answers
