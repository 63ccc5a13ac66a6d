"""Devices, passwords, the end of accounts: what holds from the answer on, whatever is under way."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import msgpack
import pytest
import trio

from actors import CallError
from beamish.messenger import messages as m
from beamish.messenger.conversations.actions import SendText
from beamish.messenger.conversations.commands import Numbered
from beamish.messenger.faults import CrashInjector
from storage import Read
from tests.beamish.messenger.talker import CODEC, Lost, Refused, Talker

PASSWORD = "password1"
DIRECT = "d:alice:bob"


async def device_of(world, user, **options):
    talker = Talker(world.node, world.nursery, user, **options)
    await talker.until(lambda: talker.ready)
    return talker


async def log_in(world, user, password):
    """The code of a refused login, or "ok"."""
    link = await world.node.open_session(CODEC, "127.0.0.1")
    stranger = Talker.__new__(Talker)
    Talker.__init__(stranger, world.node, world.nursery, user, token="none")
    stranger.online = False
    stranger._link = link
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stranger._take, link, nursery.cancel_scope)
        await stranger.ask("hello", versions=[1])
        try:
            await stranger.ask("login", user=user, password=password)
            code = "ok"
        except Refused as refused:
            code = refused.code
        nursery.cancel_scope.cancel()
    await link.disconnected()
    return code


async def comes_back(talker):
    """Whether a device gets in with its token; what it is refused with if not."""
    await trio.sleep(1)  # a closed connection is gone by then
    talker.once = False
    talker.go_online()
    with trio.move_on_after(5):
        await talker.until(lambda: talker.ready, within=30)
    return talker.ready


async def rows(talker):
    found = (await talker.question("devices"))["devices"]
    return {row["device"]: row for row in found}


async def test_devices_are_listed_named_and_revoked(make_world, autojump_clock):
    async with make_world() as world, world.running():
        desk, phone = await device_of(world, "alice"), await device_of(world, "alice")
        tablet = await device_of(world, "alice")
        await tablet.go_offline()
        await trio.sleep(1)
        await desk.ask("name_device", device=phone.device, name="phone")
        found = await rows(desk)
        assert set(found) == {desk.device, phone.device, tablet.device}
        assert found[phone.device]["name"] == "phone"
        assert [found[d.device]["connected"] for d in (desk, phone, tablet)] == [True, True, False]
        assert [found[d.device]["current"] for d in (desk, phone, tablet)] == [True, False, False]
        link = phone._link
        assert await desk.ask("revoke_device", device=phone.device) == {}
        assert link.outbox.closed
        await phone.until(lambda: phone.closes == [4401])
        assert not await comes_back(phone)
        assert phone.codes[-1] == "bad_credentials"
        for _ in range(2):
            assert await desk.ask("revoke_device", device=phone.device) == {}
        assert set(await rows(desk)) == {desk.device, tablet.device}
        with pytest.raises(Refused) as refused:
            await desk.ask("name_device", device=phone.device, name="x")
        assert refused.value.code == "not_found"


async def test_whoever_revokes_the_own_device_is_answered_and_put_out(make_world, autojump_clock):
    async with make_world() as world, world.running():
        desk = await device_of(world, "alice")
        assert await desk.ask("revoke_device", device=desk.device) == {}
        await desk.until(lambda: desk.closes == [4401])
        assert not await comes_back(desk)


@pytest.mark.parametrize("everybody", [False, True])
async def test_logging_out_everywhere_leaves_this_device_or_none(
    make_world, autojump_clock, everybody
):
    async with make_world() as world, world.running():
        desk, phone = await device_of(world, "alice"), await device_of(world, "alice")
        await desk.ask("logout_everywhere", except_this=not everybody)
        await phone.until(lambda: phone.closes == [4401])
        await trio.sleep(2)
        assert desk.closes == ([4401] if everybody else [])
        if not everybody:
            assert set(await rows(desk)) == {desk.device}


async def test_a_new_password_replaces_the_old_and_puts_the_others_out(make_world, autojump_clock):
    async with make_world() as world, world.running():
        desk, phone = await device_of(world, "alice"), await device_of(world, "alice")
        with pytest.raises(Refused) as refused:
            await desk.ask("set_password", old="not the password", new="password2")
        assert refused.value.code == "bad_credentials"
        await desk.ask("set_password", old=PASSWORD, new="password2", logout_others=False)
        assert phone.ready
        assert await log_in(world, "alice", PASSWORD) == "bad_credentials"
        assert await log_in(world, "alice", "password2") == "ok"
        await desk.ask("set_password", old="password2", new="password3")
        await phone.until(lambda: phone.closes == [4401])
        assert set(await rows(desk)) == {desk.device}


async def test_guessing_at_the_password_of_a_stolen_device_is_slowed_down(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        desk = await device_of(world, "alice")
        codes = []
        for i in range(15):
            with pytest.raises(Refused) as refused:
                await desk.ask("delete_account", password=f"guess number {i}")
            codes.append(refused.value.code)
        assert codes[0] == "bad_credentials"
        assert codes[-1] == "rate_limited"


# -- nothing after the answer ----------------------------------------------------------------------


class Crashes(CrashInjector):
    def __init__(self, probability, seed, kinds):
        super().__init__(probability, Random(seed), frozenset(kinds))
        self.calm = True

    def passing(self, kind, point):
        if not self.calm:
            super().passing(kind, point)


async def log_of(world, conversation):
    """The records of a log, as they are on disk now."""
    page = await world.node.journal.perform(Read(f"c/{conversation}", 1, 10_000, 1 << 24))
    return [msgpack.unpackb(raw) for raw in page.records]


def theirs_of(log, talker):
    """The numbers of the records that a device made."""
    return [record["n"] for record in log if record.get("device") == talker.device]


async def pour(world, conversation, device, rng):
    """A lane at its worst: bursts of a device's commands, many of them waiting in the mailbox."""
    lease = world.node.environment.leases.take("alice", device)
    while True:
        with suppress(CallError):
            ref = await world.node.environment.directory.activate("conversation", conversation)
            await ref.call(m.Readable("alice"))  # loaded
            log = await log_of(world, conversation)
            number = max([r["number"] for r in log if r.get("device") == device], default=0)
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    for _ in range(rng.randrange(1, 4)):
                        number += 1
                        text = SendText(f"{number}")
                        command = Numbered("alice", device, number, f"t{number}", text, lease=lease)
                        nursery.start_soon(called, ref, command)
                    await trio.sleep(rng.random() * 0.005)
        await trio.sleep(0.001)


