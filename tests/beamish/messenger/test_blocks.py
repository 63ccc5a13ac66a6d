"""Blocks: they hold from their answer on, whatever is under way and whoever crashes."""

from __future__ import annotations

from itertools import count
from random import Random

import msgpack
import pytest
import trio

from beamish.messenger.conversations.actions import SendText
from beamish.messenger.conversations.actions.blocks import MarkBlock
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.commands import Fulfil, Numbered
from beamish.messenger.conversations.draft import Draft
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.faults import CrashInjector
from beamish.messenger.sessions.handlers.numbered import NumberedHandlers
from storage import Read
from tests.beamish.messenger.talker import Refused, Talker

LANE = "@"
DIRECT = "d:alice:bob"


async def pair(world):
    return await world.talker("alice"), await world.talker("bob")


async def refused(talker, command, *args, **fields):
    with pytest.raises(Refused) as caught:
        await talker.command(command, *args, **fields)
    return caught.value.code, caught.value.error["message"]


async def log_of(world, conversation):
    page = await world.node.journal.perform(Read(f"c/{conversation}", 1, 10_000, 1 << 24))
    return [msgpack.unpackb(raw) for raw in page.records]


async def all_history(talker, conversation, limit):
    found, after = [], 0
    while True:
        page = await talker.question("history", conversation=conversation, after=after, limit=limit)
        found += page["records"]
        if not page["records"]:
            return found
        after = page["records"][-1]["n"]


