"""The transport seam: what a client needs of a connection, and its WebSocket implementation.

A transport carries whole frames, in order, until it ends. The simulator joins here, above the
WebSocket codec. `connect` is any `async connect(url, nursery) -> Transport`; it may start
background tasks in `nursery`, which lives as long as the connection.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol
from urllib.parse import urlsplit

import trio
import trio_websocket

from beamish.client.errors import TransportClosed

Codec = Literal["msgpack", "json"]

SERVER_FRAME_BYTES = 16 * 2**20
"""Largest frame accepted from a node (the protocol's own default limit is 1 MiB)."""

_READ_BYTES = 64 * 1024
_HEAD_BYTES = 4 * 2**20


class Transport(Protocol):
    """One connection. `send`, `receive` may run at the same time in two tasks, each once."""

    async def send(self, frame: bytes) -> None:
        """Write one frame. Raises `TransportClosed`."""
        ...

    async def receive(self) -> bytes | str:
        """Wait for the next frame. Raises `TransportClosed` with code and reason at the end."""
        ...

    async def aclose(self) -> None:
        """Say goodbye and end the connection; its receiver gets `TransportClosed`."""
        ...

    def cut(self) -> None:
        """End the connection at once without a word to the peer."""
        ...


Connect = Callable[[str, trio.Nursery], Awaitable[Transport]]


class _Stream(trio.abc.Stream):
    """A TCP or TLS stream that can be cut, reads in larger pieces and tells that it has ended.

    trio-websocket waits for ever when the peer hangs up within the opening handshake; `ended`
    is what its opener watches besides. Until `opened` is set only so much is taken in.
    """

    def __init__(self, stream: trio.abc.Stream, tcp: trio.SocketStream) -> None:
        self._stream = stream
        self._tcp = tcp
        self._head = 0
        self.opened = False
        self.ended = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._stream.send_all(data)
        except BaseException:
            self.ended.set()
            raise

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(  # the caller's 4 KiB would cost a turn each
        self,
        max_bytes: int | None = None,  # noqa: ARG002
    ) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(_READ_BYTES)
        except BaseException:
            self.ended.set()
            raise
        if not self.opened:
            self._head += len(data)
        if not data or self._head > _HEAD_BYTES:
            self.ended.set()
            return b""
        return data

    async def aclose(self) -> None:
        self.ended.set()
        await self._stream.aclose()

    def cut(self) -> None:
        """Reset the TCP connection: no FIN, no TLS or WebSocket goodbye."""
        self.ended.set()
        with contextlib.suppress(OSError):
            self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._tcp.socket.close()


class _Guard:
    """What trio-websocket takes for a nursery: starts its reader so that no failure leaves it.

    A refused handshake, or a peer that breaks the framing, ends the connection, not the program.
    `refused`: why the handshake failed.
    """

    def __init__(self, nursery: trio.Nursery, stream: _Stream) -> None:
        self.refused = TransportClosed("it hung up")
        self._nursery = nursery
        self._stream = stream

    def start_soon(self, reader: Callable[[], Awaitable[None]]) -> None:
        """Start trio-websocket's reader."""
        self._nursery.start_soon(self._run, reader)

    async def _run(self, reader: Callable[[], Awaitable[None]]) -> None:
        try:
            await reader()
        except trio_websocket.ConnectionRejected as rejected:
            after = dict(rejected.headers).get(b"retry-after", b"0")
            self.refused = TransportClosed(
                f"it answered with HTTP status {rejected.status_code}",
                retry_after=float(after) if after.isdigit() else 0.0,
            )
        except Exception as error:
            self.refused = TransportClosed(f"it does not keep to WebSocket: {error!r}")
        finally:
            self._stream.ended.set()


class WebSocketTransport:
    """A `Transport` over trio-websocket."""

    def __init__(
        self, connection: trio_websocket.WebSocketConnection, stream: _Stream, *, text: bool
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._text = text

    async def send(self, frame: bytes) -> None:
        """See `Transport`."""
        try:
            await self._connection.send_message(frame.decode() if self._text else frame)
        except trio_websocket.ConnectionClosed as closed:
            raise _closed(closed) from None

    async def receive(self) -> bytes | str:
        """See `Transport`."""
        try:
            return await self._connection.get_message()
        except trio_websocket.ConnectionClosed as closed:
            raise _closed(closed) from None

    async def aclose(self) -> None:
        """See `Transport`."""
        await self._connection.aclose()

    def cut(self) -> None:
        """See `Transport`."""
        self._stream.cut()


def websocket_connector(codec: Codec, ssl_context: ssl.SSLContext | None = None) -> Connect:
    """The default `connect`: `ws://` and `wss://` addresses, the subprotocol of `codec`.

    `ssl_context`: what a `wss://` node's certificate is judged by; None: the system's authorities.
    """

    async def connect(url: str, nursery: trio.Nursery) -> Transport:
        return await connect_websocket(url, nursery, codec, ssl_context)

    return connect


async def connect_websocket(
    url: str, nursery: trio.Nursery, codec: Codec, ssl_context: ssl.SSLContext | None = None
) -> WebSocketTransport:
    """Open a WebSocket to a node.

    Raises:
        TransportClosed: nobody listens there, or it does not speak WebSocket.
        ValueError: `url` is no WebSocket address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or parts.hostname is None:
        raise ValueError(f"{url!r} is no address of a node: write ws://HOST:PORT/ws or wss://...")
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    secure = parts.scheme == "wss"
    context = (ssl_context or ssl.create_default_context()) if secure else None
    stream = await _open_stream(parts.hostname, port, context)
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    guard = _Guard(nursery, stream)
    connection = await _shake_hands(guard, stream, parts.netloc, resource, f"beamish.{codec}")
    if connection is None:
        raise TransportClosed(
            f"{url} did not open a WebSocket: {guard.refused.reason}; is that address a node's?",
            retry_after=guard.refused.retry_after,
        )
    return WebSocketTransport(connection, stream, text=codec == "json")


async def _shake_hands(
    guard: _Guard, stream: _Stream, host: str, resource: str, subprotocol: str
) -> trio_websocket.WebSocketConnection | None:
    """The opened WebSocket, or None: then the stream is cut and `guard.refused` says why."""
    connection: trio_websocket.WebSocketConnection | None = None
    try:
        async with trio.open_nursery() as opening:

            async def hang_up() -> None:
                await stream.ended.wait()
                opening.cancel_scope.cancel()

            opening.start_soon(hang_up)
            connection = await trio_websocket.wrap_client_stream(
                guard,  # type: ignore[arg-type,unused-ignore]  # it only calls start_soon
                stream,  # type: ignore[arg-type,unused-ignore]  # it takes any trio stream
                host.rpartition("@")[2],
                resource,
                subprotocols=[subprotocol],
                max_message_size=SERVER_FRAME_BYTES,
            )
            opening.cancel_scope.cancel()
        if connection is not None and connection.subprotocol == subprotocol:
            stream.opened = True
            return connection
        if connection is not None:
            guard.refused = TransportClosed(f"it does not speak {subprotocol}")
        return None
    finally:
        if not stream.opened:
            stream.cut()


async def _open_stream(host: str, port: int, context: ssl.SSLContext | None) -> _Stream:
    try:
        tcp = await trio.open_tcp_stream(host, port)
    except OSError as error:
        raise TransportClosed(f"cannot reach {host} port {port}: {error}") from None
    if context is None:
        return _Stream(tcp, tcp)
    tls = trio.SSLStream(tcp, context, server_hostname=host, https_compatible=True)
    return _Stream(tls, tcp)


def _closed(closed: trio_websocket.ConnectionClosed) -> TransportClosed:
    reason = closed.reason
    if reason is None or reason.code == 1006:
        return TransportClosed("the connection was lost")
    return TransportClosed(reason.reason or reason.name, reason.code)
