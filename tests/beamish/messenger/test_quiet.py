"""Where nothing goes wrong nothing is logged that somebody should look at."""

from __future__ import annotations

import logging

import trio

from tests.beamish.messenger.talker import Talker


async def visit(world, alice, bob):
    """Two users talk, lose connections, log in elsewhere, log out, stay away and come back."""
    group = await alice.create_group("g", [bob.user])
    for i in range(10):
        await alice.send(group, f"{i}")
        await bob.until(lambda: bob.ready)
        link = bob._link
        await bob.cut()
        # Hints, answers and heads meet a session that is about to end.
        world.nursery.start_soon(alice.send, group, f"{i} more")
        await trio.sleep(0.05 * i)
        await link.disconnected()  # the socket's end comes behind the session's
        if i % 3 == 0:
            other = Talker(world.node, world.nursery, bob.user, token=bob.token)
            other.once = True
            await other.until(lambda other=other: bool(other.closes) or other.ready)
            await other.go_offline()
    phone = await world.talker(bob.user)
    phone.once = True
    await phone.ask("logout")
    await bob.go_offline()
    await alice.go_offline()
    await trio.sleep(20)  # everybody leaves memory
    bob.go_online()
    alice.go_online()
    await bob.until(lambda: bob.ready and len(bob.texts(group)) == 20)
    await alice.until(lambda: alice.ready)
    alice.once = bob.once = True
    return group


async def test_users_who_come_and_go_log_no_warning(make_world, autojump_clock, caplog):
    caplog.set_level(logging.DEBUG)
    async with make_world() as world:
        # Twice: the node is stopped in the midst of it, and started on what it left.
        for names in (("alice", "bob"), ("carol", "dave")):
            async with world.running(idle_s=3.0, snapshot_every=20) as node:
                alice, bob = [await world.talker(name) for name in names]
                group = await visit(world, alice, bob)
                world.nursery.start_soon(alice.send, group, "at the very end")
            assert node.system.statistics()["dead_letters"] > 0
    loud = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert not loud
