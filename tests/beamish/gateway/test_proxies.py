"""Clients behind proxies: whose word is taken for an address, and what strangers claim."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
from trio_websocket import open_websocket_url

from beamish.gateway.head import parse_head
from beamish.gateway.proxies import MOST_HOPS, TrustedProxies
from tests.beamish.gateway.conftest import until
from tests.beamish.gateway.test_http import status, upgrade

PROXY = "127.0.0.1"


def head(**fields):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return parse_head(f"GET /ws HTTP/1.1\r\n{lines}\r\n".encode("latin-1"), b"", 2_048)


def client(told, peer=PROXY, networks=("127.0.0.0/8", "10.0.0.0/8", "fd00::/8")):
    return TrustedProxies(networks).client_of(peer, head(X_Forwarded_For=told))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:5123", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.1.1.1", "203.0.113.7"),
        ("203.0.113.7, fd00::1, 10.1.1.1", "203.0.113.7"),
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
    ],
)
def test_the_client_is_the_first_from_the_end_that_is_no_trusted_proxy(told, expected):
    assert client(told) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("198.51.100.9, 203.0.113.7", "203.0.113.7"),
        ("10.9.9.9, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1, 203.0.113.7, 10.1.1.1", "203.0.113.7"),
        ("198.51.100.9, unknown, 10.1.1.1", "10.1.1.1"),
        ("198.51.100.9, , 10.1.1.1", "10.1.1.1"),
        ("198.51.100.9, <script>", PROXY),
        ("198.51.100.9" + ", 10.1.1.1" * MOST_HOPS, "10.1.1.1"),
        ("", PROXY),
    ],
)
def test_what_a_client_writes_before_the_proxies_word_is_not_believed(told, expected):
    assert client(told) == expected


def test_a_stranger_s_headers_are_ignored():
    assert client("198.51.100.9", peer="203.0.113.7") == "203.0.113.7"
    assert client("198.51.100.9", networks=()) == PROXY


def test_a_peer_in_ipv4_mapped_form_is_known():
    assert client("203.0.113.7", peer="::ffff:127.0.0.1") == "203.0.113.7"


def test_forwarded_is_not_believed_from_anybody():
    proxies = TrustedProxies(["127.0.0.1"])
    assert proxies.client_of(PROXY, head(Forwarded="for=198.51.100.9;proto=https")) == PROXY
    assert not proxies.by_https(PROXY, head(Forwarded="for=198.51.100.9;proto=https"))


@pytest.mark.parametrize(
    ("told", "peer", "expected"),
    [
        ("https", PROXY, True),
        ("http", PROXY, False),
        ("https, http", PROXY, False),
        ("https", "203.0.113.7", False),
        ("", PROXY, False),
    ],
)
def test_https_is_what_the_nearest_trusted_proxy_says(told, peer, expected):
    proxies = TrustedProxies(["127.0.0.1"])
    assert proxies.by_https(peer, head(X_Forwarded_Proto=told)) is expected


@asynccontextmanager
async def behind(port, told, **more):
    """A WebSocket as a proxy on this machine would hand it on."""
    fields = [(b"X-Forwarded-For", told.encode())]
    fields += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    async with open_websocket_url(
        port.gateway.ws_url, subprotocols=["beamish.json"], extra_headers=fields
    ) as ws:
        try:
            yield ws
        finally:
            await ws.aclose()
            await trio.aclose_forcefully(ws._stream)


async def refused(port, told, **more):
    """The status of the refusal."""
    asked = upgrade(**{"Connection": "Upgrade", "X_Forwarded_For": told, **more})
    return status(await port.http(asked))


TRUSTING = {"trusted_proxies": ("127.0.0.1",), "max_per_address": 2}


async def test_a_session_is_told_the_address_of_its_client(open_port):
    async with open_port(**TRUSTING) as port, behind(port, "203.0.113.7"):
        assert port.node.sessions[0].peer == "203.0.113.7"


async def test_connections_are_bounded_by_the_client_s_address_and_not_the_proxy_s(open_port):
    async with open_port(**TRUSTING) as port:
        async with behind(port, "203.0.113.7"), behind(port, "203.0.113.7"):
            assert await refused(port, "203.0.113.7") == 429
            async with behind(port, "203.0.113.8"), behind(port, "2001:db8::1"):
                assert port.gateway.statistics().sessions == 4
        async with behind(port, "203.0.113.7"):
            pass  # What was counted has been given back.
        await until(lambda: not port.gateway.statistics().connections)


async def test_a_client_cannot_escape_its_bound_by_claiming_other_addresses(open_port):
    async with open_port(**TRUSTING) as port:
        async with behind(port, "1.1.1.1, 203.0.113.7"), behind(port, "1.1.1.2, 203.0.113.7"):
            assert await refused(port, "1.1.1.3, 203.0.113.7") == 429
            assert await refused(port, "127.0.0.1, 203.0.113.7") == 429
        assert {session.peer for session in port.node.sessions} == {"203.0.113.7"}


async def test_without_trust_the_header_changes_nothing(open_port):
    async with open_port(loopback_exempt=False, max_per_address=2) as port:
        async with behind(port, "203.0.113.7"), behind(port, "203.0.113.8"):
            assert await refused(port, "203.0.113.9") == 429
        assert {session.peer for session in port.node.sessions} == {PROXY}


async def test_behind_https_a_page_that_came_by_http_may_not_connect(open_port):
    async with open_port(**TRUSTING) as port:
        host, number = port.gateway.address
        origin = f"http://{host}:{number}"
        page = {"Host": f"{host}:{number}", "Origin": origin, "Connection": "Upgrade"}
        assert await refused(port, "1.1.1.1", X_Forwarded_Proto="https", **page) == 403
        async with behind(port, "1.1.1.1", X_Forwarded_Proto="http", Origin=origin):
            pass
        async with behind(
            port, "1.1.1.1", X_Forwarded_Proto="https", Origin=origin.replace("http", "https")
        ):
            pass


async def test_trust_is_given_and_taken_while_the_port_is_open(open_port):
    async with open_port(**TRUSTING) as port:
        port.gateway.reconfigure(
            tls=None,
            allowed_origins=(),
            trusted_proxies=(),
            max_connections=100,
            max_per_address=100,
        )
        async with behind(port, "203.0.113.7"):
            assert port.node.sessions[-1].peer == PROXY
