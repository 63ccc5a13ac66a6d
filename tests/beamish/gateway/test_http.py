"""The port as an HTTP server: page, health, refusals, and heads that never end."""

from __future__ import annotations

import socket as sockets
import struct

import pytest
import trio
import trio.testing

from beamish.gateway import open_gateway
from beamish.gateway.head import parse_head
from beamish.gateway.hosts import check_host, names_answered_to
from beamish.gateway.pages import load_pages

UPGRADE = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "beamish.json",
}


def request(line, **fields):
    """A request with the given header fields, `Connection: close` unless told otherwise."""
    fields = {"Host": "127.0.0.1", "Connection": "close", **fields}
    return (
        "\r\n".join([line, *(f"{name}: {value}" for name, value in fields.items())]) + "\r\n\r\n"
    ).encode("latin-1")


def upgrade(line="GET /ws HTTP/1.1", **changes):
    """An upgrade request; a field changed to None is left out."""
    fields = UPGRADE | {name.replace("_", "-"): value for name, value in changes.items()}
    return request(line, **{name: value for name, value in fields.items() if value is not None})


def status(answer):
    return int(answer.split(b" ", 2)[1])


def headers(answer):
    lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}


def body(answer):
    return answer.partition(b"\r\n\r\n")[2]


@pytest.fixture
def page(tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html><title>Beamish</title>")
    (tmp_path / "app.js").write_text("export const x = 1;")
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "chat.css").write_text("body {}")
    (tmp_path / "secret.py").write_text("token = 1")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", b"text/html; charset=utf-8"),
        ("/index.html", b"text/html; charset=utf-8"),
        ("/?room=1", b"text/html; charset=utf-8"),
        ("/app.js", b"text/javascript; charset=utf-8"),
        ("/views/chat.css", b"text/css; charset=utf-8"),
        ("/views/%63hat.css", b"text/css; charset=utf-8"),
    ],
)
async def test_the_page_is_served_with_its_content_type_and_safe_headers(
    open_port, page, path, content_type
):
    async with open_port(page=page) as port:
        answer = await port.http(request(f"GET {path} HTTP/1.1"))
        assert status(answer) == 200
        fields = headers(answer)
        assert fields[b"content-type"] == content_type
        assert fields[b"x-content-type-options"] == b"nosniff"
        assert b"script-src 'self'" in fields[b"content-security-policy"]
        assert b"unsafe" not in fields[b"content-security-policy"]
        assert int(fields[b"content-length"]) == len(body(answer)) > 0


async def test_an_unchanged_file_is_answered_by_304_without_a_body(open_port, page):
    async with open_port(page=page) as port:
        etag = headers(await port.http(request("GET /app.js HTTP/1.1")))[b"etag"].decode()
        for known in (etag, f'"other", {etag}', "*"):
            answer = await port.http(request("GET /app.js HTTP/1.1", **{"If-None-Match": known}))
            assert status(answer) == 304
            assert body(answer) == b""
        answer = await port.http(request("GET /app.js HTTP/1.1", **{"If-None-Match": '"other"'}))
        assert status(answer) == 200


async def test_head_tells_the_length_and_sends_no_body(open_port, page):
    async with open_port(page=page) as port:
        answer = await port.http(request("HEAD /app.js HTTP/1.1"))
        assert status(answer) == 200
        assert headers(answer)[b"content-length"] == b"19"
        assert body(answer) == b""


@pytest.mark.parametrize(
    "path",
    [
        "/ws/",
        "/secret.py",
        "/../secret.py",
        "/views/../../etc/passwd",
        "/%2e%2e/x",
        "/none",
        "/x%00",
    ],
)
async def test_what_is_not_of_the_page_is_not_found(open_port, page, path):
    async with open_port(page=page) as port:
        assert status(await port.http(request(f"GET {path} HTTP/1.1"))) == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(open_port, page, method):
    async with open_port(page=page) as port:
        answer = await port.http(request(f"{method} / HTTP/1.1"))
        assert status(answer) == 405
        assert headers(answer)[b"allow"] == b"GET, HEAD"


async def test_a_request_with_a_body_is_answered_and_the_connection_ends(open_port):
    async with open_port() as port:
        fields = {"Content-Length": "1000000", "Connection": "keep-alive"}
        answer = await port.http(request("POST / HTTP/1.1", **fields) + b"x" * 100_000)
        assert status(answer) == 405


async def test_requests_follow_one_another_on_a_connection(open_port, page):
    async with open_port(page=page) as port, await port.tcp() as stream:
        keep = request("GET /app.js HTTP/1.1", Connection="keep-alive")
        await stream.send_all(keep + keep)
        received = b""
        with trio.fail_after(5):
            while received.count(b"export const") < 2:
                received += await stream.receive_some()


