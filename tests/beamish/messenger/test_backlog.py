"""A client may ask as much as it likes as long as it reads; a logout lets the rest be answered."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import trio

from beamish.messenger.sessions.backlog import LOGOUT_WAITS_S
from beamish.protocol import JSON
from beamish.protocol.session import SessionClosed

DIRECT = "d:alice:bob"
LONG = "x" * 16_384


class Wire:
    """One connection, taken from only on request."""

    def __init__(self, link):
        self.link = link
        self.replies = []
        self.end = None

    async def give(self, *items):
        for item in items:
            await self.link.receive(item)

    async def take(self):
        for raw in await self.link.take():
            item = json.loads(raw)
            if "id" in item:
                self.replies.append(item)

    async def take_all(self):
        try:
            while True:
                await self.take()
        except SessionClosed as closed:
            self.end = closed.code

    def answer(self, number):
        (found,) = [reply for reply in self.replies if reply["id"] == number]
        return found


async def wire_of(world, talker):
    """A connection of a talker's device that the test drives itself."""
    await talker.go_offline()
    await trio.sleep(1)
    wire = Wire(await world.node.open_session(JSON, "127.0.0.1"))
    await wire.give(
        {"id": 1, "command": "hello", "versions": [1]},
        {"id": 2, "command": "resume", "token": talker.token},
    )
    while len(wire.replies) < 2:
        await wire.take()
    return wire


def history(number):
    return {"id": number, "command": "history", "conversation": DIRECT, "limit": 200}


def send(number, text="x"):
    command = {"command": "send", "conversation": DIRECT, "text": text}
    return {"id": 1_000 + number, **command, "number": number, "tag": f"tag{number:09d}"}


async def long_conversation(world):
    alice, bob = await world.talker("alice"), await world.talker("bob")
    for _ in range(40):
        await alice.send(DIRECT, LONG)
    await bob.until(lambda: len(bob.texts(DIRECT)) == 40)
    return alice, bob


async def test_whoever_reads_gets_the_answers_to_a_hundred_large_questions_at_once(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        _alice, bob = await long_conversation(world)
        wire = await wire_of(world, bob)
        waiting = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wire.give, *map(history, range(3, 103)))
            while len(wire.replies) < 102:
                with trio.fail_after(60):
                    await wire.take()
                await trio.testing.wait_all_tasks_blocked()
                waiting.append(wire.link.outbox._bytes)
        assert [r["id"] for r in wire.replies] == list(range(1, 103))
        assert {len(r["ok"]["records"]) for r in wire.replies[2:]} == {31}
        assert max(waiting) < 1 << 20
        assert not wire.link.outbox.closed


async def test_no_command_is_begun_for_a_client_that_does_not_read_and_its_end_is_clean(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        _alice, bob = await long_conversation(world)
        wire = await wire_of(world, bob)
        sessions = len(world.node.environment.connections)
        with trio.move_on_after(60) as stuck:
            await wire.give(*map(history, range(3, 1_003)))
        assert stuck.cancelled_caught
        assert wire.link.outbox._bytes < 1 << 20
        assert not wire.link.outbox.closed
        await wire.link.disconnected()
        await trio.sleep(1)
        assert len(world.node.environment.connections) == sessions - 1
        assert wire.link.in_hand == 0


async def test_a_session_that_crashes_while_commands_wait_ends_its_connection(
    make_world, autojump_clock
):
    from actors.lifecycle.start_and_end import send_kill

    async with make_world() as world, world.running():
        _alice, bob = await long_conversation(world)
        wire = await wire_of(world, bob)
        async with trio.open_nursery() as nursery:

            async def give():
                with pytest.raises(SessionClosed):
                    await wire.give(*map(history, range(3, 1_003)))
                nursery.cancel_scope.cancel()

            nursery.start_soon(give)
            await trio.sleep(1)
            send_kill(wire.link._session)
            await wire.take_all()
            assert wire.end == 1011
            with trio.fail_after(10):
                await trio.sleep_forever()


async def test_commands_that_had_to_wait_are_carried_out_in_their_order(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await long_conversation(world)
        wire = await wire_of(world, bob)
        commands = []
        for i in range(1, 31):
            commands += [history(2 + i), send(i, f"text {i}")]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wire.give, *commands)
            while len(wire.replies) < 62:
                with trio.fail_after(60):
                    await wire.take()
                await trio.sleep(0.1)
        assert all("ok" in reply for reply in wire.replies)
        await alice.until(lambda: len(alice.texts(DIRECT)) == 70)
        assert alice.texts(DIRECT)[40:] == [f"text {i}" for i in range(1, 31)]


async def test_updates_that_wait_for_a_slow_reader_hold_up_none_of_its_commands(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        _alice, bob = await long_conversation(world)
        wire = await wire_of(world, bob)
        await wire.give({"id": 3, "command": "attach", "number": 0})
        await trio.sleep(1)
        assert not wire.link.outbox.has_room
        with trio.fail_after(10):
            await wire.give({"id": 4, "command": "ping"}, send(1))
        await trio.sleep(1)
        await wire.take()
        assert "ok" in wire.answer(4)
        assert "ok" in wire.answer(1_001)


async def test_a_logout_waits_until_what_was_sent_before_is_answered(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await alice.send(DIRECT, "first")
        wire = await wire_of(world, bob)
        world.node.journal.hold_sync()
        logout = {"id": 2_000, "command": "logout"}
        with trio.fail_after(10):
            await wire.give(*map(send, range(1, 51)), logout, {"id": 2_001, "command": "ping"})
        await trio.sleep(2)
        world.node.journal.release_sync()
        await wire.take_all()
        assert wire.end == 1000
        told = Counter("ok" in reply for reply in wire.replies if reply["id"] > 1_000)
        assert told == {True: 51}
        assert wire.replies[-1]["id"] == 2_000
        await alice.until(lambda: len(alice.texts(DIRECT)) == 51)


async def test_a_logout_does_not_wait_for_ever(make_world, autojump_clock, monkeypatch):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await alice.send(DIRECT, "first")
        wire = await wire_of(world, bob)
        perform = world.node.environment.journal.perform

        async def hanging(operation):
            if getattr(operation, "stream", "").startswith("c/"):
                await trio.sleep_forever()
            return await perform(operation)

        monkeypatch.setattr(type(world.node.environment.journal), "perform", staticmethod(hanging))
        started = trio.current_time()
        await wire.give(send(1), {"id": 2_000, "command": "logout"})
        await wire.take_all()
        assert LOGOUT_WAITS_S <= trio.current_time() - started < 2 * LOGOUT_WAITS_S
        assert wire.answer(2_000)["ok"] == {}
        assert wire.end == 1000


async def test_more_unanswered_commands_than_allowed_are_refused_as_overloaded(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await alice.send(DIRECT, "first")
        wire = await wire_of(world, bob)
        world.node.journal.hold_sync()
        await wire.give(*map(send, range(1, 66)))
        with trio.fail_after(10):
            await wire.take()
        error = wire.answer(1_065)["error"]
        assert (error["code"], error["retryable"]) == ("overloaded", True)
        assert error["retry_after_ms"] > 0
        world.node.journal.release_sync()
        while len(wire.replies) < 2 + 65:
            await wire.take()
        assert all("ok" in wire.answer(1_000 + number) for number in range(1, 65))
