"""The three examples of embedding do what they say, as programs of their own."""

from __future__ import annotations

import re
import signal
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from time import monotonic, sleep

import httpx
import pytest

from tests.house.programs import ROOT, running

EMBEDDING = ("line_rooms.py", "visitors.py", "thread_counters.py")


@pytest.mark.parametrize("name", EMBEDDING)
def test_an_example_is_small_enough_to_be_copied(name):
    source = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert len(source.splitlines()) < 150


class Client:
    """Somebody with netcat."""

    def __init__(self, stack, port):
        self.socket = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        self.lines = stack.enter_context(self.socket.makefile("r", encoding="utf-8"))

    def say(self, line):
        self.socket.sendall(f"{line}\n".encode())

    def heard(self):
        return self.lines.readline().rstrip("\n")


def test_the_trio_service_has_rooms_that_fall_apart_without_harming_others():
    with running("line_rooms.py", "0") as program, ExitStack() as stack:
        port = int(program.until("listening on"))
        ann, bob, eve = (Client(stack, port) for _ in range(3))
        ann.say("hello?")
        assert ann.heard() == "join a room first: /join NAME"
        for client, room, count in ((ann, "red", 1), (bob, "red", 2), (eve, "blue", 1)):
            client.say(f"/join {room}")
            assert client.heard() == f"{room} has {count}"
        ann.say("hi")
        assert re.fullmatch(r"\d+: hi", ann.heard())
        assert re.fullmatch(r"\d+: hi", bob.heard())
        ann.say("/boom")
        assert ann.heard() == bob.heard() == "the room fell apart; join again"
        bob.say("/join red")
        assert bob.heard() == "red has 1"
        ann.socket.close()
        eve.say("still here")
        assert re.fullmatch(r"\d+: still here", eve.heard())
        out, status = program.end(signal.SIGINT)
        assert status == 0
        assert "Traceback" not in out.replace("crash:", "")
        assert bob.heard() == ""


@pytest.fixture(scope="module")
def threaded():
    with running("thread_counters.py", "0") as program:
        yield program, f"http://127.0.0.1:{program.until('listening on')}"


def post(url):
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, method="POST"), timeout=10
        ) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_threaded_program_counts_exactly_and_survives_a_crash(threaded):
    program, url = threaded
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(f"{url}/apples"), range(80)))
    assert sorted(int(text) for _, text in answers) == list(range(1, 81))
    status, text = post(f"{url}/boom")
    assert (status, "on purpose" in text) == (503, True)
    deadline = monotonic() + 10
    while (answer := post(f"{url}/apples"))[0] == 503:
        assert monotonic() < deadline
        sleep(0.01)
    assert answer == (200, "81")
    out, status = program.end(signal.SIGINT)
    assert status == 0
    assert out.endswith("stopped\n")


def test_the_web_application_has_an_actor_for_each_visitor():
    with running("visitors.py", "0", VISITOR_IDLE_S="1.0") as program:
        url = program.until("Uvicorn running on").split()[0]
        with httpx.Client(base_url=url, timeout=10) as http:

            def visit(name, path="/"):
                reply = http.get(path, headers={"Cookie": f"visitor={name}"})
                return reply.status_code, reply.json()["visits"] if reply.is_success else None

            assert [visit("ann")[1] for _ in range(3)] == [1, 2, 3]
            assert visit("bob") == (200, 1)
            # A crash: this request fails, the visitor is there again, the other one unharmed.
            assert visit("ann", "/boom")[0] == 503
            assert visit("ann") == (200, 1)
            assert visit("bob") == (200, 2)
            # Passivation: idle visitors go, and come back when they come back.
            assert program.until("bob left after 2 visits:") == "normal"
            assert visit("bob") == (200, 1)
            with ThreadPoolExecutor(8) as pool:
                counts = pool.map(lambda _: visit("eve")[1], range(40))
            assert sorted(counts) == list(range(1, 41))
        out, status = program.end(signal.SIGTERM)
        assert status in (0, -signal.SIGTERM)
        assert "eve left after 40 visits: shutdown" in out
        assert "Application shutdown complete" in out
        assert "Task was destroyed" not in out
        assert "never awaited" not in out
