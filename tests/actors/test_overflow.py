"""Full mailboxes: every policy, the actor's own messages, and what each outcome is counted as."""

from __future__ import annotations

import sys
from collections import deque

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    Answer,
    Busy,
    CallCycle,
    CalleeDied,
    CallTimeout,
    Down,
    Killed,
    NoProc,
    TaskActor,
    on,
    open_system,
)
from actors.mailboxes.overflow import senders_waiting
from actors.mailboxes.queues import SLACK
from tests.actors.kit import Add, Do, DoSync, Get, Note, Worker, seen

POLICIES = ("block", "drop_new", "drop_old", "reject")


class Room(Worker):
    """A worker that stands still until told to go on."""

    mailbox_limit = 3
    mailbox_alarm = None

    def __init__(self, **options):
        super().__init__(**options)
        self.gate = trio.Event()
        self.answers = []

    @on(Answer)
    def answered(self, answer):
        self.answers.append(answer)


class Blocking(Room):
    mailbox_policy = "block"


class DropNew(Room):
    mailbox_policy = "drop_new"


class DropOld(Room):
    mailbox_policy = "drop_old"


class Rejecting(Room):
    mailbox_policy = "reject"


CLASSES = {cls.mailbox_policy: cls for cls in (Blocking, DropNew, DropOld, Rejecting)}
DROPPED_AS = {
    "block": "dropped_block",
    "drop_new": "dropped_new",
    "drop_old": "dropped_old",
    "reject": "rejected",
}


async def stand(me):
    await me.gate.wait()


async def busy_room(system, cls, *, notes=0):
    """An actor that is in a handler until its gate is set, with `notes` casts waiting."""
    ref = await system.spawn(cls)
    ref.cast(Do(stand))
    await wait_all_tasks_blocked()
    for number in range(notes):
        ref.cast(Note(number))
    return ref


async def let_go(ref):
    ref.actor.gate.set()
    await wait_all_tasks_blocked()


def counts(system):
    names = (*DROPPED_AS.values(), "dropped_own", "busy", "waited")
    statistics = system.statistics()
    assert statistics["dropped"] == sum(
        statistics[name] for name in (*DROPPED_AS.values(), "dropped_own")
    )
    return {name: statistics[name] for name in names if statistics[name]}


async def outcome_of(call, into):
    try:
        into.append(await call)
    except Exception as error:
        into.append(error)


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_full_receiver_never_crashes_who_casts_to_it(policy):
    # pathosDev/actor-ts#919: the sender was failed and restarted because its receiver was slow.
    async with open_system() as system:
        ref = await busy_room(system, CLASSES[policy], notes=3)
        sender = await system.spawn(Worker)

        def flood(me):
            for number in range(3, 10):
                ref.cast(Note(number))

        await sender.call(DoSync(flood))
        assert sender.is_alive()
        assert ref.queue_length == 3
        assert counts(system) == {DROPPED_AS[policy]: 7}
        await let_go(ref)
        assert seen(ref) == ([7, 8, 9] if policy == "drop_old" else [0, 1, 2])


@pytest.mark.parametrize("policy", POLICIES)
async def test_the_bound_is_exact_also_when_no_handler_runs(policy):
    async with open_system() as system:
        ref = await system.spawn(CLASSES[policy])
        await system.suspend(ref)
        for number in range(5):
            ref.cast(Note(number))
        assert ref.queue_length == 3
        await system.resume(ref)
        await wait_all_tasks_blocked()
        assert seen(ref) == ([2, 3, 4] if policy == "drop_old" else [0, 1, 2])


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_mailbox_of_one_holds_one(policy):
    class One(CLASSES[policy]):
        mailbox_limit = 1

    async with open_system() as system:
        ref = await busy_room(system, One)
        for number in range(3):
            ref.cast(Note(number))
        assert ref.queue_length == 1
        await let_go(ref)
        assert seen(ref) == [2 if policy == "drop_old" else 0]


@pytest.mark.parametrize("policy", ["drop_new", "reject"])
async def test_a_call_to_a_full_mailbox_is_busy_at_once(policy):
    async with open_system() as system:
        ref = await busy_room(system, CLASSES[policy], notes=3)
        with pytest.raises(Busy, match="is full"):
            await ref.call(Add(1))
        assert counts(system) == {"busy": 1}


