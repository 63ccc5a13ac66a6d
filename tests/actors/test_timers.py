"""Timers: each promise of `actors.behaviours.timers` alone, and all together against a model."""

from __future__ import annotations

import math

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import ActorError, Normal, TaskActor, Timeout, on, open_system
from tests.actors.kit import Do, DoSync, Note, Worker, seen
from tests.examples import examples


class Ticker(Worker):
    """Notes when it handles what, and can be made slow."""

    slow = 0.0

    @on(Note)
    async def tick(self, message: Note) -> None:
        self.seen.append((message.value, round(trio.current_time(), 6)))
        if self.slow:
            await self.sleep(self.slow)

    @on(Timeout)
    def idle(self, message: Timeout) -> None:
        self.seen.append(("idle", round(trio.current_time(), 6)))


@pytest.fixture
async def system(autojump_clock):
    async with open_system(seed=0) as opened:
        yield opened


async def at(seconds):
    await trio.sleep_until(seconds)
    await wait_all_tasks_blocked()


async def test_a_key_set_again_replaces_the_timer(system, autojump_clock):
    ref = await system.spawn(Ticker)
    await ref.call(Do(lambda me: me.start_timer("k", 1, Note("old"))))
    await ref.call(Do(lambda me: me.start_timer("k", 2, Note("new"))))
    await at(5)
    assert seen(ref) == [("new", 2)]


@pytest.mark.parametrize("instead", ["replace", "cancel key", "cancel timer", "interval"])
async def test_a_timer_that_has_fired_is_taken_back_out_of_the_mailbox(
    system, autojump_clock, instead
):
    ref = await system.spawn(Ticker)

    async def fire_and_take_back(me):
        timer = me.start_timer("k", 1, Note("old"))
        await me.sleep(2)
        assert me.ref.queue_length == 1
        assert timer.is_pending
        assert timer.remaining == 0.0
        if instead == "replace":
            me.start_timer("k", 1, Note("new"))
        elif instead == "interval":
            me.start_interval("k", 1, Note("new"))
        else:
            assert me.cancel_timer("k" if instead == "cancel key" else timer) == 0.0
        assert not timer.is_pending

    await ref.call(Do(fire_and_take_back))
    await at(3.5)
    assert seen(ref) == ([] if instead.startswith("cancel") else [("new", 3)])


async def test_a_timer_without_a_key_that_has_fired_is_a_message_like_others(
    system, autojump_clock
):
    ref = await system.spawn(Ticker)

    async def too_late(me):
        timer = me.send_after(1, Note("sent"))
        await me.sleep(2)
        assert me.cancel_timer(timer) is None

    await ref.call(Do(too_late))
    await wait_all_tasks_blocked()
    assert seen(ref) == [("sent", 2)]


async def test_cancelling_says_what_was_left(system, autojump_clock):
    ref = await system.spawn(Ticker)

    async def cancel(me):
        timer = me.send_after(10, Note(1))
        me.start_timer("k", 20, Note(2))
        await me.sleep(4)
        assert timer.remaining == me.cancel_timer(timer) == 6
        assert me.cancel_timer("k") == 16
        assert me.cancel_timer("k") is me.cancel_timer(timer) is me.cancel_timer("never") is None
        assert timer.remaining is None

    await ref.call(Do(cancel))


async def test_the_keys_in_use_are_listed(system, autojump_clock):
    ref = await system.spawn(Ticker)

    async def look(me):
        me.send_after(1, Note(0))
        first = me.start_timer("a", 1, Note(1))
        me.start_interval(("b", 2), 5, Note(2))
        assert list(me.timers) == ["a", ("b", 2)]
        assert me.timers["a"] is first
        me.cancel_timer("a")
        assert list(me.timers) == [("b", 2)]

    await ref.call(Do(look))


