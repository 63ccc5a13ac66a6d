"""Connections that somebody else's server accepted."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, open_websocket, serve_websocket

from beamish.gateway import GatewayStatistics, serve_connection
from beamish.protocol.session import Vouched


async def host(nursery, node, outcomes, subprotocol="beamish.json", **options):
    """A foreign trio-websocket server that hands every connection to `node`; its port."""

    async def handler(request):
        socket = await request.accept(subprotocol=subprotocol)
        try:
            outcomes.append(await serve_connection(socket, node, **options))
        except ValueError as error:
            outcomes.append(error)

    server = await nursery.start(serve_websocket, handler, "127.0.0.1", 0, None)
    return server.port


@asynccontextmanager
async def client(port, subprotocol="beamish.json"):
    async with open_websocket(
        "127.0.0.1", port, "/", use_ssl=False, subprotocols=[subprotocol]
    ) as ws:
        try:
            yield ws
        finally:
            await ws.aclose()
            await trio.aclose_forcefully(ws._stream)


async def test_a_connection_accepted_elsewhere_gets_a_session(open_port):
    async with open_port() as port, trio.open_nursery() as nursery:
        outcomes, statistics = [], GatewayStatistics()
        node = port.node
        number = await host(nursery, node, outcomes, peer="192.0.2.1", statistics=statistics)
        async with client(number) as ws:
            await ws.send_message(json.dumps([{"id": 1}]))
            assert json.loads(await ws.get_message()) == [{"echo": {"id": 1}}]
            assert node.sessions[0].peer == "192.0.2.1"
            await ws.send_message("{}")
            with pytest.raises(ConnectionClosed) as closed:
                await ws.get_message()
            assert closed.value.reason.code == 4400
        with trio.fail_after(5):
            await node.sessions[0].gone.wait()
            while not outcomes:
                await trio.testing.wait_all_tasks_blocked()
        assert outcomes[0][0] == 4400
        assert statistics.items_in == 1
        nursery.cancel_scope.cancel()


async def test_another_subprotocol_is_refused_with_a_sentence(open_port):
    async with open_port() as port, trio.open_nursery() as nursery:
        outcomes = []
        number = await host(nursery, port.node, outcomes, subprotocol="other")
        async with client(number, "other") as ws:
            with pytest.raises(ConnectionClosed):
                await ws.get_message()
        assert "accept the connection with subprotocol beamish.json" in str(outcomes[0])
        assert port.node.sessions == []
        nursery.cancel_scope.cancel()


async def test_a_host_says_for_whom_a_connection_is(open_port):
    async with open_port() as port, trio.open_nursery() as nursery:
        node = port.node
        for options, expected in (
            ({}, None),
            ({"user": "ann"}, Vouched("ann", "ann")),
            ({"user": "ann", "display": "Ann"}, Vouched("ann", "Ann")),
        ):
            number = await host(nursery, node, [], **options)
            async with client(number) as ws:
                await ws.send_message("[{}]")
                await ws.get_message()
                assert node.vouched == expected
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("names", [{"user": "Not A Name"}, {"user": "ann", "display": ""}])
async def test_a_name_that_cannot_be_one_is_refused_with_a_sentence(open_port, names):
    async with open_port() as port, trio.open_nursery() as nursery:
        outcomes = []
        number = await host(nursery, port.node, outcomes, **names)
        async with client(number) as ws:
            with pytest.raises(ConnectionClosed):
                await ws.get_message()
        assert isinstance(outcomes[0], ValueError)
        assert "1 to 64 characters" in str(outcomes[0])
        assert port.node.sessions == []
        nursery.cancel_scope.cancel()
