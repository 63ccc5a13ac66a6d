"""Hard cases of the messenger, each of which once lost, hid, doubled or piled up something."""

from __future__ import annotations

import msgpack
import pytest
import trio

from beamish.messenger.conversations.group_marks import MarksState
from beamish.messenger.faults import InjectedCrash, NoFaults
from beamish.messenger.users import batch as batch_module
from beamish.messenger.users.state import UserState, mark_bits
from storage import Append, OutcomeUnknown, Refused
from storage.operations import MAX_RECORD_BYTES
from tests.beamish.messenger.talker import Refused as ClientRefused

DIRECT = "d:alice:bob"


class Gate:
    """Stands before the journal: per append decide what happens to its answer."""

    def __init__(self, journal):
        self.inner = journal.submit
        self.rule = lambda op: None
        self.held = []
        journal.submit = self.submit

    def submit(self, op, done):
        what = self.rule(op) if isinstance(op, Append) else None
        if what == "hold":
            self.held.append((op, done))
        elif what == "lost":
            self.inner(op, lambda _o: done(OutcomeUnknown("lost")))
        elif isinstance(what, Refused):
            trio.lowlevel.current_trio_token().run_sync_soon(done, what)
        else:
            self.inner(op, done)

    def release(self):
        held, self.held = self.held, []
        for op, done in held:
            self.inner(op, done)


async def raw(talker, number, text, tag=None, conversation=DIRECT):
    return await talker.ask(
        "send", conversation=conversation, number=number, tag=tag or f"tag{number:09d}", text=text
    )