async def called(ref, command):
    with suppress(CallError):
        await ref.call(command)


@pytest.mark.parametrize("crashing", [(), ("user",), ("conversation",), ("user", "conversation")])
@pytest.mark.parametrize("seed", range(3))
async def test_no_command_of_a_revoked_device_is_carried_out_after_the_answer(
    make_world, autojump_clock, seed, crashing
):
    rng = Random(seed)
    faults = Crashes(0.05, seed, crashing)
    async with make_world() as world, world.running(faults=faults, seed=seed):
        await device_of(world, "bob")
        desk, phone = await device_of(world, "alice"), await device_of(world, "alice")
        group = await desk.create_group("g", ["bob"])
        await desk.send(DIRECT, "first")
        world.journal_faults.sync_s = 0.01  # so that commands wait in mailboxes
        faults.calm = False
        async with trio.open_nursery() as nursery:
            for conversation in (group, DIRECT):
                nursery.start_soon(pour, world, conversation, phone.device, rng)
            with trio.move_on_after(1):  # until there is something under way, if it gets through
                while not theirs_of(await log_of(world, group), phone):  # noqa: ASYNC110
                    await trio.sleep(0.001)
            await trio.sleep(rng.random() * 0.1)
            await desk.question("revoke_device", device=phone.device)
            at_answer = [await log_of(world, c) for c in (group, DIRECT)]
            await trio.sleep(0.5)
            nursery.cancel_scope.cancel()
        later = [await log_of(world, c) for c in (group, DIRECT)]
        for before, after in zip(at_answer, later, strict=True):
            assert theirs_of(after, phone) == theirs_of(before, phone)
        assert any(theirs_of(log, phone) for log in later)


