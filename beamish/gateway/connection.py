"""One WebSocket connection between its socket and its session.

Two tasks besides trio-websocket's own reader: one hands decoded items to the session (and reads
no more while the session is busy: backpressure goes down to TCP), one takes all that the session
has queued and writes it as one frame. No timer of its own: the gateway's sweep looks after all
connections once a second (`sweep`), because a trio timeout around each read and write would cost
more than the message.

Ends: the client closes; the socket breaks; the session asks for it (`SessionClosed`); a frame
breaks the rules (`ProtocolError`); the sweep finds no login, no sign of life, or a write that
does not get on; the gateway closes. `run` returns the code and reason to close with, the socket
itself is closed by the caller.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from beamish.gateway.statistics import GatewayStatistics
from beamish.protocol.codec import Codec, Item
from beamish.protocol.commands import reply_id, wants_reply
from beamish.protocol.errors import CloseCode, ErrorCode, ProtocolError, Refusal
from beamish.protocol.replies import encode_refusal
from beamish.protocol.session import SessionClosed, SessionHandle
from beamish.rate import TokenBucket

BROKE_OFF = 1006
"""The close code of a connection that ended without a close frame; never sent."""

SLOWEST = 4_096
"""Bytes a second of the slowest link served: a ping waits behind what was written before it."""

LAST_ITEMS = 3.0
"""Seconds for a session that takes no more to have its last items written."""


class Meter(Protocol):
    """What a connection asks of the stream below, where there is one of ours."""

    progress_at: float
    heard_at: float
    unanswered: int

    def grant(self) -> None:
        """A whole message was taken."""

    async def send_frame(self, payload: bytes, *, text: bool) -> None:
        """Write a data frame; raises trio's stream errors."""

    async def send_ping(self) -> None:
        """Write a ping; raises trio's stream errors."""


