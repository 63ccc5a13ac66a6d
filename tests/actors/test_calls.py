"""Calls, casts and replies."""

from __future__ import annotations

import gc
import weakref

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    NO_REPLY,
    Actor,
    Answer,
    Busy,
    CallCycle,
    CalleeDied,
    CallError,
    CallTimeout,
    Crashed,
    NoProc,
    Normal,
    Reject,
    Request,
    Requests,
    Signal,
    StateMachine,
    Stop,
    Unhandled,
    on,
    open_system,
)
from tests.actors.kit import Add, Do, DoSync, Get, Note, Worker


async def test_a_call_from_a_task_gets_the_reply():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        assert await ref.call(Add(3)) == 4


async def test_a_call_from_an_actor_to_an_idle_one_is_stepped_directly():
    async with open_system() as system:
        one, two = await system.spawn(Worker), await system.spawn(Worker)
        before = system.statistics()["direct_calls"]
        assert await one.call(Do(lambda me: two.call(Add(1)))) == 2
        assert system.statistics()["direct_calls"] == before + 1


async def test_casts_and_calls_of_one_sender_arrive_in_order():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        other = await system.spawn(Worker)

        async def both(me):
            for number in range(5):
                ref.cast(Note(number))
            first = await ref.call(Get())
            ref.cast(Note(5))
            return first, await ref.call(Get())

        assert await other.call(Do(both)) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5])


async def test_a_direct_call_never_overtakes_an_earlier_cast():
    async with open_system() as system:
        ref, other = await system.spawn(Worker), await system.spawn(Worker)

        def cast_only(me):
            ref.cast(Note("first"))

        async def cast_and_call(me):
            ref.cast(Note("second"))
            return await ref.call(Get())

        await other.call(DoSync(cast_only))
        assert await other.call(Do(cast_and_call)) == ["first", "second"]


async def test_a_call_to_a_dead_actor_fails_at_once_with_noproc():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        system.kill(ref)
        await system.join(ref)
        with pytest.raises(CalleeDied) as caught:
            await ref.call(Add(1))
        assert caught.value.reason == NoProc()


async def test_a_stale_ref_is_told_apart_from_a_callee_that_dies_meanwhile():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(CalleeDied, match="ended before it replied: ZeroDivisionError"):
            await ref.call(DoSync(lambda _: 1 / 0))
        with pytest.raises(CalleeDied, match="had ended before: noproc; a ref is good for one"):
            await ref.call(Add(1))


async def test_a_call_fails_with_the_reason_when_the_callee_crashes():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(CalleeDied) as caught:
            await ref.call(DoSync(lambda me: 1 / 0))
        assert caught.value.reason == Crashed("ZeroDivisionError", "division by zero")
        assert caught.value.__cause__ is None


async def test_calls_that_wait_in_the_mailbox_fail_when_the_callee_dies():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        reasons = []

        async def wait_in_line():
            with pytest.raises(CalleeDied) as caught:
                await ref.call(Add(1))
            reasons.append(caught.value.reason)

        async with trio.open_nursery() as nursery:
            ref.cast(Do(lambda me: me.sleep(100)))
            await wait_all_tasks_blocked()
            for _ in range(3):
                nursery.start_soon(wait_in_line)
            await wait_all_tasks_blocked()
            ref.cast(Note("never handled"))
            system.exit(ref, Crashed("x"))
        assert reasons == [Crashed("x")] * 3
        assert system.statistics()["dead_letters"] == 1


