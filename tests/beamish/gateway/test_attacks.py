"""Clients that hold on to what they get: each costs bounded time and memory, and nobody waits."""

from __future__ import annotations

import socket as sockets
from contextlib import suppress

import pytest
import trio

from beamish.protocol import Limits
from tests.beamish.gateway.conftest import read_all, until
from tests.beamish.gateway.test_hostile import resident_bytes
from tests.beamish.gateway.test_http import request, status, upgrade

LIVE = request("GET /health/live HTTP/1.1")
KEPT = request("GET /health/live HTTP/1.1", Connection="keep-alive")


@pytest.fixture
def page(tmp_path):
    (tmp_path / "large.txt").write_bytes(b"x" * 8_000_000)
    return tmp_path


async def drip(stream, data):
    """Send for ever, a little at a time, until the other side has had enough."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while True:
            await stream.send_all(data)
            await trio.sleep(0.2)


@pytest.mark.parametrize(
    "length", [{"Content-Length": "1000000000"}, {"Transfer-Encoding": "chunked"}]
)
async def test_a_body_that_drips_in_for_ever_is_answered_and_cut(open_port, virtual_time, length):
    async with open_port() as port, await port.tcp() as stream, trio.open_nursery() as nursery:
        await stream.send_all(
            request("POST /health/live HTTP/1.1", Connection="keep-alive", **length)
        )
        nursery.start_soon(drip, stream, b"5\r\nhello\r\n")
        started = trio.current_time()
        assert status(await stream.receive_some()) == 405
        await until(lambda: not port.gateway.statistics().connections)
        assert trio.current_time() - started < 3
        nursery.cancel_scope.cancel()


async def test_a_body_in_a_flood_is_dropped_up_to_a_bound(open_port):
    async with open_port() as port, await port.tcp() as stream:
        await stream.send_all(request("POST / HTTP/1.1", Content_Length="1000000000"))
        sent = 0
        with suppress(trio.BrokenResourceError), trio.fail_after(30):
            while True:
                await stream.send_all(b"x" * 65_536)
                sent += 65_536
        assert sent < 32 << 20  # The drained megabyte, and what both kernels hold.
        await until(lambda: not port.gateway.statistics().connections)


async def test_who_does_not_read_a_page_is_cut_after_the_write_timeout(
    open_port, virtual_time, page
):
    limits = Limits(write_timeout_ms=5_000)
    async with open_port(page, limits=limits) as port:
        stream = await port.tcp()
        stream.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
        await stream.send_all(request("GET /large.txt HTTP/1.1", Connection="keep-alive"))
        started = trio.current_time()
        await until(lambda: port.gateway.statistics().connections == 1)
        with trio.fail_after(60):
            while port.gateway.statistics().connections:  # noqa: ASYNC110
                await trio.sleep(0.1)
        assert 4 < trio.current_time() - started < 8
        await stream.aclose()


async def test_requests_piled_up_on_a_connection_are_held_back_and_cost_bounded_memory(
    open_port, virtual_time, page
):
    limits = Limits(write_timeout_ms=5_000)
    async with open_port(page, limits=limits) as port:
        stream = await port.tcp()
        before = resident_bytes()
        with suppress(trio.BrokenResourceError), trio.fail_after(60):
            while True:
                await stream.send_all(
                    request("GET /large.txt HTTP/1.1", Connection="keep-alive") * 1_000
                )
        await until(lambda: not port.gateway.statistics().connections)
        assert resident_bytes() - before < 60_000_000
        assert status(await port.http(LIVE)) == 200
        await stream.aclose()


async def test_an_upgrade_that_says_no_more_is_closed_in_time(open_port, virtual_time):
    limits = Limits(login_timeout_ms=4_000)
    async with open_port(limits=limits) as port, await port.tcp() as stream:
        started = trio.current_time()
        await stream.send_all(upgrade(Connection="Upgrade"))
        assert status(await stream.receive_some()) == 101
        await until(lambda: not port.gateway.statistics().connections)
        assert trio.current_time() - started < 12
        assert port.gateway.statistics().closed == {4408: 1}


async def test_connections_far_above_the_cap_hear_why_in_bounded_number_and_go(
    open_port, virtual_time
):
    async with open_port(max_connections=3, max_turned_away=5) as port:
        held = [await port.tcp() for _ in range(3)]
        for stream in held:
            await stream.send_all(KEPT)
            assert status(await stream.receive_some()) == 200
        above = [await port.tcp() for _ in range(60)]
        await until(lambda: port.gateway.statistics().refused[503] == 60)
        started = trio.current_time()
        heard = 0
        for stream in above:
            with suppress(trio.BrokenResourceError):
                heard += bool(await read_all(stream))
        assert heard == 5
        assert trio.current_time() - started < 3
        assert port.gateway.statistics().connections == 3
        await held.pop().aclose()
        await until(lambda: port.gateway.statistics().connections == 2)
        assert status(await port.http(LIVE)) == 200
        for stream in held + above:
            await stream.aclose()


async def test_a_thousand_connections_that_say_nothing_go_and_leave_no_memory(
    open_port, virtual_time
):
    async with open_port(max_per_address=2_000) as port:
        for _ in range(2):
            silent = [await port.tcp() for _ in range(500)]
            await until(lambda: port.gateway.statistics().connections == 500)
            assert status(await port.http(LIVE)) == 200
            await until(lambda: not port.gateway.statistics().connections)
            for stream in silent:
                await stream.aclose()
        assert port.gateway.statistics().refused[408] == 1_000
        assert port.gateway.statistics().faults == 0