class Connection:
    """Carries items between an accepted WebSocket and a session until either ends.

    Args:
        socket: the accepted connection.
        codec: that of its subprotocol; its limits are the connection's.
        session: from `NodeLike.open_session`.
        statistics: counted into.
        meter: the stream below, or None for a connection that somebody else accepted.
    """

    def __init__(
        self,
        socket: WebSocketConnection,
        codec: Codec,
        session: SessionHandle,
        statistics: GatewayStatistics,
        meter: Meter | None = None,
    ) -> None:
        now = trio.current_time()
        limits = codec.limits
        self._socket = socket
        self._codec = codec
        self._session = session
        self._statistics = statistics
        self._meter = meter
        self._bucket = TokenBucket(limits.commands_per_s, limits.burst, now)
        self._refused_in_row = 0
        self._nursery: trio.Nursery | None = None
        self._reading = trio.CancelScope()
        self._writing = trio.CancelScope()
        self._written = False
        self._on_written: trio.Event | None = None
        self._end: tuple[int, str] | None = None
        self._login_until = now + limits.login_timeout_ms / 1000
        self._swept = now
        self._heard = now
        self._pinged: float | None = None
        self._refusing = self._reading
        self._writes = 0
        self._writing_since: float | None = None
        self._session_busy = False

    async def run(self, nursery: trio.Nursery) -> tuple[int, str]:
        """Carry until the end, the writer in `nursery`; the close code and reason.

        When this returns no task of the connection uses the socket any more.
        """
        self._nursery = nursery
        nursery.start_soon(self._write)
        with self._reading:
            await self._read()
        if not self._written:
            self._on_written = trio.Event()
            with trio.CancelScope(shield=True):
                await self._on_written.wait()
        assert self._end is not None
        return self._end

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """End the connection with a code; the first code given holds.

        A frame that is being written is finished first, so that the close frame can follow it,
        unless `at_once`.
        """
        if self._end is None:
            self._end = (int(code), reason)
        self._reading.cancel()
        if at_once:
            self._refusing.cancel()
        if at_once or not self._writes:
            self._writing.cancel()

    async def _read(self) -> None:
        codec, receive = self._codec, self._session.receive
        try:
            while True:
                frame = await self._socket.get_message()
                now = trio.current_time()
                self._heard = now
                items = codec.decode(frame)
                if self._meter is not None:
                    self._meter.grant()
                self._statistics.frames_in += 1
                self._statistics.bytes_in += len(frame)
                self._statistics.items_in += len(items)
                admitted = self._bucket.take(len(items), now)
                self._session_busy = True
                for item in items[:admitted]:
                    await receive(item)
                self._session_busy = False
                if admitted < len(items):
                    await self._refuse(items[admitted:])
                else:
                    self._refused_in_row = 0
        except ConnectionClosed as closed:
            self._ended_by_socket(closed)
        except ProtocolError as error:
            self.close(error.code, str(error))
        except SessionClosed as closed:
            # The writer ends the connection, after the last items that the session has for it.
            with trio.move_on_after(LAST_ITEMS):
                await trio.sleep_forever()
            self.close(closed.code, closed.reason)

    async def _refuse(self, items: list[Item]) -> None:
        """Answer commands that came too fast; too many of them in a row end the connection."""
        self._statistics.rate_limited += len(items)
        self._refused_in_row += len(items)
        if self._refused_in_row > self._codec.limits.burst:
            raise ProtocolError(
                "too many commands after being told to wait", CloseCode.RATE_IGNORED
            )
        wait = 1 + int(1000 * self._bucket.wait_for(len(items)))
        refusal = Refusal(
            ErrorCode.RATE_LIMITED,
            f"more than {self._codec.limits.commands_per_s} commands a second:"
            " wait, then send this one and those after it again",
            retry_after_ms=wait,
        )
        answers = [
            encode_refusal(self._codec, reply_id(item), refusal)
            for item in items
            if wants_reply(item)
        ]
        if answers:
            # Half a frame would leave no way to close in order: only `at_once` breaks this off.
            with trio.CancelScope(shield=True) as self._refusing:
                await self._send(answers)

    async def _write(self) -> None:
        take = self._session.take
        try:
            with self._writing:
                while True:
                    await self._send(await take())
        except SessionClosed as closed:
            self.close(closed.code, closed.reason)
        except ConnectionClosed as closed:
            self._ended_by_socket(closed)
        finally:
            self._written = True
            if self._on_written is not None:
                self._on_written.set()

    async def _send(self, items: list[bytes]) -> None:
        """Write encoded items as one frame, or as few as the frame limit allows."""
        bound = self._codec.limits.server_frame_bytes
        start = size = 0
        for index, item in enumerate(items):
            size += len(item) + 1
            if size > bound - 16 and index > start:
                await self._send_frame(items[start:index])
                start, size = index, len(item) + 1
        await self._send_frame(items[start:] if start else items)

    async def _send_frame(self, items: list[bytes]) -> None:
        frame = self._codec.array(items)
        self._statistics.frames_out += 1
        self._statistics.items_out += len(items)
        self._statistics.bytes_out += len(frame)
        self._writes += 1
        if self._writes == 1:
            self._writing_since = trio.current_time()
        if self._meter is None:
            await self._socket.send_message(self._codec.to_wire(frame))
        else:
            try:
                await self._meter.send_frame(frame, text=self._codec.text)
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                raise ConnectionClosed(self._socket.closed) from None
        self._writes -= 1
        self._writing_since = trio.current_time() if self._writes else None
        if self._end is not None and not self._writes:
            self._writing.cancel()

    def _ended_by_socket(self, closed: ConnectionClosed) -> None:
        reason = closed.reason
        code, why = (BROKE_OFF, "") if reason is None else (int(reason.code), reason.reason or "")
        self.close(code, why, at_once=True)

    def sweep(self, now: float, *, may_ping: bool = True) -> bool:
        """Look after the connection; whether a ping was begun. Called about once a second."""
        limits = self._codec.limits
        if self._writing_since is not None:
            since = self._writing_since
            if self._meter is not None:
                since = max(since, self._meter.progress_at)
            if now - since > limits.write_timeout_ms / 1000:
                self.close(CloseCode.SLOW_READER, "the client does not read", at_once=True)
                return False
        if self._login_overdue(now):
            self.close(CloseCode.NO_LOGIN, "no login in time")
            return False
        if self._session_busy:
            # Nothing is read meanwhile, pongs neither: silence proves nothing.
            self._heard = now
            self._pinged = None
            return False
        heard = self._heard if self._meter is None else max(self._heard, self._meter.heard_at)
        if self._pinged is not None:
            patience = limits.ping_timeout_ms / 1000
            if self._meter is not None:
                patience += self._meter.unanswered / SLOWEST
            if heard >= self._pinged:
                self._pinged = None
            elif now - self._pinged > patience:
                self.close(BROKE_OFF, "no sign of life", at_once=True)
        elif (
            may_ping and self._nursery is not None and now - heard > limits.ping_interval_ms / 1000
        ):
            self._pinged = now
            self._nursery.start_soon(self._ping)
            return True
        return False

    def _login_overdue(self, now: float) -> bool:
        """Whether no login came in time; the time that the node takes over one is the node's."""
        if self._session.logging_in:
            self._login_until += now - self._swept
        self._swept = now
        if now > self._login_until and self._session.authenticated:
            self._login_until = float("inf")
        return now > self._login_until

    async def _ping(self) -> None:
        if self._meter is not None:
            # Any byte that comes in is the answer: nobody waits for the pong itself.
            with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
                await self._meter.send_ping()
            return
        with suppress(ConnectionClosed):
            await self._socket.ping()
            self._heard = trio.current_time()
