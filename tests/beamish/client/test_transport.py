"""The WebSocket transport against peers that are no nodes, and its manners at the end."""

from __future__ import annotations

import contextlib
import functools
import ssl
from pathlib import Path

import pytest
import trio
import trio_websocket

from beamish.client import TransportClosed, websocket_connector
from beamish.client.transport import connect_websocket
from beamish.client.wire import wire


async def listen(nursery, handler):
    serve = functools.partial(trio.serve_tcp, handler, 0, host="127.0.0.1")
    [listener] = await nursery.start(serve)
    return f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/ws"


async def serve_websocket(nursery, handler, ssl_context=None):
    serve = trio_websocket.serve_websocket
    server = await nursery.start(functools.partial(serve, handler, "127.0.0.1", 0, ssl_context))
    scheme = "ws" if ssl_context is None else "wss"
    return f"{scheme}://127.0.0.1:{server.port}/ws?x=1"


@pytest.fixture
async def place():
    async with trio.open_nursery() as nursery:
        with trio.fail_after(20):
            yield nursery
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "it hung up"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP status 404"),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy", "status 503"),
        (b"220 mail.example ESMTP\r\n", "it hung up"),
        (b"x" * 100_000, "hung up|does not keep to WebSocket"),
        (
            b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "does not keep to WebSocket",
        ),
    ],
)
async def test_a_peer_that_opens_no_websocket_is_left_at_once(place, answer, why):
    async def handler(stream):
        await stream.receive_some(4096)
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(answer)

    url = await listen(place, handler)
    with trio.fail_after(2), pytest.raises(TransportClosed, match=why) as refused:
        await connect_websocket(url, place, "msgpack")
    assert "did not open a WebSocket" in str(refused.value)
    assert refused.value.retry_after == (7 if b"Retry-After" in answer else 0)


async def test_a_server_without_our_subprotocol_is_left(place):
    async def plain(request):
        ws = await request.accept()
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            await ws.get_message()

    with pytest.raises(TransportClosed, match=r"does not speak beamish\.json"):
        await connect_websocket(await serve_websocket(place, plain), place, "json")


async def test_broken_framing_ends_the_connection_and_nothing_else(place):
    async def handler(stream):
        server = await trio_websocket.wrap_server_stream(place, stream)
        ws = await server.accept(subprotocol="beamish.msgpack")
        await ws._stream.send_all(b"\xff\xff\xff\xff")
        await trio.sleep_forever()

    transport = await connect_websocket(await listen(place, handler), place, "msgpack")
    with pytest.raises(TransportClosed):
        await transport.receive()
    transport.cut()


async def test_nobody_listening_is_said_so(place):
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(TransportClosed, match=f"cannot reach 127.0.0.1 port {port}"):
        await connect_websocket(f"ws://127.0.0.1:{port}/ws", place, "json")


@pytest.mark.parametrize("url", ["http://127.0.0.1/ws", "127.0.0.1:80", "ws:///ws"])
async def test_an_address_that_is_none_is_refused(place, url):
    with pytest.raises(ValueError, match="no address of a node"):
        await connect_websocket(url, place, "json")


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_frames_go_both_ways_in_the_subprotocol_of_the_codec(place, codec):
    seen = []

    async def echo(request):
        seen.append((request.path, request.proposed_subprotocols))
        ws = await request.accept(subprotocol=request.proposed_subprotocols[0])
        while True:
            try:
                message = await ws.get_message()
            except trio_websocket.ConnectionClosed:
                return
            seen.append(type(message))
            await ws.send_message(message)

    url = await serve_websocket(place, echo)
    transport = await websocket_connector(codec)(url, place)
    encoding = wire(codec)
    items = [{"id": i, "text": "ü" * i} for i in range(20)]
    await transport.send(encoding.join([encoding.encode(item) for item in items]))
    assert encoding.decode(await transport.receive()) == items
    assert seen == [("/ws?x=1", (f"beamish.{codec}",)), bytes if codec == "msgpack" else str]
    await transport.aclose()
    with pytest.raises(TransportClosed):
        await transport.receive()


async def test_a_large_frame_arrives_whole(place):
    async def talk(request):
        ws = await request.accept(subprotocol="beamish.msgpack")
        await ws.send_message(b"x" * 900_000)
        await ws.get_message()

    transport = await connect_websocket(await serve_websocket(place, talk), place, "msgpack")
    assert len(await transport.receive()) == 900_000
    transport.cut()


async def test_the_nodes_close_code_is_told(place):
    async def bye(request):
        ws = await request.accept(subprotocol="beamish.msgpack")
        await ws.aclose(4409, "elsewhere")

    transport = await connect_websocket(await serve_websocket(place, bye), place, "msgpack")
    with pytest.raises(TransportClosed, match=r"elsewhere \(close code 4409\)") as closed:
        await transport.receive()
    assert closed.value.code == 4409
    transport.cut()


async def test_a_cut_is_no_goodbye(place):
    ends = []

    async def handler(request):
        ws = await request.accept(subprotocol="beamish.msgpack")
        with pytest.raises(trio_websocket.ConnectionClosed) as closed:
            await ws.get_message()
        ends.append(closed.value.reason.code)
        done.set()

    done = trio.Event()
    transport = await connect_websocket(await serve_websocket(place, handler), place, "msgpack")
    transport.cut()
    with pytest.raises(TransportClosed):
        await transport.receive()
    with pytest.raises(TransportClosed):
        await transport.send(b"x")
    await done.wait()
    assert ends == [1006]


CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""For 127.0.0.1, valid to 2120, signed by nobody: its key is public, here."""


async def test_a_node_behind_tls_is_reached_and_its_certificate_judged(place):
    async def echo(request):
        ws = await request.accept(subprotocol="beamish.msgpack")
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            await ws.send_message(await ws.get_message())
            await ws.get_message()

    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(CERTIFICATE)
    url = await serve_websocket(place, echo, served)
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    transport = await websocket_connector("msgpack", trusting)(url, place)
    await transport.send(b"through TLS")
    assert await transport.receive() == b"through TLS"
    transport.cut()
    with pytest.raises(TransportClosed):
        await transport.receive()
    with pytest.raises(TransportClosed, match=r"does not keep to|hung up|certificate"):
        await websocket_connector("msgpack")(url, place)
