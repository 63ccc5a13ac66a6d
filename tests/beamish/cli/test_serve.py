from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from beamish.cli.addresses import from_elsewhere, openable
from beamish.cli.options import ServeOptions
from beamish.cli.ready_file import ReadyFile
from beamish.cli.serve import Server, _end_process_after, open_port
from beamish.cli.settings import SETTINGS
from beamish.client import Disconnected, open_client
from tests.beamish.cli.process import CHEAP, PATIENCE, beamish, served


def options(**changes: object) -> ServeOptions:
    defaults = {setting.field: setting.default for setting in SETTINGS}
    quick = {"port": 0, "argon2_memory": 64, "argon2_time": 1, "max_connections": 100}
    return ServeOptions(**(defaults | quick | changes))  # type: ignore[arg-type]


def test_a_node_is_ready_when_the_ready_file_says_so_and_stops_in_order(tmp_path: Path) -> None:
    with served(tmp_path) as node:
        told = json.loads(node.ready.read_text())
        assert set(told) == {"pid", "http", "ws"}
        assert told["pid"] == node.process.pid
        assert told["ws"] == told["http"].replace("http", "ws") + "ws"
        for path in ("health/ready", ""):
            with urllib.request.urlopen(node.http + path, timeout=PATIENCE) as answer:
                assert answer.status == 200
        assert stat.S_IMODE((node.data / "control.sock").stat().st_mode) == 0o600
        assert node.stop() == 0
        assert not node.ready.exists()
        assert not (node.data / "control.sock").exists()
        out, log = node.process.communicate()
        assert out == f"Beamish serves {node.http}\n"
        assert re.search(r"INFO stopping\n.* INFO stopped in order, in \d+\.\d s\n$", log), log


async def test_connections_end_with_1001_when_the_node_stops(tmp_path: Path) -> None:
    with served(tmp_path) as node:
        told = trio.Event()

        def note(event: object) -> None:
            if isinstance(event, Disconnected) and "shuts down" in event.reason:
                told.set()

        async with open_client(
            node.ws,
            user="ada",
            password="correct horse",
            register=True,
            on_records=lambda _conversation, _records: None,
            on_event=note,
        ):
            code = await trio.to_thread.run_sync(node.stop, signal.SIGINT)
            with trio.fail_after(PATIENCE):
                await told.wait()
        assert code == 0


def test_a_node_killed_comes_back_with_what_it_had(tmp_path: Path) -> None:
    with served(tmp_path) as node:
        added = beamish("user", "add", "ada", "--data", node.data, "--password", "correct horse")
        assert added.returncode == 0, added.stderr
        node.stop(signal.SIGKILL)
        assert node.ready.exists()
    with served(tmp_path) as node:
        assert json.loads(node.ready.read_text())["pid"] == node.process.pid
        assert beamish("user", "list", "--data", node.data).stdout == "ada\n"


