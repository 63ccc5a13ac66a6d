"""The public port: accepts, reads a bounded head, hands to the WebSocket or the HTTP side.

    gateway = await open_gateway(nursery, "127.0.0.1", 0, node, GatewayConfig(page=folder))
    ...
    gateway.stop_accepting()                     # the kernel refuses from here on
    await gateway.close(1001, "shutting down")   # every connection, with the code

Every connection has a task of its own, and whatever happens in it stays there: an exception ends
that connection, is logged and counted in `statistics().faults`.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from inspect import isawaitable

import trio
from trio_websocket import WebSocketConnection, wrap_server_stream
from wsproto.utilities import LocalProtocolError

from beamish.gateway.admission import Admission
from beamish.gateway.config import GatewayConfig
from beamish.gateway.connection import BROKE_OFF, Connection
from beamish.gateway.handshake import PATH, choose_codec
from beamish.gateway.head import HeadRefused, RequestHead, read_head
from beamish.gateway.hosts import check_host, names_answered_to
from beamish.gateway.http import HttpSide, send_error
from beamish.gateway.pages import load_pages
from beamish.gateway.proxies import TrustedProxies
from beamish.gateway.statistics import GatewayStatistics
from beamish.gateway.stream import DRAIN_BYTES, DRAIN_SECONDS, SLICE, GatewayStream, short_reason
from beamish.gateway.tls import NoTls, shake_hands
from beamish.gateway.tuning import drop_handshake
from beamish.protocol.codec import Codec, codecs
from beamish.protocol.errors import CloseCode, Refusal
from beamish.protocol.session import NodeLike, SessionHandle

logger = logging.getLogger("beamish.gateway")

SWEEP_SECONDS = 1.0
PINGS_PER_SWEEP = 1_000
"""Pings begun in one sweep at most: after a pause of the node they are spread."""
SWEPT_AT_ONCE = 256
"""Connections looked after in one go, so that very many do not hold up the node."""

SEND_BUFFER = 64 << 10
"""Bytes of each socket's send buffer. Bounded, so that very many connections cannot fill the
kernel's memory, and so that a write to a slow reader gets on in small steps: that tells it from a
write to somebody who does not read."""

FORCED_CLOSE = 1.0
"""Seconds that connections get in `close` after their orderly time is over."""


class Gateway:
    """One open public port. Made by `open_gateway`.

    Attributes:
        address: host and port that it listens on.
        http_url, ws_url: full URLs of the page and of the WebSocket.
    """

    def __init__(
        self,
        node: NodeLike,
        config: GatewayConfig,
        host: str,
        port: int,
        addresses: Collection[str],
    ) -> None:
        """`host` as it was asked for, `addresses` those that it came to be."""
        shown = f"[{host}]" if ":" in host else host
        tls = "" if config.tls is None else "s"
        self.address = (host, port)
        self.http_url = f"http{tls}://{shown}:{port}/"
        self.ws_url = f"ws{tls}://{shown}:{port}{PATH.decode()}"
        self._node = node
        self._config = config
        self._addresses = tuple(addresses)
        self._names = names_answered_to(addresses, config.allowed_origins)
        self._proxies = TrustedProxies(config.trusted_proxies)
        self._turning_away = 0
        self._codecs = codecs(config.limits)
        self._http = HttpSide(load_pages(config.page), node.ready, config.documents)
        self._admission = Admission(
            config.max_connections,
            config.max_per_address,
            loopback_exempt=config.loopback_exempt,
        )
        self._statistics = GatewayStatistics()
        self._connections: dict[Connection, None] = {}
        self._accepting = trio.CancelScope()
        self._everything = trio.CancelScope()
        self._closing: tuple[int, str] | None = None
        self._idle = trio.Event()
        self._ended = trio.Event()

    def statistics(self) -> GatewayStatistics:
        """The counters, live."""
        self._statistics.connections = self._admission.open
        self._statistics.sessions = len(self._connections)
        return self._statistics

    def reconfigure(
        self,
        *,
        tls: ssl.SSLContext | None,
        allowed_origins: tuple[str, ...],
        trusted_proxies: tuple[str, ...],
        max_connections: int,
        max_per_address: int,
    ) -> None:
        """Take over other settings for what comes from now on; what is open goes on as it is.

        Raises:
            ValueError: a proxy's network is none, or TLS would begin or end: open a gateway anew.
        """
        if (tls is None) != (self._config.tls is None):
            raise ValueError("TLS cannot be switched on or off on an open port")
        proxies = TrustedProxies(trusted_proxies)
        self._config = replace(
            self._config,
            tls=tls,
            allowed_origins=allowed_origins,
            trusted_proxies=trusted_proxies,
            max_connections=max_connections,
            max_per_address=max_per_address,
        )
        self._proxies = proxies
        self._names = names_answered_to(self._addresses, allowed_origins)
        self._admission.rebound(max_connections, max_per_address)

    def stop_accepting(self) -> None:
        """Close the listening sockets; open connections go on."""
        self._accepting.cancel()

    async def close(self, code: int = CloseCode.GOING_AWAY, reason: str = "shutting down") -> None:
        """Stop accepting, close every connection with the code, end all tasks.

        Returns within `close_timeout` and two more seconds.
        """
        self.stop_accepting()
        self._closing = (code, reason)
        with trio.move_on_after(self._config.close_timeout) as orderly:
            while self._connections:
                for connection in list(self._connections):
                    connection.close(code, reason)
                await self._wait_for_an_end()
        if orderly.cancelled_caught:
            with trio.move_on_after(FORCED_CLOSE):
                for connection in list(self._connections):
                    connection.close(code, reason, at_once=True)
                while self._connections:
                    await self._wait_for_an_end()
        self._everything.cancel()
        with trio.move_on_after(FORCED_CLOSE):
            await self._ended.wait()

    async def _wait_for_an_end(self) -> None:
        self._idle = trio.Event()
        await self._idle.wait()

    async def run(
        self,
        listeners: list[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until `close`. Started by `open_gateway`."""
        with self._everything:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._sweep)
                task_status.started()
                with self._accepting:
                    await trio.serve_listeners(self._serve, listeners, handler_nursery=nursery)
                for listener in listeners:
                    await listener.aclose()
        self._ended.set()

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(SWEEP_SECONDS)
            pings = 0
            for count, connection in enumerate(list(self._connections)):
                if count % SWEPT_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
                    now = trio.current_time()
                if connection not in self._connections:
                    continue  # It ended while others were looked after.
                if connection.sweep(now, may_ping=pings < PINGS_PER_SWEEP):
                    pings += 1

    async def _serve(self, tcp: trio.SocketStream) -> None:
        """One TCP connection, from accept to close."""
        self._statistics.accepted += 1
        try:
            peer = str(tcp.socket.getpeername()[0])
            tcp.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF, SEND_BUFFER)
        except OSError:
            await trio.aclose_forcefully(tcp)
            return
        # A trusted proxy's connection counts for its client, who is not known before the head.
        counted = None if self._proxies.trusts(peer) else peer
        refused = self._admission.enter(counted)
        try:
            if refused is not None:
                await self._turn_away(tcp, refused)
            elif (stream := await self._secure(tcp)) is not None:
                await self._converse(stream, peer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            logger.debug("a connection from %s broke", peer)
        except Exception:
            self._statistics.faults += 1
            logger.exception("a connection from %s ended by a fault", peer)
        finally:
            if refused is None:
                self._admission.leave(counted)
            await trio.aclose_forcefully(tcp)

    async def _turn_away(self, tcp: trio.SocketStream, status: int) -> None:
        """Refuse a connection above the bounds; in words where that is cheap."""
        if self._config.tls is not None or self._turning_away >= self._config.max_turned_away:
            self._statistics.refused[status] += 1
            return
        self._turning_away += 1
        try:
            await self._answer(tcp, HeadRefused(status, "too many connections"))
        finally:
            self._turning_away -= 1

    async def _secure(self, tcp: trio.SocketStream) -> trio.abc.HalfCloseableStream | None:
        """The stream to speak HTTP on; None if the client does not come to speak TLS."""
        context, statistics = self._config.tls, self._statistics
        if context is None:
            return tcp
        if statistics.handshakes >= self._config.max_handshakes:
            statistics.handshakes_refused += 1
            return None
        statistics.handshakes += 1
        stream = None
        try:
            with trio.move_on_after(self._config.head_timeout):
                stream = await shake_hands(tcp, context)
        except NoTls:
            text = f"this port speaks TLS: open {self.http_url}"
            await self._answer(tcp, HeadRefused(400, text))
        finally:
            statistics.handshakes -= 1
            statistics.handshakes_failed += stream is None
        return stream

    async def _converse(self, stream: trio.abc.HalfCloseableStream, peer: str) -> None:
        """HTTP from the first head on, a session perhaps."""
        try:
            upgrade = await self._until_upgrade(stream, peer)
            if upgrade is None:
                return
            below, codec, client = upgrade
            if not self._proxies.trusts(peer):
                await self._session(below, codec, client)
                return
            with self._claimed(client):
                await self._session(below, codec, client)
        except HeadRefused as refusal:
            await self._answer(stream, refusal)

    @contextmanager
    def _claimed(self, client: str) -> Iterator[None]:
        """Counts for the client behind a proxy; raises HeadRefused."""
        refused = self._admission.claim(client)
        if refused is not None:
            raise HeadRefused(refused, "too many connections from your address")
        try:
            yield
        finally:
            self._admission.release(client)

    async def _until_upgrade(
        self, stream: trio.abc.HalfCloseableStream, peer: str
    ) -> tuple[GatewayStream, Codec, str] | None:
        """Serve HTTP requests one after another; stream, codec and client of one to upgrade.

        Raises:
            HeadRefused: the connection is to be ended with that answer.
        """
        received = b""
        timeout = self._config.head_timeout
        while True:
            config = self._config
            bounds = {"head_bytes": config.head_bytes, "line_bytes": config.line_bytes}
            with trio.move_on_after(timeout) as reading:
                head = await read_head(stream, received, **bounds)
            if reading.cancelled_caught:
                if timeout == config.idle_timeout:
                    return None
                raise HeadRefused(408, "the request head took too long")
            if head is None:
                return None
            check_host(head, self._names)
            if head.path == PATH:
                return self._upgrade(stream, head, peer)
            with trio.move_on_after(config.limits.write_timeout_ms / 1000) as writing:
                again = await self._http.serve(stream, head)
            if writing.cancelled_caught:
                return None
            if not again:
                await self._finish_http(stream)
                return None
            received = head.rest
            timeout = config.idle_timeout

    def _upgrade(
        self, stream: trio.abc.HalfCloseableStream, head: RequestHead, peer: str
    ) -> tuple[GatewayStream, Codec, str]:
        config = self._config
        secure = config.tls is not None or self._proxies.by_https(peer, head)
        codec = choose_codec(head, self._codecs, config.allowed_origins, secure=secure)
        budget = 2 * config.limits.frame_bytes + SLICE
        below = GatewayStream(stream, head.raw, head.rest, budget)
        return below, codec, self._proxies.client_of(peer, head)

    async def _answer(self, stream: trio.abc.HalfCloseableStream, refusal: HeadRefused) -> None:
        """Refuse a connection by an HTTP answer, and end it."""
        self._statistics.refused[refusal.status] += 1
        retry_after = self._config.retry_after if refusal.status in (429, 503) else None
        with trio.move_on_after(self._config.close_timeout):
            await send_error(stream, refusal.status, str(refusal), retry_after=retry_after)
            await self._finish_http(stream)

    async def _finish_http(self, stream: trio.abc.HalfCloseableStream) -> None:
        """End our side and drain a little, so that the answer is not lost to a reset."""
        with trio.move_on_after(DRAIN_SECONDS):
            await stream.send_eof()
            left = DRAIN_BYTES
            while left > 0 and (data := await stream.receive_some(SLICE)):
                left -= len(data)

    async def _session(self, below: GatewayStream, codec: Codec, address: str) -> None:
        """Turn a request into a WebSocket with a session, and carry it to its end.

        Everything of a long connection hangs here: one nursery, one frame of each function below.
        """
        session = await self._open_session(codec, address)
        end: tuple[int, str] | None = None
        try:
            async with trio.open_nursery() as nursery:
                socket = await self._accept(nursery, below, codec)
                if socket is None:
                    end = (BROKE_OFF, "")
                else:
                    end = await self._carry(nursery, socket, codec, session, below)
                nursery.cancel_scope.cancel()
        except* LocalProtocolError:
            # trio-websocket answers a ping that arrives after our close frame, which wsproto
            # refuses. The connection was ending anyway.
            logger.debug("a ping after the close from %s", address)
        except* Exception:
            end = (int(CloseCode.INTERNAL), "a fault of the node")
            self._statistics.faults += 1
            logger.exception("the session of a connection from %s ended by a fault", address)
        finally:
            if end is None:
                end = self._closing or (int(CloseCode.GOING_AWAY), "the node stops")
            end = below.overrun or end
            self._statistics.closed[end[0]] += 1
            with trio.CancelScope(shield=True):
                await below.finish(*end)
                await session.disconnected()

    async def _open_session(self, codec: Codec, address: str) -> SessionHandle:
        if self._closing is not None or not self._node.ready():
            raise HeadRefused(503, "this node takes no sessions now")
        try:
            opened = self._node.open_session(codec, address)
            return await opened if isawaitable(opened) else opened
        except Refusal as refusal:
            raise HeadRefused(503, refusal.message) from None
        except Exception:
            self._statistics.faults += 1
            logger.exception("no session could be opened for %s", address)
            raise HeadRefused(503, "this node cannot open a session now") from None

    async def _accept(
        self, nursery: trio.Nursery, below: GatewayStream, codec: Codec
    ) -> WebSocketConnection | None:
        """The WebSocket handshake; None when the client is gone or gives no sign."""
        with trio.move_on_after(self._config.head_timeout) as scope:
            below.on_close = scope.cancel
            request = await wrap_server_stream(
                nursery,
                below,
                max_message_size=self._config.limits.frame_bytes,
                receive_buffer_size=self._config.receive_bytes,
            )
            socket = await request.accept(subprotocol=codec.subprotocol)
            drop_handshake(socket)
            below.release()
            return socket
        return None

    async def _carry(
        self,
        nursery: trio.Nursery,
        socket: WebSocketConnection,
        codec: Codec,
        session: SessionHandle,
        below: GatewayStream,
    ) -> tuple[int, str]:
        """Run a connection and its closing handshake; the code and reason that it ended with."""
        connection = Connection(socket, codec, session, self._statistics, below)
        self._connections[connection] = None
        try:
            end = await connection.run(nursery)
            if end[0] != BROKE_OFF:
                with trio.move_on_after(self._config.close_timeout):
                    await socket.aclose(end[0], short_reason(end[1]))
        finally:
            del self._connections[connection]
            self._idle.set()
        return end


async def open_gateway(
    nursery: trio.Nursery, host: str, port: int, node: NodeLike, config: GatewayConfig | None = None
) -> Gateway:
    """Listen on `host` and `port` (0: any free one) and serve in `nursery` until `close`.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    listeners = await trio.open_tcp_listeners(port, host=host)
    name = listeners[0].socket.getsockname()
    addresses = [str(one.socket.getsockname()[0]) for one in listeners]
    gateway = Gateway(node, config or GatewayConfig(), host, int(name[1]), addresses)
    await nursery.start(gateway.run, listeners)
    return gateway