async def test_a_device_goes_on_when_its_end_could_not_be_written(make_world, autojump_clock):
    async with make_world() as world, world.running():
        await device_of(world, "bob")
        desk, phone = await device_of(world, "alice"), await device_of(world, "alice")
        world.journal_faults.busy = 1.0
        with pytest.raises((Refused, Lost)) as refused:
            await desk.ask("revoke_device", device=phone.device)
        assert refused.value.error["retryable"]
        world.journal_faults.busy = 0.0
        await phone.send(DIRECT, "still here")
        assert not phone.closes


# -- disabling -------------------------------------------------------------------------------------


async def test_a_disabled_account_lets_nobody_in_until_it_is_enabled(make_world, autojump_clock):
    async with make_world() as world, world.running() as node:
        desk = await device_of(world, "alice")
        await node.accounts.disable("alice")
        await desk.until(lambda: desk.closes == [4401])
        assert not await comes_back(desk)
        assert desk.codes[-1] == "forbidden"
        assert await log_in(world, "alice", PASSWORD) == "forbidden"
        assert await log_in(world, "alice", "not the password") == "bad_credentials"
        await node.accounts.disable("alice")
        await node.accounts.enable("alice")
        back = await device_of(world, "alice", token=desk.token)
        assert back.device == desk.device
        assert await log_in(world, "alice", PASSWORD) == "ok"


async def test_an_operator_sets_passwords_and_logs_out(make_world, autojump_clock):
    async with make_world() as world, world.running() as node:
        desk = await device_of(world, "alice")
        await node.accounts.set_password("alice", "password2")
        await desk.until(lambda: desk.closes == [4401])
        assert await log_in(world, "alice", "password2") == "ok"
        with pytest.raises(ValueError, match="there is no user nobody"):
            await node.accounts.log_out("nobody")
        with pytest.raises(ValueError, match="8 to 256 characters"):
            await node.accounts.set_password("alice", "short")
        await node.accounts.log_out("alice")
        await node.accounts.delete("alice")
        assert await log_in(world, "alice", "password2") == "bad_credentials"
        for change in (node.accounts.disable, node.accounts.enable):
            with pytest.raises(ValueError, match="this account was deleted"):
                await change("alice")


# -- deleting --------------------------------------------------------------------------------------


async def left(world, talker, group, owner):
    """Wait until alice has left a group, and tell who owns it then."""

    def gone():
        log = talker.records.get(group, {})
        return [r for r in log.values() if r["type"] == "leave" and r["by"] == "alice"]

    await talker.until(gone)
    (record,) = gone()
    assert record.get("owner") == owner
    members = (await talker.ask("conversation", conversation=group))["members"]
    assert "alice" not in [member["user"] for member in members]


