"""The account's lane: what one device sets all devices see, each command is carried out once."""

from __future__ import annotations

from random import Random

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.lifecycle.start_and_end import send_kill
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.faults import CrashInjector
from beamish.messenger.users.account_actions import (
    AccountCommand,
    SetConversation,
    SetPrivacy,
    SetProfile,
    decide,
)
from beamish.messenger.users.state import UserState
from tests.beamish.messenger.talker import Refused, Talker

LANE = "@"


def items(talker, kind):
    return [item for item in talker.items if item["type"] == kind]


async def test_what_one_device_sets_every_device_is_told_in_the_same_order(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        phone, desk = await world.talker("alice"), await world.talker("alice")
        ok = await phone.command("set_profile", LANE, status="at sea")
        assert ok["conversation"] == LANE
        await desk.command("set_profile", LANE, display="Alice A.")
        await phone.command("set_privacy", LANE, last_seen="nobody")
        await desk.command("set_privacy", LANE, read_marks=False)
        for device in (phone, desk):
            await device.until(lambda d=device: len(items(d, "privacy")) == 2)
            told = [(i["display"], i["status"]) for i in items(device, "profile")]
            assert told == [("alice", "at sea"), ("Alice A.", "at sea")]
            assert items(device, "profile")[0]["n"] == ok["n"]
            assert items(device, "profile")[0]["device"] == phone.device
            last = items(device, "privacy")[-1]
            assert (last["last_seen"], last["read_marks"]) == ("nobody", False)
        account = (await phone.ask("snapshot"))["account"]
        assert account["display"] == "Alice A."
        assert account["status"] == "at sea"
        assert account["privacy"] == {"last_seen": "nobody", "read_marks": False}


async def test_others_see_a_new_name_at_once(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        assert (await bob.ask("user", user="alice"))["display"] == "alice"
        await alice.command("set_profile", LANE, display="Alice A.")
        assert (await bob.ask("user", user="alice"))["display"] == "Alice A."
        group = await alice.create_group("g", ["bob"])
        members = (await bob.ask("conversation", conversation=group))["members"]
        assert members[0]["display"] == "Alice A."


async def test_a_conversation_is_shown_alike_on_all_devices(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, desk = await world.talker("alice"), await world.talker("alice")
        group = await alice.create_group("g")
        await alice.until(lambda: group in alice.records)
        await alice.command("set_conversation", LANE, target=group, muted_until=5_000)
        await alice.command("set_conversation", LANE, target=group, archived=True, pinned=True)
        await alice.command("set_conversation", LANE, target=group, archived=False)
        await desk.until(lambda: len(items(desk, "settings")) == 3)
        last = items(desk, "settings")[-1]
        shown = {"muted_until": 5_000, "archived": False, "pinned": True}
        assert {key: last[key] for key in shown} == shown
        assert last["conversation"] == group
        (row,) = (await desk.ask("snapshot"))["conversations"]
        assert {key: row[key] for key in shown} == shown


async def test_what_the_inbox_does_not_know_cannot_be_muted(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice = await world.talker("alice")
        await world.talker("bob")
        with pytest.raises(Refused) as refused:
            await alice.command("set_conversation", LANE, target="d:alice:bob", pinned=True)
        assert refused.value.code == "not_member"


async def test_a_repeated_command_is_answered_as_at_first_whatever_happened_since(
    make_world, autojump_clock
):
    async with make_world() as world, world.running(snapshot_every=3):
        alice = await world.talker("alice")

        async def ask(number, tag, **fields):
            return await alice.question(
                "set_profile", conversation=LANE, number=number, tag=tag, **fields
            )

        first = await ask(1, "one000000000", status="a")
        second = await ask(2, "two000000000", status="b")
        assert second["n"] > first["n"]
        for _ in range(2):
            assert await ask(1, "one000000000", status="a") == first
            assert await ask(9, "one000000000", status="a") == first
            with pytest.raises(Refused) as used:
                await ask(2, "other0000000", status="c")
            assert used.value.code == "number_used"
            with pytest.raises(Refused) as far:
                await alice.ask(
                    "set_profile", conversation=LANE, number=4, tag="far000000000", status="c"
                )
            assert (far.value.code, far.value.error["expected"]) == ("expected", 3)
            send_kill(world.node.system.whereis(("user", "alice")))
        assert len(items(alice, "profile")) == 2
        assert (await alice.question("snapshot"))["account"]["status"] == "b"


class Crashes(CrashInjector):
    def __init__(self, seed):
        super().__init__(0.1, Random(seed), frozenset({"user", "session"}))


@pytest.mark.parametrize("seed", range(3))
async def test_crashes_do_no_command_twice_and_leave_none_out(make_world, autojump_clock, seed):
    async with make_world() as world, world.running(faults=Crashes(seed), seed=seed):
        phone, desk = await world.talker("alice"), await world.talker("alice")
        for i in range(15):
            await phone.command("set_profile", LANE, status=f"phone {i}")
            await desk.command("set_profile", LANE, status=f"desk {i}")
        expected = [f"{who} {i}" for i in range(15) for who in ("phone", "desk")]
        for device in (phone, desk):
            await device.until(lambda d=device: len(items(d, "profile")) >= 30)
            assert [item["status"] for item in items(device, "profile")] == expected
        assert sum(world.node.environment.faults.crashes.values()) > 0


async def test_a_late_command_of_a_device_that_was_logged_out_is_refused(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        phone = await world.talker("alice")
        desk = Talker(world.node, world.nursery, "alice")
        await desk.until(lambda: desk.ready)
        desk.once = True
        await desk.ask("logout")
        ref = world.node.system.whereis(("user", "alice"))
        late = AccountCommand(desk.device, 1, "late00000000", SetProfile("x", None))
        answer = await ref.call(late)
        assert isinstance(answer, Refusal)
        assert answer.code == "unauthenticated"
        assert (await phone.ask("snapshot"))["account"]["display"] == "alice"


DEVICES = ["d1", "d2"]
words = st.sampled_from(["", "a", "b"])
actions = st.one_of(
    st.builds(SetProfile, st.none() | words, st.none() | words),
    st.builds(
        SetPrivacy, st.none() | st.sampled_from(["everyone", "nobody"]), st.none() | st.booleans()
    ),
    st.builds(
        SetConversation,
        st.just("g:known"),
        st.none() | st.integers(0, 9),
        st.none() | st.booleans(),
        st.none() | st.booleans(),
    ),
)
steps = st.lists(st.tuples(st.sampled_from(DEVICES), actions, st.booleans()), max_size=30)


def fresh():
    state = UserState("alice")
    state.apply(1, {"t": "account", "display": "Alice", "hash": "h", "at": 1})
    for n, device in enumerate(DEVICES, 2):
        state.apply(n, {"t": "device", "device": device, "token": b"t", "name": "", "at": 1})
    known = ["g:known", 1, 1, b"\x00", "member", 1, "group", "", False, 0, 1]
    state.apply(4, {"t": "ranges", "r": [known]})
    return state


@given(steps)
def test_whatever_is_set_survives_a_snapshot_and_repetitions_change_nothing(plan):
    state, model, numbers, done = fresh(), {}, dict.fromkeys(DEVICES, 0), {}
    for tag, (device, action, again) in enumerate(plan):
        numbers[device] += 1
        command = AccountCommand(device, numbers[device], f"t{tag}", action)
        written = decide(state, command, 100 + tag)
        (record,) = written.records
        for key, value in record.items():
            given_value = getattr(action, key, None)
            if given_value is not None:
                assert value == given_value
            if key not in ("t", "c", "at", "conversation"):
                assert given_value is not None or value == model.get((record["t"], key), value)
                model[record["t"], key] = value
        state.take(state.version + 1, msgpack.packb(record))
        done[command] = written.answer
        if again:
            state = UserState.load("alice", state.dump())
            for earlier, answer in done.items():
                repeated = decide(state, earlier, 999)
                assert (repeated.records, repeated.answer) == ([], answer)
    assert UserState.load("alice", state.dump()).dump() == state.dump()
