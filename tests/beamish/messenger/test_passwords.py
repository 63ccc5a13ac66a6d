"""The password queue: bounded, honest about its length, and no work for those who are gone."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from beamish.messenger.accounts.passwords import Passwords, PasswordsOverloaded, PasswordsUnwanted
from beamish.messenger.settings import MessengerSettings
from beamish.protocol import JSON

CHEAP = {"argon2_memory_kib": 8, "argon2_time": 1}


class Threads:
    """A way into threads in which every piece of work takes a second."""

    def __init__(self):
        self.running = self.most = 0

    async def run(self, work):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await trio.sleep(1)
            return work()
        finally:
            self.running -= 1


def opened(queue=4, slots=2):
    threads = Threads()
    settings = MessengerSettings(password_queue=queue, **CHEAP)
    return Passwords(settings, threads.run, slots), threads


async def test_all_that_fit_into_the_queue_are_hashed_and_the_rest_told_how_long_it_is(
    autojump_clock,
):
    passwords, threads = opened()
    outcomes = []

    async def one():
        try:
            outcomes.append(await passwords.verify(await passwords.hash("right"), "right"))
        except PasswordsOverloaded as full:
            outcomes.append(full.wait_s)

    await passwords.hash("for the measure")
    for _ in range(30):
        await passwords.hash("for the measure")
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(one)
    assert threads.most == 2
    assert [o for o in outcomes if o is True] == [True] * 6
    waits = [o for o in outcomes if o is not True]
    assert len(waits) == 2
    assert all(2.5 < wait < 3.1 for wait in waits), waits
    assert passwords.hashes == 1 + 30 + 2 * 6


async def test_who_has_gone_is_not_hashed_and_leaves_the_queue_to_others(autojump_clock):
    passwords, _threads = opened()
    here = dict.fromkeys(range(7), True)
    outcomes = {}

    async def one(number):
        try:
            outcomes[number] = await passwords.hash("some", lambda: here[number])
        except (PasswordsUnwanted, PasswordsOverloaded) as error:
            outcomes[number] = type(error)

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(one, number)
            await trio.testing.wait_all_tasks_blocked()
        for number in (2, 3, 4):
            here[number] = False
        nursery.start_soon(one, 6)
    assert [outcomes[n] for n in (2, 3, 4)] == [PasswordsUnwanted] * 3
    assert all(isinstance(outcomes[n], str) for n in (0, 1, 5, 6))
    assert passwords.hashes == 4


@pytest.mark.parametrize("waiting", [True, False])
async def test_who_is_cancelled_gives_back_its_place(autojump_clock, waiting):
    passwords, _threads = opened(queue=2, slots=1)
    async with trio.open_nursery() as nursery:
        if waiting:
            nursery.start_soon(passwords.hash, "first")
            await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.5):
            await passwords.hash("cancelled")
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(passwords.hash, "after")
    assert passwords.hashes == 4
    assert passwords._busy == 0


async def logging_in(world, address, *names, command="login"):
    """Connections that have sent a login for each of the names."""
    links = []
    for name in names:
        link = await world.node.open_session(JSON, address)
        await link.receive({"id": 1, "command": "hello", "versions": [1]})
        await link.receive({"id": 2, "command": command, "user": name, "password": "password1"})
        links.append(link)
    await trio.sleep(0.1)
    return links


async def test_a_login_whose_client_is_gone_makes_no_device_and_costs_no_hash(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        await world.talker("alice")
        user = world.node.system.whereis(("user", "alice"))
        passwords = world.node.environment.passwords
        before, passwords._run, passwords._slots = passwords.hashes, Threads().run, 1
        links = await logging_in(world, "10.0.0.1", *["alice"] * 20)
        assert [link.logging_in for link in links] == [True] * 20
        for link in links:
            await link.disconnected()
        await trio.sleep(30)
        assert passwords.hashes == before + 1
        assert len(user.actor.state.account.devices) == 1
        passwords._slots = 2
        (link,) = await logging_in(world, "10.0.0.2", "alice")
        await trio.sleep(2)
        assert link.authenticated
        assert not link.logging_in
        assert len(user.actor.state.account.devices) == 2


async def test_a_registration_whose_client_is_gone_makes_no_account(make_world, autojump_clock):
    async with make_world() as world, world.running():
        passwords = world.node.environment.passwords
        passwords._run, passwords._slots = Threads().run, 1
        links = await logging_in(world, "10.0.0.1", "bob", "carol", command="register")
        for link in links:
            await link.disconnected()
        await trio.sleep(10)
        assert await world.node.users() == []


async def test_a_refused_login_is_told_when_to_come_back(make_world, autojump_clock):
    async with make_world() as world, world.running(password_queue=10):
        await world.talker("alice")
        passwords = world.node.environment.passwords
        passwords._run, passwords._slots, passwords._hash_s = Threads().run, 1, 1.0
        links = await logging_in(world, "10.0.0.1", *["alice"] * 12)
        answers = b"".join(await links[-1].take())
        assert b'"code":"overloaded"' in answers
        assert b'"retry_after_ms":11000' in answers
