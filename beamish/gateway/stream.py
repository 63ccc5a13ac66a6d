"""The stream that trio-websocket gets, on TCP or TLS: a replayed head, bounds and a late close.

What trio-websocket leaves open is closed here, through nothing but its public interface:

- It buffers the parts of a message without counting them, so an endless row of empty fragments
  would fill the memory. `receive_some` counts their bytes since the last whole message (`grant`).
- It answers every ping. So control frames have a rate, which no honest client comes near.
- On a protocol error of the other side it closes the stream without a close frame. `aclose` only
  marks the stream; the gateway then sends the frame that says why, and really closes.
- Frames that a client sends before it has seen the answer to its upgrade would be lost:
  what follows the head is handed out once `release` was called.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import trio

from beamish.gateway.frame_walk import FrameWalk
from beamish.protocol.errors import CloseCode
from beamish.rate import TokenBucket

CLOSE = 0x88
"""The first byte of a close frame."""

PING = bytes((0x89, 0))
"""A ping frame without payload."""

SLICE = 16_384
"""Bytes written at once: the write timeout bounds each slice, not a whole large frame."""

NEVER_SENT = (1005, 1006, 1015)
"""Close codes that RFC 6455 section 7.4.1 keeps out of close frames."""

CONTROL_BURST = 1_000
CONTROL_RATE = 100
"""Control frames of a client at once, and a second."""

DRAIN_BYTES = 1 << 20
DRAIN_SECONDS = 1.0
"""How much is read and dropped at the end, and how long, to keep the last frame from a reset."""


class GatewayStream(trio.abc.Stream):
    """See the module. One reader, one writer at a time, as trio's streams.

    Attributes:
        overrun: the code and reason to close with, when more was received than a message may
            cost, or more control frames than their rate allows.
        close_sent: the last frame written was a close frame.
        cut: a write began and did not end; nothing more can be written.
        on_close: called when trio-websocket gives up the stream before `release`.
        progress_at: when the last slice was written, or the write began (trio time).
        heard_at: when something was received last (trio time).
        unanswered: bytes written since then.
    """

    def __init__(
        self,
        transport: trio.abc.HalfCloseableStream,
        head: bytes,
        rest: bytes,
        budget: int,
    ) -> None:
        self._transport = transport
        self._prefix = head
        self._rest = rest
        self._released: trio.Event | None = trio.Event()
        self._budget = budget
        self._left = budget
        self.on_close: Callable[[], None] | None = None
        self._closed = False
        self._writing = False
        self._free: trio.Event | None = None
        self._walk = FrameWalk()
        self._control = TokenBucket(CONTROL_RATE, CONTROL_BURST, trio.current_time())
        self.overrun: tuple[int, str] | None = None
        self.close_sent = False
        self.cut = False
        self.progress_at = 0.0
        self.heard_at = 0.0
        self.unanswered = 0

    def release(self) -> None:
        """The upgrade was answered: hand out what follows the head."""
        self.on_close = None
        if self._released is not None:
            self._released.set()

    def grant(self) -> None:
        """A whole message was taken: the next may cost as much again."""
        self._left = self._budget

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See trio.abc.ReceiveStream; ends with BrokenResourceError at an overrun."""
        if self._closed:
            raise trio.ClosedResourceError
        if self._prefix:
            prefix, self._prefix = self._prefix, b""
            return prefix
        if self._released is not None:
            await self._released.wait()
            self._released = None
            if self._rest:
                rest, self._rest = self._rest, b""
                self._count(rest)
                return rest
        data = await self._transport.receive_some(max_bytes)
        if data:
            self.heard_at = trio.current_time()
            self.unanswered = 0
        self._count(data)
        return bytes(data)

    def _count(self, data: bytes | bytearray) -> None:
        frames, size = self._walk.take(bytes(data))
        self._left -= len(data) - size
        if self._left < 0:
            self.overrun = (CloseCode.FRAME_TOO_LARGE, "too much sent for one message")
        elif frames and self._control.take(frames, trio.current_time()) < frames:
            self.overrun = (CloseCode.RATE_IGNORED, "too many pings")
        if self.overrun is not None:
            raise trio.BrokenResourceError

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See trio.abc.SendStream; trio-websocket writes one frame at a time."""
        await self._write(data)
        self.close_sent = data[0] == CLOSE

    async def send_frame(self, payload: bytes, *, text: bool) -> None:
        """Write a data frame of our own, past trio-websocket's state machines and its lock.

        That is a fifth of the cost of a small frame. Frames of both origins exclude each other.

        Raises:
            trio.ClosedResourceError: a close frame was sent already.
        """
        await self._write(frame_header(len(payload), text=text) + payload)

    async def send_ping(self) -> None:
        """Write a ping; raises trio's stream errors."""
        await self._write(PING)

    async def _write(self, data: bytes | bytearray | memoryview) -> None:
        while self._writing:
            if self._free is None:
                self._free = trio.Event()
            await self._free.wait()
        if self._closed or self.close_sent:
            raise trio.ClosedResourceError
        if self.cut:
            raise trio.BrokenResourceError
        await trio.lowlevel.checkpoint_if_cancelled()
        self.progress_at = trio.current_time()
        self.unanswered += len(data)
        self._writing = self.cut = True
        try:
            if len(data) <= SLICE:
                await self._transport.send_all(data)
            else:
                await self._write_slices(memoryview(data))
            self.cut = False
        finally:
            self._writing = False
            if self._free is not None:
                self._free.set()
                self._free = None

    async def _write_slices(self, data: memoryview) -> None:
        for start in range(0, len(data), SLICE):
            await self._transport.send_all(data[start : start + SLICE])
            self.progress_at = trio.current_time()

    async def wait_send_all_might_not_block(self) -> None:
        """See trio.abc.SendStream."""
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Mark the stream closed; `finish` closes it."""
        if not self._closed:
            self._closed = True
            if self.on_close is not None:
                self.on_close()
        await trio.lowlevel.checkpoint()

    async def finish(self, code: int, reason: str) -> None:
        """Close the TCP connection, after a close frame where one is due and was not sent.

        After an orderly closing handshake this is immediate. A client that broke the rules is
        perhaps still sending: closing under unread data would reset the connection and lose the
        close frame, so what it sends is dropped for a while, at most `DRAIN_SECONDS`.
        """
        self._closed = True
        due = not self.close_sent and code not in NEVER_SENT
        if not self.cut and (due or code == CloseCode.FRAME_TOO_LARGE):
            with trio.move_on_after(DRAIN_SECONDS):
                try:
                    if due:
                        await self._transport.send_all(close_frame(code, reason))
                    await self._transport.send_eof()
                    await self._drain()
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass
        await trio.aclose_forcefully(self._transport)

    async def _drain(self) -> None:
        left = DRAIN_BYTES
        while left > 0:
            data = await self._transport.receive_some(SLICE)
            if not data:
                return
            left -= len(data)


def frame_header(size: int, *, text: bool) -> bytes:
    """The header of a server's unfragmented data frame (RFC 6455 section 5.2)."""
    first = 0x81 if text else 0x82
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)


def close_frame(code: int, reason: str) -> bytes:
    """A server's WebSocket close frame (RFC 6455 section 5.5.1)."""
    payload = struct.pack("!H", code) + short_reason(reason).encode("utf-8")
    return bytes((CLOSE, len(payload))) + payload


def short_reason(reason: str) -> str:
    """A close reason, cut to the 123 bytes that a close frame can hold."""
    return reason.encode("utf-8")[:123].decode("utf-8", "ignore")
