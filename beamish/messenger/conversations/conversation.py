"""The actor of one conversation: decides commands, appends them, and sees to their fan-out.

Commands and questions queue up while an append is in flight, and go together into the next batch.
Each is answered after the append, or after a look at the journal that shows that this activation
is not behind. An append leaves the stream pending until every member holds it; see `fan_out`.

Of a group it also keeps how far each member has come; see `group_marks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import trio

from actors import NO_REPLY, Actor, Answer, ExitReason, NoReply, on
from beamish.messenger import messages as m
from beamish.messenger.channels import messages as c
from beamish.messenger.conversations.answers import (
    channel_reader,
    description,
    marks_of,
    readable_by,
)
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.commands import Fulfil, Numbered
from beamish.messenger.conversations.decision import Decision, Question
from beamish.messenger.conversations.device_check import check_devices
from beamish.messenger.conversations.effects import Interval
from beamish.messenger.conversations.fan_out import FanOut
from beamish.messenger.conversations.group_marks import GroupMarks
from beamish.messenger.conversations.intake import Intake
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.conversations.screens import Screens
from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.environment import Environment
from beamish.messenger.ids import conversation_stream
from beamish.messenger.presence import LookAway, OnScreen, Typed
from beamish.messenger.streams.journal_port import JournalUnavailable
from beamish.messenger.streams.records import Record
from beamish.messenger.streams.stream_writer import StreamWriter
from beamish.messenger.streams.visibility import Settings
from beamish.messenger.users.state import Levels


@dataclass(frozen=True, slots=True)
class _Load:
    pass


@dataclass(frozen=True, slots=True)
class _Batch:
    pass


@dataclass(frozen=True, slots=True)
class _Idle:
    pass


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
        self._waiting = Intake(settings, trio.current_time())
        self._batch_wanted = False
        self._busy_since_look = True
        self.fan_out = FanOut(self)
        self._screens = Screens(self)
        self.marks: GroupMarks | None = None

    # -- life ----------------------------------------------------------------------------------

    def init(self) -> None:
        """Load before anything else is handled."""
        self.continue_with(_Load())

    @on(_Load)
    async def load(self, _message: _Load) -> None:
        """Read the stream; take up what is pending."""
        await self.writer.load_patiently(self.sleep)
        self._drop_touched({})
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
        owing = owing or self._screens.watched
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

    @on(Fulfil)
    def fulfil(self, asked: Fulfil) -> NoReply | bool | Refusal:
        """A duty: into the next batch."""
        self.environment.faults.passing("conversation", "before handling")
        return self._enqueue(asked)

    @on(OnScreen)
    def on_screen(self, asked: OnScreen) -> NoReply | bool | Refusal:
        """A member looks at it."""
        return self._enqueue(lambda _state: self._screens.put(asked))

    @on(LookAway)
    def look_away(self, message: LookAway) -> None:
        """A session looks at something else."""
        self._screens.take_away(message.session)

    @on(Typed)
    def typed(self, message: Typed) -> None:
        """A member is typing."""
        self._screens.typed(message)

    @on(m.Readable)
    def readable(self, question: m.Readable) -> NoReply | Interval | Refusal:
        """The latest interval that this user may read."""
        return self._enqueue(lambda state: readable_by(state, question.user))

    @on(c.ReaderOf)
    def reader_of(self, question: c.ReaderOf) -> NoReply | c.Reader | Refusal:
        """What somebody may read of a channel."""
        return self._enqueue(
            lambda state: channel_reader(
                state,
                question.user,
                subscribed=question.subscribed,
                link=question.link,
                now=self.environment.now_ms(),
            )
        )

    @on(m.Describe)
    def describe(self, question: m.Describe) -> NoReply | m.Description | Refusal:
        """Settings and members, as far as this user may know them."""
        return self._enqueue(lambda state: description(state, question, self.environment.now_ms()))

    @on(m.MarksOf)
    def marks_of(self, question: m.MarksOf) -> NoReply | tuple[tuple[str, Levels], ...] | Refusal:
        """How far the others have come."""
        return self._enqueue(lambda state: marks_of(state, self._levels(), question))

    def _levels(self) -> dict[str, Levels]:
        return {} if self.marks is None else self.marks.levels

    def _enqueue(self, what: Numbered | Fulfil | Question) -> NoReply | Refusal:
        now = trio.current_time()
        refusal = self._waiting.refusal(what, now)
        if refusal is not None:
            if refusal.code == "rate_limited":
                self.environment.floods.refused += 1
            return refusal
        self._waiting.put(what, self.reply_to())
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
        waiting = self._waiting.take(self.state, trio.current_time())
        if not waiting:
            if self._waiting:
                self.want_batch()
            return
        asked = [what for what, _ in waiting]
        checked = await check_devices(self, asked)
        before = self.state.version
        batch = Decision(self, asked, checked)
        try:
            refused: object = await self.writer.commit(batch.decide, prepare=batch.prepare)
        except JournalUnavailable as unavailable:
            refused = unavailable.refused
        if self.marks is None and self.state.kind == "group":
            await self._open_marks()
        amended = batch.amended(self.state.version)
        self._drop_touched(amended)
        committed = batch.committed(before, self.state.version)
        for record in committed:
            self.fan_out.appended(record, amended)
        self.environment.events.appended(self.conversation, committed)
        if self.state.version > before and self.state.kind == "channel":
            self._tell_relay()
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

    def _tell_relay(self) -> None:
        relay = self.environment.directory.find("relay", self.conversation)
        if relay is not None:
            relay.cast(c.Posted(self.state.version))

    def _drop_touched(self, amended: dict[int, Record]) -> None:
        """Have nobody shown what touches have changed; `amended` is what is known of that."""
        touched, self.state.touched = self.state.touched, {}
        for target, by in touched.items():
            self.environment.logs.touched(self.conversation, target, by)
            if target in amended:
                self.fan_out.amended(amended[target])
            else:
                self.fan_out.forget(target)

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
