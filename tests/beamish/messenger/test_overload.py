"""Overload: measured as a wait, answered by leaving undone what matters least, never by losing."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.overload.floods import MAX_USERS, Floods
from beamish.messenger.overload.load import HIGHEST, SHED_FROM, TURN_S, WINDOW_S, Load
from beamish.protocol import JsonCodec
from tests.beamish.messenger.talker import Refused

DIRECT = "d:alice:bob"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Loaded:
    """A `Load` with windows made by hand."""

    def __init__(self):
        self.clock = Clock()
        self.load = Load(self.clock)

    def window(self, wait_s):
        self.clock.now += WINDOW_S
        self.load.waited(wait_s)
        return self.load.level


def test_each_overloaded_window_leaves_more_undone_and_each_calm_one_less():
    loaded = Loaded()
    assert [loaded.window(0.5) for _ in range(4)] == [1, 2, 3, 4]
    assert [loaded.window(0.001) for _ in range(5)] == [3, 2, 1, 0, 0]


def test_a_window_is_judged_by_its_average():
    loaded = Loaded()
    for _ in range(99):
        loaded.load.waited(0.0)
    assert loaded.window(1.5) == 0
    loaded.load.waited(0.1)
    assert loaded.window(0.001) == 1


def test_things_are_left_undone_in_order_of_worth():
    loaded = Loaded()
    for level in range(HIGHEST + 1):
        loaded.load.level = level
        shed = [kind for kind in SHED_FROM if not loaded.load.admits(kind)]
        assert shed == ["typing", "presence", "receipts", "messages", "logins"][:level]
    assert loaded.load.shed["typing"] == HIGHEST


def test_the_share_of_users_refused_follows_the_load():
    loaded = Loaded()
    users = [f"user{n}" for n in range(2000)]

    def refused():
        return sum(not loaded.load.admits_messages_of(user) for user in users) / len(users)

    shares = []
    for _ in range(20):
        loaded.window(1.0)
        shares.append(refused())
    assert shares[:4] == [0, 0, 0, 0]
    assert shares[4] == pytest.approx(0.1, abs=0.03)
    assert shares[-1] == pytest.approx(0.95, abs=0.03)
    for _ in range(16):
        loaded.window(0.0)
    assert refused() == 0
    assert loaded.load.level == 0


def test_whoever_is_refused_gets_through_soon():
    loaded = Loaded()
    for _ in range(9):
        loaded.window(1.0)
    assert loaded.load.refused_share == pytest.approx(0.5)
    for user in (f"user{n}" for n in range(200)):
        waits = 0
        while not loaded.load.admits_messages_of(user):
            wait_s = loaded.load.retry_after_ms / 1000
            assert 0 < wait_s <= TURN_S + 0.001
            loaded.clock.now += wait_s
            waits += 1
        assert waits < 20


@given(st.lists(st.floats(0, 1), max_size=60))
def test_the_level_keeps_its_bounds_and_calm_ends_everything(waits):
    loaded = Loaded()
    for wait in waits:
        before = loaded.load.level
        after = loaded.window(wait)
        assert abs(after - before) <= 1
        assert 0 <= after <= HIGHEST
        assert 0 <= loaded.load.refused_share <= 0.95
        assert loaded.load.refused_share == 0 or after >= SHED_FROM["messages"]
    for _ in range(30):
        loaded.window(0.0)
    assert loaded.load.level == 0


def test_a_user_has_a_burst_and_then_a_pace():
    clock = Clock()
    floods = Floods(10.0, 3, clock)
    assert [floods.wait_s("alice") for _ in range(3)] == [0, 0, 0]
    assert floods.wait_s("alice") == pytest.approx(0.1)
    assert floods.wait_s("bob") == 0
    clock.now += 0.1
    assert floods.wait_s("alice") == 0
    assert floods.refused == 1


def test_the_table_of_users_is_bounded():
    floods = Floods(1.0, 1, Clock())
    for n in range(MAX_USERS + 100):
        floods.wait_s(f"{n}")
    assert len(floods._buckets) == MAX_USERS


async def test_a_flooding_user_is_told_how_long_to_wait_and_nobody_else_is(
    make_world, autojump_clock
):
    async with make_world() as world, world.running(user_commands_per_s=2.0, user_burst=5):
        alice, bob = await world.talker("alice"), await world.talker("bob")
        for n in range(5):
            await alice.send(DIRECT, f"{n}")
        with pytest.raises(Refused) as caught:
            await alice.ask("send", conversation=DIRECT, number=6, tag="t" * 12, text="6")
        assert caught.value.code == "rate_limited"
        assert 0 < caught.value.error["retry_after_ms"] <= 501
        await bob.send(DIRECT, "still here")
        await trio.sleep(0.6)
        ok = await alice.ask("send", conversation=DIRECT, number=6, tag="t" * 12, text="6")
        assert ok["ordinal"] == 7
        assert world.node.statistics()["floods_refused"] == 1


async def test_a_conversation_has_a_pace_whoever_writes(make_world, autojump_clock):
    fields = {"conversation_commands_per_s": 1.0, "conversation_burst": 4}
    async with make_world() as world, world.running(**fields):
        talkers = [await world.talker(f"user{n}") for n in range(3)]
        group = await talkers[0].create_group("G", ["user1", "user2"])
        outcomes = []
        for talker in talkers * 2:
            number = talker._numbers.get(group, 0) + 1
            try:
                await talker.ask(
                    "send", conversation=group, number=number, tag=f"t{number:011}", text="x"
                )
                talker._numbers[group] = number
                outcomes.append("ok")
            except Refused as refused:
                outcomes.append(refused.code)
        assert outcomes == ["ok"] * 3 + ["rate_limited"] * 3
        await talkers[0].send(f"d:{talkers[0].user}:user1", "elsewhere one may")


async def test_messages_of_a_share_of_users_are_refused_before_anything_is_decided(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await alice.send(DIRECT, "before")
        load = world.node.environment.load
        load.level, load.refused_share = 4, 1.0
        with pytest.raises(Refused) as caught:
            await alice.ask("send", conversation=DIRECT, number=2, tag="t" * 12, text="no")
        assert caught.value.code == "overloaded"
        assert caught.value.error["retryable"]
        assert caught.value.error["retry_after_ms"] > 0
        await bob.ask("history", conversation=DIRECT)  # reading goes on
        await bob.ask("read", conversation=DIRECT, upto=2)
        sending = await alice.ask("ping")
        assert sending
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.send, DIRECT, "composed meanwhile")
            await trio.sleep(20)  # calm windows end it
        assert load.level == 0
        await bob.until(lambda: bob.texts(DIRECT) == ["before", "composed meanwhile"])
        assert bob.doubled == []


async def test_logins_are_refused_last_and_tokens_never(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice = await world.talker("alice")
        load = world.node.environment.load
        load.level, load.refused_share = 5, 0.0
        link = await world.node.open_session(JsonCodec(), "127.0.0.1")
        await link.receive({"id": 1, "command": "hello", "versions": [1]})
        await link.receive({"id": 2, "command": "login", "user": "alice", "password": "password1"})
        await link.receive({"id": 3, "command": "resume", "token": alice.token})
        replies = b""
        with trio.move_on_after(1):
            while b'"id":3' not in replies:
                replies += b"".join(await link.take())
        assert b'"code":"overloaded"' in replies
        assert b'{"id":3,"ok"' in replies
        await link.disconnected()


async def test_receipts_wait_and_then_tell_the_highest_level(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        load = world.node.environment.load
        monkey = {"level": 3}

        def held(kind):
            if kind == "receipts" and monkey["level"] >= 3:
                load.shed[kind] += 1
                return False
            return True

        load.admits = held
        for n in range(3):
            sent = await alice.send(DIRECT, f"{n}")
            await bob.until(lambda n=n: len(bob.texts(DIRECT)) == n + 1)
            await bob.ask("read", conversation=DIRECT, upto=sent["n"])
        await trio.sleep(30)
        assert alice.receipts == {}
        assert load.shed["receipts"] > 0
        monkey["level"] = 0
        await alice.until(lambda: alice.receipt(DIRECT, "bob") == (sent["n"], sent["n"]))


async def test_what_waited_too_long_for_its_conversation_is_refused_and_done_once_later(
    make_world, autojump_clock
):
    async with make_world() as world, world.running(queue_deadline_s=1.0):
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await alice.send(DIRECT, "first")
        world.journal_faults.sync_s = 3.0
        codes = []

        async def send(number):
            try:
                await alice.ask(
                    "send",
                    conversation=DIRECT,
                    number=number,
                    tag=f"n{number:011}",
                    text=f"{number}",
                )
            except Refused as refused:
                codes.append(refused.code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, 2)
            await trio.sleep(0.5)
            nursery.start_soon(send, 3)
        assert codes == ["overloaded"]
        world.journal_faults.sync_s = 0.0
        ok = await alice.ask("send", conversation=DIRECT, number=3, tag=f"n{3:011}", text="3")
        assert ok["ordinal"] == 3
        await bob.until(lambda: bob.texts(DIRECT) == ["first", "2", "3"])


async def test_a_busy_run_queue_is_measured_and_a_calm_one_forgiven(make_world, autojump_clock):
    async with make_world() as world, world.running():
        load = world.node.environment.load
        await trio.sleep(3)
        assert load.level == 0
        assert load.wait_s < 0.02
        assert world.node.statistics()["load"]["level"] == 0