async def test_a_key_may_be_set_again_by_its_own_message(system, autojump_clock):
    class Again(Ticker):
        @on(Note)
        def again(self, message: Note) -> None:
            assert "k" not in self.timers
            self.seen.append(trio.current_time())
            if len(self.seen) < 3:
                self.start_timer("k", 1, message)

    ref = await system.spawn(Again)
    await ref.call(DoSync(lambda me: me.start_timer("k", 1, Note(0))))
    await at(9)
    assert seen(ref) == [1, 2, 3]


async def test_an_interval_counts_its_pause_from_the_last_tick_taken_up(system, autojump_clock):
    ref = await system.spawn(Ticker)
    await ref.call(Do(lambda me: (me.send_interval(2, Note("t")), setattr(me, "slow", 1.5))))
    await at(6.5)
    assert seen(ref) == [("t", 2), ("t", 4), ("t", 6)]


async def test_after_a_stall_an_interval_gives_one_tick_and_not_all_that_were_missed(
    system, autojump_clock
):
    # The catalogue of actor-ts has it as 921: a fixed rate catches up in a burst.
    ref = await system.spawn(Ticker)

    async def stall(me):
        me.send_interval(1, Note("t"))
        await me.sleep(10.5)
        assert me.ref.queue_length == 1

    await ref.call(Do(stall), timeout=None)
    await at(12)
    assert seen(ref) == [("t", 10.5), ("t", 11.5)]


async def test_a_tick_may_end_its_interval(system, autojump_clock):
    class Thrice(Ticker):
        @on(Note)
        def tick(self, message: Note) -> None:
            self.seen.append(message.value)
            if len(self.seen) == 3:
                assert self.cancel_timer("k") == 1

    ref = await system.spawn(Thrice)
    await ref.call(DoSync(lambda me: me.start_interval("k", 1, Note("t"))))
    await at(10)
    assert seen(ref) == ["t", "t", "t"]
    assert system.statistics()["deadlines"] == 0


async def test_a_timer_to_another_actor_outlives_its_sender_as_in_otp(system, autojump_clock):
    receiver, sender = await system.spawn(Ticker), await system.spawn(Ticker)
    await sender.call(Do(lambda me: me.send_after(2, Note("late"), to=receiver) and None))
    system.kill(sender)
    await at(3)
    assert seen(receiver) == [("late", 2)]


async def test_a_timer_to_another_actor_ends_with_its_receiver(system, autojump_clock):
    receiver, sender = await system.spawn(Ticker), await system.spawn(Ticker)
    timer = await sender.call(Do(lambda me: me.send_after(2, Note("late"), to=receiver)))
    system.kill(receiver)
    await wait_all_tasks_blocked()
    assert not timer.is_pending
    assert await sender.call(Do(lambda me: me.cancel_timer(timer))) is None
    to_the_dead = await sender.call(Do(lambda me: me.send_after(2, Note("late"), to=receiver)))
    assert not to_the_dead.is_pending
    assert system.statistics()["deadlines"] == 0


async def test_a_timer_to_another_actor_is_dropped_by_a_full_mailbox(system, autojump_clock):
    class Small(Ticker):
        mailbox_limit = 1

    receiver, sender = await system.spawn(Small), await system.spawn(Ticker)
    await system.suspend(receiver)
    await sender.call(Do(lambda me: [me.send_after(1, Note(n), to=receiver) for n in range(3)]))
    await at(2)
    await system.resume(receiver)
    await wait_all_tasks_blocked()
    assert seen(receiver) == [(0, 2)]
    assert system.statistics()["dropped"] == 2


async def test_an_absolute_time_is_trios_and_may_have_passed(system, autojump_clock):
    ref = await system.spawn(Ticker)

    async def set_them(me):
        await me.sleep(5)
        me.send_after(7, Note("at 7"), absolute=True)
        me.start_timer("k", 6, Note("at 6"), absolute=True)
        me.send_after(2, Note("passed"), absolute=True)

    await ref.call(Do(set_them), timeout=None)
    await at(8)
    assert [value for value, _ in seen(ref)] == ["passed", "at 6", "at 7"]
    assert [time for _, time in seen(ref)][1:] == [6, 7]


