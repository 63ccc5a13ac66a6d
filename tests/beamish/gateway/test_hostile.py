"""A whole node among hostile clients: two well-behaved users go on chatting beside all of them."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, suppress
from itertools import count

import pytest
import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    connect_websocket_url,
)

from beamish.gateway import GatewayConfig, open_gateway
from beamish.messenger.settings import MessengerSettings
from beamish.node import NodeConfig, open_node
from beamish.protocol import Limits

HELLO = {"id": 1, "command": "hello", "versions": [1]}
DRIPPING = 5
"""Dripping heads at a time; of every other kind there is one."""


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * 4_096


@asynccontextmanager
async def connected(url):
    async with trio.open_nursery() as nursery:
        ws = await connect_websocket_url(nursery, url, subprotocols=["beamish.json"])
        try:
            yield ws
        finally:
            with trio.move_on_after(1, shield=True):
                await ws.aclose()
            await trio.aclose_forcefully(ws._stream)
            nursery.cancel_scope.cancel()


async def register(ws, name):
    await say(ws, HELLO, {"id": 2, "command": "register", "user": name, "password": "long enough"})
    while not any(item.get("id") == 2 for item in json.loads(await ws.get_message())):
        pass


async def say(ws, *items):
    await ws.send_message(json.dumps(items))


async def flood(url, name):
    """Ten thousand commands in a burst, answers read."""
    async with connected(url) as ws, trio.open_nursery() as nursery:
        await register(ws, name)

        async def read():
            with suppress(ConnectionClosed):
                while True:
                    await ws.get_message()
            nursery.cancel_scope.cancel()

        nursery.start_soon(read)
        for _ in range(50):
            await say(ws, *({"id": n, "command": "snapshot"} for n in range(1, 201)))
        await trio.sleep(0.2)


async def never_read(url, name):
    """Asks for much and reads nothing of it."""
    async with connected(url) as ws:
        await register(ws, name)
        ws._recv_channel.close()
        with trio.move_on_after(1):
            for _ in range(1_000):
                await say(ws, *({"id": n, "command": "snapshot"} for n in range(1, 51)))
        await trio.sleep(0.2)


async def break_rules(url, _name):
    """One frame after another that no client may send, each on a connection of its own."""
    for frame in ("{}", "[" * 200_000, b"\x91" * 1_000, '[{"a":1e9}]', "x" * 300_000):
        async with connected(url) as ws:
            await say(ws, HELLO)
            await ws.send_message(frame)
            with pytest.raises(ConnectionClosed):
                while True:
                    await ws.get_message()


async def guess(url, name):
    """Forged tokens, and one's own commands without a login."""
    async with connected(url) as ws:
        await say(ws, HELLO, {"id": 2, "command": "send", "text": "x"})
        for n in range(3, 20):
            await say(ws, {"id": n, "command": "resume", "token": f"forged-{name}-{n}"})
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await ws.get_message()
        assert closed.value.reason.code == 4403


async def meddle(url, name):
    """Acts in a conversation of others."""
    async with connected(url) as ws:
        await register(ws, name)
        common = {"conversation": "d:alice:bob", "number": 1, "tag": "meddling"}
        await say(
            ws,
            {"id": 3, "command": "send", "text": "x", **common},
            {"id": 4, "command": "history", "conversation": "d:alice:bob"},
            {"id": 5, "command": "conversation", "conversation": "d:alice:bob"},
            {"id": 6, "command": "read", "conversation": "d:alice:bob", "upto": 9},
            {"id": 7, "command": "marks", "conversation": "d:alice:bob", "n": 1},
        )
        codes = {}
        while len(codes) < 4:
            for item in json.loads(await ws.get_message()):
                if item.get("id") in (3, 4, 5, 7):
                    codes[item["id"]] = item["error"]["code"]
        assert set(codes.values()) <= {"not_member", "not_found"}


