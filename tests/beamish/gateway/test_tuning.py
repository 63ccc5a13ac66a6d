"""The private name of trio-websocket that the gateway relies on being there."""

from __future__ import annotations

from trio_websocket import open_websocket, serve_websocket

from beamish.gateway.tuning import drop_handshake


async def test_a_connection_works_on_without_what_it_kept_of_its_handshake(nursery):
    async def echo(request):
        socket = await request.accept()
        assert drop_handshake(socket), "trio-websocket or wsproto has changed: see tuning.py"
        assert not drop_handshake(socket)
        await socket.send_message(await socket.get_message())
        await socket.ping()
        await socket.aclose(4400, "bye")

    server = await nursery.start(serve_websocket, echo, "127.0.0.1", 0, None)
    async with open_websocket("127.0.0.1", server.port, "/", use_ssl=False) as ws:
        await ws.send_message("hello")
        assert await ws.get_message() == "hello"
        await ws._close_handshake.wait()
        assert (ws.closed.code, ws.closed.reason) == (4400, "bye")
        await ws._stream.aclose()