def refused(*arguments: object) -> str:
    """The one sentence of a `serve` that cannot start."""
    ended = beamish("serve", *arguments, *CHEAP)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def test_a_taken_port_is_one_sentence_and_no_ready_file(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text("stale")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused("--data", tmp_path / "data", "--port", port, "--ready-file", ready)
    assert line == (
        f"Error: Port {port} of 127.0.0.1 is taken: stop what listens there, or choose another"
        " with --host and --port."
    )
    assert not ready.exists()


def test_an_address_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    line = refused("--data", tmp_path / "data", "--host", "192.0.2.1", "--port", 0)
    assert line.startswith("Error: 192.0.2.1 port 0 cannot be listened on (")


def test_a_directory_of_something_else_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    assert "thesis.txt" in refused("--data", tmp_path, "--port", 0)


def test_a_node_loads_neither_client_nor_replay(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    program = f"""
import sys
from beamish.cli import main
try:
    main(["serve", "--data", {str(tmp_path)!r}, "--port", "0"])
finally:
    print(*sys.modules)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "thesis.txt" in ended.stderr
    loaded = set(ended.stdout.split())
    assert "beamish.node" in loaded
    assert not {name for name in loaded if name.startswith(("beamish.client", "beamish.replay"))}


def test_a_second_node_on_the_same_directory_is_one_sentence(tmp_path: Path) -> None:
    with served(tmp_path) as node:
        told = node.ready.read_text()
        line = refused("--data", node.data, "--port", 0, "--ready-file", node.ready)
        assert "is in use by another process" in line
        assert node.ready.read_text() == told
        assert beamish("status", "--data", node.data).returncode == 0


def test_a_node_that_finds_its_port_taken_leaves_the_ready_file_of_who_has_it(
    tmp_path: Path,
) -> None:
    with served(tmp_path) as node:
        told = node.ready.read_text()
        port = urlsplit(node.http).port
        other = tmp_path / "other"
        assert "is taken" in refused("--data", other, "--port", port, "--ready-file", node.ready)
        assert node.ready.read_text() == told


def test_a_start_that_fails_before_the_lock_touches_no_ready_file(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text("whatever")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("chapter 1")
    refused("--data", foreign, "--port", 0, "--ready-file", ready)
    assert ready.read_text() == "whatever"


def test_a_ready_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    ready = tmp_path / "missing" / "ready.json"
    line = refused("--data", tmp_path / "data", "--port", 0, "--ready-file", ready)
    assert "No such file or directory" in line


def test_a_node_on_all_addresses_tells_one_that_can_be_opened(tmp_path: Path) -> None:
    with served(tmp_path, "--host", "0.0.0.0") as node:
        port = urlsplit(node.http).port
        assert (node.http, node.ws) == (f"http://127.0.0.1:{port}/", f"ws://127.0.0.1:{port}/ws")
        with urllib.request.urlopen(node.http + "health/ready", timeout=PATIENCE) as answer:
            assert answer.status == 200
        figures = json.loads(beamish("status", "--data", node.data, "--json").stdout)
        assert (figures["http"], figures["ws"]) == (node.http, node.ws)
        assert node.stop() == 0
        first, second = node.process.communicate()[0].splitlines()
        assert first == f"Beamish serves {node.http}"
        assert second.startswith("From other machines: http://")
        assert second.endswith(f"http://{socket.gethostname()}:{port}/")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://0.0.0.0:80/", "http://127.0.0.1:80/"),
        ("ws://[::]:8080/ws", "ws://[::1]:8080/ws"),
        ("http://chat.example:8080/", "http://chat.example:8080/"),
        ("http://192.0.2.7:8080/", "http://192.0.2.7:8080/"),
        ("http://[2001:db8::7]:8080/", "http://[2001:db8::7]:8080/"),
    ],
)
def test_only_an_address_of_all_addresses_is_told_as_another(url: str, expected: str) -> None:
    assert openable(url) == expected
    assert bool(from_elsewhere(url)) is (url != expected)


@pytest.mark.parametrize(("given", "expected"), [(5, 5), (0, 100)])
async def test_connections_per_address_are_bounded_as_asked(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery, given: int, expected: int
) -> None:
    configs = []

    async def note(_nursery: object, _host: str, _port: int, _node: object, config: object) -> None:
        configs.append(config)

    monkeypatch.setattr("beamish.gateway.open_gateway", note)
    node: Any = None
    await open_port(nursery, options(connections_per_address=given), node)
    (config,) = configs
    assert (config.max_per_address, config.loopback_exempt) == (expected, True)


def test_wrong_usage_has_status_2() -> None:
    assert beamish("serve", "--port", "70000").returncode == 2
    assert beamish("frobnicate").returncode == 2


@pytest.mark.parametrize(
    ("host", "registration", "expected"),
    [
        ("127.0.0.1", None, True),
        ("127.8.8.8", None, True),
        ("::1", None, True),
        ("localhost", None, True),
        ("0.0.0.0", None, False),
        ("::", None, False),
        ("chat.example", None, False),
        ("0.0.0.0", "open", True),
        ("127.0.0.1", "closed", False),
    ],
)
def test_registration_is_open_by_default_on_loopback_only(
    host: str, registration: str | None, expected: bool
) -> None:
    assert options(host=host, registration=registration).registration_open is expected


async def test_a_signal_during_the_start_ends_it_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, unwound = trio.Event(), trio.Event()

    @asynccontextmanager
    async def slow_node(_config: object):
        begun.set()
        try:
            await trio.sleep_forever()
            yield
        finally:
            unwound.set()

    monkeypatch.setattr("beamish.node.open_node", slow_node)
    ready = tmp_path / "ready.json"
    ready.write_text("stale")
    server = Server(options(data=tmp_path / "data", ready_file=ready))
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run)
            await begun.wait()
            signal.raise_signal(signal.SIGTERM)
    assert unwound.is_set()
    assert server.failure is None
    assert ready.read_text() == "stale"  # the lock was never ours


async def test_a_fault_of_the_node_is_no_sentence_but_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_config: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("beamish.node.open_node", broken)
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        await Server(options()).run()


def test_an_orderly_stop_that_hangs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    timers: list[tuple[float, object]] = []

    class Timer:
        def __init__(self, seconds: float, action: object) -> None:
            timers.append((seconds, action))

        def start(self) -> None:
            pass

    monkeypatch.setattr("threading.Timer", Timer)
    monkeypatch.setattr("os._exit", codes.append)
    _end_process_after(30.0)
    ((seconds, action),) = timers
    action()  # type: ignore[operator]
    assert (seconds, codes) == (30.0, [1])


def test_a_ready_file_appears_whole_and_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    file = ReadyFile(path)
    file.remove()
    file.write({"http": "http://h/", "ws": "ws://h/ws"})
    assert json.loads(path.read_text())["ws"] == "ws://h/ws"
    assert [entry.name for entry in tmp_path.iterdir()] == ["ready.json"]
    file.remove()
    assert not path.exists()
    ReadyFile(None).write({"http": "http://h/", "ws": "ws://h/ws"})
    ReadyFile(None).remove()


@pytest.mark.parametrize("left", ["no json", "[1]", '{"pid": "x"}', '{"pid": GONE}'])
def test_a_stale_ready_file_is_removed_by_the_next_start(tmp_path: Path, left: str) -> None:
    killed = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # gone, but not waited for
    path = tmp_path / "ready.json"
    path.write_text(left.replace("GONE", str(killed.pid)))
    ReadyFile(path).remove_stale()
    assert not path.exists()
    killed.communicate()


def test_the_ready_file_of_another_node_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.write_text(json.dumps({"pid": os.getppid(), "http": "http://h/", "ws": "ws://h/ws"}))
    ReadyFile(path).remove_stale()
    ReadyFile(path).remove()
    assert path.exists()
