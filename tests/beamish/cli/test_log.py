"""The log of a whole run: every line JSON, crashes with their parts, and no secret anywhere."""

from __future__ import annotations

import json
from contextlib import suppress

import trio
from trio_websocket import ConnectionClosed, HandshakeError

from tests.beamish.cli.process import served
from tests.beamish.gateway.test_hostile import connected, say

PASSWORD = "a password that nobody may read"
WRONG = "a wrong one, typed into the wrong window"
TEXT = "what the two of them have to say to each other"
CRASHES = ("--inject-crashes", "0.1", "--inject-into", "session", "--inject-into", "user")


async def ask(ws, command, **fields):
    await say(ws, {"id": 7, "command": command, **fields})
    while True:
        for item in json.loads(await ws.get_message()):
            if item.get("id") == 7:
                return item


async def visit(url, name, tokens):
    """One visit with all that is secret in it; it ends where the session crashes."""
    async with connected(url) as ws:
        await say(ws, {"id": 1, "command": "hello", "versions": [1]})
        told = await ask(ws, "register", user=name, password=PASSWORD)
        if "ok" in told:
            tokens.append(told["ok"]["token"])
        else:
            await ask(ws, "login", user=name, password=WRONG)
            told = await ask(ws, "login", user=name, password=PASSWORD)
            tokens.append(told["ok"]["token"])
        await say(ws, {"command": "attach", "number": 0})
        sending = {"conversation": f"d:{name}:zoe", "number": 1, "tag": "t1", "text": TEXT}
        await ask(ws, "send", **sending)
    async with connected(url) as ws:
        await say(ws, {"id": 1, "command": "hello", "versions": [1]})
        await ask(ws, "resume", token=tokens[-1])
        await ask(ws, "resume", token=tokens[-1][:-2] + "AA")


async def test_no_password_token_or_text_is_in_the_log_of_a_run_full_of_crashes(tmp_path):
    tokens = []
    with served(tmp_path, "--log-format", "json", *CRASHES) as node:
        with trio.fail_after(90):
            for number in range(60):
                with suppress(Exception):
                    try:
                        await visit(node.ws, f"user{number % 7}", tokens)
                    except* (ConnectionClosed, HandshakeError, KeyError):
                        pass
        await trio.to_thread.run_sync(node.stop)
        _, log = await trio.to_thread.run_sync(node.process.communicate)
    lines = [json.loads(line) for line in log.splitlines()]
    crashes = [line for line in lines if "exceptions" in line]
    assert len(crashes) >= 5
    assert len(tokens) >= 5
    assert {"Session", "User"} <= {crash["class"] for crash in crashes}
    assert all(crash["exceptions"][0]["frames"] for crash in crashes)
    assert any(line.get("context") == "child_terminated" for line in lines)
    for secret in (PASSWORD, WRONG, TEXT, *tokens, *(token[-12:] for token in tokens)):
        assert secret not in log