@pytest.mark.parametrize("how", ["kill", "crash", "stop"])
async def test_no_timer_survives_its_actor(system, autojump_clock, how):
    # akka.net 7692: a timer that goes on after its actor has ended.
    def start_all(me):
        me.send_after(1, Note(0))
        me.start_timer("k", 1, Note(1))
        me.send_interval(1, Note(2))
        me.set_idle_timeout(1)

    ref = await system.spawn(Ticker)
    await ref.call(Do(start_all))
    if how == "kill":
        system.kill(ref)
    elif how == "stop":
        ref.cast(Do(lambda me: me.stop(Normal())))
    else:
        ref.cast(Do(lambda me: 1 / 0))
    await wait_all_tasks_blocked()
    assert not ref.is_alive()
    assert system.statistics()["deadlines"] == 0
    before = system.statistics()["dead_letters"]
    await at(5)
    assert system.statistics()["dead_letters"] == before


async def test_a_timer_that_waits_when_its_actor_ends_is_no_dead_letter(system, autojump_clock):
    ref = await system.spawn(Ticker)

    async def wait_and_stop(me):
        me.start_timer("k", 1, Note(1))
        await me.sleep(2)
        me.stop()

    await ref.call(Do(wait_and_stop))
    await wait_all_tasks_blocked()
    assert system.statistics()["dead_letters"] == 0


async def test_a_keyed_message_without_a_handler_goes_to_handle_info(system, autojump_clock):
    class Other(Worker):
        def handle_info(self, message):
            self.seen.append(message)

    ref = await system.spawn(Other)
    await ref.call(Do(lambda me: me.start_timer("k", 1, "text")))
    await at(2)
    assert seen(ref) == ["text"]


async def test_a_crash_in_a_keyed_message_is_reported_with_the_message(system, autojump_clock):
    class Fragile(Worker):
        @on(Note)
        def note(self, message: Note) -> None:
            raise ValueError(message)

    reports = []
    system.on_report(reports.append)
    ref = await system.spawn(Fragile)
    await ref.call(Do(lambda me: me.start_timer("k", 1, Note("the message"))))
    await at(2)
    assert "the message" in str(reports[0].message)


async def test_who_watches_an_actor_sees_what_a_keyed_timer_sends(system, autojump_clock):
    ref = await system.spawn(Ticker)
    await ref.call(Do(lambda me: me.start_timer("k", 1, Note("watched"))))
    system.start_log(ref)
    await at(2)
    assert seen(ref) == [("watched", 1)]
    assert [event.text for event in system.log_of(ref)] == ["Note(value='watched')", "Note"]


async def test_a_task_actor_receives_what_its_timers_send(system, autojump_clock):
    class Loop(TaskActor):
        got = []  # noqa: RUF012

        async def run(self):
            self.start_timer("gone", 1, Note("gone"))
            self.start_interval("k", 1, Note("tick"))
            await self.sleep(1.5)
            self.cancel_timer("gone")
            for _ in range(2):
                self.got.append(((await self.receive()).value, trio.current_time()))
            with pytest.raises(ActorError, match="move_on_after"):
                self.set_idle_timeout(1)

    ref = await system.spawn(Loop)
    assert await system.join(ref) == Normal()
    assert Loop.got == [("tick", 1.5), ("tick", 2.5)]


@pytest.mark.parametrize("seconds", [-1, math.inf, math.nan])
async def test_a_time_that_makes_no_sense_is_refused(system, autojump_clock, seconds):
    ref = await system.spawn(Ticker)

    def refuse(me):
        for function in (me.send_after, me.send_interval):
            with pytest.raises(ValueError, match="finite"):
                function(seconds, Note(1))
        for function in (me.start_timer, me.start_interval):
            with pytest.raises(ValueError, match="finite"):
                function("k", seconds, Note(1))
        with pytest.raises(ValueError, match="finite"):
            me.set_idle_timeout(seconds)
        with pytest.raises(ValueError, match="above 0"):
            me.send_interval(0, Note(1))
        with pytest.raises(ValueError, match="key"):
            me.start_timer(None, 1, Note(1))

    await ref.call(DoSync(refuse))


