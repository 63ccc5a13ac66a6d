"""The messenger's figures, over real sockets against a node in its own process.

`load`: pairs of users; of each pair one sends as fast as its window of unanswered commands allows,
the other stores, acknowledges and reads at once. A message counts when its sender has seen the read
mark reach it, so each one was made durable, answered, fanned out, delivered, read, and reported
back.

`latency`: the same at a fixed, modest rate; from the first write of a message to its arrival at the
recipient, both ends in one process and so on one clock.

`connections`: many users log in with their tokens on a node that has just started, and then stay
idle.

The load and the node share the machine: `cpu_percent` tells whether the node was the
bottleneck.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from bench.harness import Figure, Run
from bench.node_process import NodeProcess, raise_file_limit, running_node
from bench.socket_client import Item, SocketClient

PASSWORD = "a bench's password"
TEXT = "x" * 100
REGISTRATIONS_AT_ONCE = 4
CONNECTIONS_AT_ONCE = 32
CHEAP_PASSWORDS = ("--argon2-memory", "64", "--argon2-time", "1")
"""Registering is not what is measured here."""
NO_FLOODS = ("--user-rate", "1000000", "--conversation-rate", "1000000")
"""A pair says in a second what people say in a day."""
SETTLE_S = 30.0
FEWEST = 100
"""So many messages are counted at least: CPU time is told in 10 ms, less than a few take."""


async def login(url: str, user: str, token: str | None) -> tuple[SocketClient, str]:
    """A connection of `user`, attached from the start of its inbox; registers without a token."""
    client = await SocketClient.connect(url)
    await client.call("hello", versions=[1])
    if token is None:
        token = (await client.call("register", user=user, password=PASSWORD))["token"]
    else:
        await client.call("resume", token=token)
    await client.call("attach", number=0)
    return client, token


@contextmanager
def folder() -> Iterator[Path]:
    """A new data directory, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="beamish-bench-") as name:
        yield Path(name) / "data"


