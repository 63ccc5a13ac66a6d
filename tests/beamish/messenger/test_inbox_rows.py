"""The rows of a snapshot say what a conversation is, whatever was told first."""

from __future__ import annotations

import pytest

from storage import Append, Refused


def refuse_ranges(journal, stream):
    """Let nothing but levels into this inbox; the function that ends it."""
    inner = journal.submit

    def submit(op, done):
        ours = isinstance(op, Append) and op.stream == stream
        if ours and any(b"ranges" in record for record in op.records):
            done(Refused("full", "not now"))
        else:
            inner(op, done)

    journal.submit = submit

    def end():
        journal.submit = inner

    return end


@pytest.mark.parametrize("kind", ["direct", "group"])
async def test_a_receipt_that_comes_before_the_first_range_makes_a_whole_row(
    make_world, autojump_clock, kind
):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        end = refuse_ranges(world.node.journal, "u/alice")
        conversation = "d:alice:bob"
        if kind == "group":
            conversation = await alice.create_group("Friends", ["bob"], is_open=True)
        ok = await alice.send(conversation, "hello")
        await bob.until(lambda: bob.texts(conversation) == ["hello"])
        await bob.question("read", conversation=conversation, upto=ok["n"])
        await alice.until(lambda: alice.receipt(conversation, "bob")[1] == ok["n"])
        (row,) = (await alice.ask("snapshot"))["conversations"]
        assert row.pop("receipts") == [{"user": "bob", "delivered": 2, "read": 2}]
        group = kind == "group"
        assert row == {
            "conversation": conversation,
            "kind": kind,
            "title": "Friends" if group else "",
            "open": group,
            "member": True,
            "role": "owner" if group else "member",
            "joined": 1,
            "last": 0,
            "ordinal": 0,
            "delivered": 0,
            "read": 0,
            "unread": 0,
            "muted_until": 0,
            "archived": False,
            "pinned": False,
            "mentions": 0,
        }
        end()
        await alice.until(lambda: alice.texts(conversation) == ["hello"])
        (row,) = (await alice.ask("snapshot"))["conversations"]
        assert (row["kind"], row["last"]) == (kind, 2)


async def test_whoever_was_removed_meanwhile_still_learns_that_it_was_a_group(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        bob, alice = await world.talker("bob"), await world.talker("alice")
        end = refuse_ranges(world.node.journal, "u/alice")
        group = await bob.create_group("Friends", ["alice"])
        ok = await alice.ask("send", conversation=group, number=1, tag="hello0000000", text="hello")
        await bob.until(lambda: bob.texts(group) == ["hello"])
        await bob.question("read", conversation=group, upto=ok["n"])
        await alice.until(lambda: alice.receipt(group, "bob")[1] == ok["n"])
        await bob.command("remove", group, user="alice")
        (row,) = (await alice.ask("snapshot"))["conversations"]
        assert (row["kind"], row["member"], row["last"]) == ("group", False, 0)
        end()