async def test_health_says_whether_sessions_are_taken(open_port):
    async with open_port() as port:
        assert status(await port.http(request("GET /health/live HTTP/1.1"))) == 200
        assert status(await port.http(request("GET /health/ready HTTP/1.1"))) == 200
        port.node.is_ready = False
        assert status(await port.http(request("GET /health/live HTTP/1.1"))) == 200
        assert status(await port.http(request("GET /health/ready HTTP/1.1"))) == 503


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"x" * 3_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /" + b"x" * 100_000, 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 9_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000, 431),
        (b"\x16\x03\x01" + bytes(5_000), 414),
    ],
    ids=lambda value: str(value[:24]) if isinstance(value, bytes) else str(value),
)
async def test_a_head_that_cannot_be_served_has_its_status(open_port, sent, expected):
    async with open_port() as port:
        assert status(await port.http(sent)) == expected
        assert status(await port.http(request("GET /health/live HTTP/1.1"))) == 200


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (upgrade("POST /ws HTTP/1.1"), 405),
        (upgrade(Upgrade=None), 426),
        (upgrade(Upgrade="h2c"), 426),
        (upgrade(Connection="keep-alive"), 400),
        (upgrade(Sec_WebSocket_Version="8"), 426),
        (upgrade(Sec_WebSocket_Key=None), 400),
        (upgrade(Sec_WebSocket_Key="short"), 400),
        (upgrade(Host="ex\xe4mple"), 400),
        (upgrade(Host="a b"), 400),
        (upgrade(Host=""), 400),
        (upgrade(**{"Content-Length": "3"}), 400),
        (upgrade(Sec_WebSocket_Protocol=None), 400),
        (upgrade(Sec_WebSocket_Protocol="chat, soap"), 400),
        (upgrade(Origin="http://elsewhere.example"), 403),
        (upgrade(Origin="null"), 403),
        (upgrade(Origin="http://127.0.0.1:99999999"), 403),
        (upgrade(Origin="http://127.0.0.1:8081", Host="127.0.0.1:8080"), 403),
        (upgrade(Origin="file://127.0.0.1"), 403),
        (upgrade(Origin="http://evil.example:80", Host="evil.example:80"), 421),
        (upgrade(Host="127.0.0.1.evil.example"), 421),
        (upgrade(Host="10.0.0.1"), 421),
        (upgrade(Host="127.0.0.1,evil.example"), 400),
    ],
    ids=lambda value: str(value[:18]) if isinstance(value, bytes) else str(value),
)
async def test_an_upgrade_that_cannot_be_served_has_its_status(open_port, sent, expected):
    async with open_port() as port:
        assert status(await port.http(sent)) == expected
        assert port.node.sessions == []


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({}, ()),
        ({"Origin": "http://127.0.0.1"}, ()),
        ({"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"}, ()),
        ({"Origin": "https://chat.example", "Host": "chat.example"}, ("https://chat.example",)),
        ({"Origin": "https://CHAT.example", "Host": "chat.example:443"}, ("https://Chat.example",)),
        ({"Origin": "http://localhost:9", "Host": "LocalHost:9"}, ()),
        ({"Origin": "http://[::1]:80", "Host": "[::1]"}, ()),
        ({"Origin": "https://app.example"}, ("https://app.example/",)),
    ],
)
async def test_programs_and_pages_of_the_node_and_of_allowed_origins_may_connect(
    open_port, fields, allowed
):
    async with open_port(allowed_origins=allowed) as port, await port.tcp() as stream:
        await stream.send_all(upgrade(**fields))
        with trio.fail_after(5):
            assert status(await stream.receive_some()) == 101


async def test_on_loopback_only_loopback_names_and_those_of_allowed_origins_are_answered(open_port):
    async with open_port(allowed_origins=("https://chat.example",)) as port:
        for host in ("localhost:1", "127.0.0.1", "127.9.9.9:80", "[::1]:8080", "Chat.Example"):
            answer = await port.http(request("GET /health/live HTTP/1.1", Host=host))
            assert status(answer) == 200, host
        for host in ("evil.example", "192.0.2.1:80", "[2001:db8::1]", "localhost.evil.example"):
            answer = await port.http(request("GET /health/live HTTP/1.1", Host=host))
            assert status(answer) == 421, host
            assert b"localhost" in body(answer)
        assert port.gateway.statistics().refused == {421: 4}


def test_a_node_on_other_addresses_answers_to_every_name():
    assert names_answered_to(["127.0.0.1", "::1"], ["https://a:8", "http://["]) == {"a"}
    assert names_answered_to(["127.0.0.1", "192.0.2.1"], ["https://a"]) is None
    assert names_answered_to(["0.0.0.0"], []) is None
    head = parse_head(request("GET / HTTP/1.1", Host="any.example"), b"", 2_048)
    check_host(head, None)


