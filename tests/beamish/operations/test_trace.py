"""A trace of one user on a running node."""

from __future__ import annotations

import json

import pytest
import trio

from beamish.operations.trace import LONGEST_TEXT, MOST_WAITING, tracing
from tests.beamish.messenger.conftest import make_world  # noqa: F401
from tests.beamish.messenger.talker import Refused

DIRECT = "d:alice:bob"


async def gather(trace, into):
    async for event in trace.events():
        into.append(event)


@pytest.fixture
async def world(make_world, autojump_clock):  # noqa: F811
    async with make_world() as world, world.running():
        yield world


async def traced(world, user, play, **options):
    """What a trace of `user` tells while `play` runs."""
    told = []
    async with trio.open_nursery() as nursery:
        async with tracing(world.node, user, **({"seconds": 60.0, "texts": False} | options)) as it:
            nursery.start_soon(gather, it, told)
            await play()
            await trio.sleep(1.0)
        nursery.cancel_scope.cancel()
    return told


def names(told, way):
    return [event["name"] for event in told if event["way"] == way]


async def test_what_a_user_sends_and_receives_is_told_by_name_size_and_refusal(world):
    alice, bob = await world.talker("alice"), await world.talker("bob")

    async def play():
        await alice.send(DIRECT, "a secret between two")
        await bob.until(lambda: bob.texts(DIRECT))
        with pytest.raises(Refused):
            await bob.question("history", conversation="d:alice:carol")

    told = await traced(world, "bob", play)
    assert told[0]["way"] == "joins"
    assert "updates" in names(told, "out")
    assert "history" in names(told, "in")
    answer = next(event for event in told if event["name"] == "reply to history")
    assert answer["refusal"] in ("not_found", "not_member")
    assert answer["bytes"] > 10
    assert "send" not in names(told, "in")  # That was alice.
    assert "secret" not in json.dumps(told)
    assert {event["session"] for event in told} == {1}


async def test_texts_are_told_only_when_asked_for_and_cut(world):
    alice, bob = await world.talker("alice"), await world.talker("bob")

    async def play():
        await alice.send(DIRECT, "x" * 1_000)
        await bob.until(lambda: bob.texts(DIRECT))

    told = await traced(world, "bob", play, texts=True)
    texts = [text for event in told for text in event.get("texts", ())]
    assert set(texts) == {"x" * LONGEST_TEXT}


async def test_a_session_that_logs_in_meanwhile_joins_and_its_end_is_told(world):
    alice, _bob = await world.talker("alice"), await world.talker("bob")
    await alice.go_offline()

    async def play():
        alice.go_online()
        await alice.send(DIRECT, "back")
        await alice.go_offline()

    told = await traced(world, "alice", play)
    assert [event["way"] for event in (told[0], told[-1])] == ["joins", "ends"]
    assert "reply to send" in names(told, "out")


async def test_no_token_or_password_is_told_even_with_texts(world):
    alice, _bob = await world.talker("alice"), await world.talker("bob")
    await alice.go_offline()

    async def play():
        alice.go_online()
        await alice.send(DIRECT, "back")

    told = await traced(world, "alice", play, texts=True)
    assert alice.token not in json.dumps(told)


async def test_a_trace_ends_by_itself_and_leaves_nothing_behind(world):
    alice, _bob = await world.talker("alice"), await world.talker("bob")
    began = trio.current_time()
    async with tracing(world.node, "alice", seconds=30.0, texts=False):
        await trio.sleep_forever()
    assert trio.current_time() - began == pytest.approx(30.0, abs=0.1)
    connections = world.node.environment.connections
    assert not connections.watchers
    (link,) = connections.links_of("alice")
    assert link.meter.tap is None
    assert link.outbox.tap is None
    await alice.send(DIRECT, "still here")


async def test_who_does_not_read_a_trace_holds_nobody_up(world):
    alice, _bob = await world.talker("alice"), await world.talker("bob")
    async with tracing(world.node, "alice", seconds=600.0, texts=False) as trace:
        for number in range(MOST_WAITING):
            await alice.send(DIRECT, str(number))
        assert trace.left_out > 0


@pytest.mark.parametrize(
    ("user", "seconds", "sentence"),
    [
        ("nobody", 60.0, "there is no user nobody"),
        ("alice", 0.0, "a trace lasts up to 3600 s"),
        ("alice", 1e9, "a trace lasts up to 3600 s"),
        ("alice", float("nan"), "a trace lasts up to 3600 s"),
        ("no stream's name" * 100, 60.0, "name"),
    ],
)
async def test_a_trace_that_cannot_be_is_refused(world, user, seconds, sentence):
    await world.talker("alice")
    with pytest.raises(ValueError, match=sentence):
        async with tracing(world.node, user, seconds=seconds, texts=False):
            pass


async def test_a_user_is_traced_once_at_a_time(world):
    await world.talker("alice")
    async with tracing(world.node, "alice", seconds=60.0, texts=False):
        with pytest.raises(ValueError, match="traced already"):
            async with tracing(world.node, "alice", seconds=60.0, texts=False):
                pass
