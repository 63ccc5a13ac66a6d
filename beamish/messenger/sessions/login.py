"""How a connection comes to speak for a user: hello, register, login, resume, logout.

A device's token goes with a session for its whole life. Failed logins end the connection after
five, and are counted by user and address beyond it, so that reconnecting does not help guessing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from beamish.messenger import messages as m
from beamish.messenger.accounts.passwords import PasswordsUnwanted
from beamish.messenger.accounts.tokens import new_device, new_token, read_token, same
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.ids import is_user_name
from beamish.messenger.leases import GONE
from beamish.messenger.sessions.host_login import enter, stranger, vouched_for
from beamish.messenger.users.account import DELETED
from beamish.messenger.users.account_changes import ChangeAccount, RevokeDevice
from beamish.protocol import (
    VERSIONS,
    CloseCode,
    Command,
    ErrorCode,
    Hello,
    Item,
    Logout,
    Ping,
    Register,
    Resume,
)
from beamish.protocol import Login as LoginCommand
from beamish.protocol import Refusal as ProtocolRefusal
from beamish.version import VERSION

if TYPE_CHECKING:
    from beamish.messenger.sessions.session import Session

SERVER = f"beamish/{VERSION}"
MAX_FAILED_LOGINS = 5

Handler = Callable[[Any], Awaitable["dict[str, object] | bytes | None"]]


class Login:
    """The login state of one session."""

    def __init__(self, actor: Session) -> None:
        self._actor = actor
        self._greeted = False
        self._failures = 0
        self.handlers: dict[type[Command], Handler] = {
            Hello: self.hello,
            Register: self.register,
            LoginCommand: self.login,
            Resume: self.resume,
            Logout: self.logout,
            Ping: self.ping,
        }

    async def admit(self, command: Command) -> None:
        """Whether this command may come now; raises the protocol's Refusal when not."""
        logged_in = bool(self._actor.user)
        if self._actor.environment.shutting_down:
            raise ProtocolRefusal("shutting_down", "this node stops: use another connection")
        if isinstance(command, Hello):
            if self._greeted:
                raise ProtocolRefusal("bad_request", "hello was said already")
        elif not self._greeted:
            raise ProtocolRefusal("bad_request", "say hello first")
        elif isinstance(command, Register | LoginCommand | Resume):
            if logged_in:
                raise ProtocolRefusal("bad_request", "this connection is logged in already")
            self._actor.link_to_client.logging_in = True
        elif not logged_in and not isinstance(command, Ping):
            raise ProtocolRefusal("unauthenticated", "log in first")

    async def hello(self, command: Hello) -> dict[str, object]:
        """Settle the version."""
        common = set(command.versions) & set(VERSIONS)
        if not common:
            raise ProtocolRefusal(
                "unsupported_version",
                f"this node speaks the versions {list(VERSIONS)}",
                versions=list(VERSIONS),
            )
        self._greeted = True
        settings = self._actor.environment.settings
        return {
            "version": max(common),
            "server": SERVER,
            "time": self._actor.environment.now_ms(),
            "registration": (
                "open" if settings.registration_open and not self._asks_host else "closed"
            ),
            "limits": settings.limits.as_map(),
        }

    async def ping(self, _command: Ping) -> dict[str, object]:
        """A sign of life."""
        return {"time": self._actor.environment.now_ms()}

    async def register(self, command: Register) -> dict[str, object]:
        """Make a user and a first device."""
        environment = self._actor.environment
        if self._asks_host:
            raise ProtocolRefusal("forbidden", "accounts are made elsewhere: log in")
        if not environment.settings.registration_open:
            raise ProtocolRefusal("forbidden", "registration is closed: ask the operator")
        if await self._actor.ask("user", command.user, m.AccountOf()) is not None:
            raise ProtocolRefusal("exists", f"the user name {command.user} is taken")
        hashed = await environment.passwords.hash(command.password, self.wanted)
        self.check_wanted()
        device = new_device(environment.secret)
        token, digest = new_token(command.user, device, environment.secret)
        display = command.display or command.user
        name = command.device_name or ""
        answer = await self._actor.ask(
            "user", command.user, m.Register(display, hashed, device, digest, name)
        )
        if isinstance(answer, Refusal):
            raise _refusal(answer)
        await self._open(command.user, display, device, digest)
        return self._logged_in(token)

    async def login(self, command: LoginCommand) -> dict[str, object]:
        """Make a new device of a user who knows the password, or whom the host knows."""
        environment = self._actor.environment
        self.check_guessing(command.user)
        if self._asks_host:
            return await self._login_by_host(command)
        account = await self._actor.ask("user", command.user, m.AccountOf())
        stored = None if account is None or account.standing == DELETED else account.password
        right = await environment.passwords.verify(stored, command.password, self.wanted)
        self.check_wanted()
        if not right or account is None:
            environment.guesses.failed(command.user, self._actor.peer)
            raise ProtocolRefusal("bad_credentials", "wrong user name or password")
        device = new_device(environment.secret)
        token, digest = new_token(command.user, device, environment.secret)
        name = command.device_name or ""
        answer = await self._actor.ask(
            "user", command.user, m.AddDevice(account.password, device, digest, name)
        )
        if isinstance(answer, Refusal):
            raise _refusal(answer)
        await self._open(command.user, account.display, device, digest)
        return self._logged_in(token)

    @property
    def _asks_host(self) -> bool:
        """Whether who logs in here is known to the program around the node, not by password."""
        return self._actor.vouched is not None or self._actor.environment.authenticate is not None

    async def _login_by_host(self, command: LoginCommand) -> dict[str, object]:
        actor, user = self._actor, command.user
        vouched = await vouched_for(actor, user, command.password)
        self.check_wanted()
        if vouched is None:
            actor.environment.guesses.failed(user, actor.peer)
            raise stranger()
        entered = await enter(actor, vouched, command.device_name or "")
        await self._open(user, entered.display, entered.device, entered.digest)
        return self._logged_in(entered.token)

    def wanted(self) -> bool:
        """Whether anybody is there to hear of the login's outcome."""
        return not (self._actor.link_to_client.lost or self._actor.outbox.closed)

    def check_wanted(self) -> None:
        """Make no device whose token would reach nobody."""
        if not self.wanted():
            raise PasswordsUnwanted

    def check_guessing(self, user: str) -> None:
        """Refuse to look at a password when too many were wrong."""
        wait_s = self._actor.environment.guesses.wait_s(user, self._actor.peer)
        if wait_s > 0:
            raise ProtocolRefusal(
                "rate_limited",
                "too many failed logins: wait before you try again",
                retry_after_ms=int(1000 * wait_s) + 1,
            )

    async def resume(self, command: Resume) -> dict[str, object]:
        """Log a device in by its token."""
        token = read_token(command.token)
        account = None
        if token is not None and is_user_name(token.user):
            account = await self._actor.ask("user", token.user, m.AccountOf())
        known = None if account is None or token is None else account.tokens.get(token.device)
        vouched = self._actor.vouched
        if token is not None and vouched is not None and token.user != vouched.user:
            known = None
        if token is None or account is None or not same(known, token.digest):
            raise ProtocolRefusal("bad_credentials", "the token is not valid: log in again")
        await self._open(token.user, account.display, token.device, token.digest)
        return self._logged_in(None)

    async def _open(self, user: str, display: str, device: str, digest: bytes) -> None:
        actor = self._actor
        # Taken before the question: should the device end behind the answer, the lease says so.
        lease = actor.environment.leases.take(user, device)
        opened = await actor.ask("user", user, m.OpenDevice(actor.ref, device, digest))
        refusal = opened if isinstance(opened, Refusal) else lease.refusal
        if refusal is not None:
            raise _refusal(refusal)
        actor.lease = lease
        actor.user, actor.display, actor.device, actor.token = user, display, device, digest
        actor.link_to_client.authenticated = True
        actor.environment.connections.logged_in(actor.ref, user, device)

    def _logged_in(self, token: str | None) -> dict[str, object]:
        actor = self._actor
        ok: dict[str, object] = {
            "user": actor.user,
            "display": actor.display,
            "device": actor.device,
        }
        return ok if token is None else {**ok, "token": token}

    async def logout(self, _command: Logout) -> dict[str, object]:
        """Forget this device."""
        actor = self._actor
        change = ChangeAccount(RevokeDevice(actor.device), actor.device, actor.ref)
        answer = await actor.ask_user(change)
        # Asked again after a crash, the first time may have worked.
        if isinstance(answer, Refusal) and answer.code != GONE.code:
            raise _refusal(answer)
        return {}

    def after(self, command: Command) -> None:
        """What follows an answer."""
        if isinstance(command, Logout):
            self._actor.close(CloseCode.NORMAL, "logged out")

    def refused(self, item: Item, refusal: ProtocolRefusal) -> None:
        """Count failed logins; the fifth ends the connection."""
        login = item.get("command") in ("login", "resume")
        if login and refusal.code in (ErrorCode.BAD_CREDENTIALS, ErrorCode.RATE_LIMITED):
            self._failures += 1
            if self._failures >= MAX_FAILED_LOGINS:
                self._actor.close(CloseCode.TOO_MANY_FAILED_LOGINS, "too many failed logins")


def _refusal(refusal: Refusal) -> ProtocolRefusal:
    return ProtocolRefusal(refusal.code, refusal.message, retry_after_ms=refusal.retry_after_ms)
