"""`beamish chat` as people use it: two of them on terminals of their own, over a node."""

from __future__ import annotations

import stat
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from beamish.chat import node_url
from beamish.client import open_client
from tests.beamish.chat.terminal import Terminal
from tests.beamish.cli.process import COMMAND, beamish, begin, wait_until_ready

PASSWORD = "correct horse"
NOWHERE = "127.0.0.1:1"
PAGE_UP, PAGE_DOWN, ALT_UP = "\x1b[5~", "\x1b[6~", "\x1b\x1b[A"


class Node:
    """A node that can be killed and comes back where it was."""

    def __init__(self, folder: Path) -> None:
        self._data, self._ready = folder / "data", folder / "ready.json"
        self._port = "0"
        self.start()

    def start(self) -> None:
        self._process = begin(self._data, self._ready, "--port", self._port)
        self.ws = str(wait_until_ready(self._process, self._ready)["ws"])
        self._port = self.ws.split(":")[2].split("/")[0]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("node"))
    yield node
    node.kill()


@contextmanager
def chat(node: str, user: str, folder: Path, *options: str, **size: int):
    file = folder / f"{user}.device"
    terminal = Terminal([*COMMAND, "chat", node, "--user", user, "--file", file, *options], **size)
    try:
        yield terminal
    finally:
        terminal.close()


def register(terminal: Terminal) -> None:
    terminal.until("Password:")
    terminal.line(PASSWORD)
    terminal.until("Repeat for confirmation:")
    terminal.line(PASSWORD)
    terminal.until("online")


def test_two_people_chat_and_go_on_after_the_node_was_killed(node: Node, tmp_path: Path) -> None:
    with (
        chat(node.ws, "alice", tmp_path, "--register") as alice,
        chat(node.ws, "bob", tmp_path, "--register", columns=100, rows=30) as bob,
    ):
        register(alice)
        register(bob)
        alice.line("/msg bob good morning")
        alice.until("alice: good morning")
        bob.until("1 with something new")
        bob.keys("/op\t")
        bob.until("/ /open")
        bob.keys("al")
        bob.until("d:alice:bob")
        bob.line("ice")
        bob.until("#2 alice: good morning")
        bob.line("/reply @alice, is there tea?")
        alice.until("↳ #2 alice: good morning")
        alice.until("#3 bob: @alice, is there tea?")
        alice.until("✓")
        alice.until("bob · online")
        alice.line("/edit #2 good afternoon")
        bob.until("good afternoon (edited)")
        bob.line("/react #2 +1")
        alice.until("👍 1")
        bob.keys("on my w")
        alice.until("bob is writing")
        bob.line("ay")
        alice.until("bob: on my way")
        bob.line("/delete")
        alice.until("bob (deleted)")

        node.kill()
        for terminal in (alice, bob):
            terminal.until("no connection")
        alice.line("written while nobody listens")
        alice.until("1 to be sent")
        node.start()
        bob.until("alice: written while nobody listens")
        bob.line("and answered")
        alice.until("bob: and answered")
        assert alice.text.count("written while nobody listens") == 1

        alice.line("/quit")
        assert alice.ended() == 0
        bob.keys("\x03")
        assert bob.ended() == 0
    assert stat.S_IMODE((tmp_path / "alice.device").stat().st_mode) == 0o600


def test_what_was_received_is_there_without_a_node(node: Node, tmp_path: Path) -> None:
    with chat(node.ws, "carol", tmp_path, "--register") as carol:
        register(carol)
        carol.line("/group Tea and cake")
        carol.until("carol created this")
        for n in range(1, 31):
            carol.line(f"line {n}")
        carol.until("#31 carol: line 30")
        carol.keys(PAGE_UP)
        carol.until("PageDown goes to what is new")
        carol.keys(PAGE_UP)
        carol.until("carol created this")
        carol.keys(PAGE_DOWN + PAGE_DOWN)
        carol.until("line 30")

        carol.resize(50, 12)
        carol.until(lambda t: t.lines[0].startswith(" Tea and cake") and "line 30" in t.text)
        carol.resize(80, 24)
        carol.until(lambda t: "│" in t.lines[5] and "line 30" in t.text)
        carol.keys("\x11")
        assert carol.ended() == 0
    with chat(NOWHERE, "carol", tmp_path) as carol:
        carol.until("# Tea and cake")
        carol.until("no connection")
        carol.keys(ALT_UP)
        carol.until("#31 carol: line 30")
        carol.line("for later")
        carol.until("1 to be sent")
        carol.line("/quit")
        assert carol.ended() == 0


def test_hostile_texts_are_shown_and_not_obeyed(node: Node, tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b5m\x1bc"
    with chat(node.ws, "dora", tmp_path, "--register") as dora:
        register(dora)
        _send_as_mallory(node.ws, "dora", hostile + "the end")
        dora.until("1 with something new")
        dora.line("/open mallory")
        dora.until("the end")
        dora.until("created this")
        for sequence in (b"\x1b]0;owned", b"\x1b[31m\x1b", b"\x9b5m", b"\x1bcthe end", b"\x07"):
            assert sequence not in dora.raw
        assert dora.screen.title == ""
        assert "]0;owned" in dora.text


def _send_as_mallory(url: str, to: str, text: str) -> None:
    async def send() -> None:
        async with open_client(url, user="mallory", password=PASSWORD, register=True) as mallory:
            await mallory.send(mallory.direct(to), text)

    trio.run(send)


def test_a_wrong_password_is_asked_for_again_and_a_file_is_one_device(
    node: Node, tmp_path: Path
) -> None:
    with chat(node.ws, "erin", tmp_path, "--register") as erin:
        register(erin)
        erin.line("/logout")
        assert erin.ended() == 0
    with chat(node.ws, "erin", tmp_path) as erin:
        erin.until("Password:")
        erin.line("not this one")
        erin.until("That is not the password")
        erin.until(lambda t: t.text.count("Password:") == 2)
        erin.line(PASSWORD)
        erin.until("online")
        with chat(node.ws, "erin", tmp_path) as second:
            assert second.ended() == 1
            assert "in use by another client" in second.text
        erin.keys("\x03")
        assert erin.ended() == 0


def test_without_a_terminal_or_an_address_there_is_a_sentence(tmp_path: Path) -> None:
    assert beamish("chat", NOWHERE).stderr == (
        "Error: beamish chat needs a terminal: run it in one\n"
    )
    with chat("ftp://x", "alice", tmp_path) as alice:
        assert alice.ended() == 2
        assert "is no node's address" in alice.text


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("localhost:8080", "ws://localhost:8080/ws"),
        ("ws://a:1/ws", "ws://a:1/ws"),
        ("https://chat.example/", "wss://chat.example/ws"),
        ("wss://chat.example/behind/ws", "wss://chat.example/behind/ws"),
    ],
)
def test_an_address_may_be_short(given: str, url: str) -> None:
    assert node_url(given) == url