async def test_a_deleted_account_leaves_its_groups_and_keeps_its_name(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await device_of(world, "alice"), await device_of(world, "bob")
        own = await alice.create_group("own", ["bob"])
        other = await bob.create_group("other", ["alice"])
        await alice.send(DIRECT, "hello")
        await alice.until(lambda: {own, other, DIRECT} <= set(alice.records))
        await alice.ask("delete_account", password=PASSWORD)
        await alice.until(lambda: alice.closes == [4401])
        await left(world, bob, own, "bob")
        await left(world, bob, other, None)
        assert not await comes_back(alice)
        assert alice.codes[-1] == "bad_credentials"
        assert await log_in(world, "alice", PASSWORD) == "bad_credentials"
        again = Talker(world.node, world.nursery, "alice")
        await again.until(lambda: "exists" in again.codes and "bad_credentials" in again.codes)
        assert (await bob.ask("user", user="alice"))["display"] == ""
        with pytest.raises(Refused) as refused:
            await bob.command("invite", own, user="alice")
        assert refused.value.code == "not_found"
        with pytest.raises(Refused) as refused:
            await bob.create_group("new", ["alice"])
        assert refused.value.code == "not_found"
        assert bob.texts(DIRECT) == ["hello"]
        assert (await bob.ask("history", conversation=DIRECT))["records"]
        await trio.sleep(10)
        assert (await world.node.journal.pending()).streams == ()


async def test_nobody_begins_to_write_to_a_deleted_account(make_world, autojump_clock):
    async with make_world() as world, world.running() as node:
        await device_of(world, "alice")
        bob = await device_of(world, "bob")
        await node.accounts.delete("alice")
        with pytest.raises(Refused) as refused:
            await bob.send(DIRECT, "hello?")
        assert refused.value.code == "not_found"


async def test_groups_are_left_after_a_node_died_in_between(
    make_world, autojump_clock, monkeypatch
):
    async with make_world() as world:
        async with world.running() as node:
            alice, bob = await device_of(world, "alice"), await device_of(world, "bob")
            groups = [await alice.create_group(f"g{i}", ["bob"]) for i in range(3)]
            await alice.until(lambda: set(groups) <= set(alice.records))
            directory = node.environment.directory
            find = directory.find

            def lost(kind, key):
                if kind == "conversation":
                    raise CallError("not now")
                return find(kind, key)

            monkeypatch.setattr(directory, "find", lost)
            await alice.ask("delete_account", password=PASSWORD)
            await trio.sleep(5)
            assert [
                s.stream for s in (await node.journal.pending()).streams if s.stream != "u/bob"
            ] == ["u/alice"]
            token, cursor = bob.token, (bob.epoch, bob.cursor)
            bob.once = True
            await bob.go_offline()
        monkeypatch.undo()
        async with world.running() as node:
            bob = Talker(node, world.nursery, "bob", token=token)
            bob.epoch, bob.cursor = cursor
            for group in groups:
                await left(world, bob, group, "bob")
            await trio.sleep(10)
            assert (await node.journal.pending()).streams == ()


async def test_an_invitation_under_way_while_the_account_ends_is_declined(
    make_world, autojump_clock, monkeypatch
):
    async with make_world() as world, world.running() as node:
        await device_of(world, "alice")
        bob = await device_of(world, "bob")
        group = await bob.create_group("g")
        # As if alice had been asked before her end: the session's answer is old.
        from beamish.messenger.sessions.handlers.numbered import NumberedHandlers

        async def as_it_was(_handlers, _user):
            await trio.lowlevel.checkpoint()
            return "alice", None

        monkeypatch.setattr(NumberedHandlers, "_invited", as_it_was)
        await node.accounts.delete("alice")
        await bob.command("invite", group, user="alice")
        await left(world, bob, group, None)
        await trio.sleep(10)
        state = node.system.whereis(("user", "alice")).actor.state
        assert group not in state.conversations
        assert (await node.journal.pending()).streams == ()


# -- expiry ----------------------------------------------------------------------------------------

DAY_MS = 86_400_000


async def test_a_device_that_was_not_used_for_long_is_logged_out(make_world, autojump_clock):
    settings = {"device_days": 3, "tidy_s": 240.0, "idle_s": 5.0}
    async with make_world() as world, world.running(**settings) as node:
        desk, phone, sleeper = [await device_of(world, "alice") for _ in range(3)]
        environment, days = node.environment, [0.0]
        steady = environment.now_ms
        environment.now_ms = lambda: steady() + int(days[0] * DAY_MS)
        await phone.go_offline()
        await sleeper.go_offline()
        await trio.sleep(1)
        days[0] = 2.0
        assert await comes_back(phone)
        await phone.go_offline()
        await trio.sleep(1)
        days[0] = 3.5
        assert not await comes_back(sleeper)
        assert sleeper.codes[-1] == "bad_credentials"
        assert await comes_back(phone)
        await phone.go_offline()
        assert set(await rows(desk)) == {desk.device, phone.device}
        await desk.go_offline()
        await trio.sleep(1)
        days[0] = 6.0
        assert await comes_back(desk)
        days[0] = 12.0
        await trio.sleep(260)  # the sweep has gone through all accounts
        state = node.system.whereis(("user", "alice")).actor.state
        assert set(state.account.devices) == {desk.device}
        assert desk.ready
        await desk.cut()
        await desk.until(lambda: desk.ready)
