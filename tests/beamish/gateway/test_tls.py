"""TLS on the port itself: handshakes that fail or stall, and a certificate exchanged while open."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from trio_websocket import ConnectionClosed, open_websocket_url

from beamish.gateway import GatewayConfig, TlsError, load_tls, open_gateway
from tests.beamish.gateway.conftest import EchoNode, read_all, until
from tests.beamish.gateway.test_http import request, status, upgrade

HERE = Path(__file__).parent
FIRST = HERE.parent / "client" / "localhost.pem"
RENEWED = HERE / "renewed.pem"
LOCKED = HERE / "locked.pem"
"""Certificates for localhost, valid to 2120, signed by nobody: their keys are public, here."""


def trusting(*certificates):
    context = ssl.create_default_context(cafile=str(certificates[0]))
    for one in certificates[1:]:
        context.load_verify_locations(str(one))
    return context


@asynccontextmanager
async def secured(**settings):
    node = EchoNode()
    async with trio.open_nursery() as nursery:
        config = GatewayConfig(tls=load_tls(FIRST, FIRST), **settings)
        gateway = await open_gateway(nursery, "127.0.0.1", 0, node, config)
        with trio.fail_after(60):
            yield gateway
            await gateway.close()


async def https(gateway, content, *certificates):
    """Send bytes over TLS and read to the end; the answer and the certificate's name."""
    tcp = await trio.open_tcp_stream(*gateway.address)
    context = trusting(*(certificates or (FIRST,)))
    tls = trio.SSLStream(tcp, context, server_hostname="localhost", https_compatible=True)
    async with tls:
        await tls.do_handshake()
        ((_, name),) = tls.getpeercert()["subject"][0]
        await tls.send_all(content)
        return await read_all(tls), name


def renew(gateway, certificate, **changes):
    settings = {
        "tls": load_tls(certificate, certificate),
        "allowed_origins": (),
        "trusted_proxies": (),
        "max_connections": 100,
        "max_per_address": 100,
    }
    gateway.reconfigure(**(settings | changes))


async def test_the_page_and_health_are_served_over_tls():
    async with secured() as gateway:
        assert gateway.http_url.startswith("https://127.0.0.1:")
        assert gateway.ws_url.startswith("wss://127.0.0.1:")
        answer, name = await https(gateway, request("GET /health/ready HTTP/1.1"))
        assert (status(answer), name) == (200, "localhost")
        assert answer.endswith(b'{"status":"ready"}\n')


@pytest.mark.parametrize("size", [10, 100_000])
async def test_a_websocket_goes_both_ways_over_tls_and_ends_with_its_code(size):
    async with secured() as gateway:
        async with open_websocket_url(
            gateway.ws_url, trusting(FIRST), subprotocols=["beamish.json"]
        ) as ws:
            await ws.send_message('[{"id":1,"command":"say","text":"%s"}]' % ("x" * size))
            assert len(await ws.get_message()) > size
            await ws.send_message('[{"id":2,"command":"close","code":4409}]')
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await ws.get_message()
            assert closed.value.reason.code == 4409
            await trio.aclose_forcefully(ws._stream)
        assert gateway.statistics().faults == 0


async def test_a_client_that_breaks_the_rules_is_told_the_code_over_tls():
    async with (
        secured() as gateway,
        open_websocket_url(gateway.ws_url, trusting(FIRST), subprotocols=["beamish.json"]) as ws,
    ):
        await ws.send_message("{}")
        with pytest.raises(ConnectionClosed) as closed:
            await ws.get_message()
        assert closed.value.reason.code == 4400
        await trio.aclose_forcefully(ws._stream)


async def test_open_connections_keep_their_certificate_and_new_ones_get_the_next():
    async with (
        secured() as gateway,
        open_websocket_url(gateway.ws_url, trusting(FIRST), subprotocols=["beamish.json"]) as ws,
    ):
        renew(gateway, RENEWED)
        answer, name = await https(gateway, request("GET / HTTP/1.1"), FIRST, RENEWED)
        assert (status(answer), name) == (404, "localhost renewed")
        await ws.send_message('[{"id":1,"command":"say"}]')
        assert "say" in await ws.get_message()
        await ws.aclose()
        await trio.aclose_forcefully(ws._stream)