async def test_an_append_whose_answer_was_lost_leaves_no_gap_in_what_is_fanned_out(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await raw(alice, 1, "one")
        await bob.until(lambda: bob.texts(DIRECT) == ["one"])
        await trio.sleep(5)
        gate = Gate(world.node.journal)
        gate.rule = lambda op: "hold" if op.stream == "u/bob" else None
        await raw(alice, 2, "two")  # its fan-out waits for bob's inbox
        await raw(alice, 3, "three")
        gate.rule = lambda op: (
            "hold" if op.stream == "u/bob" else ("lost" if op.stream == f"c/{DIRECT}" else None)
        )
        await raw(alice, 4, "four")  # written, its answer lost
        gate.rule = lambda op: "hold" if op.stream == "u/bob" else None
        await raw(alice, 5, "five")
        gate.rule = lambda op: None
        gate.release()
        await trio.sleep(60)
        assert bob.texts(DIRECT) == ["one", "two", "three", "four", "five"]


async def test_a_page_of_long_escaped_texts_reaches_a_client_in_portions(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        mallory, bob = await world.talker("alice"), await world.talker("bob")
        await bob.go_offline()
        for i in range(60):
            await raw(mallory, i + 1, "\x01" * 16384)
        bob.go_online()
        with trio.move_on_after(10):
            await bob.until(lambda: len(bob.texts(DIRECT)) == 60, within=130)
        assert len(bob.texts(DIRECT)) == 60, (
            len(bob.texts(DIRECT)),
            len(bob.closes),
            set(bob.closes),
        )


async def test_an_acknowledgement_that_has_to_wait_is_not_forgotten(make_world, autojump_clock):
    """In a group, where bob gets no items of his own that would make him acknowledge again."""
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        group = await alice.create_group("g", ["bob"])
        await alice.send(group, "one")
        await trio.sleep(10)
        await alice.send(group, "t0")  # ack -> marks; next ack at +1
        await trio.sleep(0.3)
        await alice.send(group, "t0.3")  # ack -> timer for +1
        await trio.sleep(0.2)
        await bob.ask("read", conversation=group, upto=3)  # marks; next ack at +1.5
        await trio.sleep(0.2)
        ok = await alice.send(group, "t0.7")  # ack: the timer of +1 is taken for enough
        await trio.sleep(120)
        assert alice.receipt(group, "bob")[0] == ok["n"]


async def test_marks_whose_append_answer_was_lost_are_told_all_the_same(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        ok = await raw(alice, 1, "one")
        await trio.sleep(10)
        gate = Gate(world.node.journal)
        lost = []

        def rule(op):
            if op.stream == "u/bob" and not lost and any(b"marks" in r for r in op.records):
                lost.append(op)
                return "lost"
            return None

        gate.rule = rule
        await bob.ask("read", conversation=DIRECT, upto=ok["n"])
        assert lost
        await trio.sleep(300)
        assert alice.receipt(DIRECT, "bob")[1] == ok["n"]


async def test_a_rush_of_long_texts_is_committed_in_several_batches(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await raw(alice, 1, "one")
        world.node.journal.hold_sync()
        results = []

        async def send(talker, number, text):
            try:
                await raw(talker, number, text, f"{talker.user}{number:08d}")
                results.append("ok")
            except ClientRefused as refused:
                results.append((talker.user, refused.code, refused.error["retryable"]))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, alice, 2, "in flight")
            await trio.sleep(0.1)
            nursery.start_soon(send, bob, 1, "short and innocent")
            await trio.sleep(0.1)
            for number in range(3, 3 + 255):
                nursery.start_soon(send, alice, number, "x" * 16384)
                await trio.sleep(0.01)
            await trio.sleep(1)
            world.node.journal.release_sync()
        assert all(r == "ok" or r[2] for r in results), [r for r in results if r != "ok"][:3]


async def test_one_member_who_cannot_be_told_holds_up_nobody_who_joins_later(
    make_world, autojump_clock, monkeypatch
):
    monkeypatch.setattr(batch_module, "MAX_CATCH_UP", 50)  # 2,048 in real life
    async with make_world() as world, world.running():
        alice, _bob, dave = [await world.talker(u) for u in ("alice", "bob", "dave")]
        group = await alice.create_group("g", ["bob"])
        await trio.sleep(1)
        gate = Gate(world.node.journal)
        gate.rule = lambda op: Refused("damaged", "broken") if op.stream == "u/bob" else None
        for i in range(80):
            await alice.send(group, str(i))
        await alice.command("invite", group, user="dave")
        await alice.send(group, "welcome dave")
        await dave.until(lambda: dave.texts(group) == ["welcome dave"], within=600)


def test_marks_pending_across_a_snapshot_are_told_to_all_authors():
    state = MarksState()
    for n in range(1, 11):
        state.take(n, msgpack.packb({"m": [["bob", n, n]], "low": n - 1}))
    again = MarksState.load(state.dump())  # a snapshot with 10 unsettled
    again.take(11, msgpack.packb({"m": [["bob", 500, 500]], "low": 400}))
    assert again.low_above(5) <= 5


def test_marks_of_many_conversations_go_into_several_records():
    user = UserState("bot")
    for i in range(8_000):
        conversation = f"d:{'bot':x<64}:{f'customer-of-the-shop-{i:06d}':y<64}"
        user.apply(
            i + 1,
            {
                "t": "ranges",
                "r": [
                    [
                        conversation,
                        1,
                        2,
                        mark_bits([2], 1, 2),
                        "member",
                        1,
                        "direct",
                        "",
                        False,
                        1,
                        0,
                    ]
                ],
            },
        )
    marks = user.propose_marks(8_000, {})
    assert len(msgpack.packb(marks)) <= MAX_RECORD_BYTES


async def test_logins_behind_a_refused_one_are_answered_too(make_world, autojump_clock):
    async with make_world() as world, world.running():
        await world.talker("alice")
        from beamish.messenger import messages as m

        ref = world.node.system.whereis(("user", "alice"))
        gate = Gate(world.node.journal)
        gate.rule = lambda op: Refused("full", "full") if op.stream == "u/alice" else None
        account = await ref.call(m.AccountOf())
        done = []

        async def add(i):
            with trio.move_on_after(120):
                done.append(await ref.call(m.AddDevice(account.password, f"d{i}", b"", ""), None))

        async with trio.open_nursery() as nursery:
            for i in range(3):
                nursery.start_soon(add, i)
        assert len(done) == 3


class CrashOnce(NoFaults):
    def __init__(self):
        super().__init__()
        self.armed = None

    def passing(self, kind, point):
        if self.armed == (kind, point):
            self.armed = None
            raise InjectedCrash("once")


async def test_a_crash_of_the_user_forgets_nothing_that_was_acknowledged(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        group = await alice.create_group("g", ["bob"])
        await alice.send(group, "one")
        await trio.sleep(10)
        await alice.send(group, "two")
        await trio.sleep(0.3)
        ok = await alice.send(group, "three")  # bob's ack waits for its second
        await trio.sleep(0.2)
        assert alice.receipt(group, "bob")[0] < ok["n"]
        await crash(world, "bob")
        await trio.sleep(300)
        assert bob.ready
        assert not bob.closes
        assert alice.receipt(group, "bob")[0] == ok["n"]


async def crash(world, user):
    from actors.lifecycle.start_and_end import send_kill

    send_kill(world.node.system.whereis(("user", user)))


async def test_a_replaced_session_never_closes_the_newer_one(make_world, autojump_clock):
    """The old session is still there (its socket does not end) when the user's actor dies."""
    from beamish.protocol import JsonCodec

    async with make_world() as world, world.running():
        bob = await world.talker("bob")
        # An old connection of a device whose socket hangs: nobody takes, nobody says disconnected.
        token = bob.token
        await bob.go_offline()
        await trio.sleep(1)
        bob.once = True
        old = await world.node.open_session(JsonCodec(), "x")
        for i, item in enumerate(
            [
                {"command": "hello", "versions": [1]},
                {"command": "resume", "token": token},
                {"command": "attach", "number": 0},
            ]
        ):
            await old.receive({"id": i + 1, **item})
        await trio.sleep(1)
        new = await world.talker("bob", token=token)
        assert old.outbox.closed
        from beamish.messenger.sessions.session import Session

        original = Session.watch
        first = []

        async def watch(self):
            if self.link_to_client is old and not first:
                first.append(1)
                from actors import CallError

                raise CallError("the call of the old one failed once")  # e.g. CalleeDied, timeout
            await original(self)

        Session.watch = watch
        try:
            await crash(world, "bob")
            await trio.sleep(30)
        finally:
            Session.watch = original
        assert 4409 not in new.closes


async def test_commands_behind_a_close_are_not_carried_out(make_world, autojump_clock):
    from beamish.protocol import JsonCodec

    async with make_world() as world, world.running():
        await world.talker("alice")
        before = world.node.environment.passwords.hashes
        link = await world.node.open_session(JsonCodec(), "10.0.0.9")
        await link.receive({"id": 1, "command": "hello", "versions": [1]})
        for i in range(100):
            await link.receive(
                {"id": i + 2, "command": "login", "user": f"nobody{i}", "password": "password1"}
            )
        await trio.sleep(30)
        assert link.outbox.closed
        assert world.node.environment.passwords.hashes - before <= 8


async def test_a_stranger_does_not_learn_who_talks_to_whom(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, _bob, eve = [await world.talker(u) for u in ("alice", "bob", "eve")]

        async def code(conversation):
            with pytest.raises(ClientRefused) as caught:
                await eve.ask("history", conversation=conversation)
            return caught.value.code

        quiet = await code(DIRECT)
        await raw(alice, 1, "one")
        assert await code(DIRECT) == quiet


async def test_commands_of_one_client_are_bounded_while_the_disk_hangs(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, _bob = await world.talker("alice"), await world.talker("bob")
        await raw(alice, 1, "one")
        world.node.journal.hold_sync()
        link = alice._link
        for i in range(6_000):
            await link.receive(
                {
                    "id": 10_000 + i,
                    "command": "send",
                    "conversation": DIRECT,
                    "number": 2 + i,
                    "tag": f"t{i:012d}",
                    "text": "x" * 16384,
                }
            )
            if i % 100 == 0:
                await trio.sleep(0.1)
        held = world.node.system.whereis(("conversation", DIRECT)).queue_length
        in_hand = link.in_hand
        world.node.journal.release_sync()
        assert held <= 600, (held, in_hand)


async def test_reads_that_fail_for_a_while_crash_nobody(make_world, autojump_clock, caplog):
    async with make_world() as world, world.running():
        alice, _bob = await world.talker("alice"), await world.talker("bob")
        await raw(alice, 1, "one")
        world.journal_faults.read_fails = 1.0
        codes = []
        for _ in range(10):
            try:
                await alice.ask("history", conversation=DIRECT)
            except ClientRefused as refused:
                codes.append(refused.code)
            await trio.sleep(1)
        crashes = sum("child_terminated" in r.getMessage() for r in caplog.records)
        assert set(codes) == {"storage_unavailable"}
        assert crashes == 0


async def test_a_good_reader_is_not_closed_by_one_large_hint(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        await raw(alice, 1, "one")
        await trio.sleep(5)
        world.node.journal.hold_sync()
        async with trio.open_nursery() as nursery:
            for i in range(64):
                nursery.start_soon(raw, alice, 2 + i, "\x01" * 16384)
                await trio.sleep(0.01)
            world.node.journal.release_sync()
        await trio.sleep(2)
        assert 4410 not in bob.closes
