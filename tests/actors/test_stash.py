"""The stash and selective receive: what is put aside, how it comes back, and at what cost."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from trio.testing import wait_all_tasks_blocked

from actors import (
    NO_REPLY,
    Actor,
    ActorError,
    Answer,
    Busy,
    CalleeDied,
    CallError,
    CallTimeout,
    Crashed,
    Killed,
    Normal,
    Request,
    TaskActor,
    on,
    open_system,
)
from actors.behaviours import task_actor
from actors.mailboxes import stash
from actors.mailboxes.selective import type_of
from tests.actors.kit import Do, DoSync, Note, Worker, seen
from tests.examples import examples


@dataclass(frozen=True, slots=True)
class Ask(Request[int]):
    number: int


@dataclass(frozen=True, slots=True)
class AskSlowly(Request[int]):
    number: int


@dataclass(frozen=True, slots=True)
class Open:
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    pass


class Door(Worker):
    """Stashes everything while it is closed."""

    stash_limit = 5

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.closed = True

    @on(Ask)
    def ask(self, request):
        if self.closed:
            return self.stash()
        self.seen.append(request.number)
        return request.number

    @on(AskSlowly)
    async def ask_slowly(self, request):
        await self.sleep(0)
        return self.ask(request)

    @on(Note)
    def note(self, message):
        if self.closed:
            self.stash()
        else:
            self.seen.append(message.value)

    @on(Answer)
    def answer(self, message):
        self.seen.append(message.value)

    @on(Open)
    def open(self, message):
        if message.count is None:
            self.closed = False
            self.unstash_all()
        else:
            self.closed = False
            assert self.unstash(message.count) == message.count

    @on(Close)
    def close(self, message):
        self.closed = True


async def call_through(caller, ref, request, **options):
    """Have an actor make the call; what it raises there is raised here."""

    async def attempt(me):
        try:
            return await ref.call(request, **options)
        except CallError as error:
            return error

    outcome = await caller.call(Do(attempt))
    if isinstance(outcome, CallError):
        raise outcome
    return outcome


@pytest.fixture
async def system():
    async with open_system(seed=0) as opened:
        yield opened


async def test_what_was_stashed_comes_before_all_that_waits_in_order(system):
    door = await system.spawn(Door)
    for number in range(3):
        door.cast(Note(number))
    await wait_all_tasks_blocked()
    assert door.actor.stashed == 3
    door.cast(Open())
    for number in range(3, 6):
        door.cast(Note(number))
    await wait_all_tasks_blocked()
    assert seen(door) == [0, 1, 2, 3, 4, 5]
    assert door.actor.stashed == 0


async def test_some_may_be_taken_up_and_others_left(system):
    door = await system.spawn(Door)
    for number in range(4):
        door.cast(Note(number))
    for message in (Open(2), Close(), Open(1)):
        door.cast(message)
    await wait_all_tasks_blocked()
    assert seen(door) == [0, 1, 2]
    assert door.actor.stashed == 1


@pytest.mark.parametrize("kind", [Ask, AskSlowly])
@pytest.mark.parametrize("from_actor", [True, False])
async def test_a_stashed_call_is_answered_when_it_is_taken_up(system, kind, from_actor):
    door = await system.spawn(Door)
    caller = await system.spawn(Worker)
    replies = []

    async def ask():
        if from_actor:
            replies.append(await caller.call(Do(lambda me: door.call(kind(7)))))
        else:
            replies.append(await door.call(kind(7)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        assert replies == []
        door.cast(Open())
    assert replies == [7]


async def test_a_call_that_steps_its_callee_directly_can_be_stashed(system):
    door, caller = await system.spawn(Door), await system.spawn(Worker)

    async def ask(me):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.checkpoint)
        return await door.call(Ask(1))

    async def ask_at_once(me):
        return await door.call(Ask(2))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller.call, Do(ask_at_once))
        await wait_all_tasks_blocked()
        assert system.statistics()["direct_calls"] == 1
        assert door.actor.stashed == 1
        door.cast(Open())
    assert await caller.call(Do(ask)) == 1
    assert seen(door) == [2, 1]


async def test_a_stashed_call_keeps_its_deadline(system, autojump_clock):
    door, caller = await system.spawn(Door), await system.spawn(Worker)
    with pytest.raises(CallTimeout):
        await door.call(Ask(1), timeout=2)
    assert trio.current_time() == pytest.approx(2, abs=0.01)
    with pytest.raises(CallTimeout):
        await call_through(caller, door, Ask(1), timeout=2)
    assert trio.current_time() == pytest.approx(4, abs=0.02)


async def test_a_stashed_request_is_answered_later(system):
    door, asker = await system.spawn(Door), await system.spawn(Door)
    await asker.call(DoSync(lambda me: me.request(door, Ask(3), "tag")))
    await wait_all_tasks_blocked()
    assert seen(asker) == []
    door.cast(Open())
    await wait_all_tasks_blocked()
    assert seen(asker) == [3]


@pytest.mark.parametrize("direct", [True, False])
async def test_a_full_stash_refuses_a_call_and_the_actor_goes_on(system, direct):
    door, caller = await system.spawn(Door), await system.spawn(Worker)
    for number in range(5):
        door.cast(Note(number))
    await wait_all_tasks_blocked()
    with pytest.raises(Busy, match="5 messages"):
        await (call_through(caller, door, Ask(9)) if direct else door.call(Ask(9)))
    door.cast(Open())
    await wait_all_tasks_blocked()
    assert seen(door) == [0, 1, 2, 3, 4]


async def test_a_full_stash_drops_a_cast_and_counts_it(system):
    door = await system.spawn(Door)
    for number in range(7):
        door.cast(Note(number))
    door.cast(Open())
    await wait_all_tasks_blocked()
    assert seen(door) == [0, 1, 2, 3, 4]
    assert system.statistics()["dropped"] == 2


@pytest.mark.parametrize("how", ["kill", "crash", "stop"])
@pytest.mark.parametrize("direct", [True, False])
async def test_at_the_end_stashed_calls_fail_and_other_messages_are_dead_letters(
    system, how, direct
):
    door, caller = await system.spawn(Door), await system.spawn(Worker)
    failures = []

    async def ask():
        with pytest.raises(CalleeDied) as caught:
            await (call_through(caller, door, Ask(9)) if direct else door.call(Ask(9)))
        failures.append(caught.value.reason)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        door.cast(Note(1))
        door.cast(Note(2))
        await wait_all_tasks_blocked()
        if how == "kill":
            system.kill(door)
        else:
            door.cast(Do((lambda me: me.stop()) if how == "stop" else (lambda me: 1 / 0)))
    reason = {"kill": Killed(), "stop": Normal(), "crash": failures[0]}[how]
    assert failures == [reason]
    assert isinstance(reason, Crashed) == (how == "crash")
    assert system.statistics()["dead_letters"] == 2


async def test_a_call_that_was_taken_up_and_gets_no_reply_is_an_error_again(system):
    class Forgetful(Door):
        @on(Ask)
        def ask(self, request):
            return self.stash() if self.closed else NO_REPLY

    door = await system.spawn(Forgetful)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def ask():
            with pytest.raises(ActorError, match="NO_REPLY"):
                await door.call(Ask(1))

        await wait_all_tasks_blocked()
        door.cast(Open())


async def test_there_is_nothing_to_stash_in_init(system):
    class Early(Actor):
        def init(self):
            with pytest.raises(ActorError, match="no message in hand"):
                self.stash()
            assert self.unstash_all() == 0

    await system.spawn(Early)


def test_a_limit_that_makes_no_sense_is_refused():
    with pytest.raises(TypeError, match="stash_limit"):
        type("Wrong", (Actor,), {"stash_limit": 0})


async def test_what_unstashing_costs_does_not_depend_on_the_backlog(system):
    door = await system.spawn(Door)
    await system.suspend(door)
    for number in range(50_000):
        door.cast(Note(number))
    before = door.mailbox
    door.entry = Note("aside")
    stash.stash(door)
    assert stash.unstash(door, None) == 1
    assert door.mailbox is before
    assert door.first == Note("aside")
    assert door.queue_length == 50_001


# -- against a model -------------------------------------------------------------------------------


class StashModel(RuleBasedStateMachine):
    """A door and a list: nothing is lost, doubled, or overtaken but by what was stashed."""

    @initialize()
    def begin(self):
        self.script = []

    @rule(number=st.integers(0, 99))
    def cast(self, number):
        self.script.append(Note(number))

    @rule()
    def open(self):
        self.script.append(Open())

    @rule()
    def close(self):
        self.script.append(Close())

    @precondition(lambda self: self.script)
    @rule(count=st.integers(1, 3))
    def some(self, count):
        if self.expected()[1] >= count:
            self.script.append(Open(count))

    def expected(self):
        queue, aside, out, closed = list(self.script), [], [], True
        while queue:
            message = queue.pop(0)
            if isinstance(message, Open):
                count = len(aside) if message.count is None else message.count
                queue[:0] = aside[:count]
                del aside[:count]
                closed = False
            elif isinstance(message, Close):
                closed = True
            elif closed:
                if len(aside) < Door.stash_limit:
                    aside.append(message)
            else:
                out.append(message.value)
        return out, len(aside)

    def teardown(self):
        async def main():
            async with open_system(seed=0) as system:
                door = await system.spawn(Door)
                for message in self.script:
                    door.cast(message)
                await wait_all_tasks_blocked()
                assert (seen(door), door.actor.stashed) == self.expected()

        trio.run(main)


StashModel.TestCase.settings = examples(60, stateful_step_count=20)
TestStashModel = StashModel.TestCase


# -- selective receive -----------------------------------------------------------------------------


class Chooser(TaskActor):
    """Receives as it is told by the script, and notes what it gets."""

    stash_limit = 1_000

    def __init__(self, script, seen):
        self.script, self.seen = script, seen

    async def run(self):
        for types in self.script:
            message = await self.receive(*types)
            self.seen.append(message)
            if isinstance(message, Request):
                self.reply_to().reply(message.number)


async def test_receive_takes_the_types_asked_for_and_leaves_the_others_in_order(system):
    got = []
    ref = await system.spawn(Chooser, [(str,), (str, int), (), (), (float,)], got)
    for message in (1, 2, 2.5, "a", "b", 3.5):
        ref.cast(message)
    assert await system.join(ref) == Normal()
    assert got == ["a", 1, 2, 2.5, 3.5]


async def test_receive_waits_for_a_type_whatever_else_arrives(system):
    got = []
    ref = await system.spawn(Chooser, [(str,)], got)
    ref.cast(1)
    await wait_all_tasks_blocked()
    assert got == []
    ref.cast("a")
    assert await system.join(ref) == Normal()
    assert got == ["a"]
    assert system.statistics()["dead_letters"] == 1


async def test_a_call_that_was_passed_over_is_answered_when_it_is_received(system):
    got, replies = [], []
    ref = await system.spawn(Chooser, [(str,), ()], got)

    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def ask():
            replies.append(await ref.call(Ask(5)))

        await wait_all_tasks_blocked()
        assert replies == []
        ref.cast("now")
    assert replies == [5]


async def test_a_call_that_was_passed_over_fails_when_the_actor_ends(system):
    ref = await system.spawn(Chooser, [(str,)], [])
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def ask():
            with pytest.raises(CalleeDied):
                await ref.call(Ask(5))

        await wait_all_tasks_blocked()
        ref.cast("end")


async def test_what_is_passed_over_is_bounded(system):
    class Small(Chooser):
        stash_limit = 2

    got = []
    ref = await system.spawn(Small, [(str,), (), ()], got)
    for number in range(4):
        ref.cast(number)
    await wait_all_tasks_blocked()
    with pytest.raises(Busy):
        await ref.call(Ask(1))
    ref.cast("a")
    await system.join(ref)
    assert got == ["a", 0, 1]
    assert system.statistics()["dropped"] == 2


async def test_each_message_is_passed_over_once(system, monkeypatch):
    """Steps, not time: 1,000 receives over a backlog of 900 look at each message once."""
    looked = []

    got = []
    ref = await system.spawn(Chooser, [(str,)] * 1_000, got)
    monkeypatch.setattr(task_actor, "type_of", lambda entry: looked.append(entry) or type_of(entry))
    for number in range(900):
        ref.cast(number)
    for number in range(1_000):
        ref.cast(str(number))
    assert await system.join(ref) == Normal()
    assert len(looked) == 1_900
    assert got == [str(number) for number in range(1_000)]


async def test_a_task_actor_does_not_stash(system):
    class Wrong(TaskActor):
        async def run(self):
            await self.receive()
            with pytest.raises(ActorError, match="receive"):
                self.stash()

    ref = await system.spawn(Wrong)
    ref.cast(1)
    assert await system.join(ref) == Normal()
