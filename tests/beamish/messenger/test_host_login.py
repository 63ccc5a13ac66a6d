"""Logins that the program around the node decides."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager

import pytest
import trio

from beamish.messenger.program_line import Line
from beamish.protocol import JsonCodec
from beamish.protocol.session import Vouched

CODEC = JsonCodec()


@asynccontextmanager
async def connection(node, vouched=None, peer="192.0.2.1"):
    """A session that has said hello."""
    async with trio.open_nursery() as nursery:
        line = Line(await node.open_session(CODEC, peer, vouched), CODEC)
        nursery.start_soon(line.run)
        line.hello = (await line.ask({"command": "hello", "versions": [1]}))["ok"]
        yield line
        line.hang_up()


async def log_in(node, user, secret="secret enough", **options):
    """What a login on a connection of its own is answered: (ok or None, code or None)."""
    async with connection(node, **options) as line:
        return outcome(await line.ask({"command": "login", "user": user, "password": secret}))


def outcome(told):
    return told.get("ok"), told.get("error", {}).get("code")


async def only_ann(user, secret, peer):
    assert peer == "192.0.2.1"
    await trio.lowlevel.checkpoint()
    return "Ann Example" if (user, secret) == ("ann", "secret enough") else None


async def test_the_host_decides_who_logs_in_and_the_first_success_makes_the_account(make_world):
    async with make_world() as world, world.running(authenticate=only_ann) as node:
        ok, _ = await log_in(node, "ann")
        assert (ok["user"], ok["display"]) == ("ann", "Ann Example")
        again, _ = await log_in(node, "ann")
        assert again["device"] != ok["device"]
        assert await log_in(node, "ann", "another secret") == (None, "bad_credentials")
        assert await log_in(node, "bob") == (None, "bad_credentials")
        assert await node.users() == ["ann"]
        async with connection(node) as line:
            told = await line.ask({"command": "resume", "token": ok["token"]})
            assert told["ok"]["device"] == ok["device"]
        assert node.environment.passwords.hashes == 0


async def test_what_needs_a_password_of_ours_is_forbidden(make_world):
    async with (
        make_world() as world,
        world.running(authenticate=only_ann) as node,
        connection(node) as line,
    ):
        assert line.hello["registration"] == "closed"
        new = {"command": "register", "user": "eve", "password": "a password"}
        assert outcome(await line.ask(new)) == (None, "forbidden")
        login = {"command": "login", "user": "ann", "password": "secret enough"}
        assert "ok" in await line.ask(login)
        other = {"command": "set_password", "old": "secret enough", "new": "another one"}
        assert outcome(await line.ask(other)) == (None, "forbidden")
        end = {"command": "delete_account", "password": "secret enough"}
        assert outcome(await line.ask(end)) == (None, "forbidden")


async def test_without_a_password_there_is_none_to_change(make_world):
    async with (
        make_world() as world,
        world.running() as node,
        connection(node, Vouched("ann", "Ann")) as line,
    ):
        assert "ok" in await line.ask({"command": "login", "user": "ann", "password": "anything"})
        other = {"command": "set_password", "old": "anything", "new": "another one"}
        assert outcome(await line.ask(other)) == (None, "forbidden")


async def test_an_account_without_a_password_lets_nobody_in_when_passwords_count_again(make_world):
    async with make_world() as world:
        async with world.running(authenticate=only_ann) as node:
            await log_in(node, "ann")
        async with world.running() as node:
            assert await log_in(node, "ann", "secret enough") == (None, "bad_credentials")
            # The unknown and the passwordless take as long: both were compared with a hash.
            before = node.environment.passwords.hashes
            await log_in(node, "nobody", "secret enough")
            unknown = node.environment.passwords.hashes - before
            await log_in(node, "ann", "secret enough")
            assert node.environment.passwords.hashes - before == 2 * unknown > 0


async def test_a_user_with_a_password_from_before_logs_in_by_the_host(make_world):
    async with make_world() as world:
        async with world.running() as node:
            await node.add_user("ann", "an old password", "Ann of old")
        async with world.running(authenticate=only_ann) as node:
            ok, _ = await log_in(node, "ann")
            assert ok["display"] == "Ann of old"
            assert await log_in(node, "ann", "an old password") == (None, "bad_credentials")


async def test_wrong_guesses_have_to_wait_as_with_passwords(make_world, autojump_clock):
    asked = []

    async def nobody(user, secret, peer):
        asked.append(user)
        await trio.lowlevel.checkpoint()

    async with make_world() as world, world.running(authenticate=nobody) as node:
        codes = [(await log_in(node, "ann"))[1] for _ in range(12)]
        assert codes[:11] == ["bad_credentials"] * 11
        assert codes[11] == "rate_limited"
        assert len(asked) == 11


@pytest.mark.parametrize("fault", ["raises", "hangs", "no name"])
async def test_a_host_that_cannot_say_refuses_the_login_and_is_logged(
    make_world, autojump_clock, caplog, fault
):
    async def faulty(user, secret, peer):
        if fault == "raises":
            raise LookupError("the directory is away")
        if fault == "hangs":
            await trio.sleep_forever()
        return ""

    async with make_world() as world, world.running(authenticate=faulty) as node:
        with caplog.at_level(logging.ERROR, "beamish.messenger"), trio.fail_after(20):
            assert await log_in(node, "ann") == (None, "internal")
        assert "authenticate" in caplog.text
        assert await node.users() == []
        caplog.clear()


async def test_a_handed_in_connection_is_for_one_user(make_world):
    async with make_world() as world, world.running() as node:
        await node.add_user("bob", "password of bob")
        ok, _ = await log_in(node, "ann", "whatever", vouched=Vouched("ann", "Ann"))
        assert (ok["user"], ok["display"]) == ("ann", "Ann")
        bobs, _ = await log_in(node, "bob", "password of bob")
        async with connection(node, Vouched("ann", "Ann")) as line:
            new = {"command": "register", "user": "eve", "password": "a password"}
            assert outcome(await line.ask(new)) == (None, "forbidden")
            as_bob = {"command": "login", "user": "bob", "password": "password of bob"}
            assert outcome(await line.ask(as_bob)) == (None, "bad_credentials")
            as_bob = {"command": "resume", "token": bobs["token"]}
            assert outcome(await line.ask(as_bob)) == (None, "bad_credentials")
            told = await line.ask({"command": "resume", "token": ok["token"]})
            assert told["ok"]["device"] == ok["device"]
        # A user with a password comes in by the host's word, and keeps the password.
        assert (await log_in(node, "bob", "whatever", vouched=Vouched("bob", "Bob")))[0]
        assert (await log_in(node, "bob", "password of bob"))[0]


async def test_a_deleted_account_stays_deleted_whatever_the_host_says(make_world):
    async with make_world() as world, world.running(authenticate=only_ann) as node:
        await log_in(node, "ann")
        await node.accounts.delete("ann")
        assert await log_in(node, "ann") == (None, "bad_credentials")


async def test_two_first_logins_at_the_same_time_make_one_account(make_world):
    async with make_world() as world, world.running(authenticate=only_ann) as node:
        devices = []

        async def come():
            devices.append((await log_in(node, "ann"))[0]["device"])

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(come)
        assert len(set(devices)) == 5
