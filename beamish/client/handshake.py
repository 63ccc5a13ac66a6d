"""The first commands of a connection: hello, then who this is, then from where on.

`hello`, `resume` and `attach` travel in one frame; a device without a token logs in or registers
first. A refused token is forgotten, and the password, where there is one, makes a new device. What
the old device has not answered then ends in `OutcomeUnknown`: to send it from another device might
do it twice. The cursor stays, for it counts in the user's inbox, which all devices share.
"""

from __future__ import annotations

import contextlib
from typing import Any

import trio

from beamish.client.core import Core
from beamish.client.errors import (
    AlreadyExists,
    AuthenticationFailed,
    CommandError,
    OutcomeUnknown,
    StoreError,
    TransportClosed,
)
from beamish.client.link import Exchange, Link
from beamish.client.outbox import WINDOW
from beamish.client.store import Batch, Identity

PROTOCOL_VERSIONS = [1]
CLIENT_NAME = "beamish-python"


async def shake_hands(core: Core, link: Link) -> None:
    """Take `link` from opened to logged in, and attached where the cursor allows it.

    Raises:
        CommandError: the node refused; `retryable` says whether trying again makes sense.
        TransportClosed: the connection ended.
        StoreError: the store is of another user, or cannot be written.
    """
    exchange = Exchange(link)
    hello = exchange.add("hello", versions=PROTOCOL_VERSIONS, client=CLIENT_NAME)
    token = core.token
    if token is not None:
        resume = exchange.add("resume", then=exchange.note_login, token=token)
        attach = _add_attach(core, exchange)
        await exchange.send(core.settings.ping_timeout)
        await _hello(core, exchange, hello)
        if await _resumed(core, exchange, resume, token):
            await _attached(exchange, attach)
            return
    else:
        await exchange.send(core.settings.ping_timeout)
        await _hello(core, exchange, hello)
    await _new_device(core, exchange)


def _add_attach(core: Core, exchange: Exchange) -> int | None:
    """Attach in the same frame, unless history has to be read first."""
    if core.inbox.to_read:
        return None

    def answered(item: dict[str, Any]) -> None:
        if "ok" in item:
            core.inbox.attach_answered(item["ok"])

    return exchange.add("attach", then=answered, **attach_fields(core))


async def _attached(exchange: Exchange, attach: int | None) -> None:
    """Wait for the answer to attach; a refusal is met again, and acted upon, by synchronising."""
    if attach is not None:
        with contextlib.suppress(CommandError):
            await exchange.answer(attach)


def attach_fields(core: Core) -> dict[str, Any]:
    """The fields of `attach` for the cursor as it is now."""
    epoch, number = core.inbox.cursor
    return {"number": number} if epoch is None else {"epoch": epoch, "number": number}


async def _hello(core: Core, exchange: Exchange, hello: int) -> None:
    """Wait for the answer, which no password hash delays: without it nobody is there."""
    patience = core.settings.connect_timeout
    with trio.move_on_after(patience) as scope:
        answer = await exchange.answer(hello)
        core.limits = answer["limits"]
    if scope.cancelled_caught:
        raise TransportClosed(f"the node did not answer hello in {patience:g} s")
    core.outbox.window = min(WINDOW, core.limits.get("unanswered", WINDOW))


async def _resumed(core: Core, exchange: Exchange, resume: int, token: str) -> bool:
    """Whether the token was good; if not, and there is a password, it is forgotten."""
    try:
        answer = await exchange.answer(resume)
    except AuthenticationFailed as refused:
        await forget_device(core)
        if core.credentials.password is None:
            raise AuthenticationFailed(
                refused.code,
                "the node does not know this device's token (any more), and there is no password"
                " to log in with: open the client with one",
            ) from None
        return False
    if core.identity is None:
        await _become(core, Identity(answer["user"], answer["device"], token))
    return True


async def _new_device(core: Core, exchange: Exchange) -> None:
    credentials = core.credentials
    if credentials.password is None:
        raise AuthenticationFailed(
            "unauthenticated", "there is neither a token nor a password: give one of them"
        )
    answer: dict[str, Any] | None = None
    if credentials.register:
        # The name may exist by an earlier attempt whose answer was lost: the password decides.
        with contextlib.suppress(AlreadyExists):
            answer = await _log_in(core, exchange, "register", {"display": credentials.display})
    if answer is None:
        answer = await _log_in(core, exchange, "login")
    await _become(core, Identity(answer["user"], answer["device"], answer["token"]))


async def _log_in(
    core: Core, exchange: Exchange, command: str, fields: dict[str, str | None] | None = None
) -> dict[str, Any]:
    """Log in and attach in one frame."""
    credentials = core.credentials
    optional = {"device_name": credentials.device_name, **(fields or {})}
    given: dict[str, Any] = {name: value for name, value in optional.items() if value is not None}
    given |= {"user": credentials.user, "password": credentials.password}
    request = exchange.add(command, then=exchange.note_login, **given)
    attach = _add_attach(core, exchange)
    await exchange.send(core.settings.ping_timeout)
    answer = await exchange.answer(request)
    await _attached(exchange, attach)
    return answer


async def forget_device(core: Core) -> None:
    """The device is void: its token, its numbers, its unanswered commands."""
    core.token = core.identity = None
    core.outbox.abandon(
        OutcomeUnknown(
            "the device that sent this was logged out before the answer came: compare with the"
            " history before sending it again"
        ),
        closing=False,
    )
    await core.commit(Batch(new_device=True, forget_identity=True))


async def _become(core: Core, identity: Identity) -> None:
    if identity.user != core.credentials.user:
        raise StoreError(
            f"this store or token is {identity.user}'s, not {core.credentials.user}'s:"
            " give each user a store of its own"
        )
    core.identity = identity
    core.token = identity.token
    await core.commit(Batch(identity=identity))
