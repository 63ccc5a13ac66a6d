"""The documentation holds: its links lead somewhere, its Python runs."""

from __future__ import annotations

import ast
import inspect
import os
import re
import signal
import sys
import types
from functools import partial
from pathlib import Path
from subprocess import PIPE

import msgpack
import pytest
import trio
from trio_websocket import ConnectionRejected, serve_websocket, wrap_client_stream

from actors import Actor, open_system
from actors.testing import open_probe, open_test_system, run_virtual
from beamish.gateway import GatewayConfig, open_gateway
from beamish.messenger.settings import MessengerSettings
from beamish.node import NodeConfig, open_node

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def anchors(page):
    """The anchors of a page's headings, as the usual renderers make them."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_within_the_project_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(linked), f"{page.name} links to {target}"


async def run_block(source, names):
    """Execute one block of a page; it may await."""
    code = compile(source, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)
    if inspect.iscoroutine(result):
        await result


async def until_it_listens(stdout):
    """The first line of a program's output."""
    line = b""
    while not line.endswith(b"\n"):
        line += await stdout.receive_some(1)
    return line


async def test_the_python_of_the_client_page_runs_beside_the_bot(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    bot, *blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    program = ROOT / "examples" / "echo_bot.py"
    assert program.read_text(encoding="utf-8").endswith(bot)
    monkeypatch.chdir(tmp_path)
    settings = MessengerSettings(argon2_memory_kib=8, argon2_time=1)
    config = NodeConfig(tmp_path / "data", settings=settings)
    async with open_node(config) as node, trio.open_nursery() as nursery:
        gateway = await open_gateway(nursery, "127.0.0.1", 0, node, GatewayConfig())
        command = [sys.executable, "-W", "error", str(program), gateway.ws_url, "echo.device"]
        env = os.environ | {"BEAMISH_PASSWORD": "a long secret"}
        with trio.fail_after(60):
            process = await nursery.start(
                partial(trio.run_process, command, stdout=PIPE, env=env, check=False)
            )
            assert await until_it_listens(process.stdout) == b"echo listens\n"
            names = {"url": gateway.ws_url}
            for block in blocks:
                await run_block(block, names)
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
        await gateway.close()
        nursery.cancel_scope.cancel()


async def test_the_python_of_the_page_about_an_embedded_messenger_runs(tmp_path):
    page = (ROOT / "docs" / "embedding-messenger.md").read_text(encoding="utf-8")
    config, *blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    names = {"data": tmp_path / "data"}
    await run_block(config, names)
    async with open_node(names["config"]) as names["node"], trio.open_nursery() as nursery:
        gateway = await open_gateway(nursery, "127.0.0.1", 0, names["node"], GatewayConfig())
        names["url"] = gateway.ws_url
        with trio.fail_after(60):
            for block in blocks:
                await run_block(block, names)
            await hand_in(nursery, names["handler"])
        await gateway.close()
        nursery.cancel_scope.cancel()


async def hand_in(nursery, handler):
    """Come to the page's own server, once as nobody and once as somebody."""
    server = await nursery.start(serve_websocket, handler, "127.0.0.1", 0, None)
    with pytest.RaisesGroup(ConnectionRejected):
        await logged_in_at(server.port, [])
    assert await logged_in_at(server.port, [(b"X-User", b"eve")]) == "eve"


async def logged_in_at(port, headers):
    """Log in as eve; who the node says that is."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as own:
        socket = await wrap_client_stream(
            own,
            stream,
            "127.0.0.1",
            "/",
            subprotocols=["beamish.msgpack"],
            extra_headers=headers,
        )
        hello = {"id": 1, "command": "hello", "versions": [1]}
        login = {"id": 2, "command": "login", "user": "eve", "password": "whatever"}
        await socket.send_message(msgpack.packb([hello, login]))
        items = {}
        while 2 not in items:
            items |= {item["id"]: item for item in msgpack.unpackb(await socket.get_message())}
        own.cancel_scope.cancel()
    return items[2]["ok"]["user"]


async def test_the_python_of_the_embedding_page_runs(monkeypatch):
    page = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4

    class Store(Actor):
        """The page leaves it to the reader."""

    module = types.ModuleType("embedding_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    names = module.__dict__
    names["Store"] = Store
    # The first block starts a trio run of its own, and this test is in one: only its `main` runs.
    await run_block(blocks[0].replace("trio.run(main)", "await main()"), names)
    async with open_system("my-service") as names["system"]:
        for block in blocks[1:]:
            if "asyncio.run(" in block or "open_system_in_thread(" in block:
                # A program of another kind; beside this one it needs a thread of its own.
                await trio.to_thread.run_sync(exec, compile(block, "page", "exec"), names)
            else:
                await run_block(block, names)
        assert names["total"] == 8


def test_the_python_of_the_testing_page_runs(monkeypatch):
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    module = types.ModuleType("testing_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    names = module.__dict__
    for block in blocks:
        exec(compile(block, "page", "exec"), names)
    shown = names["test_the_first_bid_is_the_highest"]  # for pytest: the fixtures by hand

    async def with_fixtures():
        async with open_test_system() as system:
            await shown(None, system, await open_probe(system))

    run_virtual(with_fixtures)
