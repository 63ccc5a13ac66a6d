"""The stream that trio-websocket gets: a TCP stream with a replayed head, bounds and a late close.

Three things that trio-websocket leaves open are closed here, through nothing but its public
interface:

- It buffers the parts of a message without counting them, so an endless row of empty fragments
  would fill the memory. `receive_some` counts bytes since the last whole message (`granted`).
- On a protocol error of the other side it closes the stream without a close frame. `aclose` only
  marks the stream; the gateway then sends the frame that says why, and really closes.
- Frames that a client sends before it has seen the answer to its upgrade would be lost:
  what follows the head is handed out once `release` was called.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import trio

from beamish.protocol.errors import CloseCode

CLOSE = 0x88
"""The first byte of a close frame."""

SLICE = 65_536
"""Bytes written at once: the write timeout bounds each slice, not a whole large frame."""

NEVER_SENT = (1005, 1006, 1015)
"""Close codes that RFC 6455 section 7.4.1 keeps out of close frames."""

DRAIN_BYTES = 1 << 20
DRAIN_SECONDS = 1.0
"""How much is read and dropped at the end, and how long, to keep the last frame from a reset."""


class GatewayStream(trio.abc.Stream):
    """See the module. One reader, one writer at a time, as trio's streams.

    Attributes:
        overrun: more was received than one message may cost.
        close_sent: the last frame written was a close frame.
        cut: a write began and did not end; nothing more can be written.
        progress_at: when the last slice was written, or the write began (trio time).
    """

    def __init__(
        self,
        transport: trio.SocketStream,
        head: bytes,
        rest: bytes,
        budget: int,
        on_close: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._prefix = head
        self._rest = rest
        self._released: trio.Event | None = trio.Event()
        self._budget = budget
        self._left = budget
        self._on_close = on_close
        self._closed = False
        self.overrun = False
        self.close_sent = False
        self.cut = False
        self.progress_at = 0.0

    def release(self) -> None:
        """The upgrade was answered: hand out what follows the head."""
        if self._released is not None:
            self._released.set()

    def grant(self) -> None:
        """A whole message was taken: the next may cost as much again."""
        self._left = self._budget

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See trio.abc.ReceiveStream; ends with BrokenResourceError above the budget."""
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
                return rest
        data = await self._transport.receive_some(max_bytes)
        self._left -= len(data)
        if self._left < 0:
            self.overrun = True
            raise trio.BrokenResourceError
        return bytes(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See trio.abc.SendStream; trio-websocket writes one frame at a time."""
        if self._closed:
            raise trio.ClosedResourceError
        if self.cut:
            raise trio.BrokenResourceError
        self.progress_at = trio.current_time()
        self.cut = True
        if len(data) <= SLICE:
            await self._transport.send_all(data)
        else:
            view = memoryview(data)
            for start in range(0, len(data), SLICE):
                await self._transport.send_all(view[start : start + SLICE])
                self.progress_at = trio.current_time()
        self.cut = False
        self.close_sent = data[0] == CLOSE

    async def wait_send_all_might_not_block(self) -> None:
        """See trio.abc.SendStream."""
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Mark the stream closed; `finish` closes it."""
        if not self._closed:
            self._closed = True
            self._on_close()
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


def close_frame(code: int, reason: str) -> bytes:
    """A server's WebSocket close frame (RFC 6455 section 5.5.1)."""
    payload = struct.pack("!H", code) + short_reason(reason).encode("utf-8")
    return bytes((CLOSE, len(payload))) + payload


def short_reason(reason: str) -> str:
    """A close reason, cut to the 123 bytes that a close frame can hold."""
    return reason.encode("utf-8")[:123].decode("utf-8", "ignore")
