"""Devices come and go; what is kept of them is bounded, and nothing is ever done twice."""

from __future__ import annotations

import msgpack
import trio

from actors import CallError
from actors.lifecycle.start_and_end import send_kill
from beamish.messenger.conversations.actions import SendText
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.commands import Numbered
from beamish.messenger.conversations.device_check import DEVICES_UNASKED
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.users import account_desk
from beamish.messenger.users.state import UserState
from beamish.protocol import Limits
from tests.beamish.messenger.talker import Talker

DIRECT = "d:alice:bob"


async def another(world, user):
    """A new device of somebody who is registered already."""
    talker = Talker(world.node, world.nursery, user)
    await talker.until(lambda: talker.ready)
    return talker


async def leave(talker):
    await talker.go_offline()
    await trio.sleep(1)


async def works(world, talker):
    """Whether a device can still log in with its token."""
    talker.once = False
    talker.go_online()
    with trio.move_on_after(5):
        await talker.until(lambda: talker.ready, within=30)
    return talker.ready


async def test_a_login_beyond_the_limit_ends_the_device_that_was_away_for_longest(
    make_world, autojump_clock, monkeypatch
):
    monkeypatch.setattr(account_desk, "SEEN_STEP_MS", 60_000)
    async with make_world() as world, world.running(limits=Limits(devices=3)):
        first = await world.talker("alice")
        await leave(first)
        second = await another(world, "alice")
        await leave(second)
        third = await another(world, "alice")
        await trio.sleep(120)
        assert await works(world, first)
        await leave(first)
        await another(world, "alice")
        assert not await works(world, second)
        assert "bad_credentials" in second.codes
        assert await works(world, first)
        assert third.ready
        assert not third.closes


async def test_when_all_devices_are_connected_the_oldest_is_told_that_it_is_gone(
    make_world, autojump_clock
):
    async with make_world() as world, world.running(limits=Limits(devices=2)):
        devices = [await world.talker("alice")]
        devices += [await another(world, "alice") for _ in range(2)]
        await devices[0].until(lambda: 4401 in devices[0].closes)
        assert [d.ready for d in devices[1:]] == [True, True]
        user = world.node.system.whereis(("user", "alice"))
        assert len(user.actor.state.account.devices) == 2


def conversation(world):
    return world.node.system.whereis(("conversation", DIRECT))


async def many_devices(world, count):
    """So many devices of alice write once each and are logged out; (device, tag) of each."""
    seen = []
    for i in range(count):
        alice = await another(world, "alice")
        tag = f"only{i:09d}"
        await alice.ask("send", conversation=DIRECT, number=1, tag=tag, text=f"from {i}")
        seen.append((alice.device, tag))
        alice.once = True
        await alice.ask("logout")
    return seen


async def test_a_conversation_forgets_devices_that_were_logged_out(make_world, autojump_clock):
    async with make_world() as world, world.running():
        await world.talker("bob")
        await many_devices(world, 3 * DEVICES_UNASKED)
        state = conversation(world).actor.state
        assert len(state.numbers) <= DEVICES_UNASKED
        assert state.devices == {"alice": len(state.numbers)}
        assert ConversationState.load(DIRECT, state.dump()).dump() == state.dump()


async def test_a_late_command_of_a_forgotten_device_is_refused_and_not_done_again(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        bob = await world.talker("bob")
        seen = await many_devices(world, 2 * DEVICES_UNASKED)
        ref = conversation(world)
        version = ref.actor.state.version
        known = 0
        for device, tag in reversed(seen):
            answer = await ref.call(Numbered("alice", device, 1, tag, SendText("again")))
            if isinstance(answer, Result):
                known += 1
            else:
                assert answer.code == "unauthenticated"
        assert 0 < known <= DEVICES_UNASKED
        assert ref.actor.state.version == version
        await bob.until(lambda: len(bob.texts(DIRECT)) == len(seen))


async def test_a_device_in_the_batch_that_forgets_it_is_refused(make_world, autojump_clock):
    async with make_world() as world, world.running():
        await world.talker("bob")
        seen = await many_devices(world, DEVICES_UNASKED)
        alice = await another(world, "alice")
        ref = conversation(world)
        version = ref.actor.state.version
        answers = []

        async def call(device, tag):
            answers.append(await ref.call(Numbered("alice", device, 1, tag, SendText("x"))))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, alice.device, "new000000000")
            for device, tag in seen:
                nursery.start_soon(call, device, tag)
        done = [a for a in answers if isinstance(a, Result)]
        assert max(r.n for r in done) == version + 1
        assert ref.actor.state.version == version + 1


async def test_a_device_that_sleeps_is_remembered_however_many_others_come_and_go(
    make_world, autojump_clock
):
    async with make_world() as world, world.running(snapshot_every=5):
        await world.talker("bob")
        sleeper = await world.talker("alice")
        ok = await sleeper.ask("send", conversation=DIRECT, number=1, tag="sleeper00000", text="a")
        await leave(sleeper)
        await many_devices(world, 3 * DEVICES_UNASKED)
        await conversation_restarted(world)
        sleeper.go_online()
        await sleeper.until(lambda: sleeper.ready)
        again = await sleeper.ask(
            "send", conversation=DIRECT, number=1, tag="sleeper00000", text="a"
        )
        assert again == ok


async def conversation_restarted(world):
    send_kill(conversation(world))
    await trio.sleep(1)


async def test_new_devices_are_refused_for_a_while_when_the_user_cannot_be_asked(
    make_world, autojump_clock, monkeypatch
):
    async with make_world() as world, world.running():
        await world.talker("bob")
        await many_devices(world, DEVICES_UNASKED)
        alice = await another(world, "alice")
        directory = world.node.environment.directory
        find = directory.find

        def lost(kind, key):
            if (kind, key) == ("user", "alice"):
                raise CallError("not now")
            return find(kind, key)

        monkeypatch.setattr(directory, "find", lost)
        answer = await conversation(world).call(
            Numbered("alice", alice.device, 1, "new000000000", SendText("x"))
        )
        assert isinstance(answer, Refusal)
        assert (answer.code, answer.retry_after_ms) == ("overloaded", 500)
        monkeypatch.undo()
        await alice.ask("send", conversation=DIRECT, number=1, tag="new000000000", text="x")


def test_snapshots_of_devices_without_their_last_use_are_read():
    state = UserState("bob")
    state.apply(1, {"t": "device", "device": "d", "token": b"t", "name": "", "at": 5})
    state.apply(2, {"t": "seen", "device": "d", "at": 9})
    assert state.account.devices["d"].used == 9
    assert UserState.load("bob", state.dump()).account.devices == state.account.devices
    plain = msgpack.unpackb(state.dump())
    plain["devices"] = [row[:4] for row in plain["devices"]]
    assert UserState.load("bob", msgpack.packb(plain)).account.devices["d"].used == 5


async def test_a_logged_out_device_may_not_come_back(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice = await world.talker("alice")
        alice.once = True
        await alice.ask("logout")
        late = Talker(world.node, world.nursery, "alice", token=alice.token)
        await late.until(lambda: late.once)
        assert late.codes[-1] == "bad_credentials"