# -- inactivity -----------------------------------------------------------------------------------


async def test_the_idle_timeout_comes_when_nothing_was_handled_for_so_long(system, autojump_clock):
    ref = await system.spawn(Ticker)
    await ref.call(DoSync(lambda me: me.set_idle_timeout(3)))
    await at(2)
    ref.cast(Note("cast"))
    await at(4)
    await ref.call(Do(lambda me: None))
    await at(6)
    await ref.call(DoSync(lambda me: None))
    await at(13)
    assert seen(ref) == [("cast", 2), ("idle", 9), ("idle", 12)]


async def test_the_idle_timeout_hears_of_calls_that_step_the_actor_directly(system, autojump_clock):
    ref, caller = await system.spawn(Ticker), await system.spawn(Ticker)

    async def call_often(me):
        for _ in range(5):
            await me.sleep(2)
            await ref.call(DoSync(lambda other: None))

    await ref.call(DoSync(lambda me: me.set_idle_timeout(3)))
    await caller.call(Do(call_often), timeout=None)
    await at(14)
    assert seen(ref) == [("idle", 13)]
    assert system.statistics()["direct_calls"] >= 5


async def test_a_long_handler_is_not_idle(system, autojump_clock):
    ref = await system.spawn(Ticker)
    await ref.call(DoSync(lambda me: me.set_idle_timeout(3)))
    await ref.call(Do(lambda me: me.sleep(10)), timeout=None)
    await at(14)
    assert seen(ref) == [("idle", 13)]


async def test_a_suspended_actor_is_not_idle(system, autojump_clock):
    ref = await system.spawn(Ticker)
    await ref.call(DoSync(lambda me: me.set_idle_timeout(3)))
    await system.suspend(ref)
    await at(20)
    await system.resume(ref)
    await at(24)
    assert seen(ref) == [("idle", 23)]


async def test_the_idle_timeout_is_replaced_and_removed(system, autojump_clock):
    ref = await system.spawn(Ticker)
    await ref.call(DoSync(lambda me: me.set_idle_timeout(3)))
    await ref.call(DoSync(lambda me: me.set_idle_timeout(5, Note("other"))))
    await at(6)
    await ref.call(DoSync(lambda me: me.set_idle_timeout(None)))
    await at(30)
    assert seen(ref) == [("other", 5)]
    assert system.statistics()["deadlines"] == 0
    assert ref.control is None


async def test_the_idle_timeout_may_be_set_in_init(system, autojump_clock):
    class Idler(Ticker):
        def init(self):
            self.set_idle_timeout(2)

    ref = await system.spawn(Idler)
    assert (await ref.call(DoSync(lambda me: 1))) == 1
    await at(3)
    assert seen(ref) == [("idle", 2)]


# -- a model ---------------------------------------------------------------------------------------

KEYS = ["a", "b"]
ACTIONS = st.one_of(
    st.tuples(st.just("after"), st.integers(1, 6)),
    st.tuples(st.just("keyed"), st.sampled_from(KEYS), st.integers(1, 6)),
    st.tuples(st.just("interval"), st.sampled_from(KEYS), st.integers(1, 4)),
    st.tuples(st.just("cancel"), st.sampled_from(KEYS)),
    st.tuples(st.just("cancel last")),
    st.tuples(st.just("busy"), st.integers(1, 8)),
    st.tuples(st.just("pass"), st.integers(1, 5)),
    st.tuples(st.just("burn"), st.sampled_from(KEYS), st.integers(1, 5), st.integers(1, 3)),
)


