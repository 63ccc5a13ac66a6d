"""The lean WebSocket against a general library's server, and against bytes written by hand."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio_websocket
from trio_websocket import WebSocketConnection, WebSocketRequest

from beamish.client import TransportClosed
from beamish.replay.fleet import Connector
from beamish.replay.lean_socket import LeanSocket, connect_lean

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Talk = Callable[[WebSocketConnection], Awaitable[None]]


@asynccontextmanager
async def library(talk: Talk) -> AsyncIterator[str]:
    """A server on trio-websocket that holds `talk` with each client; its address."""

    async def handle(request: WebSocketRequest) -> None:
        with suppress(trio_websocket.ConnectionClosed):
            await talk(await request.accept(subprotocol="beamish.msgpack"))

    async with trio.open_nursery() as nursery:
        server = await nursery.start(trio_websocket.serve_websocket, handle, "127.0.0.1", 0, None)
        yield f"ws://127.0.0.1:{server.port}/ws"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def lean(url: str) -> AsyncIterator[LeanSocket]:
    socket = await connect_lean(url)
    try:
        yield socket
    finally:
        socket.cut()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 300_000])
async def test_messages_of_every_length_go_there_and_back(size: int) -> None:
    async def echo(server: WebSocketConnection) -> None:
        while True:
            await server.send_message(await server.get_message())

    message = bytes(i & 0xFF for i in range(size))
    async with library(echo) as url, lean(url) as socket:
        await socket.send(message)
        assert await socket.receive() == message


async def test_pings_are_answered_between_messages() -> None:
    async def ping(server: WebSocketConnection) -> None:
        await server.ping(b"there?")
        await server.send_message(b"after the pong")

    async with library(ping) as url, lean(url) as socket:
        with trio.fail_after(5):
            # the server goes on only once its ping was answered
            assert await socket.receive() == b"after the pong"


async def test_the_nodes_close_code_and_reason_are_told() -> None:
    async def close(server: WebSocketConnection) -> None:
        await server.aclose(4409, "a newer connection")

    async with library(close) as url, lean(url) as socket:
        with pytest.raises(TransportClosed) as closed:
            await socket.receive()
        assert (closed.value.code, closed.value.reason) == (4409, "a newer connection")


async def test_an_orderly_goodbye_is_one_for_the_other_side() -> None:
    ends, ended = list[int](), trio.Event()

    async def wait(server: WebSocketConnection) -> None:
        with pytest.raises(trio_websocket.ConnectionClosed) as closed:
            await server.get_message()
        ends.append(closed.value.reason.code)
        ended.set()

    async with library(wait) as url, lean(url) as socket:
        await socket.aclose()
        with pytest.raises(TransportClosed):
            await socket.receive()
        with trio.fail_after(5):
            await ended.wait()
    assert ends == [1000]


async def test_a_cut_connection_ends_for_both(nursery: trio.Nursery) -> None:
    gone = trio.Event()

    async def wait(server: WebSocketConnection) -> None:
        try:
            await server.get_message()
        finally:
            gone.set()

    async with library(wait) as url, lean(url) as socket:
        received: list[str] = []

        async def receive() -> None:
            with pytest.raises(TransportClosed) as closed:
                await socket.receive()
            received.append(closed.value.reason)

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        socket.cut()
        with trio.fail_after(5):
            await gone.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert received == ["the connection was lost"]
        with pytest.raises(TransportClosed):
            await socket.send(b"too late")


async def test_an_address_where_nobody_listens_is_refused() -> None:
    with pytest.raises(TransportClosed, match=r"cannot reach 127\.0\.0\.1 port 9"):
        async with lean("ws://127.0.0.1:9/ws"):
            pass


def answered(
    request: bytes, status: bytes = b"101 Switching Protocols", more: bytes = b""
) -> bytes:
    key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    return (
        b"HTTP/1.1 " + status + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\nsec-websocket-protocol: beamish.msgpack\r\n"
        + more + b"\r\n"
    )  # fmt: skip


@asynccontextmanager
async def by_hand(answer: Callable[[bytes], bytes], *, slowly: bool = False) -> AsyncIterator[str]:
    """A server that answers the handshake with `answer(request)` and then says no more."""

    async def handle(stream: trio.SocketStream) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += await stream.receive_some()
        reply = answer(request)
        for i in range(len(reply)) if slowly else ():
            await stream.send_all(reply[i : i + 1])
        if not slowly:
            await stream.send_all(reply)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/ws"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("slowly", [False, True], ids=["at once", "byte by byte"])
async def test_fragments_are_put_together_around_a_ping(slowly: bool) -> None:
    frames = b"\x02\x03abc" + b"\x89\x02hi" + b"\x00\x00" + b"\x80\x02de" + b"\x82\x01!"
    async with (
        by_hand(lambda request: answered(request) + frames, slowly=slowly) as url,
        lean(url) as socket,
    ):
        assert await socket.receive() == b"abcde"
        assert await socket.receive() == b"!"


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        (b"\x82\x81\x00\x00\x00\x00!", "the node masked a frame"),
        (b"\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00", "too large a frame"),
        (b"\x88\x00", "the connection was lost"),
    ],
)
async def test_broken_frames_end_the_connection(frames: bytes, sentence: str) -> None:
    async with by_hand(lambda request: answered(request) + frames) as url, lean(url) as socket:
        with pytest.raises(TransportClosed, match=sentence):
            await socket.receive()


@pytest.mark.parametrize(
    ("answer", "sentence", "wait"),
    [
        (
            lambda request: answered(request, b"503 Service Unavailable", b"Retry-After: 7\r\n"),
            "refused a WebSocket: HTTP/1.1 503",
            7.0,
        ),
        (lambda request: answered(request).replace(b"msgpack", b"json"), "speak", 0.0),
        (lambda request: answered(request).replace(b"Accept: ", b"Accept: x"), "another one", 0.0),
        (lambda _: b"x" * 40_000, "broke off the opening handshake", 0.0),
    ],
)
async def test_a_bad_handshake_is_refused(
    answer: Callable[[bytes], bytes], sentence: str, wait: float
) -> None:
    async with by_hand(answer) as url:
        with pytest.raises(TransportClosed, match=sentence) as refused:
            async with lean(url):
                pass
        assert refused.value.retry_after == wait


async def test_the_connector_notes_when_a_node_last_took_a_connection(
    nursery: trio.Nursery,
) -> None:
    connector = Connector()
    with pytest.raises(TransportClosed):
        await connector("ws://127.0.0.1:9/ws", nursery)
    assert connector.reached < 0
    async with by_hand(answered) as url:
        before = trio.current_time()
        socket = await connector(url, nursery)
        socket.cut()
    assert before <= connector.reached <= trio.current_time()