async def drip(url, _name):
    """A request head that never ends."""
    host, port = url.removeprefix("ws://").removesuffix("/ws").split(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        with suppress(trio.BrokenResourceError):
            for _ in range(200):
                await stream.send_all(b"X: " + b"y" * 50)
                await trio.sleep(0.01)


async def for_ever(attack, url, name, done):
    """Repeat an attack until it is enough; being cut or refused is what it may expect."""
    for round_ in count():
        if done.is_set():
            return
        try:
            await attack(url, f"{name}.{round_}")
        except* (ConnectionClosed, HandshakeError, trio.BrokenResourceError):
            pass
        await trio.sleep(0.05)


@asynccontextmanager
async def attacked(url, cycle):
    """All attacks at once, for as long as the block runs."""
    done = trio.Event()
    async with trio.open_nursery() as hostile:
        for attack in ATTACKS:
            for n in range(DRIPPING if attack is drip else 1):
                name = f"{attack.__name__.replace('_', '-')}{n}.{cycle}"
                hostile.start_soon(for_ever, attack, url, name, done)
        await trio.sleep(0.5)
        yield
        done.set()


class Chat:
    """Alice writes, Bob hears."""

    def __init__(self, alice, bob):
        self.alice = alice
        self.bob = bob
        self.number = 0

    async def go_on(self, rounds):
        """How long each of so many messages took, in seconds."""
        waits = []
        for _ in range(rounds):
            self.number += 1
            started = trio.current_time()
            text = f"message {self.number}"
            await say(
                self.alice,
                {
                    "id": 10 + self.number,
                    "command": "send",
                    "conversation": "d:alice:bob",
                    "number": self.number,
                    "tag": f"tag{self.number}",
                    "text": text,
                },
            )
            while text not in await self.bob.get_message():
                pass
            waits.append(trio.current_time() - started)
            await trio.sleep(0.03)
        return waits


@asynccontextmanager
async def chatting(url):
    async with connected(url) as alice, connected(url) as bob:
        await register(alice, "alice")
        await register(bob, "bob")
        await say(bob, {"id": 3, "command": "attach", "number": 0})
        yield Chat(alice, bob)


ATTACKS = [flood, never_read, break_rules, guess, meddle, drip]
CYCLES = 2
"""Times of peace and of attack in turn: what the machine does otherwise falls on both alike."""


BOUNDS = [(0.5, 10, 0.1), (0.95, 10, 0.75), (1.0, 10, 2.0)]
"""For a share of the messages: how many times as long as in peace it may take, and the time in
seconds that is well in any case. On a busy machine the median is some five times that of peace."""


def at(share, waits):
    """The wait that `share` of all do not exceed."""
    return sorted(waits)[int(share * (len(waits) - 1))]


async def test_two_users_chat_on_among_hostile_clients_and_memory_stays_bounded(tmp_path):
    limits = Limits(commands_per_s=100, burst=300)
    settings = MessengerSettings(limits=limits, argon2_memory_kib=1_024, argon2_time=1)
    config = NodeConfig(tmp_path, settings=settings)
    peace, attack = [], []
    async with open_node(config) as node, trio.open_nursery() as nursery:
        gateway = await open_gateway(nursery, "127.0.0.1", 0, node, GatewayConfig(limits=limits))
        with trio.fail_after(100):
            async with chatting(gateway.ws_url) as chat:
                for cycle in range(CYCLES):
                    peace += await chat.go_on(25)
                    async with attacked(gateway.ws_url, cycle):
                        if not cycle:
                            before = resident_bytes()
                        attack += await chat.go_on(40)
                grown = resident_bytes() - before
        statistics = gateway.statistics()
        assert statistics.faults == 0
        assert {4400, 4403, 4429, 1003, 1009} <= set(statistics.closed), statistics
        assert statistics.rate_limited > 0
        assert grown < 40_000_000
        for share, factor, floor in BOUNDS:
            felt, otherwise = at(share, attack), at(share, peace)
            most = max(factor * otherwise, floor)
            assert felt <= most, f"{share:.0%} took {felt:.3f} s, {otherwise:.3f} s in peace"
        await gateway.close()