async def test_neither_writes_to_the_other_until_it_is_over(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        await bob.send(DIRECT, "one")
        ok = await alice.command("block", LANE, user="bob")
        assert ok["conversation"] == LANE
        code, message = await refused(bob, "send", DIRECT, text="two")
        assert (code, message) == ("forbidden", "this person cannot be written to")
        code, message = await refused(alice, "send", DIRECT, text="two")
        assert code == "forbidden"
        assert "unblock first" in message
        assert (await alice.ask("snapshot"))["account"]["blocks"] == ["bob"]
        await alice.command("unblock", LANE, user="bob")
        await bob.send(DIRECT, "three")
        await alice.send(DIRECT, "four")
        for talker in (alice, bob):
            await talker.until(lambda t=talker: t.texts(DIRECT) == ["one", "three", "four"])
        assert (await alice.ask("snapshot"))["account"]["blocks"] == []
        told = [(i["user"], i["on"]) for i in alice.items if i["type"] == "block"]
        assert told == [("bob", True), ("bob", False)]


async def test_only_the_blocker_ever_sees_that_record(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        phone = Talker(world.node, world.nursery, "bob")
        await bob.send(DIRECT, "one")
        for _ in range(3):
            await alice.command("block", LANE, user="bob")
            await alice.command("unblock", LANE, user="bob")
        last = await bob.send(DIRECT, "two")
        for talker in (alice, bob, phone):
            await talker.until(lambda t=talker: t.texts(DIRECT) == ["one", "two"])
        assert [r["on"] for r in alice.records[DIRECT].values() if r["type"] == "block"] == (
            [True, False] * 3
        )
        seen = ["create", "message", "message"]
        for limit in (1, 2, 50):
            history = await all_history(bob, DIRECT, limit)
            assert [r["type"] for r in history] == seen
        assert len(await all_history(alice, DIRECT, 2)) == 9
        assert [bob.records[DIRECT][n]["type"] for n in sorted(bob.records[DIRECT])] == seen
        before = await bob.question("history", conversation=DIRECT, before=last["n"], limit=1)
        assert [r["text"] for r in before["records"]] == ["one"]
        (row,) = (await bob.question("snapshot"))["conversations"]
        assert row["unread"] == 0


async def test_a_block_holds_where_nothing_was_said_yet(make_world, autojump_clock):
    async with make_world() as world, world.running(snapshot_every=2):
        alice, bob = await pair(world)
        await alice.command("block", LANE, user="bob")
        assert (await refused(bob, "send", DIRECT, text="hello"))[0] == "forbidden"
        with pytest.raises(Refused) as caught:
            await bob.ask("history", conversation=DIRECT)
        assert caught.value.code == "not_found"
        await alice.command("unblock", LANE, user="bob")
        await bob.send(DIRECT, "hello")
        for talker in (alice, bob):
            await talker.until(lambda t=talker: t.texts(DIRECT) == ["hello"])
            (row,) = (await talker.ask("snapshot"))["conversations"]
            log = talker.records[DIRECT]
            assert row["joined"] == min(log)
            assert log[row["joined"]]["type"] == "create"
            assert [r["type"] for r in await all_history(talker, DIRECT, 1)] == [
                "create",
                "message",
            ]


async def test_what_cannot_be_blocked_is_refused(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, _ = await pair(world)
        assert (await refused(alice, "block", LANE, user="nobody"))[0] == "not_found"
        assert (await refused(alice, "block", LANE, user="alice"))[0] == "bad_request"
        assert (await refused(alice, "unblock", LANE, user="bob"))[0] == "not_found"
        assert (await refused(alice, "unblock", LANE, user="nobody"))[0] == "not_found"
        assert await log_of(world, "d:alice:nobody") == []


async def test_who_is_blocked_invites_in_vain(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        group = await bob.create_group("g")
        await alice.command("block", LANE, user="bob")
        assert (await refused(bob, "invite", group, user="alice"))[0] == "forbidden"
        with pytest.raises(Refused) as caught:
            await bob.create_group("both", ["alice"])
        assert caught.value.code == "forbidden"
        await alice.command("unblock", LANE, user="bob")
        await bob.command("invite", group, user="alice")
        await alice.until(lambda: group in alice.records)


async def test_a_repeated_invitation_is_answered_as_at_first_after_a_block(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        group = await bob.create_group("g")
        fields = {"conversation": group, "number": 2, "tag": "invite000000", "user": "alice"}
        ok = await bob.ask("invite", **fields)
        await alice.command("block", LANE, user="bob")
        assert await bob.ask("invite", **fields) == ok


@pytest.mark.parametrize("created", [False, True])
async def test_an_invitation_that_slips_through_is_declined_before_it_is_seen(
    make_world, autojump_clock, monkeypatch, created
):
    async def as_it_was(_handlers, user):
        await trio.lowlevel.checkpoint()
        return user, None

    monkeypatch.setattr(NumberedHandlers, "_invited", as_it_was)
    async with make_world() as world, world.running(idle_s=3.0):
        alice, bob = await pair(world)
        await alice.command("block", LANE, user="bob")
        if created:
            group = await bob.create_group("g", ["alice"])
        else:
            group = await bob.create_group("g")
            await bob.command("invite", group, user="alice")
        await bob.send(group, "are you there?")
        await bob.until(lambda: any(r["type"] == "leave" for r in bob.records[group].values()))
        await trio.sleep(20)
        assert group not in alice.records
        assert (await alice.ask("snapshot"))["conversations"] == []
        assert (await world.node.journal.pending()).streams == ()
        await alice.command("unblock", LANE, user="bob")
        await bob.command("invite", group, user="alice")
        await alice.until(lambda: group in alice.records)
        assert "are you there?" not in alice.texts(group)


def test_a_late_or_repeated_level_changes_nothing():
    state = ConversationState(DIRECT)

    def fulfil(user, on, level):
        draft = Draft(state, 1)
        assert draft.fulfil(Fulfil(user, MarkBlock(on, level)))
        for record in draft.records:
            state.apply(record)
        return len(draft.records)

    def send(user):
        draft = Draft(state, 1)
        shown = (("alice", "A"), ("bob", "B"))
        return draft.decide(Numbered(user, "d", 1, "t", SendText("x", shown)))

    assert isinstance(send("alice"), Result)
    assert fulfil("alice", True, 5) == 1
    assert fulfil("alice", True, 5) == 0
    assert fulfil("alice", False, 4) == 0
    assert fulfil("bob", True, 3) == 1
    assert isinstance(send("alice"), Refusal)
    assert fulfil("alice", False, 6) == 1
    restored = ConversationState.load(DIRECT, state.dump())
    assert restored.dump() == state.dump()
    assert send("bob").message.endswith("unblock first")
    assert "cannot be written to" in send("alice").message
    assert fulfil("bob", False, 7) == 1
    assert isinstance(send("bob"), Result)


# -- whatever is under way -------------------------------------------------------------------------


class Crashes(CrashInjector):
    def __init__(self, seed):
        kinds = frozenset({"user", "conversation", "session"})
        super().__init__(0.03, Random(seed), kinds)
        self.calm = True

    def passing(self, kind, point):
        if not self.calm:
            super().passing(kind, point)


class Story:
    """What two users did, in the order in which it began and was answered."""

    def __init__(self):
        self.clock = count()
        self.steps = []

    async def step(self, what, talker, command, *args, **fields):
        began = next(self.clock)
        try:
            ok = await talker.command(command, *args, **fields)
            code = "ok"
        except Refused as caught:
            ok, code = None, caught.code
        self.steps.append((what, began, next(self.clock), code))
        return ok

    def blocked(self):
        """The stretches in which a block certainly held: behind its answer, before its end."""
        changes = sorted(
            (s for s in self.steps if s[0] in ("block", "unblock")), key=lambda s: s[1]
        )
        for this, following in zip(changes, [*changes[1:], None], strict=True):
            if this[0] == "block" and this[3] == "ok":
                yield this[2], float("inf") if following is None else following[1]

    def within(self, first, last):
        """What began and ended in a stretch."""
        return [s for s in self.steps if first < s[1] and s[2] < last]


async def alice_does(story, alice, rng, rounds):
    for _ in range(rounds):
        await trio.sleep(rng.random() * 0.1)
        await story.step("block", alice, "block", LANE, user="bob")
        for _ in range(rng.randrange(3)):
            await story.step("speak", alice, "send", DIRECT, text="from alice")
        await trio.sleep(rng.random() * 0.1)
        await story.step("unblock", alice, "unblock", LANE, user="bob")
        if rng.random() < 0.5:
            await story.step("speak", alice, "send", DIRECT, text="from alice")


async def bob_writes(story, bob, rng, over):
    while not over.is_set():
        await story.step("speak", bob, "send", DIRECT, text="from bob")
        await trio.sleep(rng.random() * 0.02)


async def bob_touches(story, bob, rng, over, target):
    for i in count():
        if over.is_set():
            return
        await story.step("touch", bob, "edit", DIRECT, target=target, text=f"edit {i}")
        await story.step("touch", bob, "react", DIRECT, target=target, emoji="🎈" if i % 2 else "")
        await trio.sleep(rng.random() * 0.05)


async def bob_invites(story, bob, rng, over, groups):
    for i in count():
        if over.is_set():
            return
        group = await bob.create_group(f"g{i}")
        began = len(story.steps)
        await story.step("invite", bob, "invite", group, user="alice")
        groups[group] = story.steps[-1] if len(story.steps) > began else None
        await trio.sleep(rng.random() * 0.05)


@pytest.mark.parametrize("seed", range(6))
async def test_a_block_holds_from_its_answer_on_under_any_interleaving(
    make_world, autojump_clock, seed
):
    rng, faults, story, groups = Random(seed), Crashes(seed), Story(), {}
    async with make_world() as world, world.running(faults=faults, seed=seed):
        alice, bob = await pair(world)
        target = (await bob.send(DIRECT, "the first"))["n"]
        world.journal_faults.sync_s = 0.005
        faults.calm = False
        over = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bob_writes, story, bob, rng, over)
            nursery.start_soon(bob_touches, story, bob, rng, over, target)
            nursery.start_soon(bob_invites, story, bob, rng, over, groups)
            await alice_does(story, alice, rng, 8)
            over.set()
        faults.calm = True
        stretches = list(story.blocked())
        assert len(stretches) == 8
        tried = [step for stretch in stretches for step in story.within(*stretch)]
        assert {s[3] for s in tried} == {"forbidden"}
        for what in ("speak", "touch", "invite"):
            assert {s[3] for s in story.steps if s[0] == what} == {"forbidden", "ok"}
        silent = False
        for record in await log_of(world, DIRECT):
            if record["type"] == "block":
                silent = record["on"]
            assert not (silent and record["type"] in ("message", "edit", "react"))
        for group, step in groups.items():
            if step in tried:
                assert group not in alice.records
        await world_at_rest(world)
        assert not [r for r in bob.records[DIRECT].values() if r["type"] == "block"]
        await bob.send(DIRECT, "the last")
        await alice.until(lambda: alice.texts(DIRECT)[-1:] == ["the last"])
        assert alice.texts(DIRECT) == bob.texts(DIRECT)


async def world_at_rest(world):
    with trio.move_on_after(120):
        while (await world.node.journal.pending()).streams:  # noqa: ASYNC110
            await trio.sleep(1)
    assert (await world.node.journal.pending()).streams == ()


async def test_one_s_own_messages_may_be_deleted_under_a_block(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await pair(world)
        hers = (await alice.send(DIRECT, "hers"))["n"]
        his = (await bob.send(DIRECT, "his"))["n"]
        await alice.command("block", LANE, user="bob")
        for talker, own in ((alice, hers), (bob, his)):
            code, _ = await refused(talker, "edit", DIRECT, target=own, text="x")
            assert code == "forbidden"
            assert (await refused(talker, "react", DIRECT, target=own, emoji="x"))[0] == "forbidden"
            await talker.command("delete", DIRECT, target=own)
