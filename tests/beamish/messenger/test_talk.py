"""Replies, mentions and actions, as members of real conversations see them."""

from __future__ import annotations

import pytest

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