async def test_a_call_times_out_and_the_late_reply_is_dropped(autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        before = trio.current_time()
        with pytest.raises(CallTimeout, match=r"no reply to Do from <Worker"):
            await ref.call(Do(lambda me: me.sleep(3)), timeout=2)
        assert 2 <= trio.current_time() - before < 2.01
        assert await ref.call(Add(1)) == 2
        assert trio.current_time() - before < 3.01


async def test_a_late_reply_does_not_wake_the_callers_next_wait(autojump_clock):
    async with open_system() as system:
        slow, caller = await system.spawn(Worker), await system.spawn(Worker)
        signal: Signal[str] = Signal()

        async def twice(me):
            with pytest.raises(CallTimeout):
                await slow.call(Do(lambda other: other.sleep(2)), timeout=1)
            return await signal.wait()

        async def set_later():
            await trio.sleep(5)
            signal.set("the signal")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(set_later)
            assert await caller.call(Do(twice), timeout=None) == "the signal"


async def test_answered_calls_leave_no_deadline_behind():
    async with open_system() as system:
        one, two = await system.spawn(Worker), await system.spawn(Worker)

        async def many(me):
            for _ in range(200):
                await two.call(Do(lambda other: other.sleep(0)))

        await one.call(Do(many))
        assert system.statistics()["deadlines"] == 0


async def test_an_unknown_request_is_refused_and_the_actor_lives():
    class Unknown(Request[int]):
        pass

    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(Unhandled, match="add one with @on"):
            await ref.call(Unknown())
        other = await system.spawn(Worker)
        assert await other.call(Do(lambda me: _outcome(ref.call(Unknown())))) == "Unhandled"
        assert await ref.call(Add(1)) == 2


async def test_a_rejected_call_fails_with_the_error_and_the_actor_lives():
    class Refused(CallError):
        pass

    def reject(me):
        raise Reject(Refused("no"))

    async with open_system() as system:
        ref, other = await system.spawn(Worker), await system.spawn(Worker)
        with pytest.raises(Refused, match="no"):
            await ref.call(DoSync(reject))
        with pytest.raises(Refused, match="no"):
            await ref.call(Do(reject))
        assert await other.call(Do(lambda me: _outcome(ref.call(DoSync(reject))))) == "Refused"
        assert ref.is_alive()


async def _outcome(call):
    try:
        return await call
    except CallError as error:
        return type(error).__name__


async def test_a_full_mailbox_refuses_calls_and_drops_casts():
    class Small(Worker):
        mailbox_limit = 2

    async with open_system() as system:
        ref = await system.spawn(Small)
        ref.cast(Do(lambda me: me.sleep(1000)))
        await wait_all_tasks_blocked()
        for number in range(5):
            ref.cast(Note(number))
        with pytest.raises(Busy, match="is full"):
            await ref.call(Add(1))
        assert ref.queue_length == 2
        assert system.statistics()["dropped"] == 3
        assert system.statistics()["busy"] == 1


async def test_what_the_runtime_owes_an_actor_ignores_the_bound(autojump_clock):
    class Small(Worker):
        mailbox_limit = 1

    async with open_system() as system:
        ref, other = await system.spawn(Small), await system.spawn(Worker)

        async def ask(me):
            me.monitor(other)
            for tag in range(3):
                me.request(other, Add(tag), tag)
            me.send_after(1, Note("timer"))
            await me.sleep(2)

        await ref.call(Do(ask))
        await wait_all_tasks_blocked()
        system.kill(other)
        await wait_all_tasks_blocked()
        kinds = [type(entry).__name__ for entry in ref.actor.seen]
        assert kinds == ["str", "Down"]
        assert system.statistics()["dropped"] == 0


class Deferring(Worker):
    def __init__(self):
        super().__init__()
        self.waiting = []

    @on(Add)
    def add(self, request):
        self.waiting.append(self.reply_to())
        return NO_REPLY


async def test_a_deferred_reply_is_given_later_by_anybody():
    async with open_system() as system:
        ref, caller = await system.spawn(Deferring), await system.spawn(Worker)
        results = []

        async def ask(who):
            results.append(await who)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, ref.call(Add(1)))
            nursery.start_soon(ask, caller.call(Do(lambda me: ref.call(Add(1)))))
            await wait_all_tasks_blocked()
            assert len(ref.actor.waiting) == 2
            for reply in ref.actor.waiting:
                assert reply.is_open
                reply.reply("later")
                reply.reply("too late")
        assert results == ["later", "later"]


