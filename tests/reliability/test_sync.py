"""No acknowledgement leaves before the sync that makes it true has returned."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from beamish.client import Client, PendingCommand, Sent, open_client
from beamish.gateway import open_gateway
from beamish.messenger.settings import MessengerSettings
from beamish.node import NodeConfig, open_node

HELD_S = 0.3
SLOW_S = 0.01
MESSAGES = 100


class HeldSync:
    """The commit thread's hook: while `held`, a commit begins and does not go on."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.spans: list[tuple[float, float]] = []
        self._open = threading.Event()
        self._open.set()
        self.waiting = threading.Event()

    def __call__(self, commit: Callable[[], None]) -> None:
        began = time.perf_counter()
        if not self._open.is_set():
            self.waiting.set()
            self._open.wait()
        time.sleep(self.delay)
        commit()
        self.spans.append((began, time.perf_counter()))

    def hold(self) -> None:
        self.waiting.clear()
        self._open.clear()

    def release(self) -> None:
        self._open.set()


@asynccontextmanager
async def two_clients(
    data: Path, sync: HeldSync
) -> AsyncIterator[tuple[Client, Client, list[str]]]:
    """Ada and Bob on a node whose syncs go through `sync`, and what Bob is handed."""
    settings = MessengerSettings(argon2_memory_kib=64, argon2_time=1)
    config = NodeConfig(data=data, settings=settings, journal_options={"sync_hook": sync})
    handed: list[str] = []

    def receive(_conversation: str, records: list[dict[str, str]]) -> None:
        handed.extend(record["text"] for record in records if record["type"] == "message")

    async with open_node(config) as node, trio.open_nursery() as nursery:
        gateway = await open_gateway(nursery, "127.0.0.1", 0, node)
        try:
            async with AsyncExitStack() as stack:
                ada, bob = [
                    await stack.enter_async_context(
                        open_client(
                            gateway.ws_url,
                            user=name,
                            password="correct horse",
                            register=True,
                            on_records=receive if name == "bob" else lambda *_: None,
                        )
                    )
                    for name in ("ada", "bob")
                ]
                yield ada, bob, handed
        finally:
            sync.release()
            await gateway.close()


async def test_while_the_sync_is_held_back_nothing_is_acknowledged_or_shown(tmp_path: Path) -> None:
    sync = HeldSync()
    async with two_clients(tmp_path / "data", sync) as (ada, bob, handed):
        await ada.send(ada.direct("bob"), "before")
        sync.hold()
        pending = ada.send_nowait(ada.direct("bob"), "held")
        other = bob.send_nowait(bob.direct("ada"), "held too")
        assert await trio.to_thread.run_sync(sync.waiting.wait, 10)
        await trio.sleep(HELD_S)
        assert not pending.done
        assert not other.done
        assert "held" not in handed
        sync.release()
        with trio.fail_after(10):
            await pending.result()
            await other.result()


async def test_each_acknowledgement_follows_a_sync_that_began_after_the_message(
    tmp_path: Path,
) -> None:
    sync = HeldSync()
    async with two_clients(tmp_path / "data", sync) as (ada, bob, _):
        sync.delay = SLOW_S
        times: list[tuple[float, float]] = []

        def note(began: float, pending: PendingCommand[Sent]) -> None:
            assert pending.error is None
            times.append((began, time.perf_counter()))

        for number in range(MESSAGES):
            sender, to = (ada, "bob") if number % 2 else (bob, "ada")
            began = time.perf_counter()
            sender.send_nowait(
                sender.direct(to),
                str(number),
                on_done=partial(note, began),
            )
            await trio.sleep(SLOW_S / 4)
        with trio.fail_after(30):
            await ada.settled()
            await bob.settled()
    assert len(times) == MESSAGES
    for sent, answered in times:
        assert any(sent <= began and ended <= answered for began, ended in sync.spans)
    assert len(sync.spans) < MESSAGES * 4  # commits were shared, so a sync was waited for by many
