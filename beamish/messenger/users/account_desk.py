"""What one activation of a user does about the account: who gets in, and who is put out.

Changes are decided against the committed state, one with each append. Around it stands the fence of
`leases`: devices that a change ends are suspended while it is written; then, before anybody is
answered, and again whenever an activation begins, whoever may speak is told from whoever may not,
and the connections of the latter are closed. That is a level too, so a crash at any point between
changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors import Ref, ReplyTo
from beamish.messenger import messages as m
from beamish.messenger.accounts.tokens import same
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.presence import LookAgain
from beamish.messenger.users.account import DELETED, DISABLED
from beamish.messenger.users.account_actions import AccountCommand, Written, decide
from beamish.messenger.users.account_changes import SEEN_STEP_MS, ChangeAccount, Now, ending
from beamish.messenger.users.batch import Change
from beamish.messenger.users.devices import (
    NOT_NOW,
    ended,
    expired,
    new_device,
    registration,
)
from beamish.messenger.users.obligations import Obligations
from beamish.messenger.users.state import UserState

if TYPE_CHECKING:
    from beamish.messenger.users.user import User


class Patient:
    """Answers a command when what it wrote is known to whom it obliges.

    A command that is repeated gets its first result no sooner, while that is owed.
    """

    def __init__(self, obligations: Obligations, reply_to: ReplyTo[Any]) -> None:
        self._obligations = obligations
        self._reply_to = reply_to

    def reply(self, answer: object) -> None:
        """Answer now or later."""
        if isinstance(answer, Result):
            self._obligations.reply(answer.n, answer, self._reply_to)
        else:
            self._reply_to.reply(answer)


LAST_SEEN_STEP_MS = 60_000
"""Milliseconds between two records of when the user was last seen, at least."""

DAY_MS = 24 * 3_600_000


class AccountDesk:
    """The account of one user, as its actor sees to it."""

    def __init__(self, actor: User) -> None:
        self._actor = actor
        self._leaving: dict[Ref, None] = {}
        """Sessions that asked for the end of their own device: they close when they answered."""
        self._settings: object = None

    # -- changes -----------------------------------------------------------------------------------

    def register(self, message: m.Register) -> Change:
        """A new account."""
        now = self._actor.environment.now_ms()
        return lambda state: registration(state, message, now)

    def add_device(self, message: m.AddDevice) -> Change:
        """One more device."""
        now, most = self._now(), self._actor.environment.settings.limits.devices

        def added(state: UserState) -> Written | Refusal:
            return new_device(state.account, message, now.connected, most, now.at)

        return self._fenced(added)

    def command(self, command: AccountCommand) -> Change:
        """A numbered command."""
        now = self._actor.environment.now_ms()
        return lambda state: decide(state, command, now)

    def reply_to(self, reply_to: ReplyTo[Any]) -> Patient:
        """Answers a numbered command after whoever has to knows of it."""
        return Patient(self._actor.obligations, reply_to)

    def change(self, message: ChangeAccount) -> Change:
        """Any other change."""
        if message.session is not None:
            self._leaving[message.session] = None
        now = self._now()
        return self._fenced(lambda state: message.written(state, now))

    def _now(self) -> Now:
        environment = self._actor.environment
        connected = frozenset(environment.connections.devices(self._actor.user).values())
        return Now(environment.now_ms(), connected, environment.settings.device_days * DAY_MS)

    def _fenced(self, change: Change) -> Change:
        def fenced(state: UserState) -> Written | Refusal:
            written = change(state)
            if isinstance(written, Written) and written.records:
                going = ending(state.account, written.records)
                self._actor.environment.leases.suspend(self._actor.user, going)
            return written

        return fenced

    # -- what follows ------------------------------------------------------------------------------

    def fence(self) -> None:
        """Let those devices speak that may, and no others."""
        environment, user = self._actor.environment, self._actor.user
        admitted = self._actor.state.account.admitted
        environment.leases.settle(user, admitted)
        for session, device in environment.connections.devices(user).items():
            if device not in admitted and session not in self._leaving:
                environment.connections.revoke(session)
        self._leaving = {session: None for session in self._leaving if session.is_alive()}

    def opened(self, state: UserState, message: m.OpenDevice) -> bool | Refusal:
        """Whether a session that presents a token may speak for its device."""
        account = state.account
        known = account.devices.get(message.device)
        if known is None or not same(known.token, message.token):
            return Refusal("bad_credentials", "the token is not valid: log in again")
        if account.standing == DISABLED:
            return NOT_NOW
        now = self._now()
        if message.device in expired(account, now.connected, now.at - now.device_ms):
            self._write(ended([message.device]))
            return Refusal("bad_credentials", "the device was not used for long: log in again")
        if now.at - known.used >= SEEN_STEP_MS:
            self._write([{"t": "seen", "device": message.device, "at": now.at}])
        return True

    def note_use(self, device: str) -> None:
        """Write down that a device was in use until now, not more than once a minute."""
        now = self._actor.environment.now_ms()
        if now - self._actor.state.account.seen_at >= LAST_SEEN_STEP_MS:
            self._write([{"t": "seen", "device": device, "at": now}])

    def _write(self, records: list[dict[str, object]]) -> None:
        """Write about a device, if it is still there then."""

        def written(state: UserState) -> Written:
            devices = state.account.devices
            return Written([record for record in records if record["device"] in devices])

        self._actor.change_account(self._fenced(written), None)

    def account_of(self, state: UserState) -> m.Account | None:
        """What a login has to know."""
        if not state.exists:
            return None
        account = state.account
        tokens = {device: known.token for device, known in account.devices.items()}
        return m.Account(account.display, account.password, tokens, account.standing)

    def told(self) -> None:
        """The account may show another name from now on, and see others otherwise."""
        account = self._actor.state.account
        settings = (account.privacy, account.obliges_at)
        if settings != self._settings:
            self._settings = settings
            for session in self._actor.environment.connections.devices(self._actor.user):
                session.cast(LookAgain())
        profiles = self._actor.environment.profiles
        if account.standing == DELETED or profiles.get(self._actor.user) is not None:
            profiles.put(self._actor.user, account.display)