async def test_the_first_known_subprotocol_of_the_offer_is_taken(open_port):
    async with open_port() as port, await port.tcp() as stream:
        offer = "soap, beamish.msgpack, beamish.json"
        await stream.send_all(upgrade(Sec_WebSocket_Protocol=offer))
        with trio.fail_after(5):
            answer = await stream.receive_some()
        assert headers(answer)[b"sec-websocket-protocol"] == b"beamish.msgpack"
        assert port.node.sessions[0].codec.name == "msgpack"
        assert port.node.sessions[0].peer == "127.0.0.1"


async def test_a_head_that_drips_in_ends_with_408_after_its_time_as_a_whole(
    open_port, virtual_time
):
    async with open_port() as port, await port.tcp() as stream:
        started = trio.current_time()
        received = b""

        async def drip():
            for byte in request("GET / HTTP/1.1") * 100:
                try:
                    await stream.send_all(bytes((byte,)))
                except trio.BrokenResourceError:
                    return
                await trio.sleep(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            try:
                while data := await stream.receive_some():
                    received += data
            except trio.BrokenResourceError:
                pass
            nursery.cancel_scope.cancel()
        assert status(received) == 408
        assert trio.current_time() - started < 13


async def test_slow_heads_in_number_leave_room_for_others_and_go_away(open_port, virtual_time):
    async with open_port() as port:
        slow = [await port.tcp() for _ in range(200)]
        for stream in slow:
            await stream.send_all(b"GET / HTTP/1.1\r\nA: " + b"x" * 5_000)
        assert status(await port.http(request("GET /health/live HTTP/1.1"))) == 200
        await trio.sleep(15)
        assert port.gateway.statistics().connections == 0
        assert port.gateway.statistics().refused[408] == 200
        for stream in slow:
            await stream.aclose()


async def test_an_idle_http_connection_is_closed(open_port, virtual_time):
    async with open_port() as port, await port.tcp() as stream:
        await stream.send_all(request("GET /health/live HTTP/1.1", Connection="keep-alive"))
        started = trio.current_time()
        with trio.fail_after(60):
            while await stream.receive_some():
                pass
        assert 14 < trio.current_time() - started < 20


async def test_connections_above_the_cap_are_refused_and_room_is_made_again(open_port):
    async with open_port(max_connections=2) as port:
        first, second = await port.tcp(), await port.tcp()
        for stream in (first, second):
            keep = request("GET /health/live HTTP/1.1", Connection="keep-alive")
            await stream.send_all(keep)
            await stream.receive_some()
        refused = await port.http(request("GET /health/live HTTP/1.1"))
        assert status(refused) == 503
        assert headers(refused)[b"retry-after"] == b"5"
        await first.aclose()
        with trio.fail_after(5):
            while status(await port.http(request("GET /health/live HTTP/1.1"))) == 503:
                await trio.testing.wait_all_tasks_blocked()
        await second.aclose()


async def test_one_address_may_hold_only_so_many_connections(open_port):
    settings = {"max_per_address": 1, "loopback_exempt": False}
    async with open_port(**settings) as port, await port.tcp() as stream:
        await stream.send_all(request("GET /health/live HTTP/1.1", Connection="keep-alive"))
        await stream.receive_some()
        assert status(await port.http(request("GET /health/live HTTP/1.1"))) == 429


async def test_after_stop_accepting_open_connections_go_on_and_new_ones_fail(open_port):
    async with open_port() as port, await port.tcp() as stream:
        keep = request("GET /health/live HTTP/1.1", Connection="keep-alive")
        await stream.send_all(keep)
        await stream.receive_some()
        port.gateway.stop_accepting()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match="connect"):
            await port.tcp()
        await stream.send_all(keep)
        assert status(await stream.receive_some()) == 200


async def test_a_taken_port_is_an_os_error(open_port):
    async with open_port() as port, trio.open_nursery() as nursery:
        with pytest.raises(OSError, match="in use"):
            await open_gateway(nursery, *port.gateway.address, port.node)


def test_a_folder_too_large_to_hold_is_refused(tmp_path):
    (tmp_path / "large.js").write_bytes(bytes(17 * 1024 * 1024))
    with pytest.raises(ValueError, match="serve large files elsewhere"):
        load_pages(tmp_path)


async def test_a_refused_client_that_resets_takes_nobody_with_it(open_port):
    async with open_port() as port:
        for _ in range(20):
            stream = await port.tcp()
            await stream.send_all(b"GET /" + b"x" * 100_000)
            stream.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
            await trio.testing.wait_all_tasks_blocked()
            await stream.aclose()
        assert status(await port.http(request("GET /health/live HTTP/1.1"))) == 200
        assert port.gateway.statistics().faults == 0
