from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from beamish.cli.control import Control, ControlError, follow, listen, request, serve_control
from beamish.operations.plain import plain


@dataclass
class Gauge:
    depth: int
    names: tuple[str, ...]
    by_code: Counter[int] = field(default_factory=Counter)


class Traced:
    """A trace that tells three things, and then waits for its end."""

    def begins(self) -> dict[str, Any]:
        return {"sessions": 2}

    def ends(self) -> dict[str, Any]:
        return {"left_out": 7}

    def __init__(self, texts: bool) -> None:
        self.texts = texts

    async def events(self) -> AsyncIterator[dict[str, object]]:
        for number in range(3):
            yield {"number": number, "texts": self.texts}
        await trio.sleep_forever()


class Accounts:
    def __init__(self, names: list[str]) -> None:
        self.names = names

    async def add(self, user: str, password: str, display: str | None = None) -> None:
        if len(password) < 8:
            raise ValueError("a password has 8 to 256 characters")
        self.names.append(user)

    async def list(self, after: str | None = None, limit: int = 1_000) -> list[str]:
        return [name for name in sorted(self.names) if after is None or name > after][:limit]


class Node:
    def __init__(self) -> None:
        self.names: list[str] = []
        self.accounts: Any = Accounts(self.names)
        self.traces = 0
        self.fault: Exception | None = None

    async def upgrade(self, modules: list[str], timeout: float) -> dict[str, object]:  # noqa: ASYNC109
        if "broken" in modules:
            raise ValueError("Nothing was changed: broken was not compiled.")
        return {"modules": tuple(modules), "moved": {"User": 3}, "seconds": timeout}

    def trace(self, asked: Mapping[str, Any]) -> AbstractAsyncContextManager[Any]:
        return self._trace(asked["user"], float(asked["seconds"]), asked["texts"])

    @asynccontextmanager
    async def _trace(self, user: str, seconds: float, texts: bool) -> AsyncIterator[Traced]:
        if user == "nobody":
            raise ValueError("there is no user nobody")
        self.traces += 1
        try:
            if self.fault is not None:
                raise self.fault
            with trio.move_on_after(seconds):
                yield Traced(texts)
        finally:
            self.traces -= 1

    def statistics(self) -> dict[str, object]:
        if self.fault is not None:
            raise self.fault
        return {"gauge": Gauge(3, ("a",), Counter({400: 11})), "path": Path("/x"), "none": None}


@asynccontextmanager
async def controlled(data: Path) -> AsyncIterator[Node]:
    node = Node()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            serve_control, Control(node, node.statistics, {"trace": node.trace}), listen(data)
        )
        yield node
        nursery.cancel_scope.cancel()


async def test_requests_are_carried_out_and_answered(tmp_path: Path) -> None:
    async with controlled(tmp_path) as node:
        for name in ("eve", "ada", "bob"):
            added = await request(tmp_path, "user_add", user=name, password="correct horse")
            assert added == {"user": name}
        assert node.names == ["eve", "ada", "bob"]
        listed = await request(tmp_path, "user_list", after="ada", limit=1)
        assert listed == {"users": ["bob"]}
        figures = await request(tmp_path, "status")
        gauge = {"depth": 3, "names": ["a"], "by_code": {"400": 11}}
        assert figures == {"gauge": gauge, "path": "/x", "none": None}