async def test_a_deferred_reply_may_fail_and_may_come_within_the_handler():
    class Within(Worker):
        @on(Add)
        def add(self, request):
            if request.amount:
                self.reply_to().reply("at once")
            else:
                self.reply_to().fail(CallError("not zero"))
            return NO_REPLY

    async with open_system() as system:
        ref, caller = await system.spawn(Within), await system.spawn(Worker)
        assert await ref.call(Add(1)) == "at once"
        assert await caller.call(Do(lambda me: ref.call(Add(1)))) == "at once"
        with pytest.raises(CallError, match="not zero"):
            await ref.call(Add(0))
        assert await caller.call(Do(lambda me: _outcome(ref.call(Add(0))))) == "CallError"


async def test_callers_who_are_owed_a_reply_hear_of_the_callees_death():
    async with open_system() as system:
        ref = await system.spawn(Deferring)

        async def ask():
            with pytest.raises(CalleeDied):
                await ref.call(Add(1))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            system.kill(ref)


async def test_no_reply_without_reply_to_fails_the_call_at_once():
    class Forgetful(Worker):
        @on(Add)
        def add(self, request):
            return NO_REPLY

    async with open_system() as system:
        ref, caller = await system.spawn(Forgetful), await system.spawn(Worker)
        with pytest.raises(CallError, match="without taking self"):
            await ref.call(Add(1))
        assert await caller.call(Do(lambda me: _outcome(ref.call(Add(1))))) == "CallError"


async def test_reply_to_in_the_handler_of_a_cast_is_an_error():
    reports = []
    async with open_system() as system:
        system.on_report(reports.append)
        ref = await system.spawn(Worker)
        ref.cast(DoSync(lambda me: me.reply_to()))
        await system.join(ref)
        assert "not called but cast" in reports[0].reason.text


async def test_requests_are_answered_later_in_the_mailbox(autojump_clock):
    class Asker(Worker):
        @on(Answer)
        def answered(self, answer):
            self.seen.append((answer.tag, answer.value, type(answer.error).__name__))

    async with open_system() as system:
        ref, other = await system.spawn(Asker), await system.spawn(Worker)

        def ask(me):
            me.request(other, Add(1), "sum")
            me.request(other, Do(lambda them: them.sleep(10)), "slow", timeout=1)
            me.request(other, DoSync(lambda them: 1 / 0), "dies")
            me.request(other, Add(1), "behind")

        await ref.call(DoSync(ask))
        await system.join(other)
        await ref.call(DoSync(lambda me: me.request(other, Add(1), "dead")))
        assert await ref.call(Get()) == [
            ("sum", 2, "NoneType"),
            ("slow", None, "CallTimeout"),
            ("dies", None, "CalleeDied"),
            ("behind", None, "CalleeDied"),
            ("dead", None, "CalleeDied"),
        ]


async def test_a_call_to_itself_is_a_cycle():
    async with open_system() as system:
        ref = await system.spawn(Worker, name="me")
        with pytest.raises(CalleeDied) as caught:
            await ref.call(Do(lambda me: me.ref.call(Add(1))))
        assert caught.value.reason.exception == "actors.errors.CallCycle"
        assert "'me' actors#1> waits for <Worker 'me' actors#1>" in caught.value.reason.text


@pytest.mark.parametrize("length", [2, 3, 10, 30])
@pytest.mark.parametrize("direct", [True, False])
async def test_a_cycle_of_calls_is_raised_and_named(length, direct):
    async with open_system() as system:
        refs = [await system.spawn(Worker, name=number) for number in range(length)]
        cycles = []

        async def call_next(me):
            if not direct:
                await me.sleep(0.001)
            following = refs[(me.ref.name + 1) % length]
            try:
                return await following.call(Do(call_next), timeout=None)
            except CallCycle as error:
                cycles.append([ref.name for ref in error.cycle])
                raise

        with pytest.raises(CalleeDied):
            await refs[0].call(Do(call_next), timeout=None)
        last = length - 1
        assert cycles == [[last, *range(length - 1), last]]


