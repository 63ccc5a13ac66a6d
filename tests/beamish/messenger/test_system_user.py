"""Users of the node's own program."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from beamish.messenger.system_user import MaybeSent, NotSent
from beamish.protocol.session import Vouched
from tests.beamish.messenger.test_host_login import log_in, only_ann


async def test_a_system_user_writes_to_people_and_to_its_groups(make_world):
    async with make_world() as world, world.running() as node:
        ann, bob = await world.talker("ann"), await world.talker("bob")
        desk = await node.system_user("desk", display="The desk")
        sent = await desk.send("ann", "hello")
        assert (sent.conversation, sent.n, sent.ordinal) == ("d:ann:desk", 2, 1)
        assert (await desk.send(sent.conversation, "again")).n == 3
        group = (await desk.create_group("news", ["ann"], tag="news")).conversation
        await desk.invite(group, "bob")
        await desk.send(group, "to all", mentions=["bob"])
        await ann.until(lambda: ann.texts(group) == ["to all"])
        await bob.until(lambda: bob.texts(group) == ["to all"])
        assert ann.texts("d:ann:desk") == ["hello", "again"]
        assert (await ann.question("user", user="desk"))["display"] == "The desk"


async def test_the_same_tag_is_sent_once_also_after_a_restart(make_world):
    async with make_world() as world:
        async with world.running() as node:
            await world.talker("ann")
            desk = await node.system_user("desk")
            first = await desk.send("ann", "one", tag="ticket-1")
            assert await desk.send("ann", "one", tag="ticket-1") == first
            second = await desk.send("ann", "two")
            group = await desk.create_group("news", tag="news")
            assert await desk.create_group("news", tag="news") == group
        async with world.running() as node:
            desk = await node.system_user("desk")
            assert await desk.send("ann", "one", tag="ticket-1") == first
            assert await desk.create_group("news", tag="news") == group
            assert (await desk.send("ann", "three")).n == second.n + 1
            assert (await desk.send(group.conversation, "there")).n == 2


async def test_sends_to_one_conversation_keep_their_order_and_others_overtake(make_world):
    async with make_world() as world, world.running() as node:
        ann, bob = await world.talker("ann"), await world.talker("bob")
        desk = await node.system_user("desk")
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(desk.send, "ann", str(number))
                nursery.start_soon(desk.send, "bob", str(number))
                await trio.testing.wait_all_tasks_blocked()
        await ann.until(lambda: len(ann.texts("d:ann:desk")) == 20)
        await bob.until(lambda: len(bob.texts("d:bob:desk")) == 20)
        assert ann.texts("d:ann:desk") == bob.texts("d:bob:desk") == [str(n) for n in range(20)]


async def test_nobody_logs_in_as_a_system_user(make_world):
    async def anybody(user, secret, peer):
        await trio.lowlevel.checkpoint()
        return user

    async with make_world() as world:
        async with world.running() as node:
            await node.system_user("desk")
            assert await log_in(node, "desk", "*") == (None, "bad_request")
            assert await log_in(node, "desk", "********") == (None, "bad_credentials")
            vouched = Vouched("desk", "Desk")
            assert await log_in(node, "desk", vouched=vouched) == (None, "bad_credentials")
            with pytest.raises(ValueError, match="nobody logs in as a system user"):
                await node.accounts.set_password("desk", "a password")
        async with world.running(authenticate=anybody) as node:
            assert await log_in(node, "desk") == (None, "bad_credentials")
            assert (await log_in(node, "else"))[0]


async def test_the_name_of_a_person_is_not_given_to_a_system_user(make_world):
    async with make_world() as world, world.running(authenticate=only_ann) as node:
        await node.add_user("bob", "a password")
        await log_in(node, "ann")
        for taken in ("ann", "bob"):
            with pytest.raises(NotSent, match="is a person's account already"):
                await node.system_user(taken)
        with pytest.raises(ValueError, match="the user's name must be"):
            await node.system_user("Help Desk")


async def test_a_final_refusal_is_raised_at_once_and_uses_no_number(make_world):
    async with make_world() as world, world.running() as node:
        await world.talker("ann")
        desk = await node.system_user("desk")
        with pytest.raises(NotSent, match="no user nobody") as raised:
            await desk.send("nobody", "hello")
        assert raised.value.code == "not_found"
        with pytest.raises(NotSent) as raised:
            await desk.send("g:" + "a" * 24, "hello")
        assert raised.value.code == "not_found"
        assert (await desk.send("ann", "hello")).n == 2


async def test_what_may_pass_is_waited_out(make_world, autojump_clock):
    slow = {"user_commands_per_s": 1.0, "user_burst": 2}
    async with make_world() as world, world.running(**slow) as node:
        ann = await world.talker("ann")
        desk = await node.system_user("desk")
        for number in range(5):
            await desk.send("ann", str(number))
        await ann.until(lambda: ann.texts("d:ann:desk") == ["0", "1", "2", "3", "4"])
        with pytest.raises(NotSent) as raised:
            for _ in range(5):
                await desk.send("ann", "too fast", timeout=0.2)
        assert raised.value.code == "rate_limited"


async def test_a_session_that_ends_is_opened_again_and_nothing_is_sent_twice(
    make_world, autojump_clock
):
    async with make_world() as world, world.running() as node:
        ann = await world.talker("ann")
        desk = await node.system_user("desk")
        await desk.send("ann", "before")

        async def break_off():
            for _ in range(40):
                await trio.sleep(0.01)
                for link in node.environment.connections.links_of("desk"):
                    link.outbox.close(1011, "broken off")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(break_off)
            for number in range(20):
                await desk.send("ann", str(number))
        expected = ["before", *map(str, range(20))]
        await ann.until(lambda: len(ann.texts("d:ann:desk")) >= 21)
        assert ann.texts("d:ann:desk") == expected


async def test_an_answer_that_does_not_come_is_told_as_doubt(make_world, autojump_clock):
    async with make_world() as world, world.running() as node:
        ann = await world.talker("ann")
        desk = await node.system_user("desk")
        await desk.send("ann", "before")
        await node.system.suspend(node.environment.directory.find("conversation", "d:ann:desk"))
        with pytest.raises(MaybeSent, match="send it again with the tag 'once'"):
            await desk.send("ann", "after", tag="once", timeout=3.0)
        await node.system.resume(node.environment.directory.find("conversation", "d:ann:desk"))
        assert (await desk.send("ann", "after", tag="once")).n == 3
        await ann.until(lambda: ann.texts("d:ann:desk") == ["before", "after"])


async def test_a_system_user_that_was_logged_out_has_another_device(make_world, autojump_clock):
    async with make_world() as world, world.running() as node:
        ann = await world.talker("ann")
        desk = await node.system_user("desk")
        await desk.send("ann", "one")
        await node.accounts.log_out("desk")
        await desk.send("ann", "two")
        await node.accounts.disable("desk")
        with pytest.raises(NotSent, match="disabled"):
            await desk.send("ann", "three")
        await node.accounts.enable("desk")
        await desk.send("ann", "four")
        await ann.until(lambda: ann.texts("d:ann:desk") == ["one", "two", "four"])


async def test_a_node_that_stops_sends_nothing_more(make_world):
    async with make_world() as world, world.running() as node:
        await world.talker("ann")
        desk = await node.system_user("desk")
        node.stop_accepting()
        with trio.fail_after(5), pytest.raises(NotSent) as raised:
            await desk.send("ann", "late")
        assert raised.value.code == "shutting_down"
