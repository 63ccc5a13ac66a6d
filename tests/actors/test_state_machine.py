"""State machines: the examples of gen_statem's documentation, and each rule by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors import (
    NO_REPLY,
    Actor,
    ActorError,
    Busy,
    CalleeDied,
    CallError,
    Crashed,
    Normal,
    Reject,
    Request,
    StartFailed,
    StateMachine,
    Timeout,
    Unhandled,
    on,
    on_enter,
    open_system,
)
from tests.actors.kit import Do, DoSync, Worker
from tests.examples import examples


@pytest.fixture
async def system():
    async with open_system(seed=0) as opened:
        yield opened


# -- the code lock of OTP's design principles ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Down:
    button: int


@dataclass(frozen=True, slots=True)
class Up:
    button: int


@dataclass(frozen=True, slots=True)
class Button:
    button: int


@dataclass(frozen=True, slots=True)
class Lock:
    pass


@dataclass(frozen=True, slots=True)
class CodeLength(Request[int]):
    pass


@dataclass(frozen=True, slots=True)
class SetLockButton(Request[int]):
    button: int


class CodeLock(StateMachine[str]):
    """The "Example Revisited": enter calls, an event inserted for each button that is let go.

    A postponed button while it is open, a state timeout that locks, an event timeout that forgets
    an unfinished code, the length of the code in any state.
    """

    initial_state = "locked"

    def __init__(self, code):
        self.code, self.length = code, len(code)
        self.buttons, self.pressed, self.log = [], None, []

    @on_enter("locked")
    def do_lock(self, _old):
        self.log.append("lock")
        self.buttons = []

    @on(Timeout, state="locked")
    def forget(self, _):
        self.buttons = []

    @on(Button, state="locked")
    def button_locked(self, event):
        self.buttons = [*self.buttons, event.button][-self.length :]
        if self.buttons == self.code:
            self.next_state("open")
        else:
            self.set_event_timeout(30)

    @on_enter("open")
    def do_unlock(self, _old):
        self.log.append("unlock")
        self.set_state_timeout(10, Lock())

    @on(Lock, state="open")
    def lock(self, _):
        self.next_state("locked")

    @on(Button, state="open")
    def button_open(self, _):
        self.postpone()

    @on(Down)
    def down(self, event):
        self.pressed = event.button

    @on(Up)
    def up(self, event):
        if self.pressed == event.button:
            self.pressed = None
            self.next_event(Button(event.button))

    @on(CodeLength)
    def code_length(self, _):
        return self.length


def press(lock, *buttons):
    for button in buttons:
        lock.cast(Down(button))
        lock.cast(Up(button))


async def test_the_code_lock_opens_and_locks_again_after_ten_seconds(system, autojump_clock):
    lock = await system.spawn(CodeLock, [1, 2, 3])
    press(lock, 9, 1, 2)
    assert await lock.call(CodeLength()) == 3
    assert lock.actor.state == "locked"
    press(lock, 3)
    await wait_all_tasks_blocked()
    assert lock.actor.state == "open"
    await trio.sleep(9)
    assert lock.actor.state == "open"
    await trio.sleep(2)
    assert (lock.actor.state, lock.actor.log) == ("locked", ["lock", "unlock", "lock"])


async def test_the_code_lock_takes_buttons_of_the_open_door_for_the_next_code(
    system, autojump_clock
):
    lock = await system.spawn(CodeLock, [1, 2])
    press(lock, 1, 2, 1)
    await trio.sleep(5)
    press(lock, 2)
    await trio.sleep(4)
    assert lock.actor.log == ["lock", "unlock"]
    await trio.sleep(2)
    assert lock.actor.log == ["lock", "unlock", "lock", "unlock"]


async def test_the_code_lock_forgets_a_code_that_is_not_finished_in_time(system, autojump_clock):
    lock = await system.spawn(CodeLock, [1, 2])
    press(lock, 1)
    await trio.sleep(29)
    assert lock.actor.buttons == [1]
    await trio.sleep(2)
    assert lock.actor.buttons == []
    press(lock, 1)
    await trio.sleep(29)
    assert await lock.call(CodeLength()) == 2  # any event cancels the event timeout
    await trio.sleep(29)
    assert lock.actor.buttons == [1]


class TupleLock(StateMachine[tuple[str, int]]):
    """The "Complex State" example: the lock button is part of the state, one function for all."""

    def __init__(self, code, lock_button):
        self.code, self.lock_button = code, lock_button
        self.buttons, self.log = [], []

    def init(self):
        self.next_state(("locked", self.lock_button))

    @on_enter()
    def entered(self, old):
        self.log.append((old[0], self.state[0]))
        if self.state[0] == "locked":
            self.buttons = []
        else:
            self.set_state_timeout(10, Lock())

    def handle_event(self, event):
        name, lock_button = self.state
        match event:
            case SetLockButton(button):
                self.next_state((name, button))
                return lock_button
            case Button() if name == "open":
                if event.button == lock_button:
                    self.next_state(("locked", lock_button))
                else:
                    self.postpone()
            case Button(button):
                self.buttons = [*self.buttons, button][-len(self.code) :]
                if self.buttons == self.code:
                    self.next_state(("open", lock_button))
            case Lock():
                self.next_state(("locked", lock_button))
            case _:
                return super().handle_event(event)
        return None


async def test_the_lock_with_a_complex_state_and_one_handler_for_all(system, autojump_clock):
    lock = await system.spawn(TupleLock, [1, 2], 0)
    for button in (1, 2, 1, 0, 2):
        lock.cast(Button(button))
    await wait_all_tasks_blocked()
    assert lock.actor.state == ("open", 0)
    assert await lock.call(SetLockButton(7)) == 0
    assert lock.actor.state == ("open", 7)
    with pytest.raises(Unhandled, match=r"CodeLength in state \('open', 7\)"):
        await lock.call(CodeLength())
    lock.cast(Button(7))
    await trio.sleep(30)
    assert lock.actor.state == ("locked", 7)
    locked_open = [("locked", "locked"), ("locked", "open"), ("open", "locked"), ("locked", "open")]
    assert lock.actor.log[:4] == locked_open


# -- rule by rule ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class E:
    name: str


@dataclass(frozen=True, slots=True)
class Q(Request[Any]):
    name: str


class Scripted(StateMachine[str]):
    """Does for an event what a table says for (state, name): a function of the machine."""

    initial_state = "a"
    stash_limit = 3

    def __init__(self, table, enter=None):
        self.table, self.enter_table, self.log = table, enter or {}, []

    @on_enter()
    def entered(self, old):
        self.log.append(("enter", old, self.state))
        self.enter_table.get(self.state, lambda _: None)(self)

    @on(E)
    def event(self, event):
        self.log.append((self.state, event.name))
        return self.table.get((self.state, event.name), lambda _: None)(self)

    @on(Q)
    def query(self, event):
        self.log.append((self.state, event.name))
        return self.table.get((self.state, event.name), lambda _: self.state)(self)

    @on(Do)
    async def do(self, request):
        result = request.function(self)
        return await result if hasattr(result, "__await__") else result

    @on(DoSync)
    def do_sync(self, request):
        return request.function(self)


async def run(system, table, *names, enter=None):
    """The log after these events have come in at once."""
    ref = await system.spawn(Scripted, table, enter)
    for name in names:
        ref.cast(E(name))
    await wait_all_tasks_blocked()
    return ref.actor.log[1:] if ref.is_alive() else None


def both(*functions):
    def do_all(me):
        for function in functions:
            function(me)

    return do_all


def to(state):
    return lambda me: me.next_state(state)


def insert(name):
    return lambda me: me.next_event(E(name))


def postpone(me):
    return me.postpone()


async def test_postponed_events_come_back_after_a_change_in_order_before_newer_ones(system):
    table = {("a", "p"): postpone, ("a", "q"): postpone, ("a", "go"): to("b")}
    assert await run(system, table, "p", "q", "x", "go", "y") == [
        ("a", "p"), ("a", "q"), ("a", "x"), ("a", "go"), ("enter", "a", "b"),
        ("b", "p"), ("b", "q"), ("b", "y"),
    ]  # fmt: skip


@pytest.mark.parametrize("stay", [to("a"), lambda me: me.repeat_state(), lambda me: None])
async def test_postponed_events_stay_while_the_state_does(system, stay):
    log = await run(system, {("a", "p"): postpone, ("a", "stay"): stay}, "p", "stay", "x")
    assert [entry for entry in log if entry[0] != "enter"] == [
        ("a", "p"), ("a", "stay"), ("a", "x"),
    ]  # fmt: skip


async def test_an_event_that_is_postponed_and_changes_the_state_comes_back_at_once(system):
    table = {("a", "p"): both(postpone, to("b")), ("a", "before"): postpone}
    assert await run(system, table, "before", "p", "y") == [
        ("a", "before"), ("a", "p"), ("enter", "a", "b"), ("b", "before"), ("b", "p"), ("b", "y"),
    ]  # fmt: skip


async def test_inserted_events_come_before_postponed_ones_the_first_first(system):
    table = {("a", "p"): postpone, ("a", "go"): both(insert("i"), to("b"), insert("j"))}
    assert await run(system, table, "p", "go", "y") == [
        ("a", "p"), ("a", "go"), ("enter", "a", "b"),
        ("b", "i"), ("b", "j"), ("b", "p"), ("b", "y"),
    ]  # fmt: skip


async def test_a_timeout_of_zero_comes_after_inserted_events_and_before_the_mailbox(system):
    zero = lambda me: me.set_state_timeout(0, E("zero"))
    table = {("a", "go"): both(zero, insert("i"), insert("j"))}
    assert await run(system, table, "go", "y") == [
        ("a", "go"), ("a", "i"), ("a", "j"), ("a", "zero"), ("a", "y"),
    ]  # fmt: skip


async def test_timeouts_of_zero_come_in_the_order_of_their_setting(system):
    def go(me):
        me.set_timeout("n", 0, E("first"))
        me.set_timeout("m", 0, E("second"))
        me.set_state_timeout(0, E("third"))
        me.set_timeout("n", 0, E("last"))  # again: the last request for each counts

    assert await run(system, {("a", "go"): go}, "go", "y") == [
        ("a", "go"), ("a", "second"), ("a", "third"), ("a", "last"), ("a", "y"),
    ]  # fmt: skip


async def test_a_timeout_of_zero_that_waits_can_be_updated_and_taken_back(system):
    def go(me):
        me.set_timeout("n", 0, E("old"))
        me.set_timeout("m", 0, E("never"))
        me.next_event(E("i"))

    def change(me):
        me.update_timeout("n", E("new"))
        me.set_timeout("m", None)

    assert await run(system, {("a", "go"): go, ("a", "i"): change}, "go", "y") == [
        ("a", "go"), ("a", "i"), ("a", "new"), ("a", "y"),
    ]  # fmt: skip


async def test_an_event_timeout_of_zero_is_cancelled_by_an_inserted_event(system):
    table = {("a", "go"): both(lambda me: me.set_event_timeout(0, E("zero")), insert("i"))}
    assert await run(system, table, "go", "y") == [("a", "go"), ("a", "i"), ("a", "y")]


async def test_a_state_timeout_ends_with_the_state(system, autojump_clock):
    table = {
        ("a", "set"): lambda me: me.set_state_timeout(5, E("timeout")),
        ("a", "go"): to("b"),
        ("b", "set"): lambda me: me.set_state_timeout(5, E("timeout")),
    }
    ref = await system.spawn(Scripted, table)
    ref.cast(E("set"))
    await trio.sleep(3)
    ref.cast(E("x"))
    ref.cast(E("go"))
    await trio.sleep(10)
    ref.cast(E("set"))
    await trio.sleep(10)
    assert ref.actor.log[1:] == [
        ("a", "set"), ("a", "x"), ("a", "go"), ("enter", "a", "b"), ("b", "set"), ("b", "timeout"),
    ]  # fmt: skip


async def test_a_state_timeout_set_with_a_change_of_state_is_for_the_new_state(
    system, autojump_clock
):
    """Whether it is asked for before the change or after it."""
    for go in (
        both(lambda me: me.set_state_timeout(1, E("timeout")), to("b")),
        both(to("b"), lambda me: me.set_state_timeout(1, E("timeout"))),
    ):
        ref = await system.spawn(Scripted, {("a", "go"): go})
        ref.cast(E("go"))
        await trio.sleep(2)
        assert ref.actor.log[-1] == ("b", "timeout")


async def test_a_named_timeout_survives_changes_of_state(system, autojump_clock):
    table = {("a", "go"): both(lambda me: me.set_timeout("n", 1, E("timeout")), to("b"))}
    ref = await system.spawn(Scripted, table)
    ref.cast(E("go"))
    ref.cast(E("x"))
    await trio.sleep(2)
    assert ref.actor.log[-1] == ("b", "timeout")
    assert ref.actor.timers == {}


async def test_a_timeout_that_has_fired_is_not_handled_after_its_cancellation(
    system, autojump_clock
):
    """It waits in the mailbox behind an event that changes the state."""

    async def slow(me):
        me.set_state_timeout(1, E("timeout"))
        me.set_timeout("n", 1, E("named"))

    ref = await system.spawn(Scripted, {("a", "go"): both(to("b"), cancel_named)})
    await ref.call(Do(slow))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ref.call, Do(lambda me: me.sleep(3)))
        await wait_all_tasks_blocked(0.1)
        ref.cast(E("go"))
        await trio.sleep(2)
        assert ref.queue_length == 3
    await trio.sleep(1)
    assert ref.actor.log[1:] == [("a", "go"), ("enter", "a", "b")]


def cancel_named(me):
    me.set_timeout("n", None)


async def test_updating_changes_the_event_and_not_the_time(system, autojump_clock):
    ref = await system.spawn(Scripted, {})
    await ref.call(DoSync(lambda me: me.set_timeout("n", 4, E("old"))))
    await trio.sleep(3)
    await ref.call(DoSync(lambda me: me.update_timeout("n", E("new"))))
    assert ref.actor.log[1:] == []
    await trio.sleep(2)
    assert ref.actor.log[1:] == [("a", "new")]
    await ref.call(DoSync(lambda me: me.update_state_timeout(E("at once"))))
    await wait_all_tasks_blocked()
    assert ref.actor.log[2:] == [("a", "at once")]


async def test_an_absolute_timeout(system, autojump_clock):
    ref = await system.spawn(Scripted, {})
    until = trio.current_time() + 3
    await ref.call(DoSync(lambda me: me.set_state_timeout(until, E("t"), absolute=True)))
    await trio.sleep(2.9)
    assert ref.actor.log[1:] == []
    await trio.sleep(0.2)
    assert ref.actor.log[1:] == [("a", "t")]


async def test_the_enter_call_comes_before_the_retried_events_and_sees_the_old_state(system):
    class Entering(Scripted):
        @on_enter("b")
        def into_b(self, old):
            self.log.append(f"b from {old}")

    ref = await system.spawn(Entering, {("a", "p"): postpone, ("a", "go"): to("b")})
    for name in ("p", "go"):
        ref.cast(E(name))
    await wait_all_tasks_blocked()
    assert ref.actor.log == [
        ("enter", "a", "a"), ("a", "p"), ("a", "go"), "b from a", ("b", "p"),
    ]  # fmt: skip


async def test_repeat_state_enters_again_and_an_enter_call_may_repeat_itself(system):
    def again(me):
        if len(me.log) < 5:
            me.repeat_state()

    table = {("a", "repeat"): lambda me: me.repeat_state()}
    ref = await system.spawn(Scripted, table, {"a": again})
    await wait_all_tasks_blocked()
    assert ref.actor.log == [("enter", "a", "a")] * 5
    ref.cast(E("repeat"))
    await wait_all_tasks_blocked()
    assert ref.actor.log[5:] == [("a", "repeat"), ("enter", "a", "a")]


@pytest.mark.parametrize(
    "wrong", [to("c"), postpone, insert("i")], ids=["next_state", "postpone", "next_event"]
)
async def test_an_enter_call_may_not_do_what_gen_statem_forbids_it(system, wrong):
    ref = await system.spawn(Scripted, {("a", "go"): to("b")}, {"b": wrong})
    ref.cast(E("go"))
    reason = await system.join(ref)
    assert isinstance(reason, Crashed)
    assert "on_enter" in str(reason)


async def test_the_first_state_is_entered_after_the_start_and_before_any_event(system):
    began = []

    class Starting(Scripted):
        def init(self):
            began.append("init")
            self.set_timeout("n", 0, E("zero"))
            self.next_event(E("inserted"))

        @on_enter()
        def entered(self, old):
            began.append("enter")
            self.log.append("enter")

    class Starter(Worker):
        async def begin(self):
            ref = await self.spawn(Starting, {})
            began.append("started")
            assert await ref.call(Q("called")) == "a"
            return ref

    starter = await system.spawn(Starter)
    ref = await starter.call(Do(lambda me: me.begin()))
    assert began == ["init", "started", "enter"]
    assert ref.actor.log == ["enter", ("a", "inserted"), ("a", "zero"), ("a", "called")]


async def test_a_machine_that_begins_in_no_state_does_not_start(system):
    class Nowhere(StateMachine[str]):
        pass

    with pytest.raises(StartFailed, match="initial_state"):
        await system.spawn(Nowhere)


async def test_an_async_init_chooses_the_first_state(system):
    class Chooser(StateMachine[str]):
        async def init(self):
            await self.sleep(0)
            with pytest.raises(ActorError, match="no state"):
                self.state
            self.next_state("chosen")

        @on(Q)
        def query(self, _):
            return self.state

    assert await (await system.spawn(Chooser)).call(Q("?")) == "chosen"


async def test_the_reply_is_given_before_the_new_state_is_entered(system):
    released = trio.Event()

    class Slow(Scripted):
        @on_enter("b")
        async def slowly(self, _):
            await released.wait()
            self.log.append("entered b")

    def go(me):
        me.next_state("b")
        return "reply"

    ref, caller = await system.spawn(Slow, {("a", "go"): go}), await system.spawn(Worker)
    assert await ref.call(Q("go")) == "reply"
    assert ref.actor.log[-1] == ("a", "go")
    released.set()
    await wait_all_tasks_blocked()
    assert ref.actor.log[-1] == "entered b"
    ref = await system.spawn(Slow, {("a", "go"): go})
    await wait_all_tasks_blocked()
    released = trio.Event()
    assert await caller.call(Do(lambda me: ref.call(Q("go")))) == "reply"
    assert ref.actor.log[-1] == ("a", "go")
    released.set()
    await wait_all_tasks_blocked()


async def test_the_caller_has_its_reply_also_if_entering_crashes(system):
    ref = await system.spawn(
        Scripted, {("a", "go"): lambda me: me.next_state("b") or 1}, {"b": lambda me: 1 / 0}
    )
    caller = await system.spawn(Worker)
    assert await caller.call(Do(lambda me: ref.call(Q("go")))) == 1
    assert isinstance(await system.join(ref), Crashed)


@pytest.mark.parametrize("direct", [True, False])
async def test_a_postponed_call_is_answered_in_the_state_that_can(system, direct):
    table = {("a", "ask"): postpone, ("a", "go"): to("b")}
    ref, caller = await system.spawn(Scripted, table), await system.spawn(Worker)
    await wait_all_tasks_blocked()
    replies = []

    async def ask():
        if direct:
            replies.append(await caller.call(Do(lambda me: ref.call(Q("ask")))))
        else:
            replies.append(await ref.call(Q("ask")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        assert replies == []
        ref.cast(E("go"))
    assert replies == ["b"]


async def test_a_postponed_call_may_be_answered_by_an_async_handler(system):
    class Async(Scripted):
        @on(Q, state="a")
        async def later(self, _):
            await trio.lowlevel.checkpoint()
            return self.postpone()

        @on(Q, state="b")
        async def now(self, _):
            await trio.lowlevel.checkpoint()
            return "now"

    ref = await system.spawn(Async, {("a", "go"): to("b")})
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def ask():
            assert await ref.call(Q("ask")) == "now"

        await wait_all_tasks_blocked()
        ref.cast(E("go"))


async def test_a_retried_call_may_be_refused_or_deferred(system):
    class Refusing(Scripted):
        held = None

        @on(Q, state="b")
        def refuse(self, event):
            if event.name == "defer":
                self.held = self.reply_to()
                return NO_REPLY
            if event.name == "forget":
                return NO_REPLY
            raise Reject(CallError("no"))

    table = {("a", name): postpone for name in ("x", "defer", "forget")} | {("a", "go"): to("b")}
    ref = await system.spawn(Refusing, table)
    outcomes = {}

    async def ask(name):
        try:
            outcomes[name] = await ref.call(Q(name))
        except CallError as error:
            outcomes[name] = str(error)

    async with trio.open_nursery() as nursery:
        for name in ("x", "defer", "forget"):
            nursery.start_soon(ask, name)
        await wait_all_tasks_blocked()
        ref.cast(E("go"))
        await wait_all_tasks_blocked()
        ref.actor.held.reply("later")
    assert outcomes["x"] == "no"
    assert outcomes["defer"] == "later"
    assert "NO_REPLY" in outcomes["forget"]
    ref.cast(E("alive"))
    await wait_all_tasks_blocked()
    assert ref.actor.log[-1] == ("b", "alive")


@pytest.mark.parametrize("how", ["stop", "crash", "kill"])
async def test_what_is_postponed_when_a_machine_ends_fails_or_is_a_dead_letter(system, how):
    table = {
        ("a", "ask"): postpone, ("a", "p"): postpone,
        ("a", "stop"): lambda me: me.stop(), ("a", "crash"): lambda me: 1 / 0,
    }  # fmt: skip
    ref = await system.spawn(Scripted, table)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def ask():
            with pytest.raises(CalleeDied):
                await ref.call(Q("ask"))

        await wait_all_tasks_blocked()
        ref.cast(E("p"))
        await wait_all_tasks_blocked()
        if how == "kill":
            system.kill(ref)
        else:
            ref.cast(E(how))
    assert system.statistics()["dead_letters"] == 1


async def test_too_many_postponed_events_are_refused_and_the_machine_goes_on(system):
    table = {("a", "p"): postpone, ("a", "ask"): postpone, ("a", "go"): to("b")}
    ref = await system.spawn(Scripted, table)
    for _ in range(5):
        ref.cast(E("p"))
    with pytest.raises(Busy):
        await ref.call(Q("ask"))
    ref.cast(E("go"))
    await wait_all_tasks_blocked()
    assert ref.actor.log.count(("b", "p")) == 3
    assert system.statistics()["dropped_aside"] == 2


async def test_stopping_gives_the_reply_and_does_nothing_else(system):
    def stop(me):
        me.next_state("b")
        me.next_event(E("never"))
        me.stop()
        return "bye"

    ref = await system.spawn(Scripted, {("a", "stop"): stop})
    await wait_all_tasks_blocked()
    machine = ref.actor
    assert await ref.call(Q("stop")) == "bye"
    assert await system.join(ref) == Normal()
    assert machine.log[1:] == [("a", "stop")]
    assert machine.state == "a"


async def test_a_rejected_call_changes_the_state_all_the_same(system):
    def reject(me):
        me.next_state("b")
        raise Reject(CallError("no"))

    async def reject_later(me):
        await me.sleep(0)
        me.next_state("c")
        raise Reject(CallError("no"))

    ref = await system.spawn(Scripted, {("a", "x"): reject})
    with pytest.raises(CallError, match="no"):
        await ref.call(Q("x"))
    assert ref.actor.log[-1] == ("enter", "a", "b")
    with pytest.raises(CallError, match="no"):
        await ref.call(Do(reject_later))
    assert ref.actor.log[-1] == ("enter", "b", "c")


async def test_a_handler_for_the_state_goes_before_one_for_any_and_one_before_handle_event(system):
    class Color(Enum):
        RED = 1
        GREEN = 2

    class Machine(StateMachine[Color]):
        initial_state = Color.RED

        @on(Q, state=Color.RED)
        def red(self, _):
            self.next_state(Color.GREEN)
            return "red"

        @on(Q)
        def any_color(self, _):
            return "any"

        @on(E, state=Color.GREEN)
        @on(E, state=Color.RED)
        def event(self, event):
            self.seen = event

        def handle_event(self, event):
            return f"handle_event {type(event).__name__} in {self.state.name}"

    ref = await system.spawn(Machine)
    assert [await ref.call(Q("")) for _ in range(2)] == ["red", "any"]
    assert await ref.call(CodeLength()) == "handle_event CodeLength in GREEN"
    ref.cast(E("x"))
    await wait_all_tasks_blocked()
    assert ref.actor.seen == E("x")


async def test_a_subclass_overrides_a_handler_of_a_state_by_name(system):
    class Base(StateMachine[str]):
        initial_state = "a"

        @on(Q, state="a")
        def query(self, _):
            return "base"

    class Derived(Base):
        def query(self, _):
            return "derived"

    assert await (await system.spawn(Derived)).call(Q("")) == "derived"


async def test_a_cast_without_a_handler_goes_to_handle_info(system):
    class Machine(StateMachine[str]):
        initial_state = "a"

    ref = await system.spawn(Machine)
    ref.cast(E("x"))
    await wait_all_tasks_blocked()
    assert ref.is_alive()
    assert system.statistics()["unhandled"] == 1


def test_what_cannot_be_is_said_when_the_class_is_defined():
    with pytest.raises(TypeError, match="StateMachine"):

        class NoMachine(Actor):
            @on(E, state="a")
            def event(self, _):
                pass

    with pytest.raises(TypeError, match="two handlers for E in state 'a'"):

        class Twice(StateMachine[str]):
            @on(E, state="a")
            def one(self, _):
                pass

            @on(E, state="a")
            def other(self, _):
                pass


async def test_wrong_uses_are_said_so(system):
    ref = await system.spawn(Scripted, {})

    def wrong(me):
        with pytest.raises(ActorError, match="postpone"):
            me.stash()
        with pytest.raises(TypeError, match="unhashable"):
            me.next_state([])
        with pytest.raises(ValueError, match="finite"):
            me.set_state_timeout(-1)
        for _ in range(5):
            me.next_event(E("i"))
        with pytest.raises(ActorError, match="inserted 5"):
            me.next_event(E("i"))

    Scripted._behaviour.mailbox_limit, limit = 5, Scripted._behaviour.mailbox_limit
    try:
        await ref.call(DoSync(wrong))
    finally:
        Scripted._behaviour.mailbox_limit = limit


async def test_a_machine_that_is_suspended_keeps_what_is_inserted_for_later(system):
    ref = await system.spawn(Scripted, {("a", "go"): both(insert("i"), insert("j"))})
    await wait_all_tasks_blocked()
    await system.suspend(ref)
    ref.cast(E("go"))
    await wait_all_tasks_blocked()
    assert ref.actor.log[1:] == []
    await system.resume(ref)
    await wait_all_tasks_blocked()
    assert ref.actor.log[1:] == [("a", "go"), ("a", "i"), ("a", "j")]


async def test_who_watches_a_machine_sees_retried_events_and_timeouts(system):
    ref = await system.spawn(
        Scripted, {("a", "p"): postpone, ("a", "go"): both(to("b"), insert("i"))}
    )
    await wait_all_tasks_blocked()
    system.start_log(ref, 50)
    for name in ("p", "go"):
        ref.cast(E(name))
    await wait_all_tasks_blocked()
    took = [event.text for event in system.log_of(ref) if event.kind == "in"]
    assert took == [f"E(name={name!r})" for name in ("p", "go", "i", "p")]


async def test_a_machine_at_rest_keeps_nothing_but_its_state(system):
    ref = await system.spawn(Scripted, {("a", "go"): to("b"), ("b", "go"): to("a")})
    for _ in range(3):
        ref.cast(E("go"))
    await wait_all_tasks_blocked()
    assert ref.actor._events is None
    assert ref.actor._todo is None
    assert ref.ties is None


# -- postponing against a model --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Numbered:
    number: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Go:
    state: int


class Picky(StateMachine[int]):
    """Takes a number only in the state that it wants."""

    initial_state = 0
    stash_limit = 1_000

    def __init__(self):
        self.taken = []

    @on(Numbered)
    def numbered(self, event):
        if event.wanted == self.state:
            self.taken.append(event.number)
        else:
            self.postpone()

    @on(Go)
    def go(self, event):
        self.next_state(event.state)


def picked(events):
    """The same, by searching a list for what can be taken next."""
    state, left, taken = 0, [], []
    for event in events:
        if isinstance(event, Numbered):
            left.append(event)
        else:
            state = event.state
        taken += [e.number for e in left if e.wanted == state]
        left = [e for e in left if e.wanted != state]
    return taken


@examples(60)
@given(
    st.lists(
        st.one_of(
            st.builds(Numbered, st.integers(0, 999), st.integers(0, 2)),
            st.builds(Go, st.integers(0, 2)),
        ),
        max_size=40,
    )
)
def test_nothing_postponed_is_lost_doubled_or_overtaken(events):
    async def main():
        async with open_system(seed=0) as system:
            ref = await system.spawn(Picky)
            for event in events:
                ref.cast(event)
            await wait_all_tasks_blocked()
            assert ref.actor.taken == picked(events)

    trio.run(main)
