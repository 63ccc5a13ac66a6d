"""Sessions over real sockets: what is carried, and every way in which a connection ends."""

from __future__ import annotations

import json
import socket as sockets
import struct

import msgpack
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed

from beamish.gateway import gateway
from beamish.gateway.connection import BROKE_OFF, Connection
from beamish.protocol import Limits, Refusal

HEAD = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: beamish.json\r\n\r\n"
)


def frame(payload: bytes, *, opcode: int = 1, fin: bool = True) -> bytes:
    """A client's WebSocket frame, masked with zeros."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65_536:
        length = bytes((0xFE,)) + struct.pack("!H", size)
    else:
        length = bytes((0xFF,)) + struct.pack("!Q", size)
    return bytes(((0x80 if fin else 0) | opcode,)) + length + bytes(4) + payload


async def upgraded(port):
    """A bare TCP stream on which the WebSocket handshake is done."""
    stream = await port.tcp()
    await stream.send_all(HEAD)
    answer = await stream.receive_some()
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return stream


async def closed_with(ws):
    """The code and reason with which the node closes; whatever it says before is dropped."""
    with trio.fail_after(20):
        while True:
            try:
                await ws.get_message()
            except ConnectionClosed as closed:
                return closed.reason.code, closed.reason.reason


async def say(ws, *items):
    await ws.send_message(json.dumps(items))


async def hear(ws):
    return json.loads(await ws.get_message())


async def test_items_are_carried_in_order_in_both_encodings(open_port):
    async with open_port() as port:
        async with port.websocket("beamish.json") as ws:
            await say(ws, {"a": 1}, {"a": 2})
            await say(ws, {"a": 3})
            heard = []
            while len(heard) < 3:
                heard += await hear(ws)
            assert heard == [{"echo": {"a": n}} for n in (1, 2, 3)]
        async with port.websocket("beamish.msgpack") as ws:
            await ws.send_message(msgpack.packb([{"a": "é"}]))
            assert msgpack.unpackb(await ws.get_message()) == [{"echo": {"a": "é"}}]


async def test_all_that_waits_goes_out_in_one_frame(open_port):
    async with open_port() as port, port.websocket() as ws:
        await say(ws, {"a": 0})
        await hear(ws)
        for n in range(100):
            port.node.sessions[0].push({"n": n})
        assert [item["n"] for item in await hear(ws)] == list(range(100))


async def test_a_long_queue_is_split_at_the_frame_limit(open_port):
    limits = Limits(server_frame_bytes=1_000)
    async with open_port(limits=limits) as port, port.websocket() as ws:
        await say(ws, {"a": 0})
        await hear(ws)
        for n in range(100):
            port.node.sessions[0].push({"n": n, "filler": "x" * 80})
        heard = []
        while len(heard) < 100:
            message = await ws.get_message()
            assert len(message) <= 1_000
            heard += [item["n"] for item in json.loads(message)]
        assert heard == list(range(100))


async def test_a_session_learns_that_its_connection_is_gone(open_port):
    async with open_port() as port:
        async with port.websocket() as ws:
            await say(ws, {"a": 1})
            await hear(ws)
        with trio.fail_after(5):
            await port.node.sessions[0].gone.wait()
        stream = await upgraded(port)
        await stream.aclose()
        with trio.fail_after(5):
            await port.node.sessions[1].gone.wait()


async def test_a_session_closes_with_its_code_after_its_last_items(open_port):
    async with open_port() as port, port.websocket() as ws:
        await say(ws, {"command": "close", "code": 4409})
        assert await hear(ws) == [{"last": True}]
        assert await closed_with(ws) == (4409, "as asked")
        await port.node.sessions[0].gone.wait()
        assert port.gateway.statistics().closed == {4409: 1}


async def test_a_fault_in_a_session_ends_that_connection_alone(open_port):
    async with open_port() as port, port.websocket() as other, port.websocket() as ws:
        await say(ws, {"command": "crash"})
        assert (await closed_with(ws))[0] == 1011
        await port.node.sessions[1].gone.wait()
        await say(other, {"a": 1})
        assert await hear(other) == [{"echo": {"a": 1}}]
        assert port.gateway.statistics().faults == 1


@pytest.mark.parametrize(
    ("subprotocol", "message", "code"),
    [
        ("beamish.json", "{}", 4400),
        ("beamish.json", "[]", 4400),
        ("beamish.json", "[1]", 4400),
        ("beamish.json", "no json", 4400),
        ("beamish.json", "[" * 100_000, 4400),
        ("beamish.json", '[{"a":' + "[" * 8 + "]" * 8 + "}]", 4400),
        ("beamish.json", '[{"a":1.5}]', 4400),
        ("beamish.json", '[{"a":NaN}]', 4400),
        ("beamish.json", '[{"a":"\\ud800"}]', 4400),
        ("beamish.json", json.dumps([{}] * 257), 4400),
        ("beamish.json", b"\x80", 1003),
        ("beamish.json", '[{"a":"' + "x" * 262_144 + '"}]', 1009),
        ("beamish.json", '[{"a":"' + "é" * 131_072 + '"}]', 1009),
        ("beamish.msgpack", "[]", 1003),
        ("beamish.msgpack", b"", 4400),
        ("beamish.msgpack", b"\xdd\x00\x0f\x42\x40" + b"\xc0" * 1_000, 4400),
        ("beamish.msgpack", b"\x91" * 10_000, 4400),
        ("beamish.msgpack", b"\x91\x81\xa1a\xa1\xff", 4400),
        ("beamish.msgpack", b"\x91\x81\xa1a\xc7\x01\x01\x00", 4400),
        ("beamish.msgpack", b"\x91\x80" + bytes(262_144), 1009),
    ],
)
async def test_a_frame_that_breaks_the_rules_closes_with_a_code(
    open_port, subprotocol, message, code
):
    async with open_port() as port, port.websocket(subprotocol) as ws:
        await ws.send_message(message)
        assert (await closed_with(ws))[0] == code
        assert port.node.sessions[0].received == []


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(b'[{"a":"\xff"}]'), 1007),
        (frame(b"x", opcode=3), 1002),
        (frame(b"x", opcode=0), 1002),
        (frame(b"x" * 126, opcode=9), 1002),
        (b"\x81\x02[]", 1002),
    ],
    ids=["invalid UTF-8", "unknown opcode", "lone continuation", "long ping", "unmasked"],
)
async def test_broken_framing_is_answered_by_a_close_frame(open_port, sent, code):
    async with open_port() as port, await upgraded(port) as stream:
        await stream.send_all(sent)
        received = await read_to_end(stream)
        assert received[0] == 0x88
        assert struct.unpack("!H", received[2:4])[0] == code


async def read_to_end(stream):
    received = b""
    with trio.fail_after(10):
        while data := await stream.receive_some():
            received += data
    return received


async def test_endless_empty_fragments_are_cut(open_port):
    limits = Limits(frame_bytes=32_768)
    async with open_port(limits=limits) as port, await upgraded(port) as stream:
        await stream.send_all(frame(b"[", fin=False))
        sent = 0
        with pytest.raises(trio.BrokenResourceError):
            while sent < 50_000_000:
                await stream.send_all(frame(b"", opcode=0, fin=False) * 10_000)
                sent += 60_000
        assert sent < 10_000_000
        with trio.fail_after(5):
            await port.node.sessions[0].gone.wait()
        assert port.gateway.statistics().closed == {1009: 1}


async def test_pings_without_a_message_between_them_cost_nothing_of_its_bound(
    open_port, virtual_time
):
    limits = Limits(frame_bytes=32_768, login_timeout_ms=1_000_000)
    async with open_port(limits=limits) as port, await upgraded(port) as stream:
        for _ in range(80):
            await stream.send_all(frame(b"p" * 125, opcode=9) * 10)
            received = b""
            while len(received) < 10 * 127:
                data = await stream.receive_some()
                assert data, port.gateway.statistics().closed
                received += data
            await trio.sleep(0.2)
        await stream.send_all(frame(b'[{"a":1}]'))
        assert b"echo" in await stream.receive_some()
        assert not port.gateway.statistics().closed


async def test_a_flood_of_pings_is_closed_as_ignoring_the_rate(open_port):
    async with open_port() as port, await upgraded(port) as stream:
        await stream.send_all(frame(b"", opcode=9) * 1_500)
        received = await read_to_end(stream)
        assert received.count(b"\x8a\x00") <= 1_000
        assert struct.pack("!H", 4429) + b"too many pings" in received
        assert port.gateway.statistics().closed == {4429: 1}


async def test_what_is_sent_before_the_upgrade_is_answered_is_not_lost(open_port):
    async with open_port() as port, await port.tcp() as stream:
        await stream.send_all(HEAD + frame(b'[{"early":1}]'))
        received = b""
        with trio.fail_after(5):
            while b"early" not in received:
                received += await stream.receive_some()


async def test_no_login_in_time_closes_with_4408(open_port, virtual_time):
    async with open_port() as port, port.websocket() as ws:
        started = trio.current_time()
        assert (await closed_with(ws))[0] == 4408
        assert 10 <= trio.current_time() - started < 13


async def test_a_login_ends_the_login_timeout(open_port, virtual_time):
    limits = Limits(ping_interval_ms=1_000_000)
    async with open_port(limits=limits) as port, port.websocket() as ws:
        await say(ws, {"command": "login"})
        await hear(ws)
        with trio.move_on_after(25) as waited:
            await ws.get_message()
        assert waited.cancelled_caught


async def test_the_time_that_the_node_takes_over_a_login_is_not_the_clients(
    open_port, virtual_time
):
    limits = Limits(ping_interval_ms=1_000_000)
    async with open_port(limits=limits) as port, port.websocket() as ws:
        session = port.node.sessions[0]
        await trio.sleep(4)
        session.logging_in = True
        await trio.sleep(60)
        assert not port.gateway.statistics().closed
        session.logging_in = False
        started = trio.current_time()
        assert (await closed_with(ws))[0] == 4408
        assert 4 <= trio.current_time() - started < 9


async def test_silence_is_met_by_pings_and_no_answer_by_a_cut(open_port, virtual_time):
    limits = Limits(login_timeout_ms=1_000_000)
    async with open_port(limits=limits) as port, await upgraded(port) as stream:
        started = trio.current_time()
        assert await stream.receive_some(1) == b"\x89"
        assert 20 <= trio.current_time() - started < 23
        await read_to_end_slowly(stream)
        assert 40 <= trio.current_time() - started < 45
        await port.node.sessions[0].gone.wait()


async def read_to_end_slowly(stream):
    with trio.fail_after(100):
        while await stream.receive_some():
            pass


async def test_an_answered_ping_keeps_a_silent_connection(open_port, virtual_time):
    async with open_port() as port, port.websocket() as ws:
        await say(ws, {"command": "login"})
        await hear(ws)
        with trio.move_on_after(25) as waited:
            await ws.get_message()
        assert waited.cancelled_caught
        assert port.gateway.statistics().sessions == 1


async def test_a_client_that_reads_a_large_answer_slowly_is_not_taken_for_dead(open_port):
    limits = Limits(ping_interval_ms=500, ping_timeout_ms=500)
    async with open_port(limits=limits) as port, await upgraded(port) as stream:
        session = port.node.sessions[0]
        session.push({"filler": "x" * 300_000})
        read = 0
        started = trio.current_time()
        with trio.fail_after(20):
            while read < 290_000:
                await trio.sleep(0.1)
                data = await stream.receive_some(6_000)
                assert data, f"cut after {trio.current_time() - started:.1f} s, {read} bytes"
                read += len(data)
        assert trio.current_time() - started > 4


async def test_a_client_that_takes_no_data_and_says_nothing_is_cut_though_much_was_written(
    open_port,
):
    limits = Limits(ping_interval_ms=500, ping_timeout_ms=500, write_timeout_ms=60_000)
    async with open_port(limits=limits) as port, await upgraded(port) as stream:
        port.node.sessions[0].push({"filler": "x" * 8_192})
        with trio.fail_after(6):
            await port.node.sessions[0].gone.wait()
        await stream.aclose()


async def test_a_client_that_sends_a_large_command_slowly_is_not_taken_for_dead(
    open_port, virtual_time
):
    limits = Limits(login_timeout_ms=1_000_000)
    sent = frame(json.dumps([{"filler": "x" * 30_000}]).encode())
    async with open_port(limits=limits) as port, await upgraded(port) as stream:
        session = port.node.sessions[0]
        for start in range(0, len(sent), 300):
            await trio.sleep(1)
            await stream.send_all(sent[start : start + 300])
        assert trio.current_time() > 80
        await trio.sleep(1)
        assert [sorted(item) for item in session.received] == [["filler"]]


async def test_a_reader_that_never_reads_is_cut_and_costs_bounded_memory(open_port):
    limits = Limits(write_timeout_ms=1_000)
    async with open_port(limits=limits) as port, port.websocket() as other:
        stream = await upgraded(port)
        stream.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
        session = port.node.sessions[1]
        session.batch = 10
        for _ in range(200):
            session.push({"filler": "x" * 100_000})
        with trio.fail_after(10):
            await session.gone.wait()
        assert session.taken < 200
        assert port.gateway.statistics().closed == {4410: 1}
        await say(other, {"a": 1})
        assert await hear(other) == [{"echo": {"a": 1}}]
        await stream.aclose()


async def test_a_busy_session_holds_its_client_back_and_is_not_taken_for_silence(
    open_port, virtual_time
):
    limits = Limits(login_timeout_ms=1_000_000, ping_interval_ms=1_000, ping_timeout_ms=1_000)
    async with open_port(limits=limits) as port, port.websocket() as ws:
        await say(ws, {"a": 0})
        await hear(ws)
        session = port.node.sessions[0]
        session.gate = trio.Event()
        with trio.move_on_after(10):
            for n in range(10_000):
                await say(ws, {"n": n, "filler": "x" * 10_000})
        assert n < 10_000 - 1
        assert session.received == [{"a": 0}]
        assert not session.gone.is_set()
        session.gate.set()
        session.gate = None
        assert await hear(ws)


async def test_a_burst_above_the_rate_is_refused_command_by_command(open_port):
    limits = Limits(commands_per_s=10, burst=100)
    async with open_port(limits=limits) as port, port.websocket() as ws:
        await say(ws, *({"id": n, "command": "x"} for n in range(1, 151)))
        heard = []
        while len(heard) < 150:
            heard += await hear(ws)
        echoed = [item["echo"]["id"] for item in heard if "echo" in item]
        refused = {item["id"]: item["error"] for item in heard if "error" in item}
        assert echoed == list(range(1, 101))
        assert sorted(refused) == list(range(101, 151))
        assert {error["code"] for error in refused.values()} == {"rate_limited"}
        assert all(error["retryable"] for error in refused.values())
        assert all(4_000 <= error["retry_after_ms"] <= 6_000 for error in refused.values())
        assert port.gateway.statistics().rate_limited == 50


async def test_ten_thousand_commands_in_a_burst_end_with_4429(open_port):
    async with open_port() as port, port.websocket() as ws, trio.open_nursery() as nursery:

        async def burst():
            for _ in range(50):
                try:
                    await say(ws, *({"id": n, "command": "x"} for n in range(1, 201)))
                except ConnectionClosed:
                    return

        nursery.start_soon(burst)
        assert (await closed_with(ws))[0] == 4429


async def test_the_rate_recovers_with_time(open_port, virtual_time):
    limits = Limits(commands_per_s=10, burst=10)
    async with open_port(limits=limits) as port, port.websocket() as ws:
        await say(ws, *({"id": n} for n in range(1, 12)))
        heard = []
        while len(heard) < 11:
            heard += await hear(ws)
        await trio.sleep(1)
        await say(ws, *({"id": n} for n in range(12, 22)))
        heard = []
        while len(heard) < 10:
            heard += await hear(ws)
        assert all("echo" in item for item in heard)


async def test_closing_the_gateway_closes_every_connection_with_the_code(open_port):
    async with open_port() as port, port.websocket() as one, port.websocket() as other:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(port.gateway.close, 1001, "shutting down")
            assert await closed_with(one) == (1001, "shutting down")
            assert await closed_with(other) == (1001, "shutting down")
        assert all(session.gone.is_set() for session in port.node.sessions)
        with pytest.raises(OSError, match=r".*"):
            await port.tcp()


async def test_closing_waits_in_bounded_time_for_clients_that_do_not_answer(
    open_port, virtual_time
):
    async with open_port() as port:
        stream = await upgraded(port)
        started = trio.current_time()
        await port.gateway.close(1001, "shutting down")
        assert trio.current_time() - started < 8
        received = await read_to_end(stream)
        assert received[:4] == b"\x88\x0f" + struct.pack("!H", 1001)
        await stream.aclose()


async def test_a_ping_after_our_close_frame_is_no_fault(open_port):
    async with open_port(close_timeout=0.3) as port, await upgraded(port) as stream:
        await stream.send_all(frame(b'[{"command":"close","code":4401}]'))
        received = b""
        with trio.fail_after(5):
            while b"as asked" not in received:
                received += await stream.receive_some()
        await stream.send_all(frame(b"", opcode=9))
        await read_to_end(stream)
        with trio.fail_after(5):
            await port.node.sessions[0].gone.wait()
        assert port.gateway.statistics().faults == 0


async def test_a_node_that_takes_no_sessions_is_an_http_503(open_port):
    async with open_port() as port:
        port.node.refusal = Refusal("overloaded", "too many sessions")
        answer = await port.http(HEAD)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in answer
        assert b"too many sessions" in answer
        port.node.refusal = None
        port.node.is_ready = False
        assert (await port.http(HEAD)).startswith(b"HTTP/1.1 503 ")


async def test_connections_closed_in_full_traffic_all_hear_the_code(open_port):
    limits = Limits(commands_per_s=1_000_000, burst=1_000_000)
    heard = []

    async def chatter(port, ready):
        async with port.websocket() as ws, trio.open_nursery() as nursery:

            async def talk():
                try:
                    while True:
                        await say(ws, *({"filler": "x" * 2_000} for _ in range(10)))
                except ConnectionClosed:
                    pass

            nursery.start_soon(talk)
            await hear(ws)
            ready.append(True)
            heard.append(await closed_with(ws))

    async with open_port(limits=limits) as port, trio.open_nursery() as nursery:
        ready = []
        for _ in range(10):
            nursery.start_soon(chatter, port, ready)
        while len(ready) < 10:
            await trio.lowlevel.checkpoint()
        await port.gateway.close(1001, "shutting down")
    assert heard == [(1001, "shutting down")] * 10


async def test_connections_that_end_while_others_are_looked_after_hurt_nobody(
    open_port, monkeypatch
):
    """Every look sees most connections gone since it began, with a ping due to each."""
    monkeypatch.setattr(gateway, "SWEPT_AT_ONCE", 1)
    sweep = Connection.sweep
    ended = []

    def sweep_and_end_others(connection, now, *, may_ping=True):
        if len(port.gateway._connections) == 41 and not ended:
            ended.extend([c for c in port.gateway._connections if c is not connection][1:])
            for other in ended:
                other.close(BROKE_OFF, "ends", at_once=True)
        return sweep(connection, now, may_ping=may_ping)

    monkeypatch.setattr(Connection, "sweep", sweep_and_end_others)
    limits = Limits(ping_interval_ms=1, ping_timeout_ms=60_000)
    async with open_port(limits=limits) as port, port.websocket() as first:
        streams = [await upgraded(port) for _ in range(40)]
        for stream in streams[1:]:
            await read_to_end_slowly(stream)
        await say(first, {"a": 1})
        assert await hear(first) == [{"echo": {"a": 1}}]
        for stream in streams:
            await stream.aclose()
        assert len(ended) == 39


async def test_closing_cuts_a_client_that_does_not_read_in_bounded_time(open_port):
    async with open_port(close_timeout=0.5) as port:
        stream = await upgraded(port)
        session = port.node.sessions[0]
        session.batch = 10
        for _ in range(200):
            session.push({"filler": "x" * 100_000})
        await trio.testing.wait_all_tasks_blocked(0.05)
        started = trio.current_time()
        await port.gateway.close(1001, "shutting down")
        assert trio.current_time() - started < 2.5
        assert session.gone.is_set()
        assert port.gateway.statistics().sessions == 0
        await stream.aclose()


async def test_a_fault_while_a_session_opens_is_an_http_503_and_counted(open_port):
    async with open_port() as port:
        port.node.refusal = RuntimeError("a fault of the node")
        assert (await port.http(HEAD)).startswith(b"HTTP/1.1 503 ")
        assert port.gateway.statistics().faults == 1
