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
    is what its opener watches besides.
    """

    def __init__(self, stream: trio.abc.Stream, tcp: trio.SocketStream) -> None:
        self._stream = stream
        self._tcp = tcp
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
        if not data:
            self.ended.set()
        return data

    async def aclose(self) -> None:
        self.ended.set()
        await self._stream.aclose()

    def cut(self) -> None:
        """Reset the TCP connection: no FIN, no TLS or WebSocket goodbye."""
        with contextlib.suppress(OSError):
            self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._tcp.socket.close()


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


def websocket_connector(codec: Codec) -> Connect:
    """The default `connect`: `ws://` and `wss://` addresses, the subprotocol of `codec`."""

    async def connect(url: str, nursery: trio.Nursery) -> Transport:
        return await connect_websocket(url, nursery, codec)

    return connect


async def connect_websocket(url: str, nursery: trio.Nursery, codec: Codec) -> WebSocketTransport:
    """Open a WebSocket to a node.

    Raises:
        TransportClosed: nobody listens there, or it does not speak WebSocket.
        ValueError: `url` is no WebSocket address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or parts.hostname is None:
        raise ValueError(f"{url!r} is no address of a node: write ws://HOST:PORT/ws or wss://...")
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    stream = await _open_stream(parts.hostname, port, secure=parts.scheme == "wss")
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection: trio_websocket.WebSocketConnection | None = None
    try:
        async with trio.open_nursery() as opening:

            async def hang_up() -> None:
                await stream.ended.wait()
                opening.cancel_scope.cancel()

            opening.start_soon(hang_up)
            connection = await trio_websocket.wrap_client_stream(
                nursery,
                stream,  # type: ignore[arg-type,unused-ignore]  # it takes any trio stream
                parts.netloc.rpartition("@")[2],
                resource,
                subprotocols=[f"beamish.{codec}"],
                max_message_size=SERVER_FRAME_BYTES,
            )
            opening.cancel_scope.cancel()
    finally:
        if connection is None:
            stream.cut()
    if connection is None or connection.closed is not None:
        raise TransportClosed(f"{url} did not open a WebSocket: is that address a node's?")
    return WebSocketTransport(connection, stream, text=codec == "json")


async def _open_stream(host: str, port: int, *, secure: bool) -> _Stream:
    try:
        tcp = await trio.open_tcp_stream(host, port)
    except OSError as error:
        raise TransportClosed(f"cannot reach {host} port {port}: {error}") from None
    if not secure:
        return _Stream(tcp, tcp)
    tls = trio.SSLStream(
        tcp, ssl.create_default_context(), server_hostname=host, https_compatible=True
    )
    return _Stream(tls, tcp)


def _closed(closed: trio_websocket.ConnectionClosed) -> TransportClosed:
    reason = closed.reason
    if reason is None or reason.code == 1006:
        return TransportClosed("the connection was lost")
    return TransportClosed(reason.reason or reason.name, reason.code)
