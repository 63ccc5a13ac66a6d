"""The actor of one user: the inbox, the account, the marks.

What others ask of it are levels (a conversation has reached n, somebody has read up to n, a device
has stored up to n) and account changes. They come together while an append is in flight and go
into the next one. It answers a notice with the record that the inbox holds, after the append.

It pushes nothing to clients. It hints its sessions at new records; they hand them on or pull.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import trio

from actors import NO_REPLY, Actor, Answer, Down, NoReply, Ref, on
from beamish.messenger import messages as m
from beamish.messenger.channels import messages as c
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.environment import Environment
from beamish.messenger.ids import user_stream
from beamish.messenger.presence import AsViewer, Look, LookAway, PresenceTurn, Row, Viewer
from beamish.messenger.refusals import refusal_of
from beamish.messenger.sessions.watcher import Watcher
from beamish.messenger.streams.journal_port import JournalUnavailable
from beamish.messenger.streams.stream_writer import StreamWriter
from beamish.messenger.users.account_actions import AccountCommand
from beamish.messenger.users.account_changes import ChangeAccount
from beamish.messenger.users.account_desk import AccountDesk
from beamish.messenger.users.batch import Batch, Change, Replier
from beamish.messenger.users.invitations import invitable
from beamish.messenger.users.marks_debt import MarksDebt
from beamish.messenger.users.obligations import Obligations
from beamish.messenger.users.presence import Presence
from beamish.messenger.users.rows import snapshot_page
from beamish.messenger.users.state import Levels, UserState
from beamish.messenger.users.subscriptions import raised

ACK_INTERVAL_S = 1.0
"""Least seconds between two appends that only raise delivered marks."""

LARGE_ACK_INTERVAL_S = 5.0
"""The same when all conversations concerned are large groups."""


@dataclass(frozen=True, slots=True)
class _Load:
    pass


@dataclass(frozen=True, slots=True)
class _Batch:
    pass


@dataclass(frozen=True, slots=True)
class _AckTime:
    pass


@dataclass(frozen=True, slots=True)
class _Idle:
    pass


class User(Actor):
    """Named `("user", name)`; requests: those of `messages`."""

    def __init__(self, user: str, environment: Environment) -> None:
        self.user = user
        self.environment = environment
        settings = environment.settings
        self.writer: StreamWriter[UserState] = StreamWriter(
            environment.journal,
            user_stream(user),
            lambda snapshot: UserState.load(user, snapshot, settings.limits.inbox),
            snapshot_every=settings.snapshot_every,
            keep=settings.limits.inbox,
            obligation=True,
        )
        self.last_owed = 0
        """The newest inbox record of which somebody else has to hear."""
        self._next = Batch(user, 0)
        self._large: dict[str, None] = {}
        self._debt = MarksDebt(self)
        self.obligations = Obligations(self)
        self._desk = AccountDesk(self)
        self._presence = Presence(self)
        self._batch_wanted = False
        self._next_ack_at = 0.0
        self._ack_timer = False
        self._busy_since_look = True
        self._sessions: dict[Ref, Watcher] = {}
        self._devices: dict[str, Ref] = {}

    # -- life ----------------------------------------------------------------------------------

    def init(self) -> None:
        """Load before anything else is handled."""
        self.continue_with(_Load())

    @on(_Load)
    async def load(self, _message: _Load) -> None:
        """Read the stream; take up what is owed."""
        await self.writer.load_patiently(self.sleep)
        self.last_owed = self.state.version
        self._debt.load()
        self.obligations.load(self.writer.settled)
        self._desk.fence()
        self.settle()
        self.send_after(self.environment.settings.idle_s, _Idle())

    @property
    def state(self) -> UserState:
        """The user as committed."""
        return self.writer.state

    @on(m.Resume)
    def resume(self, _message: m.Resume) -> None:
        """The stream is pending in the journal; what is owed is known since the load."""
        self.writer.settle_again()

    def settle(self) -> None:
        """Settle the stream as far as nobody has to be told of it any more."""
        owed = [n for n in (self._debt.owed_from, self.obligations.owed_from) if n is not None]
        self.writer.settle(min(owed) - 1 if owed else self.last_owed)

    @on(_Idle)
    def idle(self, _message: _Idle) -> None:
        """Leave memory when nobody is connected and nothing is owed."""
        owing = self._debt.busy or self.obligations.busy or self._next.waiting
        here = self._sessions or self._devices or self._presence.watched
        if self._busy_since_look or owing or here:
            self._busy_since_look = False
            self.send_after(self.environment.settings.idle_s, _Idle())
        else:
            self.stop()

    @on(Answer)
    def answered(self, answer: Answer) -> None:
        """Somebody took in what we owe, or did not."""
        tag: Any = answer.tag
        if tag[0] == "duty":
            self.obligations.answered(tag[1], answer)
        else:
            self._debt.answered(tag[1], answer)

    @on(m.DebtTurn)
    async def debt_turn(self, _message: m.DebtTurn) -> None:
        """Tell the marks that are owed."""
        await self._debt.turn()

    @on(m.DutiesTurn)
    async def duties_turn(self, _message: m.DutiesTurn) -> None:
        """Have conversations meet what is owed."""
        await self.obligations.turn()

    # -- what goes into the next append ----------------------------------------------------------

    @on(m.Reached)
    def reached(self, notice: m.Reached) -> NoReply | int:
        """A conversation has grown."""
        self.environment.faults.passing("user", "before handling")
        held = self.state.held(notice.conversation)
        if held >= notice.upto:
            return held
        if notice.large:
            self._large[notice.conversation] = None
        self._next.reached(notice, self.reply_to())
        return self._later()

    @on(m.Receipts)
    def receipts(self, message: m.Receipts) -> NoReply | bool:
        """Others have come further in a conversation."""
        self._next.receipts(message, self.reply_to())
        return self._later()

    @on(m.MarkRead)
    def mark_read(self, message: m.MarkRead) -> NoReply | m.ReadState | Refusal:
        """The user has read up to here."""
        if message.conversation not in self.state.conversations:
            return Refusal("not_member", f"you are not in {message.conversation}")
        self._next.read(message, self.reply_to())
        return self._later()

    @on(m.Acknowledge)
    def acknowledge(self, message: m.Acknowledge) -> None:
        """A device has stored the inbox up to here."""
        self._next.acked = max(self._next.acked, message.number)
        self._look_at_acks()

    # -- the account -------------------------------------------------------------------------------

    @on(m.Register)
    def register(self, message: m.Register) -> NoReply | bool | Refusal:
        """Create the account."""
        return self.change_account(self._desk.register(message), self.reply_to())

    @on(m.AddDevice)
    def add_device(self, message: m.AddDevice) -> NoReply | bool | Refusal:
        """Add a device after a login."""
        return self.change_account(self._desk.add_device(message), self.reply_to())

    @on(ChangeAccount)
    def account_change(self, message: ChangeAccount) -> NoReply | object:
        """Any other change of the account."""
        return self.change_account(self._desk.change(message), self.reply_to())

    @on(AccountCommand)
    def account_command(self, command: AccountCommand) -> NoReply | Result | Refusal:
        """A numbered command of the account's lane."""
        self.environment.faults.passing("user", "before handling")
        reply_to = self._desk.reply_to(self.reply_to())
        return self.change_account(self._desk.command(command), reply_to)

    def change_account(self, change: Change, reply_to: Replier | None) -> NoReply:
        """Have an account change decided with one of the next appends."""
        self._next.account(change, reply_to)
        return self._later()

    @on(m.AccountOf)
    def account_of(self, _message: m.AccountOf) -> NoReply | m.Account | None:
        """The account, after a look at the journal."""
        self._next.question(self._desk.account_of, self.reply_to())
        return self._later()

    @on(m.MayInvite)
    def may_invite(self, message: m.MayInvite) -> NoReply | str | Refusal:
        """Whether somebody may make the user a member, after a look at the journal."""
        self._next.question(lambda state: invitable(state, message.by), self.reply_to())
        return self._later()

    # -- presence ----------------------------------------------------------------------------------

    @on(Look)
    def look(self, look: Look) -> NoReply | Row | None:
        """A session has the user on screen."""
        self._next.question(lambda _state: self._presence.look(look), self.reply_to())
        return self._later()

    @on(LookAway)
    def look_away(self, message: LookAway) -> None:
        """A session looks at something else."""
        self._presence.look_away(message.session)

    @on(AsViewer)
    def as_viewer(self, message: AsViewer) -> NoReply | Viewer:
        """What the user may see of others, after a look at the journal."""
        users = frozenset(message.users)
        self._next.question(lambda _state: self._presence.viewer(users), self.reply_to())
        return self._later()

    @on(PresenceTurn)
    def presence_turn(self, _message: PresenceTurn) -> None:
        """Tell watchers what changed."""
        self._presence.turn()

    # -- questions ---------------------------------------------------------------------------------

    @on(m.InboxPage)
    def inbox_page(self, message: m.InboxPage) -> NoReply | m.Page:
        """A page of conversations, after a look at the journal."""
        self._next.question(
            lambda state: snapshot_page(state, message.after, message.limit), self.reply_to()
        )
        return self._later()

    @on(c.SubscriptionsAmong)
    def subscriptions_among(self, question: c.SubscriptionsAmong) -> NoReply | frozenset[str]:
        """Which channels the user has subscribed to, after a look at the journal."""
        self._next.question(
            lambda state: frozenset(question.channels) & state.account.subscriptions.keys(),
            self.reply_to(),
        )
        return self._later()

    @on(c.ReadChannel)
    def read_channel(self, message: c.ReadChannel) -> NoReply | tuple[int, int] | Refusal:
        """The user has read a channel up to here."""
        return self.change_account(lambda state: raised(state, message), self.reply_to())

    @on(m.KnownReads)
    def known_reads(self, message: m.KnownReads) -> NoReply | dict[str | None, int] | None:
        """How much of others' reading the user may know, after a look at the journal."""
        self._next.question(lambda state: state.known_reads(message.conversation), self.reply_to())
        return self._later()

    @on(m.LevelsOf)
    def levels_of(self, message: m.LevelsOf) -> NoReply | Levels:
        """The user's own levels, after a look at the journal."""
        self._next.question(lambda state: state.told(message.conversation), self.reply_to())
        return self._later()

    # -- batches ---------------------------------------------------------------------------------

    def _later(self) -> NoReply:
        self._busy_since_look = True
        if not self._batch_wanted:
            self._batch_wanted = True
            self.ref.cast(_Batch())
        return NO_REPLY

    def _look_at_acks(self) -> None:
        """Have acknowledgements that raise a mark written when it is time."""
        owed = self.state.undelivered.first
        if owed is None or owed[0] > self._next.acked:
            return
        wait = self._next_ack_at - trio.current_time()
        if wait <= 0:
            self._later()
        elif not self._ack_timer:
            self._ack_timer = True
            self.send_after(wait, _AckTime())

    @on(_AckTime)
    def ack_time(self, _message: _AckTime) -> None:
        """Acknowledgements may be written now."""
        self._ack_timer = False
        self._look_at_acks()

    @on(_Batch)
    async def batch(self, _message: _Batch) -> None:
        """Propose, append, apply, answer what has come together; hint the sessions."""
        self._batch_wanted = False
        state = self.writer.state
        before = state.version
        batch = self._next
        batch.with_acks = trio.current_time() >= self._next_ack_at
        self._next = batch.next()
        try:
            logs = self.environment.logs
            refused = await self.writer.commit(
                lambda: batch.decide(state), prepare=lambda: batch.prepare(state, logs)
            )
        except JournalUnavailable as unavailable:
            refused = unavailable.refused
        if batch.changes_account:
            self._desk.fence()
            self._desk.told()
            self._presence.changed()
        if refused is not None:
            batch.reply_refused(refusal_of(refused))
            self._next_ack_at = max(self._next_ack_at, trio.current_time() + ACK_INTERVAL_S)
            self._go_on()
            return
        if state.version > before:
            self._owed(batch)
            self._marked([c for c in batch.marked if state.conversation(c).marked_at > before])
            self._hint(batch)
        self.environment.faults.passing("user", "between append and reply")
        batch.reply(state)
        self.environment.faults.passing("user", "after reply")
        if state.exists:
            self._go_on()
        else:
            self.stop()

    def _go_on(self) -> None:
        if self._next.waiting:
            self._later()
        self._look_at_acks()

    def _owed(self, batch: Batch) -> None:
        """Somebody else may have to hear of what was written."""
        obliges = self.obligations.look()
        if obliges or batch.owes or batch.marked:
            self.last_owed = self.state.version
        if obliges and not self.obligations.busy:
            self.settle()

    def _marked(self, marked: list[str]) -> None:
        """Marks rose: tell those whom it concerns, and let the next acknowledgements wait."""
        if not marked:
            return
        large = all(conversation in self._large for conversation in marked)
        pause = LARGE_ACK_INTERVAL_S if large else ACK_INTERVAL_S
        self._next_ack_at = trio.current_time() + pause
        for conversation in marked:
            self._debt.owe(conversation)

    def _hint(self, batch: Batch) -> None:
        rows = batch.committed
        if self._sessions:
            hint = m.NewInbox(self.state.version - len(rows) + 1, rows, batch.logs())
            for session, watcher in self._sessions.items():
                if session.is_alive() and watcher.may_hint():
                    session.cast(hint)

    # -- sessions --------------------------------------------------------------------------------

    @on(m.OpenDevice)
    def open_device(self, message: m.OpenDevice) -> NoReply | bool | Refusal:
        """A session presents a token."""

        def opened(state: UserState) -> bool | Refusal:
            opened = self._desk.opened(state, message)
            if isinstance(opened, Refusal):
                return opened
            older = self._devices.get(message.device)
            if older is not None and older != message.session:
                older.cast(m.Replaced())
                self._sessions.pop(older, None)
            if older != message.session:
                self._devices[message.device] = message.session
                self.monitor(message.session)
            self._presence.changed()
            return True

        self._next.question(opened, self.reply_to())
        return self._later()

    @on(m.Watch)
    def watch(self, message: m.Watch) -> int:
        """Hint this session from now on."""
        if message.session not in self._sessions:
            self.monitor(message.session)
        self._sessions[message.session] = Watcher()
        return self.state.version

    @on(m.HintsTaken)
    def hints_taken(self, message: m.HintsTaken) -> None:
        """A session has room for hints; what it got none of it learns as a level."""
        watcher = self._sessions.get(message.session)
        if watcher is not None and watcher.took(message.count):
            message.session.cast(m.Head(self.state.version))

    @on(Down)
    def session_down(self, message: Down) -> None:
        """A session ended."""
        self._sessions.pop(message.ref, None)
        self._presence.changed()
        for device in [d for d, ref in self._devices.items() if ref == message.ref]:
            del self._devices[device]
            self._desk.note_use(device)
