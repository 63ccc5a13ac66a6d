"""The examples with a messenger inside do what they say, as programs, with real clients."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx
import pytest
import trio

from beamish.client import AuthenticationFailed, Message, Unreachable, open_client
from beamish.client.settings import Settings
from tests.house.programs import ROOT, running

TRIO, ASYNCIO = "embedded_trio.py", "embedded_asyncio.py"
KEY = {"SHOP_KEY": "a long secret"}


@pytest.mark.parametrize("name", [TRIO, ASYNCIO])
def test_an_example_is_small_enough_to_be_copied(name):
    assert len((ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()) < 150


def token(user):
    command = [sys.executable, str(ROOT / "examples" / TRIO), "token", user]
    env = os.environ | {"PYTHONPATH": str(ROOT)} | KEY
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout[:-1]


async def first_from(client, author):
    """The text of the next message of `author`."""
    with trio.fail_after(30):
        async for event in client.events():
            if isinstance(event, Message) and event.by == author:
                return event.text
    raise AssertionError("no more events")


async def test_the_trio_server_lets_its_users_in_greets_them_once_and_tells_what_happens(tmp_path):
    data, user = str(tmp_path / "data"), {"user": "alice", "password": "any password"}
    with running(TRIO, "serve", "0", data, **KEY) as program:
        url = f"ws://127.0.0.1:{program.until('listening on')}/chat"
        async with (
            open_client(f"{url}?token={token('alice')}", **user) as alice,
            open_client(f"{url}?token={token('bob')}", **(user | {"user": "bob"})) as bob,
        ):
            assert await first_from(alice, "shop") == "Welcome to the shop, alice!"
            assert await first_from(bob, "shop") == "Welcome to the shop, bob!"
            await alice.send(alice.direct("bob"), "what do you take?")
            assert await first_from(bob, "alice") == "what do you take?"
        program.until("text='what do you take?'")
        program.until("UserOffline(user='alice')")
        with pytest.raises(AuthenticationFailed):  # a connection is for the token's user alone
            async with open_client(f"{url}?token={token('bob')}", **user):
                pass
        with pytest.raises(Unreachable, match="401"):
            async with open_client(f"{url}?token=alice.0", **user, settings=Settings(give_up=0.1)):
                pass
        out, status = program.end(signal.SIGTERM)
        assert (status, out.endswith("stopped\n")) == (0, True), out
    with running(TRIO, "serve", "0", data, **KEY) as program:
        url = f"ws://127.0.0.1:{program.until('listening on')}/chat"
        async with open_client(f"{url}?token={token('alice')}", **user) as alice:
            program.until("UserOnline(user='alice')")
            async with open_client(f"{url}?token={token('carol')}", **(user | {"user": "carol"})):
                program.until("Welcome to the shop, carol!")
            page = await alice.history(alice.direct("shop"))
        texts = [record["text"] for record in page.records if record["type"] == "message"]
        assert texts == ["Welcome to the shop, alice!"]
        assert program.end(signal.SIGINT)[1] == 0


async def test_the_asyncio_application_is_asked_for_logins_and_sends_through_the_bridge(tmp_path):
    data = str(tmp_path / "data")
    with running(ASYNCIO, "0", data) as program:
        program.until("chat at")
        base = program.until("Uvicorn running on").split()[0]
        async with httpx.AsyncClient(base_url=base, timeout=20) as http:

            async def post(path, **body):
                return await http.post(path, json=body)

            session = (await post("/login", user="alice")).json()
            secret, url = session["session"], session["chat"]
            async with open_client(url, user="alice", password=secret) as alice:
                assert (await alice.user_info("alice"))["display"] == "Alice"
                first = await post("/notify", user="alice", text="hello", id="1")
                again = await post("/notify", user="alice", text="hello", id="1")
                assert first.json() == again.json() == {"n": 2}
                assert await first_from(alice, "desk") == "hello"
            with pytest.raises(AuthenticationFailed):
                async with open_client(url, user="bob", password=secret):
                    pass
            missing = await post("/notify", user="nobody", text="hello", id="2")
            assert (missing.status_code, missing.text) == (409, "there is no user nobody")
        out, status = program.end(signal.SIGTERM)
        assert status in (0, -signal.SIGTERM), out
        for sign in ("Traceback", "never awaited", "Task was destroyed"):
            assert sign not in out, out
        assert "Application shutdown complete" in out
