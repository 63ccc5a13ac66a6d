"""`beamish trace` on a running node."""

from __future__ import annotations

import json
from functools import partial
from subprocess import PIPE

import click
import pytest
import trio

from beamish.cli.trace_command import Span, line_of
from tests.beamish.cli.process import COMMAND, beamish, served
from tests.beamish.gateway.test_hostile import connected, register, say


async def traced_ping(node, ada):
    """What the command prints while `ada` sends one command."""
    options = ("--data", str(node.data), "--for", "5s", "--json")
    run = partial(trio.run_process, [*COMMAND, "trace", "ada", *options], stdout=PIPE)
    async with trio.open_nursery() as nursery:
        tracing = await nursery.start(run)
        out = b""
        while b"joins" not in out:
            out += await tracing.stdout.receive_some()
        await say(ada, {"id": 9, "command": "ping"})
        while data := await tracing.stdout.receive_some():
            out += data
    return out


async def test_an_operator_sees_what_one_user_does(tmp_path):
    with served(tmp_path) as node:
        async with connected(node.ws) as ada:
            await register(ada, "ada")
            with trio.fail_after(60):
                out = await traced_ping(node, ada)
    told = [json.loads(line) for line in out.splitlines()]
    assert told[0] == {"sessions": 1}
    assert [event["way"] for event in told[1:]] == ["joins", "in", "out"]
    assert told[2]["name"] == "ping"
    assert told[3]["name"] == "reply to ping"


def test_a_trace_of_nobody_is_one_sentence(tmp_path):
    with served(tmp_path) as node:
        ended = beamish("trace", "nobody", "--data", node.data)
        assert (ended.returncode, ended.stderr) == (1, "Error: there is no user nobody\n")


@pytest.mark.parametrize(
    ("given", "seconds"), [("60s", 60.0), ("5m", 300.0), ("1h", 3_600.0), ("7", 7.0), (2.5, 2.5)]
)
def test_times_are_written_with_their_unit(given, seconds):
    assert Span().convert(given, None, None) == seconds


@pytest.mark.parametrize("given", ["", "soon", "-1s", "2h", "0s", "1d"])
def test_what_is_no_time_is_refused(given):
    with pytest.raises(click.BadParameter):
        Span().convert(given, None, None)


def test_a_line_has_direction_name_id_size_refusal_and_texts():
    event = {"at": 1_700_000_000_123, "session": 2, "way": "out", "name": "reply to send", "id": 7}
    line = line_of({**event, "bytes": 1_234, "refusal": "overloaded", "texts": ["a\nb"]})
    assert line.endswith('.123 #2 < reply to send, id 7, 1,234 bytes, refused: overloaded, "a\\nb"')
    assert line_of({**event, "way": "ends", "name": "session"}).endswith("#2 session ends")
