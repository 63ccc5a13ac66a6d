"""`open_client`: from arguments and a store to a living client, and back to a store at rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random, SystemRandom
from typing import NamedTuple

import trio

from beamish.client.client import Client
from beamish.client.connection import Connection
from beamish.client.core import Core, Credentials
from beamish.client.delivery import Delivery, OnEvent, OnRecords
from beamish.client.errors import ClientClosed, StoreError
from beamish.client.inbox import Inbox
from beamish.client.outbox import Outbox
from beamish.client.questions import Questions
from beamish.client.reads import ReadMarks
from beamish.client.results import result_of
from beamish.client.settings import Settings
from beamish.client.store import MemoryStore, Store
from beamish.client.transport import Codec, Connect, websocket_connector
from beamish.client.wire import Wire, wire

_SYSTEM_RANDOM = SystemRandom()
"""Shared: each holds 2.5 kB of a generator's state that it never uses."""


@asynccontextmanager
async def open_client(
    urls: str | Sequence[str],
    *,
    user: str,
    password: str | None = None,
    token: str | None = None,
    register: bool = False,
    display: str | None = None,
    device_name: str | None = None,
    store: Store | None = None,
    codec: Codec = "msgpack",
    connect: Connect | None = None,
    random: Random | None = None,
    on_records: OnRecords | None = None,
    on_event: OnEvent | None = None,
    settings: Settings | None = None,
    wait: bool = True,
) -> AsyncIterator[Client]:
    """A client of `user` at one of `urls`; the package's docstring explains each argument.

    Raises:
        AuthenticationFailed: the node accepts neither token nor password.
        Unreachable: no node answered for `settings.give_up` seconds.
        StoreError: the store is in use, damaged or another user's.
        ValueError: an argument makes no sense.
    """
    settings = settings or Settings()
    addresses = [urls] if isinstance(urls, str) else list(urls)
    if not addresses:
        raise ValueError("open_client needs the address of a node: ws://HOST:PORT/ws")
    seams = _Seams(wire(codec), connect or websocket_connector(codec), random or _SYSTEM_RANDOM)
    store = MemoryStore() if store is None else store
    credentials = Credentials(user, password, token, register, display, device_name)
    delivery = Delivery(store, on_records, on_event, settings.event_limit)
    core = await _core(credentials, settings, store, seams, delivery)
    async with _running(core, addresses) as client:
        if wait:
            await client.wait_connected()
        yield client


class _Seams(NamedTuple):
    wire: Wire
    connect: Connect
    random: Random


@asynccontextmanager
async def _running(core: Core, addresses: list[str]) -> AsyncIterator[Client]:
    """The client at work for as long as the body runs, an orderly goodbye, the store released.

    A single exception, from the body or a callback, leaves as itself, not in a group.
    """
    reads = ReadMarks(core.random)
    connection = Connection(core, addresses, reads)
    ended = trio.Event()
    try:
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                await connection.run()
                ended.set()

            nursery.start_soon(run)
            try:
                yield Client(core, reads)
            finally:
                with trio.CancelScope(shield=True):
                    await _say_goodbye(core, ended)
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _single(group) from None
    finally:
        with trio.CancelScope(shield=True):
            await core.store.release()


async def _say_goodbye(core: Core, ended: trio.Event) -> None:
    """Store what is not stored yet, fail what waits, close the connection if there is one."""
    if core.failure is None:
        await core.commit(core.outbox.batch())
    core.fail(ClientClosed("the client was closed"))
    if core.link is not None:
        with trio.move_on_after(core.settings.close_timeout):
            await ended.wait()


def _single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    return inner


async def _core(
    credentials: Credentials,
    settings: Settings,
    store: Store,
    seams: _Seams,
    delivery: Delivery,
) -> Core:
    """Claim the store and build on what it holds."""
    state = await store.load()
    identity = state.identity
    if identity is not None and identity.user != credentials.user:
        await store.release()
        raise StoreError(
            f"this store is {identity.user}'s, not {credentials.user}'s:"
            " give each a store of its own"
        )
    outbox = Outbox(seams.random, settings.max_pending)
    outbox.restore(state.numbers, state.commands, result_of)
    delivery.restore(state.items, state.sequence, state.cursor[1])
    return Core(
        credentials=credentials,
        settings=settings,
        store=store,
        wire=seams.wire,
        connect=seams.connect,
        random=seams.random,
        inbox=Inbox(state),
        outbox=outbox,
        questions=Questions(seams.random),
        delivery=delivery,
        identity=identity,
        token=credentials.token if identity is None else identity.token,
    )
