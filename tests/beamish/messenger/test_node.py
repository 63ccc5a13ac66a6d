"""What people expect of a messenger, against a whole node over a journal in memory."""

from __future__ import annotations

import json

import pytest
import trio

from beamish.node import NodeFailed
from beamish.protocol import Limits
from tests.beamish.messenger.talker import CODEC, Refused, Talker

DIRECT = "d:alice:bob"


async def test_a_direct_message_reaches_both_and_marks_come_back(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        ok = await alice.send(DIRECT, "hello")
        await bob.until(lambda: bob.texts(DIRECT) == ["hello"])
        await alice.until(lambda: alice.texts(DIRECT) == ["hello"])
        await alice.until(lambda: alice.receipt(DIRECT, "bob")[0] >= ok["n"])
        assert await bob.question("read", conversation=DIRECT, upto=ok["n"]) == {
            "read": ok["n"],
            "unread": 0,
            "mentions": 0,
        }
        await alice.until(lambda: alice.receipt(DIRECT, "bob")[1] == ok["n"])
        assert await alice.question("marks", conversation=DIRECT, n=ok["n"]) == {
            "members": [{"user": "bob", "delivered": ok["n"], "read": ok["n"]}]
        }


async def test_an_offline_user_gets_everything_on_return(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await bob.go_offline()
        for i in range(300):
            await alice.send(DIRECT, str(i))
        bob.go_online()
        await bob.until(lambda: bob.texts(DIRECT) == [str(i) for i in range(300)])
        assert not bob.doubled


async def test_what_was_sent_survives_a_restart_of_the_node_and_is_told_after_it(
    make_world, autojump_clock
):
    async with make_world() as world:
        async with world.running():
            alice, bob = await world.talker("alice"), await world.talker("bob")
            await bob.go_offline()
            await alice.send(DIRECT, "before")
        async with world.running():
            again = await world.talker("bob", token=bob.token)
            await again.until(lambda: again.texts(DIRECT) == ["before"])


async def test_each_device_has_its_own_cursor_and_sees_everything(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await alice.send(DIRECT, "one")
        await bob.until(lambda: bob.texts(DIRECT) == ["one"])
        ok = await bob_second_login(world)
        second = await world.talker("bob", token=ok["token"])
        await second.until(lambda: second.texts(DIRECT) == ["one"])
        await alice.send(DIRECT, "two")
        await bob.until(lambda: bob.texts(DIRECT) == ["one", "two"])
        await second.until(lambda: second.texts(DIRECT) == ["one", "two"])
        assert second.device != bob.device


async def bob_second_login(world):
    link = await world.node.open_session(CODEC, "127.0.0.1")
    await link.receive({"id": 1, "command": "hello", "versions": [1]})
    await link.receive({"id": 2, "command": "login", "user": "bob", "password": "password1"})
    ok = None
    while ok is None:
        for raw in await link.take():
            item = json.loads(raw)
            if item.get("id") == 2:
                ok = item["ok"]
    await link.disconnected()
    return ok


async def test_a_newer_connection_of_a_device_ends_the_older_one(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice = await world.talker("alice")
        alice.once = True
        await world.talker("alice", token=alice.token)
        await alice.until(lambda: 4409 in alice.closes)


async def test_logging_out_ends_the_token(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice = await world.talker("alice")
        alice.once = True
        assert await alice.ask("logout") == {}
        await alice.until(lambda: alice.closes == [1000])
        other = Talker(world.node, world.nursery, "alice", token=alice.token)
        await other.until(lambda: "bad_credentials" in other.codes)


async def test_group_messages_reach_members_from_their_join_to_their_leaving(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        alice, bob, carol = [await world.talker(user) for user in ("alice", "bob", "carol")]
        group = await alice.create_group("Friends", ["bob"], is_open=True)
        await alice.send(group, "one")
        await carol.command("join", group)
        await alice.send(group, "two")
        await bob.command("leave", group)
        await alice.send(group, "three")
        await bob.command("join", group)
        await alice.send(group, "four")
        await carol.until(lambda: carol.texts(group) == ["two", "three", "four"])
        await bob.until(lambda: bob.texts(group) == ["one", "two", "four"])
        page = await bob.question("history", conversation=group)
        assert [r["text"] for r in page["records"] if r["type"] == "message"] == ["four"]
        assert page["more"] is False


async def test_history_comes_in_pages_in_both_directions(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, _bob = await world.talker("alice"), await world.talker("bob")
        for i in range(10):
            await alice.send(DIRECT, str(i))
        newest = await alice.question("history", conversation=DIRECT, limit=4)
        assert [r["n"] for r in newest["records"]] == [8, 9, 10, 11]
        assert newest["more"] is True
        older = await alice.question("history", conversation=DIRECT, before=4, limit=50)
        assert [r["n"] for r in older["records"]] == [1, 2, 3]
        assert older["more"] is False
        newer = await alice.question("history", conversation=DIRECT, after=9, limit=1)
        assert [r["n"] for r in newer["records"]] == [10]
        assert newer["more"] is True
        assert (await alice.question("history", conversation=DIRECT, after=11))["records"] == []


async def test_a_cursor_below_the_inbox_is_too_old_and_a_snapshot_helps(make_world, autojump_clock):
    limits = Limits(inbox=20)
    async with make_world() as world, world.running(limits=limits, snapshot_every=10):
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await alice.send(DIRECT, "first")
        await bob.until(lambda: bob.texts(DIRECT) == ["first"])
        await bob.go_offline()
        for i in range(60):
            await alice.send(DIRECT, str(i))
        bob.go_online()
        await bob.until(lambda: bob.too_old == 1)
        await alice.send(DIRECT, "last")
        await bob.until(lambda: "last" in bob.texts(DIRECT))
        page = await bob.question("snapshot")
        (row,) = page["conversations"]
        assert row["unread"] == 62
        assert row["last"] == 63


async def test_nobody_reads_or_marks_where_they_are_no_member(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, _bob, eve = [await world.talker(user) for user in ("alice", "bob", "eve")]
        group = await alice.create_group("Friends", ["bob"])
        await alice.send(group, "secret")
        await alice.send(DIRECT, "secret")
        for conversation in (group, DIRECT):
            for command, fields in (
                ("history", {}),
                ("conversation", {}),
                ("marks", {"n": 1}),
                ("read", {"upto": 1}),
            ):
                with pytest.raises(Refused) as refused:
                    await eve.question(command, conversation=conversation, **fields)
                assert refused.value.code == "not_member", command
            with pytest.raises(Refused) as refused:
                await eve.send(conversation, "let me in")
            assert refused.value.code == "not_member"


async def test_who_was_removed_learns_nothing_of_what_comes_after(make_world, autojump_clock):
    async with make_world() as world, world.running():
        names = ("alice", "bob", "carol", "dave")
        alice, bob, carol, dave = [await world.talker(user) for user in names]
        group = await alice.create_group("Friends", ["bob", "carol"], is_open=True)
        await dave.command("join", group)
        seen = (await alice.send(group, "with dave"))["n"]
        await bob.until(lambda: bob.texts(group) == ["with dave"])
        await bob.question("read", conversation=group, upto=seen)
        end = (await alice.command("remove", group, user="dave"))["n"]
        await trio.sleep(5)
        then = await dave.question("marks", conversation=group, n=seen)
        assert [row["user"] for row in then["members"]] == ["alice", "bob", "carol"]
        for text in ("one", "two", "three"):
            last = (await alice.send(group, text))["n"]
        await bob.until(lambda: "three" in bob.texts(group))
        await bob.question("read", conversation=group, upto=last)
        await carol.command("leave", group)
        await trio.sleep(30)
        marks = await dave.question("marks", conversation=group, n=seen)
        assert [row["user"] for row in marks["members"]] == ["alice", "bob", "carol"]
        levels = [level for row in marks["members"] for level in (row["delivered"], row["read"])]
        assert max(levels) == end
        described = await dave.question("conversation", conversation=group)
        assert (described["version"], described["members"]) == (end, [])
        assert group not in dave.receipts


async def test_who_joins_late_learns_nothing_of_what_came_before(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob, carol = [await world.talker(user) for user in ("alice", "bob", "carol")]
        group = await alice.create_group("Friends", ["bob"], is_open=True)
        first = (await alice.send(group, "one"))["n"]
        await bob.until(lambda: bob.texts(group) == ["one"])
        await bob.question("read", conversation=group, upto=first)
        await trio.sleep(5)
        assert (await carol.question("conversation", conversation=group))["version"] == 1
        joined = (await carol.command("join", group))["n"]
        marks = await carol.question("marks", conversation=group, n=joined)
        assert [(row["user"], row["read"]) for row in marks["members"]] == [
            ("alice", 0),
            ("bob", 0),
        ]


async def test_users_and_conversations_that_do_not_exist_are_not_found(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice = await world.talker("alice")
        for command, fields in (
            ("user", {"user": "nobody"}),
            ("history", {"conversation": "d:alice:nobody"}),
            ("conversation", {"conversation": "g:aaaaaaaaaaaaaaaaaaaaaaaa"}),
        ):
            with pytest.raises(Refused) as refused:
                await alice.question(command, **fields)
            assert refused.value.code == "not_found", command
        with pytest.raises(Refused) as refused:
            await alice.send("d:alice:nobody", "hi")
        assert refused.value.code == "not_found"


async def test_idle_users_and_conversations_leave_memory_and_come_back(make_world, autojump_clock):
    async with make_world() as world, world.running(idle_s=10):
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await alice.send(DIRECT, "one")
        await bob.until(lambda: bob.texts(DIRECT) == ["one"])
        await bob.go_offline()
        await trio.sleep(60)
        assert world.node.system.whereis(("conversation", DIRECT)) is None
        assert world.node.system.whereis(("user", "bob")) is None
        await alice.send(DIRECT, "two")
        bob.go_online()
        await bob.until(lambda: bob.texts(DIRECT) == ["one", "two"])


async def test_large_groups_tell_authors_in_aggregate(make_world, autojump_clock):
    limits = Limits(receipts_each=3)
    async with make_world() as world, world.running(limits=limits):
        names = ["alice", "bob", "carol", "dave", "erin"]
        alice, *others = [await world.talker(user) for user in names]
        group = await alice.create_group("Many", names[1:])
        ok = await alice.send(group, "hello")
        await alice.until(lambda: alice.receipt(group, None)[0] >= ok["n"])
        for other in others[:-1]:
            await other.question("read", conversation=group, upto=ok["n"])
        await trio.sleep(30)
        assert alice.receipt(group, None)[1] < ok["n"]
        await others[-1].question("read", conversation=group, upto=ok["n"])
        await alice.until(lambda: alice.receipt(group, None)[1] == ok["n"])
        assert set(alice.receipts[group]) == {None}


async def test_small_groups_tell_authors_each_member(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob, carol = [await world.talker(user) for user in ("alice", "bob", "carol")]
        group = await alice.create_group("Few", ["bob", "carol"])
        ok = await alice.send(group, "hello")
        await bob.until(lambda: bob.texts(group) == ["hello"])
        await bob.question("read", conversation=group, upto=ok["n"])
        await alice.until(lambda: alice.receipt(group, "bob")[1] == ok["n"])
        await alice.until(lambda: alice.receipt(group, "carol")[0] == ok["n"])
        assert alice.receipt(group, "carol")[1] == 0
        assert carol.receipts == {}


async def test_a_full_disk_refuses_messages_for_now_and_takes_them_when_freed(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        world.journal_faults.full = "reserve"
        link = alice._link
        await link.receive(
            {
                "id": 900, "command": "send", "conversation": DIRECT,
                "number": 1, "tag": "t", "text": "x",
            }
        )  # fmt: skip
        with pytest.raises(Refused) as refused:
            await alice.ask("send", conversation=DIRECT, number=1, tag="t", text="x")
        assert refused.value.code == "storage_unavailable"
        assert refused.value.error["retryable"] is True
        world.journal_faults.full = "no"
        await alice.send(DIRECT, "now")
        await bob.until(lambda: bob.texts(DIRECT) == ["now"])


async def test_a_node_whose_supervisors_gave_up_ends_loudly(make_world, autojump_clock):
    async with make_world() as world:
        with pytest.raises(ExceptionGroup) as failed:
            async with world.running() as node:
                node.system.kill(node.system.whereis("messenger"))
                await trio.sleep(10)
        assert failed.group_contains(NodeFailed, match="gave up", depth=None)