async def test_drop_old_makes_room_for_a_call_and_a_displaced_call_is_told_that_it_is_busy():
    async with open_system() as system:
        ref = await busy_room(system, DropOld)
        outcomes = []
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(outcome_of, ref.call(Add(number)), outcomes)
                await wait_all_tasks_blocked()
            assert [type(outcome) for outcome in outcomes] == [Busy, Busy]
            assert counts(system) == {"busy": 2}
            await let_go(ref)
        assert sorted(outcomes[2:]) == [3, 4, 5]


async def test_a_displaced_request_is_answered_with_busy():
    async with open_system() as system:
        ref, asker = await busy_room(system, DropOld), await system.spawn(Room)
        await asker.call(DoSync(lambda me: [me.request(ref, Add(n), n) for n in range(4)] and None))
        await wait_all_tasks_blocked()
        [answer] = asker.actor.answers
        assert (answer.tag, type(answer.error)) == (0, Busy)


async def test_a_call_waits_for_room_in_order_under_block():
    async with open_system() as system:
        ref = await busy_room(system, Blocking, notes=3)
        outcomes = []
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(outcome_of, ref.call(Do(_append(number))), outcomes)
                await wait_all_tasks_blocked()
            assert senders_waiting(ref) == 3
            assert ref.queue_length == 3
            assert counts(system) == {"waited": 3}
            await let_go(ref)
        assert seen(ref) == [0, 1, 2, "call 0", "call 1", "call 2"]
        assert sorted(outcomes) == [0, 1, 2]


def _append(number):
    def append(me):
        me.seen.append(f"call {number}")
        return number

    return append


async def test_a_call_that_waits_for_room_keeps_its_deadline_and_is_then_never_delivered(
    autojump_clock,
):
    async with open_system() as system:
        ref = await busy_room(system, Blocking, notes=3)
        with pytest.raises(CallTimeout, match="no reply to Do"):
            await ref.call(Do(_append(1)), timeout=2)
        assert trio.current_time() == pytest.approx(2, abs=0.01)
        assert senders_waiting(ref) == 0
        await let_go(ref)
        assert seen(ref) == [0, 1, 2]


async def test_send_waits_for_room_and_returns_when_the_message_is_in_the_mailbox():
    async with open_system() as system:
        ref = await busy_room(system, Blocking, notes=3)
        sender = await system.spawn(Worker)
        sent = []

        async def send_two(me):
            for number in (3, 4):
                await ref.send(Note(number))
                sent.append(number)

        sender.cast(Do(send_two))
        await wait_all_tasks_blocked()
        assert sent == []
        await let_go(ref)
        assert sent == [3, 4]
        assert seen(ref) == [0, 1, 2, 3, 4]
        assert counts(system) == {"waited": 1}


async def test_a_sender_under_block_goes_no_faster_than_its_receiver():
    class Slow(Blocking):
        @on(Note)
        async def note(self, message):
            await trio.lowlevel.checkpoint()
            self.seen.append(message.value)
            self.most = max(getattr(self, "most", 0), self.ref.queue_length)

    async with open_system() as system:
        ref = await system.spawn(Slow)
        for number in range(100):
            await ref.send(Note(number))
        await wait_all_tasks_blocked()
        assert seen(ref) == list(range(100))
        assert ref.actor.most <= 3
        assert counts(system).keys() == {"waited"}


@pytest.mark.parametrize(
    ("policy", "raises"), [("drop_new", None), ("drop_old", None), ("reject", Busy)]
)
async def test_send_does_not_wait_unless_the_policy_is_block(policy, raises):
    async with open_system() as system:
        ref = await busy_room(system, CLASSES[policy], notes=3)
        outcomes = []
        await outcome_of(ref.send(Note(3)), outcomes)
        assert [type(outcome) for outcome in outcomes] == [raises or type(None)]
        assert counts(system) == {"busy" if raises else DROPPED_AS[policy]: 1}


async def test_send_gives_up_after_its_timeout(autojump_clock):
    async with open_system() as system:
        ref = await busy_room(system, Blocking, notes=3)
        sender = await system.spawn(Worker)
        with pytest.raises(CallTimeout, match="had no room for Note in time"):
            await ref.send(Note(3), timeout=7)
        assert trio.current_time() == pytest.approx(7, abs=0.01)
        outcomes = []
        await sender.call(Do(lambda me: outcome_of(ref.send(Note(3), timeout=1), outcomes)))
        assert [type(outcome) for outcome in outcomes] == [CallTimeout]
        await let_go(ref)
        assert seen(ref) == [0, 1, 2]