async def test_tls_is_not_switched_off_on_an_open_port():
    async with secured() as gateway:
        with pytest.raises(ValueError, match="on or off"):
            renew(gateway, FIRST, tls=None)
        answer, _ = await https(gateway, request("GET / HTTP/1.1"))
        assert status(answer) == 404


async def test_a_client_without_tls_is_told_where_to_go():
    async with secured() as gateway, await trio.open_tcp_stream(*gateway.address) as stream:
        await stream.send_all(request("GET / HTTP/1.1"))
        answer = await read_all(stream)
        assert status(answer) == 400
        assert f"open {gateway.http_url}".encode() in answer


async def test_a_handshake_that_stalls_is_cut_in_time(virtual_time):
    async with secured(head_timeout=10.0) as gateway:
        for sent in (b"", b"\x16", b"\x16\x03\x01\x40\x00" + b"x" * 100):
            async with await trio.open_tcp_stream(*gateway.address) as stream:
                started = trio.current_time()
                await stream.send_all(sent)
                assert await read_all(stream) == b""
                assert 9.0 < trio.current_time() - started < 11.0
        statistics = gateway.statistics()
        assert (statistics.handshakes, statistics.handshakes_failed) == (0, 3)
        assert statistics.connections == 0


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x00\x02xx", b"\x16" * 5_000])
async def test_what_is_no_handshake_ends_its_connection_and_is_no_fault(sent):
    async with secured() as gateway:
        async with await trio.open_tcp_stream(*gateway.address) as stream:
            await stream.send_all(sent)
            with suppress(trio.BrokenResourceError):
                await read_all(stream)
        await until(lambda: not gateway.statistics().connections)
        assert gateway.statistics().handshakes_failed == 1
        assert gateway.statistics().faults == 0


async def test_handshakes_under_way_are_bounded_in_number():
    async with secured(max_handshakes=3) as gateway:
        stalled = [await trio.open_tcp_stream(*gateway.address) for _ in range(3)]
        await until(lambda: gateway.statistics().handshakes == 3)
        async with await trio.open_tcp_stream(*gateway.address) as fourth:
            assert await read_all(fourth) == b""
        assert gateway.statistics().handshakes_refused == 1
        await stalled[0].aclose()
        await until(lambda: gateway.statistics().handshakes == 2)
        answer, _ = await https(gateway, request("GET / HTTP/1.1"))
        assert status(answer) == 404
        for stream in stalled:
            await stream.aclose()


async def test_a_page_that_came_without_tls_may_not_connect_with_it():
    async with secured() as gateway:
        host, port = gateway.address
        fields = {"Host": f"localhost:{port}"}
        for scheme, expected in (("https", 101), ("http", 403)):
            fields["Origin"] = f"{scheme}://localhost:{port}"
            tcp = await trio.open_tcp_stream(host, port)
            tls = trio.SSLStream(
                tcp, trusting(FIRST), server_hostname="localhost", https_compatible=True
            )
            async with tls:
                await tls.send_all(upgrade(**fields, Connection="Upgrade"))
                assert status(await tls.receive_some()) == expected


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        ("missing.pem", FIRST, "missing.pem cannot be read: No such file or directory."),
        (FIRST, "missing.pem", "missing.pem cannot be read: No such file or directory."),
        (FIRST, RENEWED, "renewed.pem is not the key of "),
        (FIRST, LOCKED, "locked.pem is locked by a password"),
        (LOCKED, FIRST, "are not a PEM certificate and key"),
        (__file__, FIRST, "are not a PEM certificate and key"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_one_sentence(certificate, key, sentence, tmp_path):
    with pytest.raises(TlsError) as wrong:
        load_tls(tmp_path / certificate, tmp_path / key)
    assert sentence in str(wrong.value)
    assert "\n" not in str(wrong.value)
