"""A WebSocket client as thin as it can be, so that the load costs less than the node it is put on.

It speaks `beamish.msgpack` over a trio stream with hand-made frames: masked with a key of zeros
(which leaves the payload as it is), no extensions. It is for benches on loopback and nothing else.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import msgpack
import trio

Item = dict[str, Any]

KEY = base64.b64encode(b"beamish-bench-16").decode("ascii")
TEXT_OR_BINARY = (0x1, 0x2)
CLOSE, PING, PONG = 0x8, 0x9, 0xA
RECEIVE_BYTES = 65_536


class Refused(Exception):
    """The node answered something else than was expected."""


class SocketClient:
    """One connection. `send` writes a frame of items, `frames` yields the frames that come."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._frames = self._read_frames()
        self._next_id = 0

    @classmethod
    async def connect(cls, url: str) -> SocketClient:
        """Open a WebSocket at `url` (`ws://host:port/path`); raises Refused without a 101."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        stream = await trio.open_tcp_stream(parts.hostname, parts.port)
        await stream.send_all(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: beamish.msgpack\r\n\r\n".encode("ascii")
        )
        client = cls(stream)
        while b"\r\n\r\n" not in client._buffer:
            await client._more()
        head, _, rest = bytes(client._buffer).partition(b"\r\n\r\n")
        client._buffer[:] = rest
        if not head.startswith(b"HTTP/1.1 101"):
            raise Refused(head.split(b"\r\n", 1)[0].decode("latin-1"))
        return client

    async def send(self, *items: Item) -> None:
        """Write `items` as one frame."""
        await self._write(0x2, msgpack.packb(items))

    async def frames(self) -> AsyncIterator[list[Item]]:
        """The items of each frame, until the connection ends. Pings are answered in between."""
        async for frame in self._frames:
            yield frame

    async def call(self, command: str, **fields: Any) -> Item:
        """Send one command and return its `ok`; raises Refused for a refusal. Drops events."""
        self._next_id -= 1
        wanted = 1_000_000 - self._next_id
        await self.send({"id": wanted, "command": command, **fields})
        async for frame in self._frames:
            for item in frame:
                if item.get("id") == wanted:
                    if "ok" not in item:
                        raise Refused(f"{command}: {item['error']}")
                    ok: Item = item["ok"]
                    return ok
        raise Refused(f"{command}: the connection ended")

    async def aclose(self) -> None:
        """Drop the connection."""
        await trio.aclose_forcefully(self._stream)

    async def _read_frames(self) -> AsyncIterator[list[Item]]:
        buffer = self._buffer
        partial = b""
        while True:
            while (length := self._frame_length()) is None:
                await self._more()
            start, end = length
            opcode, final = buffer[0] & 0x0F, buffer[0] & 0x80
            payload = bytes(buffer[start:end])
            del buffer[:end]
            if opcode == PING:
                await self._write(PONG, payload)
            elif opcode == CLOSE:
                return
            elif opcode != PONG:
                partial += payload
                if final:
                    yield msgpack.unpackb(partial)
                    partial = b""

    def _frame_length(self) -> tuple[int, int] | None:
        """Where the payload of the first whole frame in the buffer starts and ends."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        start, length = 2, buffer[1] & 0x7F
        if length == 126:
            if len(buffer) < 4:
                return None
            start, length = 4, int.from_bytes(buffer[2:4], "big")
        elif length == 127:
            if len(buffer) < 10:
                return None
            start, length = 10, int.from_bytes(buffer[2:10], "big")
        return (start, start + length) if len(buffer) >= start + length else None

    async def _more(self) -> None:
        data = await self._stream.receive_some(RECEIVE_BYTES)
        if not data:
            raise Refused("the connection ended")
        self._buffer += data

    async def _write(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
        elif length < 65_536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
        await self._stream.send_all(head + b"\0\0\0\0" + payload)