async def test_a_cancelled_or_killed_sender_is_forgotten():
    async with open_system() as system:
        ref = await busy_room(system, Blocking, notes=3)
        sender = await system.spawn(Worker)
        sender.cast(Do(lambda me: ref.send(Note("killed"))))
        caller = await system.spawn(Worker)
        caller.cast(Do(lambda me: ref.call(Add(1))))
        with trio.move_on_after(0.01):
            await ref.send(Note("cancelled"))
        assert senders_waiting(ref) == 2
        system.kill(sender)
        system.kill(caller)
        await system.join(sender)
        await system.join(caller)
        assert senders_waiting(ref) == 0
        await let_go(ref)
        assert seen(ref) == [0, 1, 2]


async def test_who_waits_for_room_hears_of_the_end_of_the_receiver():
    async with open_system() as system:
        ref = await busy_room(system, Blocking, notes=3)
        outcomes = []
        sender = await system.spawn(Worker)
        sender.cast(Do(lambda me: outcome_of(ref.send(Note(3), None), outcomes)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, ref.send(Note(4)), outcomes)
            nursery.start_soon(outcome_of, ref.call(Add(1)), outcomes)
            await wait_all_tasks_blocked()
            assert senders_waiting(ref) == 3
            system.kill(ref)
        await wait_all_tasks_blocked()
        assert [type(outcome) for outcome in outcomes] == [CalleeDied] * 3
        assert {outcome.reason for outcome in outcomes} == {Killed()}
        with pytest.raises(CalleeDied) as caught:
            await ref.send(Note(5))
        assert caught.value.reason == NoProc()


async def test_no_more_wait_for_room_than_the_bound_allows_and_those_who_gave_up_do_not_count():
    async with open_system() as system:
        ref = await busy_room(system, Blocking, notes=3)
        outcomes = []
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(outcome_of, ref.send(Note(number), None), outcomes)
            await wait_all_tasks_blocked()
            with pytest.raises(Busy):
                await ref.send(Note(3))
            with pytest.raises(Busy):
                await ref.call(Add(3))
            nursery.cancel_scope.cancel()
        assert counts(system) == {"busy": 2, "waited": 3}
        with trio.move_on_after(0.01):
            await ref.send(Note(4))
        assert counts(system) == {"busy": 2, "waited": 4}


async def test_gone_calls_make_place_for_others_who_wait(autojump_clock):
    async with open_system() as system:
        ref = await busy_room(system, Blocking, notes=3)
        asker = await system.spawn(Room)

        def ask(me):
            for number in range(3):
                me.request(ref, Add(number), number, timeout=1)

        await asker.call(DoSync(ask))
        await trio.sleep(2)
        assert [type(answer.error) for answer in asker.actor.answers] == [CallTimeout] * 3
        with pytest.raises(CallTimeout):
            await ref.send(Note(3), timeout=1)
        assert counts(system) == {"waited": 4}


async def test_two_actors_that_send_to_each_other_and_wait_for_room_are_told_of_the_cycle():
    async with open_system() as system:
        one, other = await system.spawn(Blocking), await system.spawn(Blocking)
        outcomes = {}

        async def send_to(target, me, name):
            await me.gate.wait()
            found = outcomes.setdefault(name, [])
            await outcome_of(target.send(Note(name), None), found)

        one.cast(Do(lambda me: send_to(other, me, "one")))
        other.cast(Do(lambda me: send_to(one, me, "other")))
        await wait_all_tasks_blocked()
        for ref in (one, other):
            for number in range(3):
                ref.cast(Note(number))
        one.actor.gate.set()
        await wait_all_tasks_blocked()
        other.actor.gate.set()
        await wait_all_tasks_blocked()
        assert isinstance(outcomes["other"][0], CallCycle)
        assert "waits for" in str(outcomes["other"][0])
        assert outcomes["one"] == [None]
        assert seen(other) == [0, 1, 2, "one"]


async def test_a_call_to_one_that_waits_for_room_at_the_caller_is_a_cycle():
    async with open_system() as system:
        caller, sender = await system.spawn(Blocking), await system.spawn(Worker)
        outcomes = []

        async def call_sender(me):
            await me.gate.wait()
            await outcome_of(sender.call(Get()), outcomes)

        caller.cast(Do(call_sender))
        await wait_all_tasks_blocked()
        for number in range(3):
            caller.cast(Note(number))
        sender.cast(Do(lambda me: caller.send(Note("x"), None)))
        await wait_all_tasks_blocked()
        assert sender.waiting is caller
        await let_go(caller)
        assert [type(outcome) for outcome in outcomes] == [CallCycle]
        assert seen(caller) == [0, 1, 2, "x"]
        assert sender.waiting is None


async def test_who_waits_in_a_nursery_of_a_handler_is_seen_by_the_cycle_check():
    async with open_system() as system:
        full = await system.spawn(Blocking)
        outcomes = []

        async def in_nursery(me):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(full.send, Note("x"), None)

        async def call_back(me):
            await me.gate.wait()
            await outcome_of(owner.call(Get()), outcomes)

        owner = await system.spawn(Worker)
        full.cast(Do(call_back))
        await wait_all_tasks_blocked()
        for number in range(3):
            full.cast(Note(number))
        owner.cast(Do(in_nursery))
        await wait_all_tasks_blocked()
        assert senders_waiting(full) == 1
        await let_go(full)
        assert [type(outcome) for outcome in outcomes] == [CallCycle]
        assert seen(full) == [0, 1, 2, "x"]


@pytest.mark.parametrize("policy", POLICIES)
async def test_an_actors_own_messages_are_not_crowded_out_by_strangers(policy, autojump_clock):
    async with open_system() as system:
        other = await system.spawn(Worker)
        ref = await system.spawn(type("Six", (CLASSES[policy],), {"mailbox_limit": 6}))

        async def ask(me):
            me.monitor(other)
            me.send_after(1, Note("timer"))
            me.request(other, Add(1), "asked")
            await me.gate.wait()
            me.ref.cast(Note("own cast"))
            await me.ref.send(Note("own send"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(me.ref.send, Note("own task"))

        for number in range(3):
            ref.cast(Do(ask) if number == 0 else Note(number))
        await wait_all_tasks_blocked()
        for number in range(3, 20):
            ref.cast(Note(number))
        system.kill(other)
        await trio.sleep(2)
        for number in range(20, 40):
            ref.cast(Note(number))
        await let_go(ref)
        own = [value for value in seen(ref) if not isinstance(value, int)]
        assert [value if isinstance(value, str) else type(value) for value in own] == [
            Down,
            "timer",
            "own cast",
            "own send",
            "own task",
        ]
        assert [answer.tag for answer in ref.actor.answers] == ["asked"]


@pytest.mark.parametrize("policy", POLICIES)
async def test_an_actor_that_floods_itself_is_bounded_too(policy):
    async with open_system() as system:
        ref = await busy_room(system, CLASSES[policy], notes=3)

        def flood(me):
            for number in range(10):
                me.ref.cast(Note(number))

        fresh = await system.spawn(CLASSES[policy])
        await fresh.call(DoSync(flood))
        await wait_all_tasks_blocked()
        assert seen(fresh) == [0, 1, 2, 3, 4, 5]
        assert counts(system) == {"dropped_own": 4}
        assert ref.queue_length == 3


async def test_drop_old_keeps_the_order_of_what_it_does_not_drop_however_often_it_drops():
    async with open_system() as system:
        ref = await system.spawn(DropOld)

        async def own(me):
            me.ref.cast(Note("a"))
            me.ref.cast(Note("b"))
            await me.gate.wait()

        ref.cast(Do(own))
        await wait_all_tasks_blocked()
        for number in range(1000):
            ref.cast(Note(number))
        assert ref.queue_length == 3
        assert deque.__len__(ref.mailbox) <= 3 + 3 + SLACK
        await let_go(ref)
        assert seen(ref) == ["a", "b", 999]


async def test_if_all_that_waits_is_its_own_drop_old_drops_the_new_one():
    async with open_system() as system:
        ref = await system.spawn(DropOld)

        async def own(me):
            for number in range(3):
                me.ref.cast(Note(number))
            await me.gate.wait()

        ref.cast(Do(own))
        await wait_all_tasks_blocked()
        ref.cast(Note("stranger"))
        with pytest.raises(Busy):
            await ref.call(Add(1))
        assert counts(system) == {"dropped_new": 1, "busy": 1}
        await let_go(ref)
        assert seen(ref) == [0, 1, 2]


async def test_demonitor_flushes_a_down_out_of_a_full_mailbox_under_every_policy():
    for policy in POLICIES:
        async with open_system() as system:
            other = await system.spawn(Worker)
            ref = await system.spawn(CLASSES[policy])

            async def watch(me, other=other):
                monitor = me.monitor(other)
                await me.gate.wait()
                me.demonitor(monitor)

            ref.cast(Do(watch))
            await wait_all_tasks_blocked()
            ref.cast(Note(0))
            system.kill(other)
            await wait_all_tasks_blocked()
            ref.cast(Note(1))
            ref.cast(Note(2))
            await let_go(ref)
            assert seen(ref) == ([1, 2] if policy == "drop_old" else [0, 1])


async def test_a_task_actor_lets_in_who_waits_when_it_receives():
    class Receiver(TaskActor):
        mailbox_limit = 2
        mailbox_policy = "block"

        def __init__(self):
            self.gate = trio.Event()
            self.seen = []

        async def run(self):
            await self.gate.wait()
            while True:
                message = await self.receive()
                self.seen.append(message.value)

    async with open_system() as system:
        ref = await system.spawn(Receiver)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_all, ref, 10)
            await wait_all_tasks_blocked()
            assert ref.queue_length == 2
            ref.actor.gate.set()
        await wait_all_tasks_blocked()
        assert ref.actor.seen == list(range(10))


async def _send_all(ref, count):
    for number in range(count):
        await ref.send(Note(number))


async def work_per_message(cls, count):
    """Python functions called for each message, to send it and to handle it, in a backlog."""
    calls = 0

    def count_calls(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    async with open_system(deterministic=True) as system:
        ref = await system.spawn(cls)
        await system.suspend(ref)
        before = sys.getprofile()
        sys.setprofile(count_calls)
        try:
            for number in range(count):
                ref.cast(Note(number))
            sent, calls = calls, 0
            await system.resume(ref)
            await wait_all_tasks_blocked()
        finally:
            sys.setprofile(before)
        assert len(seen(ref)) == count
    return sent / count, calls / count


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mark", [500, None])
async def test_throughput_does_not_collapse_with_a_long_backlog(policy, mark):
    # erlang/otp#6012: a process got slower the more messages waited, and never recovered.
    fields = {"mailbox_limit": 100_000, "mailbox_policy": policy, "mailbox_alarm": mark}
    cls = type("Long", (Worker,), fields)
    short, long = await work_per_message(cls, 1_000), await work_per_message(cls, 20_000)
    assert long[0] <= short[0] + 1
    assert long[1] <= short[1] * 1.1


@pytest.mark.parametrize("before", POLICIES)
@pytest.mark.parametrize("after", POLICIES)
async def test_a_new_version_of_a_class_may_have_another_policy(before, after):
    async with open_system() as system:
        ref = await busy_room(system, CLASSES[before], notes=3)
        outcomes = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, ref.send(Note("sent"), None), outcomes)
            await wait_all_tasks_blocked()
            ref.behaviour = CLASSES[after]._behaviour
            for number in range(3, 6):
                ref.cast(Note(number))
            await let_go(ref)
        await ref.call(Add(1))
        came = [value for value in seen(ref) if value != "sent"]
        assert came == sorted(came)
        statistics = system.statistics()
        assert len(seen(ref)) + statistics["dropped"] + statistics["busy"] == 7


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("mailbox_limit", 0, "at least 1"),
        ("mailbox_limit", True, "at least 1"),
        ("mailbox_policy", "drop", "one of block, drop_new, drop_old, reject"),
        ("mailbox_alarm", 0, "from 1 to mailbox_limit"),
        ("mailbox_alarm", 100_001, "from 1 to mailbox_limit"),
        ("mailbox_alarm", "most", "no alarm"),
    ],
)
def test_a_wrong_rule_is_refused_when_the_class_is_made(field, value, says):
    with pytest.raises(TypeError, match=says):
        type("Wrong", (Worker,), {field: value})
