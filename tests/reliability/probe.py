"""A client that shows what the library hides: the code with which a node refuses a message."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio_websocket


class Probe:
    """A user who sends direct messages, one at a time, in bare JSON. Made by `open_probe`."""

    def __init__(self, socket: trio_websocket.WebSocketConnection, name: str) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._name = name
        self._number = 1

    async def ask(self, command: str, **fields: Any) -> Any:
        """The reply or refusal to one command."""
        request = next(self._ids)
        await self._socket.send_message(json.dumps([{"id": request, "command": command, **fields}]))
        while True:
            for item in json.loads(await self._socket.get_message()):
                if item.get("id") == request:
                    return item

    async def send(self, to: str) -> str:
        """Sends a message to `to`: "ok", or the code of the refusal, which uses no number."""
        conversation = ":".join(["d", *sorted((self._name, to))])
        tag = secrets.token_hex(12)
        item = await self.ask(
            "send", conversation=conversation, number=self._number, tag=tag, text="?"
        )
        if "error" in item:
            return str(item["error"]["code"])
        self._number += 1
        return "ok"


@asynccontextmanager
async def open_probe(url: str, name: str) -> AsyncIterator[Probe]:
    """Connects and registers `name` (or logs in, when it exists)."""
    async with trio_websocket.open_websocket_url(url, subprotocols=["beamish.json"]) as socket:
        probe = Probe(socket, name)
        await probe.ask("hello", versions=[1])
        registered = await probe.ask("register", user=name, password="correct horse")
        if "error" in registered:
            answer = await probe.ask("login", user=name, password="correct horse")
            assert "ok" in answer, answer
        yield probe


async def poll(until: Callable[[], bool], every: float, within: float) -> None:
    """Waits until `until()`; raises trio.TooSlowError after `within` seconds."""
    with trio.fail_after(within):
        while not until():  # noqa: ASYNC110  # other processes set no events here
            await trio.sleep(every)
