"""Who is there and who types: told to those who look, as far as they may see it, and no longer."""

from __future__ import annotations

import pytest
import trio

from actors.lifecycle.start_and_end import send_kill
from beamish.messenger.connections import MAX_HINTS
from beamish.messenger.presence import WATCHED_S
from beamish.messenger.users import presence as presence_module
from tests.beamish.messenger.talker import Refused, Talker

LANE = "@"
DIRECT = "d:alice:bob"
NOTHING = {"user": "bob", "online": False, "display": "bob", "status": ""}
HERE = {"user": "bob", "online": True, "display": "bob", "status": ""}


async def look(talker, *users, conversations=()):
    told = await talker.question("look", users=list(users), conversations=list(conversations))
    talker.presence.update({row["user"]: row for row in told["presence"]})
    return told["presence"]


async def past_the_silence():
    await trio.sleep(presence_module.SILENT_S + 2)


async def pair(world):
    alice, bob = await world.talker("alice"), await world.talker("bob")
    await past_the_silence()
    return alice, bob


async def online(talker, user, expected, within=10):
    await talker.until(lambda: talker.presence.get(user, {}).get("online") is expected, within)


async def test_whoever_looks_is_told_who_comes_and_goes(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        assert await look(alice, "bob", "nobody") == [HERE]
        await bob.go_offline()
        await online(alice, "bob", False)
        now = world.node.environment.now_ms()
        assert now - 10_000 < alice.presence["bob"]["last_seen"] <= now
        bob.go_online()
        await online(alice, "bob", True)
        assert "last_seen" not in alice.presence["bob"]
        await bob.command("set_profile", LANE, status="at sea", display="Bob B.")
        await alice.until(lambda: alice.presence["bob"]["status"] == "at sea")
        assert alice.presence["bob"]["display"] == "Bob B."


async def test_a_flicker_of_the_connection_is_not_told(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        await look(alice, "bob")
        for _ in range(5):
            await bob.cut()
            await trio.sleep(0.02)
            await bob.until(lambda: bob.ready)
            await trio.sleep(0.3)
        await trio.sleep(3)
        assert alice.told_presence == []


async def test_when_somebody_was_last_seen_survives_a_restart(make_world, autojump_clock):
    async with make_world() as world:
        async with world.running():
            alice, bob = await pair(world)
            token = alice.token
            await trio.sleep(120)
            await bob.go_offline()
            await trio.sleep(5)
            seen = (await look(alice, "bob"))[0]["last_seen"]
            assert world.node.environment.now_ms() - seen < 7_000
            alice.once = bob.once = True
            await alice.go_offline()
        async with world.running():
            alice = Talker(world.node, world.nursery, "alice", token=token)
            await alice.until(lambda: alice.ready)
            assert (await look(alice, "bob"))[0]["last_seen"] == seen


async def test_only_what_is_on_screen_is_told(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        await look(alice, "bob")
        await look(alice)
        await bob.go_offline()
        await trio.sleep(5)
        assert alice.told_presence == []


async def test_whoever_does_not_renew_is_forgotten(make_world, autojump_clock):
    async with make_world() as world, world.running(idle_s=20.0):
        alice, bob = await pair(world)
        await look(alice, "bob", conversations=[await alice.create_group("g")])
        await bob.go_offline()
        await online(alice, "bob", False)
        await trio.sleep(WATCHED_S - 20)
        await look(alice, "bob")
        await trio.sleep(WATCHED_S - 20)
        bob.go_online()
        await online(alice, "bob", True)
        await trio.sleep(WATCHED_S + 5)
        told = len(alice.told_presence)
        await bob.go_offline()
        await trio.sleep(60)
        assert len(alice.told_presence) == told
        assert world.node.system.whereis(("user", "bob")) is None


async def test_a_new_activation_is_silent_until_its_sessions_have_found_it(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        await look(alice, "bob")
        send_kill(world.node.system.whereis(("user", "bob")))
        await trio.sleep(0.5)
        assert await look(alice, "bob") == [HERE]
        await bob.go_offline()
        await trio.sleep(presence_module.SILENT_S - 2)
        assert alice.told_presence == []
        await online(alice, "bob", False)


# -- privacy and blocks ----------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_whoever_hides_is_not_seen_and_does_not_see(make_world, autojump_clock, who):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        hider = {"alice": alice, "bob": bob}[who]
        await bob.command("set_profile", LANE, status="here")
        assert (await look(alice, "bob"))[0]["online"]
        await hider.command("set_privacy", LANE, last_seen="nobody")
        await online(alice, "bob", False)
        assert alice.presence["bob"] == {**NOTHING, "status": "here"}
        assert await look(alice, "bob") == [{**NOTHING, "status": "here"}]
        await hider.command("set_privacy", LANE, last_seen="everyone")
        await online(alice, "bob", True)


async def test_shared_is_for_those_to_whom_one_has_written(make_world, autojump_clock):
    async with make_world() as world, world.running(snapshot_every=3):
        alice, bob = await pair(world)
        await bob.command("set_privacy", LANE, last_seen="shared")
        assert await look(alice, "bob") == [NOTHING]
        await alice.send(DIRECT, "hello")
        await bob.until(lambda: bob.texts(DIRECT) == ["hello"])
        assert await look(alice, "bob") == [NOTHING]
        await bob.send(DIRECT, "hello yourself")
        await bob.until(lambda: len(bob.texts(DIRECT)) == 2)
        assert await look(alice, "bob") == [HERE]


@pytest.mark.parametrize("blocker", ["alice", "bob"])
async def test_a_block_hides_both_from_each_other(make_world, autojump_clock, blocker):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        await bob.command("set_profile", LANE, status="here")
        assert (await look(alice, "bob"))[0]["online"]
        one, other = (alice, "bob") if blocker == "alice" else (bob, "alice")
        await one.command("block", LANE, user=other)
        await online(alice, "bob", False)
        assert alice.presence["bob"] == NOTHING
        assert await look(alice, "bob") == [NOTHING]
        await one.command("unblock", LANE, user=other)
        await online(alice, "bob", True)


async def test_nothing_is_seen_of_a_deleted_account(make_world, autojump_clock):
    async with make_world() as world, world.running() as node:
        alice, _bob = await pair(world)
        await look(alice, "bob")
        await node.accounts.delete("bob")
        await online(alice, "bob", False)
        assert alice.presence["bob"] == {**NOTHING, "display": ""}


# -- typing ----------------------------------------------------------------------------------------


async def trio_in_a_group(world):
    alice, bob = await world.talker("alice"), await world.talker("bob")
    carol = await world.talker("carol")
    group = await alice.create_group("g", ["bob", "carol"])
    for talker in (bob, carol):
        await talker.until(lambda t=talker: group in t.records)
    return alice, bob, carol, group


async def test_members_who_have_it_on_screen_hear_who_types(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob, carol, group = await trio_in_a_group(world)
        eve = await world.talker("eve")
        for talker in (alice, bob, eve):
            await look(talker, conversations=[group])
        await alice.ask("typing", conversation=group)
        await bob.until(lambda: bob.typing == [(group, "alice")])
        await eve.ask("typing", conversation=group)
        await trio.sleep(2)
        assert (alice.typing, carol.typing, eve.typing) == ([], [], [])
        await alice.command("remove", group, user="bob")
        await trio.sleep(3)
        await alice.ask("typing", conversation=group)
        await trio.sleep(2)
        assert bob.typing == [(group, "alice")]


async def test_typing_is_told_at_most_every_few_seconds(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob, _, group = await trio_in_a_group(world)
        await look(bob, conversations=[group])
        for _ in range(100):
            assert await alice.ask("typing", conversation=group) == {}
            await trio.sleep(0.1)
        await trio.sleep(1)
        assert 3 <= len(bob.typing) <= 4


@pytest.mark.parametrize("blocker", ["alice", "bob"])
async def test_typing_is_hidden_by_a_block_in_groups_too(make_world, autojump_clock, blocker):
    async with make_world() as world, world.running():
        alice, bob, carol, group = await trio_in_a_group(world)
        one, other = (alice, "bob") if blocker == "alice" else (bob, "alice")
        for talker in (bob, carol):
            await look(talker, conversations=[group])
        await one.command("block", LANE, user=other)
        await trio.sleep(1)
        await alice.ask("typing", conversation=group)
        await carol.until(lambda: carol.typing == [(group, "alice")])
        assert bob.typing == []


# -- bounds ----------------------------------------------------------------------------------------


async def test_an_overloaded_node_drops_typing_first_then_presence(make_world, autojump_clock):
    async with make_world() as world, world.running() as node:
        alice, bob, _, group = await trio_in_a_group(world)
        await past_the_silence()
        await look(bob, "alice", conversations=[group])
        node.environment.load.admits = lambda kind: kind != "typing"
        await alice.ask("typing", conversation=group)
        await alice.go_offline()
        await online(bob, "alice", False)
        assert bob.typing == []
        node.environment.load.admits = lambda _kind: False
        alice.go_online()
        await trio.sleep(5)
        assert not bob.presence["alice"]["online"]
        del node.environment.load.admits
        assert (await look(bob, "alice"))[0]["online"]


async def test_hints_do_not_fill_the_mailbox_of_a_session_that_waits(make_world, autojump_clock):
    async with make_world() as world, world.running() as node:
        alice, _ = await pair(world)
        connections = node.environment.connections
        (session,) = connections.devices("alice")
        given = [connections.hint(session, presence_module.Seen(HERE)) for _ in range(500)]
        assert given.count(True) == MAX_HINTS
        await trio.sleep(1)
        assert connections.hint(session, presence_module.Seen(HERE))
        assert alice.ready


async def test_watchers_of_one_user_are_bounded(make_world, autojump_clock, monkeypatch):
    monkeypatch.setattr(presence_module, "MAX_WATCHERS", 2)
    async with make_world() as world, world.running():
        bob = await world.talker("bob")
        watchers = [await world.talker(f"w{i}") for i in range(3)]
        await past_the_silence()
        for watcher in watchers:
            await look(watcher, "bob")
        await bob.go_offline()
        for watcher in watchers[1:]:
            await online(watcher, "bob", False)
        assert watchers[0].told_presence == []


async def test_too_much_on_screen_is_refused(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice = await world.talker("alice")
        for fields in (
            {"users": [f"u{i}" for i in range(65)]},
            {"conversations": [f"d:a:b{i}" for i in range(9)]},
            {"users": ["bob", "bob"]},
        ):
            with pytest.raises(Refused) as refused:
                await alice.ask("look", **fields)
            assert refused.value.code == "bad_request"
