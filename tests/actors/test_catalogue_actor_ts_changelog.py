"""What went wrong elsewhere: findings that the change log of pathosDev/actor-ts tells of.

Each release of that runtime says what was mended in it. The table of all findings, also of those
that tests elsewhere hold, is in `test_catalogue_actor_ts.py`.
"""

from __future__ import annotations

import contextvars
import logging

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    Down,
    Killed,
    StateMachine,
    on,
    open_system,
)
from actors.observing.events import DeadLetter, Started, Stopped
from actors.observing.reports import MAX_CAUSED, MailboxAlarm
from tests.actors.kit import Do, DoSync, Note, Worker, seen
from tests.actors.test_overflow import CLASSES, POLICIES

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
async def system():
    async with open_system(seed=1) as system:
        yield system


async def ended(system, ref):
    system.kill(ref)
    await system.join(ref)
    return ref


@pytest.mark.parametrize("policy", POLICIES)
async def test_729_an_end_is_told_to_all_who_watch_whatever_their_mailboxes_do_when_full(
    system, autojump_clock, policy
):
    """There, one that refused kept the others from being told and its parent from ending."""
    parent, before = await system.spawn(Worker, trap=True), await system.spawn(Worker)
    target = await parent.call(Do(lambda me: me.spawn(Worker)))
    full = [await system.spawn(CLASSES[policy]) for _ in range(3)]
    after = await system.spawn(Worker)
    monitors = {watcher: watcher.actor.monitor(target) for watcher in (before, *full, after)}
    for watcher in full:
        await system.suspend(watcher)
        for number in range(5):
            watcher.cast(Note(number))
    system.kill(target)
    await system.join(target)
    for watcher in full:
        for number in range(5, 10):
            watcher.cast(Note(number))
        await system.resume(watcher)
    await wait_all_tasks_blocked()
    for watcher, monitor in monitors.items():
        assert Down(monitor, target, Killed()) in seen(watcher)
    assert all(len(seen(watcher)) == 4 for watcher in full)
    await system.stop(parent)


@pytest.mark.parametrize("callbacks", [1, 2, 3])
async def test_601_a_dead_letter_caused_by_telling_of_one_is_not_told(system, caplog, callbacks):
    caplog.set_level(logging.CRITICAL, "actors")
    dead = await ended(system, await system.spawn(Worker))
    told = []

    def answer_to_the_dead(event):
        told.append(event)
        dead.cast(Note("answer"))

    for _ in range(callbacks):
        system.on_event(answer_to_the_dead, DeadLetter)
    dead.cast(Note("first"))
    assert len(told) == callbacks
    assert system.statistics()["dead_letters"] == 1 + callbacks
    dead.cast(Note("second"))
    assert len(told) == 2 * callbacks


async def test_601_what_a_callback_causes_is_told_to_all_after_the_event_in_hand(system):
    class Alarmed(Worker):
        mailbox_alarm = 1

    dead = await ended(system, await system.spawn(Worker))
    alarmed = await system.spawn(Alarmed)
    await system.suspend(alarmed)
    alarmed.cast(Note(0))
    heard = []
    system.on_event(lambda event: alarmed.cast(Note(1)), DeadLetter)
    system.on_event(lambda event: heard.append(type(event)), DeadLetter, MailboxAlarm)
    dead.cast(Note(0))
    assert heard == [DeadLetter, MailboxAlarm]


async def test_601_what_callbacks_cause_is_bounded(system, caplog):
    caplog.set_level(logging.CRITICAL, "actors")

    class Alarmed(Worker):
        mailbox_alarm = 1

    dead = await ended(system, await system.spawn(Worker))
    many, told = MAX_CAUSED + 100, []
    refs = [await system.spawn(Alarmed) for _ in range(many)]
    for ref in refs:
        await system.suspend(ref)
        ref.cast(Note(0))

    def alarm_all(event):
        for ref in refs:
            ref.cast(Note(1))

    undo = system.on_event(alarm_all, DeadLetter)
    system.on_event(told.append, MailboxAlarm)
    dead.cast(Note(0))
    undo()
    assert len(told) == MAX_CAUSED
    assert system.statistics()["mailbox_alarms"] == many


async def test_645_an_actor_whose_subscription_has_ended_is_not_sent_the_event_in_hand(system):
    listener, target = await system.spawn(Worker), await system.spawn(Worker)
    subscriptions = []
    system.on_event(lambda event: subscriptions[0].close(), Stopped)
    subscriptions.append(system.send_events(listener, Stopped))
    await ended(system, target)
    await wait_all_tasks_blocked()
    assert system.statistics()["unhandled"] == 0


async def test_645_a_stream_that_was_closed_gets_not_even_the_event_in_hand(system):
    streams = []
    system.on_event(lambda event: streams[0].close(), Started)
    streams.append(system.events(Started))
    await system.spawn(Worker)
    assert streams[0].receive_nowait() is None


FORGED = "quoted\nERROR forged \N{LINE SEPARATOR}\x1b[31m"


