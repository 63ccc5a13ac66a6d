"""A node that only echoes, and ways to reach a gateway in front of it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from trio_websocket import WebSocketConnection, open_websocket_url

from beamish.gateway import Gateway, GatewayConfig, open_gateway
from beamish.protocol import Codec, Item
from beamish.protocol.session import SessionClosed, Vouched


class EchoSession:
    """Echoes items; a few commands make it behave otherwise."""

    def __init__(self, codec: Codec, peer: str) -> None:
        self.codec = codec
        self.peer = peer
        self.authenticated = False
        self.logging_in = False
        self.received: list[Item] = []
        self.gone = trio.Event()
        self.gate: trio.Event | None = None
        self._end: SessionClosed | None = None
        self._send, self._receive = trio.open_memory_channel[bytes](math.inf)
        self.taken = 0
        self.batch = 256

    def push(self, item: Item) -> None:
        self._send.send_nowait(self.codec.encode(item))

    async def receive(self, item: Item) -> None:
        if self.gate is not None:
            await self.gate.wait()
        self.received.append(item)
        match item.get("command"):
            case "login":
                self.authenticated = True
            case "close":
                self.end(item["code"], "as asked")
                raise SessionClosed(item["code"], "as asked")
            case "crash":
                raise RuntimeError("a fault in the session")
        self.push({"echo": item})

    def end(self, code: int, reason: str) -> None:
        self.push({"last": True})
        self._end = SessionClosed(code, reason)
        self._send.close()

    async def take(self) -> list[bytes]:
        try:
            items = [await self._receive.receive()]
        except trio.EndOfChannel:
            assert self._end is not None
            raise self._end from None
        while len(items) < self.batch:
            try:
                items.append(self._receive.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                break
        self.taken += len(items)
        return items

    async def disconnected(self) -> None:
        self.gone.set()


class EchoNode:
    def __init__(self) -> None:
        self.sessions: list[EchoSession] = []
        self.is_ready = True
        self.refusal: Exception | None = None

    def ready(self) -> bool:
        return self.is_ready

    def open_session(self, codec: Codec, peer: str, vouched: Vouched | None = None) -> EchoSession:
        self.vouched = vouched
        if self.refusal is not None:
            raise self.refusal
        self.sessions.append(EchoSession(codec, peer))
        return self.sessions[-1]


class Port:
    """An open gateway in front of an EchoNode."""

    def __init__(self, gateway: Gateway, node: EchoNode) -> None:
        self.gateway = gateway
        self.node = node

    @asynccontextmanager
    async def websocket(
        self, subprotocol: str = "beamish.json", *, origin: str | None = None, **options: object
    ) -> AsyncIterator[WebSocketConnection]:
        headers = [(b"Origin", origin.encode())] if origin is not None else None
        async with open_websocket_url(
            self.gateway.ws_url, subprotocols=[subprotocol], extra_headers=headers, **options
        ) as ws:
            try:
                yield ws
            finally:
                await ws.aclose()
                # A trio-websocket client leaves the socket open after the server's close.
                await trio.aclose_forcefully(ws._stream)

    async def tcp(self) -> trio.SocketStream:
        return await trio.open_tcp_stream(*self.gateway.address)

    async def http(self, request: bytes) -> bytes:
        """Send bytes, read to the end of the connection."""
        async with await self.tcp() as stream:
            await stream.send_all(request)
            return await read_all(stream)


async def read_all(stream: trio.SocketStream) -> bytes:
    received = b""
    while data := await stream.receive_some():
        received += data
    return received


async def until(condition) -> None:
    """Wait until it holds, of something that tells nobody when it changes."""
    with trio.fail_after(30):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


OpenPort = Callable[..., AbstractAsyncContextManager[Port]]


@pytest.fixture
def open_port() -> OpenPort:
    @asynccontextmanager
    async def opened(page: Path | None = None, **settings: object) -> AsyncIterator[Port]:
        node = EchoNode()
        async with trio.open_nursery() as nursery:
            config = GatewayConfig(page=page, **settings)
            gateway = await open_gateway(nursery, "127.0.0.1", 0, node, config)
            with trio.fail_after(300):
                yield Port(gateway, node)
                await gateway.close()

    return opened


@pytest.fixture
def virtual_time(autojump_clock: trio.testing.MockClock) -> trio.testing.MockClock:
    """Time that jumps when nothing happens, with a moment's grace for the kernel's sockets."""
    autojump_clock.autojump_threshold = 0.02
    return autojump_clock