async def test_a_trace_tells_its_events_until_its_time_is_over(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    autojump_clock.autojump_threshold = 0.1
    async with controlled(tmp_path) as node:
        told: list[dict[str, object]] = []
        done = await follow(tmp_path, "trace", told.append, user="ada", seconds=300, texts=True)
        assert done == {"left_out": 7}
        assert told == [{"sessions": 2}, *({"number": n, "texts": True} for n in range(3))]
        assert node.traces == 0


async def test_a_trace_ends_with_the_connection_of_who_asked(tmp_path: Path) -> None:
    async with controlled(tmp_path) as node, trio.open_nursery() as nursery:
        three = trio.Event()

        def tell(event: dict[str, object]) -> None:
            if event.get("number") == 2:
                three.set()

        nursery.start_soon(
            partial(follow, tmp_path, "trace", tell, user="ada", seconds=300, texts=False)
        )
        with trio.fail_after(10):
            await three.wait()
            assert node.traces == 1
            nursery.cancel_scope.cancel()
    assert node.traces == 0


async def test_a_fault_ends_its_request_and_not_the_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with controlled(tmp_path) as node:
        for command in ("status", "trace"):
            node.fault = ZeroDivisionError("ours")
            with pytest.raises(ControlError, match="ended"), trio.fail_after(10):
                if command == "status":
                    await request(tmp_path, command)
                else:
                    await follow(tmp_path, command, print, user="ada", seconds=1, texts=False)
            node.fault = None
            assert "gauge" in await request(tmp_path, "status")
        assert caplog.text.count("ZeroDivisionError: ours") == 2


async def test_a_trace_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    async with controlled(tmp_path):
        for user, seconds, sentence in (("nobody", 1, "there is no user"), ("ada", None, "float")):
            with pytest.raises(ControlError, match=sentence), trio.fail_after(10):
                await follow(tmp_path, "trace", print, user=user, seconds=seconds, texts=False)
        with pytest.raises(ControlError):
            await follow(tmp_path, "trace", print, user="ada")


async def test_an_upgrade_is_passed_on_and_its_failure_is_the_answer(tmp_path: Path) -> None:
    async with controlled(tmp_path):
        done = await request(tmp_path, "upgrade", modules=["a.b"], timeout=5)
        assert done == {"modules": ["a.b"], "moved": {"User": 3}, "seconds": 5}
        with pytest.raises(ControlError, match="broken was not compiled"):
            await request(tmp_path, "upgrade", modules=["broken"])
        for wrong in ("a.b", [1], None):
            with pytest.raises(ControlError, match="a list of full module names"):
                await request(tmp_path, "upgrade", modules=wrong)


async def test_a_data_directory_with_a_long_path_has_a_control_socket(tmp_path: Path) -> None:
    data = tmp_path / ("d" * 120) / ("e" * 120)
    data.mkdir(parents=True)
    async with controlled(data):
        assert await request(data, "user_list") == {"users": []}


async def test_a_socket_left_over_by_a_killed_node_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "control.sock").write_text("left over")
    async with controlled(tmp_path):
        assert await request(tmp_path, "user_list") == {"users": []}


async def test_what_does_not_work_is_answered_by_a_sentence(tmp_path: Path) -> None:
    async with controlled(tmp_path):
        with pytest.raises(ControlError, match="a password has 8 to 256 characters"):
            await request(tmp_path, "user_add", user="ada", password="short")
        with pytest.raises(ControlError, match="knows no control command 'frobnicate'"):
            await request(tmp_path, "frobnicate")
        with pytest.raises(ControlError, match="user"):
            await request(tmp_path, "user_add")


@pytest.mark.parametrize("line", [b"no json\n", b"[1, 2]\n", b"null\n", b"\xff\xfe\n"])
async def test_garbage_is_answered_and_the_connection_goes_on(tmp_path: Path, line: bytes) -> None:
    async with controlled(tmp_path), await open_socket(tmp_path) as stream:
        await stream.send_all(line + b'{"command": "user_list"}\n')
        received = b""
        while received.count(b"\n") < 2:
            received += await stream.receive_some()
        first, second = received.splitlines()
        assert "error" in json.loads(first)
        assert json.loads(second) == {"ok": {"users": []}}


async def test_an_endless_line_ends_the_connection(tmp_path: Path) -> None:
    async with controlled(tmp_path), await open_socket(tmp_path) as stream:
        with trio.fail_after(10), pytest.raises(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"x" * 1024)
        assert await request(tmp_path, "user_list") == {"users": []}


async def test_without_a_node_the_sentence_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"No node answers on .*beamish serve --data"):
        await request(tmp_path, "status")
    with pytest.raises(ControlError, match="No node answers"):
        await request(tmp_path / "missing", "status")


async def open_socket(data: Path) -> trio.SocketStream:
    return await trio.open_unix_socket(data / "control.sock")


def test_figures_become_plain_values() -> None:
    gauge = {"depth": 1, "names": [], "by_code": {}}
    assert plain({1: (Gauge(1, ()), 2.5, True)}) == {"1": [gauge, 2.5, True]}
