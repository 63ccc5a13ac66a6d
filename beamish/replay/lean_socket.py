"""A WebSocket for thousands of clients in one process: the client's transport seam, done cheaply.

What RFC 6455 asks of a client that offers no extension and sends binary frames, straight on a trio
stream: a fraction of what a general library costs for each frame. The opening handshake is checked;
frames may be fragmented, mixed with pings, and split anywhere. Masks are zero: masking keeps
scripts in browsers from deceiving proxies, and this process runs no scripts.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import struct
from urllib.parse import urlsplit

import trio

from beamish.client import TransportClosed

SUBPROTOCOL = "beamish.msgpack"
LONGEST_HEAD = 16 * 1024
LONGEST_FRAME = 16 * 2**20
READ_BYTES = 64 * 1024
GOODBYE_WITHIN = 1.0

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL = 0x80
_NO_MASK = bytes(4)
_LOST = "the connection was lost"


async def connect_lean(url: str) -> LeanSocket:
    """Opens a WebSocket to a node at a `ws:` address, for `beamish.client.open_client`.

    Raises:
        TransportClosed: nobody listens there, or it does not speak the protocol.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    try:
        stream = await trio.open_tcp_stream(host, port)
    except OSError as error:
        raise TransportClosed(f"cannot reach {host} port {port}: {error}") from None
    try:
        rest = await _shake_hands(stream, parts.netloc, parts.path or "/")
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        stream.socket.close()
        raise TransportClosed(_LOST) from None
    except BaseException:
        stream.socket.close()
        raise
    raw = socket.socket(fileno=stream.socket.detach())
    raw.setblocking(False)
    return LeanSocket(raw, rest)


async def _shake_hands(stream: trio.SocketStream, host: str, path: str) -> bytes:
    """Upgrades the connection; what the node sent behind its answer."""
    key = base64.b64encode(os.urandom(16))
    await stream.send_all(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key.decode()}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()
    )
    received = b""
    while b"\r\n\r\n" not in received:
        data = await stream.receive_some(READ_BYTES)
        received += data
        if not data or len(received) > LONGEST_HEAD:
            raise TransportClosed("the node broke off the opening handshake")
    head, rest = received.split(b"\r\n\r\n", 1)
    status, *lines = head.split(b"\r\n")
    parted = (line.partition(b":") for line in lines)
    fields = {name.strip().lower(): value.strip() for name, _, value in parted}
    if status.split(b" ")[1:2] != [b"101"]:
        wait = fields.get(b"retry-after", b"0")
        refused = f"the node refused a WebSocket: {status.decode('latin-1')}"
        raise TransportClosed(refused, retry_after=float(wait) if wait.isdigit() else 0.0)
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324  # RFC 6455 4.2.2
    if fields.get(b"sec-websocket-accept") != accept:
        raise TransportClosed("the answer to the opening handshake belongs to another one")
    if fields.get(b"sec-websocket-protocol") != SUBPROTOCOL.encode():
        raise TransportClosed(f"the node does not speak {SUBPROTOCOL}")
    return rest


class LeanSocket:
    """An open WebSocket; `send` and `receive` may run at the same time, each once.

    It waits for the bare socket before it reads, since nearly always nothing is there to be read.
    """

    def __init__(self, raw: socket.socket, received: bytes = b"") -> None:
        self._raw = raw
        self._buffer = bytearray(received)
        self._parts: list[bytes] = []
        self._sending = trio.Lock()
        self._closing = False

    async def send(self, frame: bytes) -> None:
        """Writes one message. Raises TransportClosed."""
        await self._write(_BINARY, frame)

    async def receive(self) -> bytes:
        """The next message. Raises TransportClosed with the node's code and reason."""
        while True:
            opcode, payload = await self._next_frame()
            if opcode == _BINARY | _FINAL:
                return payload
            if opcode & 0xF in (_BINARY, _TEXT, _CONTINUATION):
                self._parts.append(payload)
                if sum(map(len, self._parts)) > LONGEST_FRAME:
                    raise TransportClosed("the node sent too large a message", 1009)
                if opcode & _FINAL:
                    whole, self._parts = b"".join(self._parts), []
                    return whole
            elif opcode & 0xF == _PING:
                await self._write(_PONG, payload)
            elif opcode & 0xF == _CLOSE:
                raise await self._closed_by_node(payload)

    async def aclose(self) -> None:
        """Says goodbye; the receiver gets TransportClosed when the node has answered."""
        self._closing = True
        with contextlib.suppress(TransportClosed):
            await self._write(_CLOSE, struct.pack("!H", 1000))

    def cut(self) -> None:
        """Ends the connection at once, by a reset when it was not closed in order."""
        raw = self._raw
        if raw.fileno() < 0:
            return
        if not self._closing:
            with contextlib.suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        trio.lowlevel.notify_closing(raw)
        raw.close()

    async def _closed_by_node(self, payload: bytes) -> TransportClosed:
        code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else None
        reason = payload[2:].decode("utf-8", "replace") or _LOST
        if not self._closing:
            self._closing = True
            with contextlib.suppress(TransportClosed), trio.move_on_after(GOODBYE_WITHIN):
                await self._write(_CLOSE, payload[:2])
        return TransportClosed(reason, code)

    async def _next_frame(self) -> tuple[int, bytes]:
        """First byte of the head and payload of the next frame."""
        buffer = self._buffer
        while len(buffer) < 2:
            await self._more()
        length, start = buffer[1] & 0x7F, 2
        if buffer[1] & 0x80:
            raise TransportClosed("the node masked a frame", 1002)
        if length >= 126:
            start = 4 if length == 126 else 10
            while len(buffer) < start:
                await self._more()
            length = int.from_bytes(buffer[2:start], "big")
        if length > LONGEST_FRAME:
            raise TransportClosed("the node sent too large a frame", 1009)
        end = start + length
        while len(buffer) < end:
            await self._more()
        first, payload = buffer[0], bytes(buffer[start:end])
        del buffer[:end]
        return first, payload

    async def _more(self) -> None:
        try:
            await trio.lowlevel.wait_readable(self._raw)
            data = self._raw.recv(READ_BYTES)
        except BlockingIOError:
            return
        except (OSError, ValueError, trio.ClosedResourceError):
            raise TransportClosed(_LOST) from None
        if not data:
            raise TransportClosed(_LOST)
        self._buffer += data

    async def _write(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        if length < 126:
            head = bytes((opcode | _FINAL, length | 0x80))
        elif length < 1 << 16:
            head = struct.pack("!BBH", opcode | _FINAL, 126 | 0x80, length)
        else:
            head = struct.pack("!BBQ", opcode | _FINAL, 127 | 0x80, length)
        async with self._sending:
            await self._send_all(head + _NO_MASK + payload)

    async def _send_all(self, data: bytes) -> None:
        try:
            while data:
                try:
                    data = data[self._raw.send(data) :]
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self._raw)
        except (OSError, ValueError, trio.ClosedResourceError):
            raise TransportClosed(_LOST) from None
