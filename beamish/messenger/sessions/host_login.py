"""Logins that no password of ours decides.

The program around a node may know its users itself. It says so in one of two ways, and a login
then asks nothing else:

* The node has a function `authenticate` (`NodeConfig`). It is asked at each `login`, with what the
  client gave as name and password and with its address, and answers with the name to show, or None
  for a stranger. It has `AUTHENTICATE_S` seconds; being late or raising refuses the login as
  `internal`, which a client may repeat, and is logged. Wrong guesses are counted as with passwords.
* A connection was handed in for a user (`Vouched`). Only that user may log in on it, whatever the
  password is.

The account is made at the first success and has no password: `register`, and everything that asks
for the present password, is `forbidden`. Its devices and their tokens are like any others, so a
`resume` asks nobody: whoever is no longer welcome has to be logged out or disabled.

A *system user* is an account for the node's own program; see `system_user`. Nobody logs in as one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import trio

from beamish.messenger import messages as m
from beamish.messenger.accounts.passwords import NO_PASSWORD, SYSTEM_USER
from beamish.messenger.accounts.tokens import new_device, new_token
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.users.account import DELETED
from beamish.protocol import Refusal as ProtocolRefusal
from beamish.protocol import validators
from beamish.protocol.session import Vouched

if TYPE_CHECKING:
    from beamish.messenger.sessions.session import Session

logger = logging.getLogger("beamish.messenger")

Authenticate: TypeAlias = Callable[[str, str, str], Awaitable[str | None]]
"""`(user, secret, peer)` to the name to show, or None for one who is not let in."""

AUTHENTICATE_S = 10.0


def stranger() -> ProtocolRefusal:
    """The refusal of one who is not let in."""
    return ProtocolRefusal("bad_credentials", "wrong user name or password")


def _unsure() -> ProtocolRefusal:
    return ProtocolRefusal("internal", "who you are could not be checked: try again")


class Entered(NamedTuple):
    """A device that may be opened: `display` is the user's name to show, `token` the new token.

    `token` is None for a device that was there.
    """

    display: str
    device: str
    digest: bytes
    token: str | None


async def vouched_for(actor: Session, user: str, secret: str) -> Vouched | None:
    """What the host says of who logs in; None for a stranger.

    Raises:
        Refusal: the protocol's; the host could not say.
    """
    vouched = actor.vouched
    if vouched is not None:
        return vouched if vouched.user == user else None
    authenticate = actor.environment.authenticate
    assert authenticate is not None
    try:
        with trio.fail_after(AUTHENTICATE_S):
            display = await authenticate(user, secret, actor.peer)
        if display is not None:
            validators.display(display, actor.environment.settings.limits, "the display name")
    except ProtocolRefusal as refusal:
        logger.error("authenticate gave no name to show for %s: %s", user, refusal.message)  # noqa: TRY400
        raise _unsure() from None
    except trio.TooSlowError:
        logger.error("authenticate took more than %.0f s for %s", AUTHENTICATE_S, user)  # noqa: TRY400
        raise _unsure() from None
    except Exception:
        logger.exception("authenticate failed for %s", user)
        raise _unsure() from None
    return None if display is None else Vouched(user, display)


async def enter(actor: Session, vouched: Vouched, device_name: str) -> Entered:
    """A device for a user whom the host vouches for; makes the account if there is none.

    Raises:
        Refusal: the protocol's; this user is not let in.
    """
    environment, user = actor.environment, vouched.user
    while True:
        account = await actor.ask("user", user, m.AccountOf())
        if account is not None:
            _check_kind(account, vouched)
            if vouched.system and account.tokens:
                device, digest = next(iter(account.tokens.items()))
                return Entered(account.display, device, digest, None)
        device = new_device(environment.secret)
        token, digest = new_token(user, device, environment.secret)
        if account is None:
            kind = SYSTEM_USER if vouched.system else NO_PASSWORD
            answer = await actor.ask(
                "user", user, m.Register(vouched.display, kind, device, digest, device_name)
            )
            if isinstance(answer, Refusal) and answer.code == "exists":
                continue  # Somebody was faster: the account is there to be looked at.
        else:
            answer = await actor.ask(
                "user", user, m.AddDevice(account.password, device, digest, device_name)
            )
        if isinstance(answer, Refusal):
            raise ProtocolRefusal(answer.code, answer.message, retry_after_ms=answer.retry_after_ms)
        return Entered(
            vouched.display if account is None else account.display, device, digest, token
        )


def _check_kind(account: m.Account, vouched: Vouched) -> None:
    """People do not get in as system users, nor system users as people."""
    if account.standing == DELETED:
        raise stranger()
    if vouched.system and account.password != SYSTEM_USER:
        raise ProtocolRefusal("exists", f"{vouched.user} is a person's account already")
    if not vouched.system and account.password == SYSTEM_USER:
        raise stranger()
