"""Replies, mentions, actions, edits, reactions, deletions, as members of conversations see them."""

from __future__ import annotations

import pytest
import trio

from beamish.messenger.faults import NoFaults
from tests.beamish.messenger.talker import Refused

DIRECT = "d:alice:bob"


async def test_what_a_message_says_besides_its_text_reaches_everybody(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        first = await alice.send(DIRECT, "dinner?")
        extra = {"reply": first["n"], "mentions": ["alice"], "action": True}
        ok = await bob.command("send", DIRECT, text="nods", **extra)
        await alice.until(lambda: ok["n"] in alice.records.get(DIRECT, {}))
        (shown,) = (await alice.question("history", conversation=DIRECT, limit=1))["records"]
        assert shown == alice.records[DIRECT][ok["n"]]
        assert {key: shown[key] for key in extra} == extra
        with pytest.raises(Refused) as refused:
            await bob.command("send", DIRECT, text="what?", reply=99)
        assert refused.value.code == "not_found"


async def test_unread_mentions_are_counted_until_they_are_read(make_world, autojump_clock):
    async with make_world() as world:
        async with world.running():
            alice, bob = await world.talker("alice"), await world.talker("bob")
            group = await alice.create_group("Friends", ["bob"])
            ns = []
            for mentions in (["bob"], [], ["alice"], ["bob"]):
                ok = await alice.command("send", group, text="x", mentions=mentions)
                ns.append(ok["n"])
            await bob.until(lambda: len(bob.texts(group)) == 4)
            (row,) = (await bob.question("snapshot"))["conversations"]
            assert (row["unread"], row["mentions"]) == (4, 2)
            ok = await bob.question("read", conversation=group, upto=ns[0])
            assert ok == {"read": ns[0], "unread": 3, "mentions": 1}
            await bob.until(lambda: bob.marks[group]["read"] == ns[0])
            assert bob.marks[group]["mentions"] == 1
            (mine,) = (await alice.question("snapshot"))["conversations"]
            assert mine["mentions"] == 0
        async with world.running():
            later = await world.talker("bob", bob.token)
            ok = await later.question("read", conversation=group, upto=ns[1])
            assert ok == {"read": ns[1], "unread": 2, "mentions": 1}


async def crowd(world, *users, is_open=True):
    """Talkers, the first of them with a group of all, and its id."""
    talkers = [await world.talker(user) for user in users]
    return *talkers, await talkers[0].create_group("All", users[1:], is_open=is_open)


def rev(talker, conversation, n):
    return talker.records.get(conversation, {}).get(n, {}).get("rev", 0)


async def history(talker, conversation, **fields):
    return await talker.question("history", conversation=conversation, **fields)


async def test_members_see_an_edit_and_a_reaction_in_the_message_itself(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob, group = await crowd(world, "alice", "bob")
        n = (await alice.send(group, "helo"))["n"]
        edit = await alice.command("edit", group, target=n, text="hello")
        assert edit.keys() == {"conversation", "n", "at"}
        react = await bob.command("react", group, target=n, emoji="+")
        for talker in (alice, bob):
            await talker.until(lambda t=talker: rev(t, group, n) == react["n"])
            seen = talker.records[group][n]
            assert (seen["text"], seen["edited"]) == ("hello", edit["n"])
            assert seen["reactions"] == [["bob", "+", react["n"]]]
            page = await history(talker, group)
            assert page["records"][n - 1] == seen
            assert [r["type"] for r in page["records"]] == ["create", "message", "edit", "react"]
            assert "amended" not in page
        page = await history(bob, group, limit=1)
        assert [record["n"] for record in page["records"]] == [react["n"]]
        assert page["amended"] == [seen]
        everything = await bob.question("fetch", epoch=bob.epoch, **{"from": 1})
        told = [i for i in everything["items"] if i["type"] == "records"]
        assert [r["n"] for item in told for r in item["records"]] == [1, 2, 3, 4]
        # An item tells its records as of its last one, and what its touches changed beside them.
        assert told[1]["records"][0]["withheld"] is True
        assert told[2]["amended"][0]["text"] == "hello"
        assert "reactions" not in told[2]["amended"][0]
        assert told[3]["amended"] == [seen]


async def test_who_has_left_sees_nothing_later_but_that_it_was_deleted(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob, carol, group = await crowd(world, "alice", "bob", "carol")
        edited = (await alice.send(group, "first thoughts"))["n"]
        liked = (await alice.send(group, "fine"))["n"]
        deleted = (await alice.send(group, "oh no"))["n"]
        early = (await alice.command("react", group, target=liked, emoji="+"))["n"]
        await bob.until(lambda: early in bob.records.get(group, {}))
        await bob.command("leave", group)
        await alice.command("edit", group, target=edited, text="second thoughts")
        await carol.command("react", group, target=liked, emoji="+")
        gone = (await alice.command("delete", group, target=deleted))["n"]
        await carol.until(lambda: rev(carol, group, deleted) == gone)
        for records in (
            (await history(bob, group))["records"],
            [
                record
                for item in (await bob.question("fetch", epoch=bob.epoch, **{"from": 1}))["items"]
                for record in (*item.get("records", ()), *item.get("amended", ()))
            ],
        ):
            shown = {record["n"]: record for record in records}
            assert shown[edited]["withheld"] is True
            assert not shown[edited].keys() & {"text", "rev", "edited"}
            assert shown[liked]["reactions"] == [["alice", "+", early]]
            assert shown[liked]["rev"] == early
            assert shown[deleted]["deleted"] == gone
            assert "thoughts" not in str(records)
            assert "oh no" not in str(records)
        joined = (await bob.command("join", group))["n"]
        again = (await history(bob, group))["records"]
        assert [record["n"] for record in again] == [joined]
        late = (await alice.command("react", group, target=edited, emoji="-"))["n"]
        await bob.until(lambda: late in bob.records[group])
        assert rev(bob, group, edited) == 0
        page = await history(bob, group)
        assert [record["n"] for record in page["records"]] == [joined, late]
        assert "amended" not in page


def counts(item):
    return item.get("unread"), item.get("mentions")


async def test_a_deleted_message_leaves_the_counts_of_everybody(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob, carol, group = await crowd(world, "alice", "bob", "carol")
        await carol.go_offline()
        ns = [
            (await alice.command("send", group, text="x", mentions=mentions))["n"]
            for mentions in (["bob"], ["carol"], [])
        ]
        await bob.until(lambda: len(bob.texts(group)) == 3)
        await alice.command("delete", group, target=ns[1])
        await bob.until(lambda: rev(bob, group, ns[1]) > 0)
        (row,) = (await bob.question("snapshot"))["conversations"]
        assert (row["unread"], row["mentions"]) == (2, 1)
        await alice.command("delete", group, target=ns[0])
        await bob.until(lambda: counts(bob.marks.get(group, {})) == (1, 0))
        carol.go_online()
        await carol.until(lambda: rev(carol, group, ns[0]) > 0)
        (row,) = (await carol.question("snapshot"))["conversations"]
        assert (row["unread"], row["mentions"]) == (1, 0)
        ok = await carol.question("read", conversation=group, upto=ns[2])
        assert (ok["unread"], ok["mentions"]) == (0, 0)


class Look(NoFaults):
    """Looks at what is cached of a record whenever a conversation is about to answer."""

    key = None
    seen = ()

    def passing(self, kind, point):
        if self.key and (kind, point) == ("conversation", "between append and reply"):
            cached = self.logs._records.get(self.key)
            self.seen = (*self.seen, cached and cached.fields.get("text"))


@pytest.mark.parametrize("lost", [False, True])
async def test_when_a_deletion_is_answered_no_cache_holds_the_text(
    make_world, autojump_clock, lost
):
    look = Look()
    async with make_world() as world, world.running(faults=look):
        alice, bob, group = await crowd(world, "alice", "bob")
        look.logs = world.node.environment.logs
        n = (await alice.send(group, "secret"))["n"]
        await bob.until(lambda: bob.texts(group) == ["secret"])
        assert (await history(bob, group))["records"][n - 1]["text"] == "secret"
        assert look.logs._records[group, n].fields["text"] == "secret"
        async with trio.open_nursery() as nursery:
            look.key = group, n
            world.journal_faults.answer_lost = float(lost)
            nursery.start_soon(lambda: alice.command("delete", group, target=n))
            await trio.sleep(0.05)
            world.journal_faults.answer_lost = 0.0
        assert look.seen
        assert set(look.seen) == {None}
        assert "text" not in (await history(bob, group))["records"][n - 1]
        await bob.until(lambda: bob.texts(group) == [])


async def test_refusals_of_touches_use_no_number(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob, group = await crowd(world, "alice", "bob")
        n = (await alice.send(group, "mine"))["n"]
        for command, fields, why in (
            ("edit", {"target": n, "text": "yours"}, "forbidden"),
            ("delete", {"target": n}, "forbidden"),
            ("react", {"target": 99, "emoji": "+"}, "not_found"),
        ):
            with pytest.raises(Refused) as refused:
                await bob.command(command, group, **fields)
            assert refused.value.code == why
        assert (await bob.command("react", group, target=n, emoji="+"))["n"] == n + 1