async def test_a_cycle_longer_than_the_first_look_is_found_after_a_second(autojump_clock):
    length = 100
    async with open_system() as system:
        refs = [await system.spawn(Worker, name=number) for number in range(length)]
        kinds = []

        async def call_next(me):
            await me.sleep(0.001)
            try:
                return await refs[(me.ref.name + 1) % length].call(Do(call_next), timeout=None)
            except CallError as error:
                kinds.append(type(error))
                raise

        before = trio.current_time()
        timeout = 1000

        async def start(me):
            return await call_next(me)

        with pytest.raises(CallError):
            await refs[0].call(Do(start), timeout=timeout)
        assert trio.current_time() - before < 5


async def test_a_call_from_a_handlers_child_task_back_to_its_actor_is_a_cycle():
    async with open_system() as system:
        ref, other = await system.spawn(Worker), await system.spawn(Worker)
        found = []

        async def child(target):
            try:
                await target.call(Do(lambda them: ref.call(Add(1), timeout=None)), timeout=None)
            except CallError as error:
                found.append(error)

        async def parent(me):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child, ref)
                nursery.start_soon(child, other)

        await ref.call(Do(parent))
        kinds = {type(error).__name__ for error in found}
        assert kinds == {"CallCycle", "CalleeDied"}


async def test_a_waiting_reply_keeps_nothing_of_the_dead_callee_alive():
    class Big(Worker):
        pass

    async with open_system() as system:
        ref = await system.spawn(Big)
        actor = weakref.ref(ref.actor)
        with pytest.raises(CalleeDied):
            await ref.call(DoSync(lambda me: 1 / 0))
        gc.collect()
        assert actor() is None


async def test_a_cancelled_caller_is_forgotten():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with trio.move_on_after(0):
            await ref.call(Add(1))
        ref.cast(Do(lambda me: me.sleep(0.05)))
        with trio.move_on_after(0.01):
            await ref.call(Add(1))
        assert await ref.call(Add(1)) == 2
        assert system.statistics()["deadlines"] == 0


async def test_stop_ends_the_actor_after_the_message_with_its_reply():
    log = []
    async with open_system() as system:
        ref = await system.spawn(Worker, log=log)
        assert await ref.call(DoSync(lambda me: me.stop() or "reply")) == "reply"
        assert await system.join(ref) == Normal()
        assert log == [("terminate", Normal())]


async def test_raising_stop_ends_the_actor_and_fails_the_call():
    def stop(me):
        raise Stop(Normal())

    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(CalleeDied) as caught:
            await ref.call(DoSync(stop))
        assert caught.value.reason == Normal()
        assert system.statistics()["crashes"] == 0


async def test_each_waiter_gets_an_exception_of_its_own():
    errors = []
    async with open_system() as system:
        ref = await system.spawn(Deferring)

        async def ask():
            try:
                await ref.call(Add(1))
            except CalleeDied as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            system.kill(ref)
    assert len({id(error) for error in errors}) == 3


async def test_a_class_with_two_handlers_for_one_message_is_refused():
    with pytest.raises(TypeError, match="two handlers for Add: one and two"):

        class Twice(Actor):
            @on(Add)
            def one(self, request): ...

            @on(Add)
            def two(self, request): ...


async def test_on_takes_a_class():
    with pytest.raises(TypeError, match="write @on"):
        on(Add(1))


async def test_a_subclass_handles_with_its_own_method():
    class Derived(Worker):
        def add(self, request):
            return "derived"

    async with open_system() as system:
        ref = await system.spawn(Derived)
        assert await ref.call(Add(1)) == "derived"


class Twice(Actor):
    @on(Get)
    def get(self, request):
        self.reply_to().reply("first")
        return "second"


async def test_of_two_replies_the_first_counts_stepped_directly_or_not():
    async with open_system() as system:
        twice, worker = await system.spawn(Twice), await system.spawn(Worker)
        assert await twice.call(Get()) == "first"

        async def ask(me):
            return await twice.call(Get())

        assert await worker.call(Do(ask)) == "first"
        assert system.statistics()["direct_calls"] >= 1


