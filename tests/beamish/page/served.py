"""A real node in a thread of its own, behind a proxy that can cut or silence connections.

Playwright's synchronous interface occupies the test's thread; node, gateway and proxy run under
trio in another one, reached through its token.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio
from trio_websocket import open_websocket_url

import beamish
from beamish.gateway import Gateway, GatewayConfig, open_gateway
from beamish.messenger.settings import MessengerSettings
from beamish.node import NodeConfig, open_node

PAGE = Path(beamish.__file__).parent / "page"
PASSWORD = "correct horse"
SETTINGS = MessengerSettings(
    argon2_memory_kib=64,
    argon2_time=1,
    mark_interval_s=0.2,
    # A program says in a second here what people say in days.
    user_commands_per_s=10_000,
    user_burst=20_000,
    conversation_commands_per_s=10_000,
    conversation_burst=20_000,
    # Nothing is left undone because the machine is busy.
    overload_wait_s=10.0,
)


class Proxy:
    """Forwards to the node. WebSockets can be cut, refused and silenced; other HTTP passes."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.refuses = False
        self.refuses_all = False
        self.sockets = 0
        self._links: list[Link] = []

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._serve, listeners)
            task_status.started()

    async def _serve(self, browser: trio.SocketStream) -> None:
        first = await browser.receive_some(65536)
        is_socket = first.startswith(b"GET /ws")
        if not first or self.refuses_all or (is_socket and self.refuses):
            await trio.aclose_forcefully(browser)
            return
        node = await trio.open_tcp_stream("127.0.0.1", self.target)
        await node.send_all(first)
        link = Link(browser, node)
        if is_socket:
            self.sockets += 1
            self._links.append(link)
        await link.run()

    def cut(self, *, refuse: bool) -> None:
        """Break every WebSocket off; `refuse` also those that come, until `mend`."""
        self.refuses = refuse
        for link in self._links:
            link.scope.cancel()
        self._links.clear()

    def vanish(self) -> None:
        """Break every WebSocket off and answer nothing at all, until `mend`."""
        self.cut(refuse=True)
        self.refuses_all = True

    def mend(self) -> None:
        self.refuses = self.refuses_all = False

    def silence(self) -> None:
        """Forward nothing more on the present WebSockets, without closing them."""
        for link in self._links:
            link.is_silent = True

    def silent_links(self) -> int:
        return sum(link.is_silent and not link.is_over for link in self._links)


class Link:
    """One forwarded connection."""

    def __init__(self, browser: trio.SocketStream, node: trio.SocketStream) -> None:
        self.browser = browser
        self.node = node
        self.scope = trio.CancelScope()
        self.is_silent = False
        self.is_over = False

    async def run(self) -> None:
        try:
            with self.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, self.browser, self.node, nursery.cancel_scope)
                    nursery.start_soon(self._pump, self.node, self.browser, nursery.cancel_scope)
        finally:
            self.is_over = True
            self.browser.socket.close()
            self.node.socket.close()

    async def _pump(
        self, source: trio.SocketStream, sink: trio.SocketStream, over: trio.CancelScope
    ) -> None:
        try:
            while data := await source.receive_some(65536):
                if not self.is_silent:
                    await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        # A silent link outlives the node's side: the browser must not hear of its end either.
        if not self.is_silent or source is self.browser:
            over.cancel()


async def foreign_site(stream: trio.SocketStream) -> None:
    """Another site on this machine: whatever is asked, an empty page without any policy."""
    body = b"<!doctype html><title>elsewhere</title>"
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    async with stream:
        await stream.receive_some(65536)
        await stream.send_all(head.encode() + b"Content-Type: text/html\r\n\r\n" + body)


class Served:
    """The running node as tests see it, from another thread."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.proxy: Proxy
        self.gateway: Gateway
        self.foreign: str
        self._token: trio.lowlevel.TrioToken
        self._stop: trio.Event
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="node")

    @property
    def url(self) -> str:
        """The page, through the proxy."""
        return f"http://127.0.0.1:{self.proxy.port}/"

    def start(self) -> None:
        self._thread.start()
        self._started.wait(30)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        trio.from_thread.run_sync(self._stop.set, trio_token=self._token)
        self._thread.join(30)
        if self._failure is not None:
            raise self._failure

    def _main(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._stop = trio.Event()
        config = NodeConfig(data=self.data, settings=SETTINGS)
        async with open_node(config) as node, trio.open_nursery() as nursery:
            self.gateway = await open_gateway(
                nursery, "127.0.0.1", 0, node, GatewayConfig(page=PAGE)
            )
            self.proxy = Proxy(self.gateway.address[1])
            await nursery.start(self.proxy.run)
            foreign = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.foreign = f"http://127.0.0.1:{foreign[0].socket.getsockname()[1]}/"
            nursery.start_soon(trio.serve_listeners, foreign_site, foreign)
            self._started.set()
            await self._stop.wait()
            nursery.cancel_scope.cancel()

    def cut(self, *, refuse: bool = False) -> None:
        trio.from_thread.run_sync(lambda: self.proxy.cut(refuse=refuse), trio_token=self._token)

    def vanish(self) -> None:
        trio.from_thread.run_sync(self.proxy.vanish, trio_token=self._token)

    def mend(self) -> None:
        trio.from_thread.run_sync(self.proxy.mend, trio_token=self._token)

    def silence(self) -> None:
        trio.from_thread.run_sync(self.proxy.silence, trio_token=self._token)

    def silent_links(self) -> int:
        return trio.from_thread.run_sync(self.proxy.silent_links, trio_token=self._token)

    def sockets(self) -> int:
        """WebSockets opened so far."""
        return self.proxy.sockets

    def say(self, user: str, conversation: str, texts: list[str]) -> None:
        """Have `user`, registered here, say these in `conversation` from a program."""
        trio.from_thread.run(self._say, user, conversation, texts, trio_token=self._token)

    async def _say(self, user: str, conversation: str, texts: list[str]) -> None:
        url = f"ws://127.0.0.1:{self.gateway.address[1]}/ws"
        async with open_websocket_url(url, subprotocols=["beamish.json"]) as socket:

            async def ask(*items: dict[str, Any]) -> None:
                wanted = {item["id"] for item in items}
                await socket.send_message(json.dumps(items))
                while wanted:
                    for item in json.loads(await socket.get_message()):
                        if "id" in item:
                            assert "ok" in item, item
                            wanted.discard(item["id"])

            await ask(
                {"id": 1, "command": "hello", "versions": [1]},
                {"id": 2, "command": "login", "user": user, "password": PASSWORD},
            )
            said = [
                {"command": "send", "conversation": conversation, "tag": f"said-{n}", "text": text}
                for n, text in enumerate(texts, 1)
            ]
            for n, item in enumerate(said, 1):
                item |= {"id": n, "number": n}
            for start in range(0, len(said), 32):
                await ask(*said[start : start + 32])


@contextmanager
def served(data: Path) -> Iterator[Served]:
    """A node that runs until the block ends."""
    node = Served(data)
    node.start()
    try:
        yield node
    finally:
        node.stop()