class Model:
    """Timers as a list that is searched, in whole seconds."""

    def __init__(self):
        self.now, self.order, self.pending, self.waiting, self.seen = 0, 0, [], [], []
        self.last = None

    def set(self, key, due, name, every=None):
        self.cancel(key)
        self.order += 1
        timer = {
            "due": due, "order": self.order, "key": key, "name": name, "every": every,
            "waits": False,
        }  # fmt: skip
        self.pending.append(timer)
        return timer

    def cancel(self, key):
        for timer in [t for t in self.pending if key is not None and t["key"] == key]:
            self.drop(timer)

    def drop(self, timer):
        if timer in self.pending:
            self.pending.remove(timer)
            if timer in self.waiting:
                self.waiting.remove(timer)
            return True
        return False

    def advance(self, until, busy):
        while True:
            due = [t for t in self.pending if not t["waits"] and t["due"] <= until]
            if not due:
                break
            timer = min(due, key=lambda t: (t["due"], t["order"]))
            self.now = max(self.now, timer["due"])
            timer["waits"] = True
            self.waiting.append(timer)
            if timer["key"] is None:
                self.pending.remove(timer)
            if not busy:
                self.handle()
        self.now = until

    def handle(self):
        while self.waiting:
            timer = self.waiting.pop(0)
            self.seen.append((timer["name"], self.now))
            timer["waits"] = False
            if timer["every"] is not None:
                self.order += 1
                timer.update(due=self.now + timer["every"], order=self.order)
            elif timer in self.pending:
                self.pending.remove(timer)


async def play(actions):
    model = Model()
    async with open_system(seed=0) as system:
        ref = await system.spawn(Ticker)
        last = None
        for number, action in enumerate(actions):
            what, *rest = action
            if what == "pass":
                model.advance(model.now + rest[0], busy=False)
                await at(model.now)
                continue
            if what == "busy":
                start = trio.current_time()
                model.advance(model.now + rest[0], busy=True)
                model.handle()
                await ref.call(Do(lambda me, rest=rest: me.sleep(rest[0])), timeout=None)
                assert trio.current_time() == start + rest[0]
            elif what == "after":
                timer = await ref.call(
                    DoSync(lambda me, n=number, rest=rest: me.send_after(rest[0], Note(n)))
                )
                last = timer
                model.last = model.set(None, model.now + rest[0], number)
            elif what == "keyed":
                last = await ref.call(
                    DoSync(lambda me, n=number, rest=rest: me.start_timer(*rest, Note(n)))
                )
                model.last = model.set(rest[0], model.now + rest[1], number)
            elif what == "interval":
                last = await ref.call(
                    DoSync(lambda me, n=number, rest=rest: me.start_interval(*rest, Note(n)))
                )
                model.last = model.set(rest[0], model.now + rest[1], number, every=rest[1])
            elif what == "cancel":
                left = await ref.call(DoSync(lambda me, rest=rest: me.cancel_timer(rest[0])))
                known = [t for t in model.pending if t["key"] == rest[0]]
                assert left == (known[0]["due"] - model.now if known else None)
                model.cancel(rest[0])
            elif what == "cancel last" and last is not None:
                left = await ref.call(DoSync(lambda me, last=last: me.cancel_timer(last)))
                assert (left is not None) == model.drop(model.last)
            elif what == "burn":
                await ref.call(Do(lambda me, n=number, rest=rest: _burn(me, n, *rest)), None)
                key, busy, seconds = rest
                model.advance(model.now + busy, busy=True)
                last, model.last = None, model.set(key, model.now + seconds, number)
                model.handle()
            await wait_all_tasks_blocked()
            model.advance(model.now, busy=False)
            await at(model.now)
            assert seen(ref) == model.seen
            assert set(ref.actor.timers) == {t["key"] for t in model.pending} - {None}
        for key in KEYS:
            await ref.call(DoSync(lambda me, key=key: me.cancel_timer(key)))
            model.cancel(key)
        model.advance(model.now + 10, busy=False)
        await at(model.now)
        assert seen(ref) == model.seen
        assert system.statistics()["deadlines"] == 0


async def _burn(me, number, key, busy, seconds):
    """Wait so long that others fire, and then set one of them again."""
    await me.sleep(busy)
    me.start_timer(key, seconds, Note(number))


@examples(100)
@given(st.lists(ACTIONS, max_size=14))
def test_timers_do_what_a_model_of_them_does(actions):
    trio.run(play, actions, clock=MockClock(autojump_threshold=0))