@pytest.mark.parametrize("seconds", ["1", float("nan"), [], 10**400])
async def test_a_timeout_that_is_no_number_is_the_callers_fault_alone(seconds):
    async with open_system() as system:
        callee, caller = await system.spawn(Worker), await system.spawn(Worker)
        with pytest.raises(CalleeDied, match="a timeout is a number of seconds, not"):
            await caller.call(
                Do(lambda _: callee.call(Do(lambda worker: worker.sleep(0.01)), timeout=seconds))
            )
        with pytest.raises((TypeError, ValueError), match="a timeout is a number of seconds, not"):
            await callee.call(Do(lambda worker: worker.sleep(0.01)), timeout=seconds)
        with pytest.raises((TypeError, ValueError), match="a timeout is a number of seconds, not"):
            await system.suspend(callee, seconds)
        assert await callee.call(Add(1)) == 2


@pytest.mark.parametrize("seconds", [1e308, float("inf")])
async def test_a_timeout_may_be_longer_than_any_clock(seconds):
    async with open_system() as system:
        callee, caller = await system.spawn(Worker), await system.spawn(Worker)
        nap = Do(lambda worker: worker.sleep(0.01))
        await caller.call(Do(lambda _: callee.call(nap, timeout=seconds)))
        await callee.call(nap, timeout=seconds)
        callee.cast(nap)
        await system.get_state(callee, seconds)
        with pytest.raises(CallTimeout):
            await callee.call(nap, timeout=-seconds)


async def test_what_is_no_call_error_is_not_for_reject():
    async with open_system() as system:
        ref = await system.spawn(Worker)

        def refuse(_):
            raise Reject(ValueError("no"))

        requests = Requests()
        requests.send(ref, DoSync(refuse))
        answer = await requests.next()
        assert "Reject takes a CallError" in str(answer.error)


async def test_what_is_no_reason_is_not_for_stop():
    async with open_system() as system:
        ref = await system.spawn(Worker)

        def end(_):
            raise Stop("done")

        with pytest.raises(CalleeDied, match="Stop takes an ExitReason such as Normal"):
            await ref.call(DoSync(end))


def test_a_handler_that_nobody_would_run_is_refused():
    with pytest.raises(TypeError, match="contains yield, so nobody would run it"):

        @on(int)
        def handler(self, message):
            yield message

    with pytest.raises(TypeError, match="contains yield, so nobody would run it"):

        @on(int)
        async def other(self, message):
            yield message


@pytest.mark.parametrize("hook", ["init", "terminate", "handle_info"])
def test_a_hook_that_nobody_would_run_is_refused(hook):
    def method(*_):
        yield

    method.__qualname__ = hook
    with pytest.raises(TypeError, match=f"{hook} contains yield, so nobody would run it"):
        type("Waits", (Actor,), {hook: method})


def test_a_handler_does_not_replace_a_method_of_every_actor():
    with pytest.raises(TypeError, match="would replace the method stop"):

        class Stops(Actor):
            @on(Add)
            def stop(self, request):
                return 0

    with pytest.raises(TypeError, match="would replace the method next_state"):

        class Machine(StateMachine):
            @on(Add, state=1)
            def next_state(self, request):
                return 0

    class Catches(Actor):
        @on(Add)
        def handle_info(self, request):
            return 0

    class Overrides(Worker):
        @on(Add)
        def add(self, request):
            return 0


async def test_a_failure_of_one_system_leaves_the_others_of_this_run_alone(monkeypatch):
    async def fail_inside_the_runtime():
        async with open_system() as system:
            ref = await system.spawn(Worker)
            ref.cast(DoSync(lambda _: 1 / 0))
            await trio.sleep_forever()

    with monkeypatch.context() as patch, pytest.raises(TypeError, match="not callable"):
        patch.setattr("actors.scheduling.outcomes.reason_of", None)
        await fail_inside_the_runtime()
    async with open_system() as system:
        ref = await system.spawn(Worker)
        assert await ref.call(Add(1)) == 2