@dataclass(slots=True)
class Pair:
    """One sender and one recipient; what they have seen so far."""

    sender: str
    recipient: str
    window: int
    sent: int = 0
    answered: int = 0
    confirmed: int = 0
    limit: float = math.inf
    level: int = 0
    unread: deque[int] = field(default_factory=deque)
    sent_at: dict[str, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    @property
    def conversation(self) -> str:
        """The id of their direct conversation."""
        return "d:" + ":".join(sorted((self.sender, self.recipient)))

    def next_commands(self, room: int) -> list[Item]:
        """At most `room` further messages, numbered on."""
        commands: list[Item] = []
        while len(commands) < room and self.sent < self.limit:
            self.sent += 1
            tag = f"t{self.sent}"
            self.sent_at[tag] = time.perf_counter()
            commands.append(
                {
                    "id": self.sent,
                    "command": "send",
                    "conversation": self.conversation,
                    "number": self.sent,
                    "tag": tag,
                    "text": TEXT,
                }
            )
        return commands

    def sender_got(self, item: Item) -> None:
        """A reply to a message, or news of the recipient's marks."""
        if "error" in item:
            raise RuntimeError(f"The node refused a message: {item['error']}")
        if "ok" in item and "n" in item["ok"]:
            self.answered += 1
            self.unread.append(item["ok"]["n"])
        for told in item.get("items", ()):
            if told["type"] == "receipt":
                self.level = max(self.level, told["read"])
        while self.unread and self.unread[0] <= self.level:
            self.unread.popleft()
            self.confirmed += 1

    def recipient_got(self, item: Item, now: float) -> list[Item]:
        """News of the conversation: what the recipient answers to it."""
        highest = 0
        for told in item.get("items", ()):
            if told["type"] == "records":
                for record in told["records"]:
                    highest = record["n"]
                    if record["type"] == "message":
                        self.latencies.append(now - self.sent_at.pop(record["tag"]))
        if not highest:
            return []
        return [
            {"command": "ack", "number": item["to"]},
            {"command": "read", "conversation": self.conversation, "upto": highest},
        ]


async def run_sender(client: SocketClient, pair: Pair) -> None:
    """Keep the window of unanswered messages full."""
    await client.send(*pair.next_commands(pair.window))
    async for frame in client.frames():
        for item in frame:
            pair.sender_got(item)
        commands = pair.next_commands(pair.window - (pair.sent - pair.answered))
        if commands:
            await client.send(*commands)


async def run_paced_sender(client: SocketClient, pair: Pair) -> None:
    """Only listen: somebody else decides when a message is sent."""
    async for frame in client.frames():
        for item in frame:
            pair.sender_got(item)


async def run_recipient(client: SocketClient, pair: Pair) -> None:
    """Store, acknowledge and read whatever comes, at once."""
    async for frame in client.frames():
        now = time.perf_counter()
        answers = [answer for item in frame for answer in pair.recipient_got(item, now)]
        if answers:
            await client.send(*answers)


async def open_pairs(
    node: NodeProcess, pairs: int, window: int
) -> list[tuple[Pair, SocketClient, SocketClient]]:
    """Register and attach `pairs` pairs of users."""
    opened: list[tuple[Pair, SocketClient, SocketClient]] = []
    limiter = trio.CapacityLimiter(REGISTRATIONS_AT_ONCE)

    async def open_one(number: int) -> None:
        async with limiter:
            pair = Pair(f"a{number}", f"b{number}", window)
            sender, _ = await login(node.ws, pair.sender, None)
            recipient, _ = await login(node.ws, pair.recipient, None)
            opened.append((pair, sender, recipient))

    async with trio.open_nursery() as nursery:
        for number in range(pairs):
            nursery.start_soon(open_one, number)
    return opened


async def within_patience(condition: Callable[[], bool]) -> bool:
    """Whether `condition` came to hold within `SETTLE_S`."""
    with trio.move_on_after(SETTLE_S):
        while not condition():
            await trio.sleep(0.05)
        return True
    return False


async def confirmed_over(pairs: list[Pair], seconds: float) -> int:
    """Messages confirmed in `seconds`, or in what longer time the first `FEWEST` take."""
    before = sum(pair.confirmed for pair in pairs)

    def confirmed() -> int:
        return sum(pair.confirmed for pair in pairs) - before

    await trio.sleep(seconds)
    if await within_patience(lambda: confirmed() >= FEWEST):
        return confirmed()
    raise RuntimeError(
        f"Only {confirmed()} messages were read in {seconds + SETTLE_S:.0f} s, too few to measure."
    )


async def settle(pairs: list[Pair]) -> None:
    """Stop sending and wait until every message sent is confirmed."""
    for pair in pairs:
        pair.limit = pair.sent
    if await within_patience(lambda: all(pair.confirmed >= pair.sent for pair in pairs)):
        return
    missing = sum(pair.sent - pair.confirmed for pair in pairs)
    raise RuntimeError(f"{missing} messages were not read within {SETTLE_S:.0f} s of the end.")


async def load(pairs: int, window: int, seconds: float, delay_ms: float = 0.0) -> dict[str, float]:
    """Messages confirmed per second, and what each cost the node; syncs `delay_ms` longer."""
    raise_file_limit()
    options = (*CHEAP_PASSWORDS, *NO_FLOODS, "--inject-sync-delay", str(delay_ms))
    with folder() as data, running_node(data, *options) as node:
        opened = await open_pairs(node, pairs, window)
        all_pairs = [pair for pair, _, _ in opened]
        async with trio.open_nursery() as nursery:
            for pair, sender, recipient in opened:
                nursery.start_soon(run_recipient, recipient, pair)
                nursery.start_soon(run_sender, sender, pair)
            await trio.sleep(min(3.0, seconds / 2))
            began, cpu = time.perf_counter(), node.cpu_seconds()
            confirmed = await confirmed_over(all_pairs, seconds)
            taken, cpu = time.perf_counter() - began, node.cpu_seconds() - cpu
            sync_ms = await trio.to_thread.run_sync(node.sync_mean_ms)
            await settle(all_pairs)
            nursery.cancel_scope.cancel()
    return {
        "messages_per_s": confirmed / taken,
        "cpu_us_per_message": cpu / confirmed * 1e6,
        "cpu_percent": cpu / taken * 100,
        "sync_ms": sync_ms,
    }


async def load_slow_disk(
    pairs: int, window: int, seconds: float, delay_ms: float
) -> dict[str, float]:
    """The same figures under names of their own."""
    taken = await load(pairs, window, seconds, delay_ms)
    return {f"slow_{name}": value for name, value in taken.items()}


async def latency(pairs: int, rate: float, seconds: float) -> dict[str, float]:
    """Delivery latency with `rate` messages a second in all, spread over the pairs."""
    raise_file_limit()
    with folder() as data, running_node(data, *CHEAP_PASSWORDS) as node:
        opened = await open_pairs(node, pairs, window=64)
        async with trio.open_nursery() as nursery:
            for pair, sender, recipient in opened:
                nursery.start_soon(run_recipient, recipient, pair)
                nursery.start_soon(run_paced_sender, sender, pair)
            start = trio.current_time()
            for number in range(int(rate * seconds)):
                await trio.sleep_until(start + number / rate)
                pair, sender, _ = opened[number % len(opened)]
                await sender.send(*pair.next_commands(1))
            await settle([pair for pair, _, _ in opened])
            nursery.cancel_scope.cancel()
    taken = sorted(latency for pair, _, _ in opened for latency in pair.latencies[1:])
    return {
        "delivery_p50_ms": taken[len(taken) // 2] * 1000,
        "delivery_p99_ms": taken[int(len(taken) * 0.99)] * 1000,
    }


async def register_all(node: NodeProcess, users: int) -> dict[str, str]:
    """Accounts for `users` users: their tokens by name."""
    tokens: dict[str, str] = {}
    limiter = trio.CapacityLimiter(REGISTRATIONS_AT_ONCE)

    async def register(user: str) -> None:
        async with limiter:
            client, tokens[user] = await login(node.ws, user, None)
            await client.aclose()

    async with trio.open_nursery() as nursery:
        for number in range(users):
            nursery.start_soon(register, f"u{number}")
    return tokens


async def connections(users: int, idle_s: float) -> dict[str, float]:
    """Token logins per second on a fresh node, and its memory for each user who stays idle."""
    raise_file_limit()
    with folder() as data:
        with running_node(data, *CHEAP_PASSWORDS) as node:
            tokens = await register_all(node, users)
        with running_node(data) as node:
            first, _ = await login(node.ws, "u0", tokens.pop("u0"))
            before = node.rss_bytes()
            clients = [first]
            limiter = trio.CapacityLimiter(CONNECTIONS_AT_ONCE)

            async def connect(user: str, token: str) -> None:
                async with limiter:
                    clients.append((await login(node.ws, user, token))[0])

            began = time.perf_counter()
            async with trio.open_nursery() as nursery:
                for user, token in tokens.items():
                    nursery.start_soon(connect, user, token)
            taken = time.perf_counter() - began
            await trio.sleep(idle_s)
            grown = node.rss_bytes() - before
            for client in clients:
                await client.aclose()
    return {"connections_per_s": len(tokens) / taken, "bytes_per_user": grown / len(tokens)}


def load_figures(prefix: str, where: str) -> tuple[Figure, ...]:
    """The figures of a load on one kind of disk."""
    return (
        Figure(f"{prefix}messages_per_s", "1/s", "higher", f"1:1, read and reported{where}"),
        Figure(f"{prefix}cpu_us_per_message", "us", "lower", f"of the node{where}"),
        Figure(f"{prefix}cpu_percent", "%", "lower", f"100 is one core busy{where}"),
        Figure(f"{prefix}sync_ms", "ms", "lower", f"one commit, as the journal measures it{where}"),
    )


RUNS = (
    Run(
        "load",
        "bench.chat:load",
        load_figures("", ""),
        full={"pairs": 50, "window": 16, "seconds": 20.0},
        quick={"pairs": 2, "window": 8, "seconds": 0.4},
        rounds=3,
    ),
    Run(
        "load, 5 ms more in each sync",
        "bench.chat:load_slow_disk",
        load_figures("slow_", ", each sync 5 ms longer"),
        full={"pairs": 50, "window": 16, "seconds": 20.0, "delay_ms": 5.0},
        quick={"pairs": 2, "window": 8, "seconds": 0.4, "delay_ms": 5.0},
        rounds=3,
    ),
    Run(
        "latency",
        "bench.chat:latency",
        (
            Figure("delivery_p50_ms", "ms", "lower", "first write to arrival, 200 messages/s"),
            Figure("delivery_p99_ms", "ms", "lower", "first write to arrival, 200 messages/s"),
        ),
        full={"pairs": 50, "rate": 200.0, "seconds": 15.0},
        quick={"pairs": 2, "rate": 50.0, "seconds": 0.5},
        rounds=3,
    ),
    Run(
        "connections",
        "bench.chat:connections",
        (
            Figure("connections_per_s", "1/s", "higher", "handshake, token login and attach"),
            Figure("bytes_per_user", "bytes", "lower", "RSS growth of the node by an idle user"),
        ),
        full={"users": 5_000, "idle_s": 5.0},
        quick={"users": 50, "idle_s": 0.2},
        rounds=1,
    ),
)