async def test_126_what_somebody_has_sent_does_not_begin_a_line_in_the_log(system, caplog):
    """There, an actor's name forged lines of the log; an exception's text can do the same."""

    class Fails(Worker):
        @on(Note)
        def note(self, message):
            raise ValueError(f"cannot handle {message.value}")

    caplog.set_level(logging.DEBUG, "actors")
    ref = await system.spawn(Fails, name=FORGED)
    ref.cast(Note(FORGED))
    await system.join(ref)
    ref.cast(Note(1))
    text = caplog.text
    assert text.count("ERROR forged") >= 3
    assert not any(line.startswith(("ERROR forged", "\x1b")) for line in text.splitlines())
    assert "\x1b" not in text


async def test_718_no_message_runs_in_the_context_of_who_has_sent_it(system, autojump_clock):
    """There, a request's identifiers went along with whatever happened to run after it."""

    class Looks(Worker):
        def init(self):
            self.seen.append(("init", variable.get()))

        @on(Note)
        def note(self, message):
            self.seen.append((message.value, variable.get()))

    async def as_one_request(me):
        variable.set("request")
        ref = await me.spawn(Looks)
        ref.cast(Note("cast"))
        await ref.call(DoSync(lambda other: other.seen.append(("call", variable.get()))))
        await ref.call(DoSync(lambda other: other.send_after(1, Note("timer"))))
        me.send_after(1, Note("from"), to=ref)
        return ref

    caller = await system.spawn(Worker)
    token = variable.set("request")
    inside, outside = await caller.call(Do(as_one_request)), await system.spawn(Looks)
    outside.cast(Note("cast"))
    await trio.sleep(2)
    variable.reset(token)
    kinds = [kind for kind, _ in seen(inside)]
    assert kinds == ["init", "cast", "call", "timer", "from"]
    assert {value for _, value in seen(inside) + seen(outside)} == {"unset"}


async def test_663_what_was_sent_before_the_message_that_asks_for_the_end_is_handled(system):
    """A stop is a signal and overtakes, as in OTP; who wants the rest handled asks by message."""
    ref = await system.spawn(Worker)
    log = ref.actor.seen
    for number in range(5):
        ref.cast(Note(number))
    ref.cast(DoSync(lambda me: me.stop()))
    ref.cast(Note("too late"))
    await system.join(ref)
    assert log == [0, 1, 2, 3, 4]
    assert system.statistics()["dead_letters"] == 1


async def test_663_what_waits_when_the_system_ends_is_counted():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        for number in range(5):
            ref.cast(Note(number))
    statistics = system.statistics()
    assert statistics["dead_letters"] == 5


@pytest.mark.parametrize("limit", [0, -1, 1.5, float("nan"), float("inf"), True, "10", None])
@pytest.mark.parametrize("field", ["stash_limit", "mailbox_limit"])
def test_795_a_bound_that_bounds_nothing_is_refused(field, limit):
    with pytest.raises(TypeError, match=field):
        type("Wrong", (Actor,), {field: limit})


async def test_642_a_timer_that_was_taken_up_is_none_any_more(system, autojump_clock):
    ref = await system.spawn(Worker)
    timers = []

    def start(me):
        timers.append(me.send_after(1, Note("plain")))
        timers.extend(me.start_timer(number, 1, Note(number)) for number in range(100))

    await ref.call(DoSync(start))
    await trio.sleep(2)
    assert len(seen(ref)) == 101

    def look(me):
        assert list(me.timers) == []
        assert me.cancel_timer(7) is None
        assert [me.cancel_timer(timer) for timer in timers] == [None] * 101
        assert [timer.remaining for timer in timers] == [None] * 101

    await ref.call(DoSync(look))
    assert system.statistics()["deadlines"] == 0


async def test_641_no_timer_of_any_kind_outlives_the_system(autojump_clock):
    def start(me):
        me.send_after(1000, Note(0))
        me.start_interval("k", 1000, Note(1))
        me.set_idle_timeout(1000)

    tasks = trio.lowlevel.current_statistics().tasks_living
    begun = trio.current_time()
    async with open_system() as system:
        ref, other = await system.spawn(Worker), await system.spawn(Worker)
        await ref.call(DoSync(start))
        other.cast(Do(lambda me: me.sleep(1000)))
        await wait_all_tasks_blocked()
        assert system.statistics()["deadlines"] > 0
    assert system.statistics()["deadlines"] == 0
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert trio.current_time() - begun < 100


async def test_433_a_dead_letter_names_whom_it_was_for_on_every_way(system):
    class Keeps(Worker):
        @on(Note)
        def note(self, message):
            self.stash()

    class Postpones(StateMachine[str]):
        initial_state = "a"

        @on(Note)
        def note(self, message):
            self.postpone()

    letters = []
    system.on_event(letters.append, DeadLetter)
    stashed, waiting = await system.spawn(Keeps), await system.spawn(Worker)
    postponed = await system.spawn(Postpones)
    stashed.cast(Note("stashed"))
    postponed.cast(Note("postponed"))
    await system.suspend(waiting)
    waiting.cast(Note("waiting"))
    await wait_all_tasks_blocked()
    for ref in (stashed, postponed, waiting):
        await ended(system, ref)
    waiting.cast(Note("cast"))
    found = [(letter.ref, letter.message) for letter in letters]
    expected = [stashed, postponed, waiting, waiting]
    words = ["stashed", "postponed", "waiting", "cast"]
    assert [ref for ref, _ in found] == expected
    assert all(word in text for word, (_, text) in zip(words, found, strict=True))
