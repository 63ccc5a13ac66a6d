"""Hibernation: packed when there is nothing to do, unpacked before anything needs the state."""

from __future__ import annotations

import gc
import json
import tracemalloc
from dataclasses import dataclass

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    ActorError,
    CalleeDied,
    Crashed,
    CrashReport,
    Down,
    Exit,
    Killed,
    Normal,
    Request,
    Shutdown,
    TaskActor,
    Timeout,
    Unhandled,
    on,
    open_system,
)
from actors.ref import ASLEEP, STATUS_NAMES
from actors.upgrading.freezing import freeze, is_at_rest, thaw
from tests.actors.kit import Add, Do, DoSync, Get, Note, Worker


class Sleeper(Worker):
    """Packs what it has seen as text."""

    def __init__(self, *, trap=False, log=None, events=None):
        super().__init__(trap=trap, log=log)
        self.events = [] if events is None else events

    def dehydrate(self):
        self.events.append("dehydrate")
        return (tuple(self.seen), self.log, self.events)

    def rehydrate(self, packed):
        seen, self.log, self.events = packed
        self.seen = list(seen)
        self.events.append("rehydrate")

    @on(Note)
    def note(self, message):
        self.seen.append(message.value)
        if message.value == "sleep":
            self.hibernate()


def status(ref):
    return STATUS_NAMES[ref.status]


async def asleep(system, cls=Sleeper, **options):
    ref = await system.spawn(cls, **options)
    ref.cast(Note("sleep"))
    await wait_all_tasks_blocked()
    assert ref.status == ASLEEP
    return ref


async def test_a_hibernated_actor_has_no_attributes_left_and_wakes_for_a_cast():
    events = []
    async with open_system() as system:
        ref = await asleep(system, events=events)
        assert vars(ref.actor) == {"trap_exit": False}
        assert (await system.get_status(ref)).status == "hibernated"
        ref.cast(Note(1))
        await wait_all_tasks_blocked()
        assert ref.actor.seen == ["sleep", 1]
        assert status(ref) == "idle"
        assert events == ["dehydrate", "rehydrate"]


async def test_an_actor_without_attributes_of_its_own_but_slots_drops_these():
    class Slotted(Actor):
        __slots__ = ("other", "value")

        def __init__(self):
            self.value = [1, 2]

        def dehydrate(self):
            return bytes(self.value)

        def rehydrate(self, packed):
            self.value = list(packed)

        @on(Get)
        def get(self, request):
            self.hibernate()
            return self.value

    async with open_system() as system:
        ref = await system.spawn(Slotted)
        for _ in range(3):
            assert await ref.call(Get()) == [1, 2]
            await wait_all_tasks_blocked()
            assert ref.status == ASLEEP
            assert not hasattr(ref.actor, "value")


@pytest.mark.parametrize("from_actor", [False, True])
async def test_a_call_wakes_and_is_answered(from_actor):
    async with open_system() as system:
        ref = await asleep(system)
        if from_actor:
            caller = await system.spawn(Worker)
            for _ in range(2):
                assert await caller.call(Do(lambda me: ref.call(Add(1)))) == 2
        else:
            assert await ref.call(Add(1)) == 2
        assert ref.actor.seen == ["sleep"]


async def test_a_call_of_an_unknown_kind_wakes_and_is_refused_as_ever():
    @dataclass(frozen=True)
    class Odd(Request[None]):
        pass

    async with open_system() as system:
        ref = await asleep(system)
        with pytest.raises(Unhandled):
            await ref.call(Odd())
        assert ref.is_alive()


async def test_hibernation_from_a_call_stepped_directly_from_an_async_handler_and_in_a_nursery():
    async def in_trio(me):
        await trio.lowlevel.checkpoint()
        me.hibernate()

    async def parked(me):
        await me.sleep(0)
        me.hibernate()

    async with open_system() as system:
        ref, caller = await system.spawn(Sleeper), await system.spawn(Worker)
        for what in (in_trio, parked, lambda me: me.hibernate()):
            await caller.call(Do(lambda me, what=what: ref.call(Do(what))))
            await wait_all_tasks_blocked()
            assert ref.status == ASLEEP
        await caller.call(Do(lambda me: ref.call(DoSync(lambda me: me.hibernate()))))
        await wait_all_tasks_blocked()
        assert ref.status == ASLEEP


async def test_messages_that_wait_keep_it_awake():
    events = []
    async with open_system() as system:
        ref = await system.spawn(Sleeper, events=events)
        for value in ("sleep", 1, 2):
            ref.cast(Note(value))
        await wait_all_tasks_blocked()
        assert events == []
        assert status(ref) == "idle"


async def test_links_and_monitors_of_a_sleeping_actor_work_in_both_directions():
    async with open_system() as system:
        watcher = await system.spawn(Worker, trap=True)
        ref, other = await system.spawn(Sleeper, trap=True), await system.spawn(Worker)

        def tie(me):
            me.monitor(ref)
            me.link(ref)

        await watcher.call(DoSync(tie))
        await ref.call(DoSync(lambda me: (me.link(other), me.monitor(other), me.hibernate())[2]))
        await wait_all_tasks_blocked()
        assert ref.status == ASLEEP
        system.kill(other)
        await wait_all_tasks_blocked()
        assert {type(entry) for entry in ref.actor.seen} == {Exit, Down}
        ref.cast(Note("sleep"))
        await wait_all_tasks_blocked()
        assert ref.status == ASLEEP
        system.kill(ref)
        await system.join(ref)
        await wait_all_tasks_blocked()
        assert [type(entry) for entry in watcher.actor.seen] == [Exit, Down]
        assert watcher.actor.seen[1].reason == Killed()


async def test_a_timer_wakes(autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(Sleeper)
        await ref.call(DoSync(lambda me: (me.send_after(5, Note("late")), me.hibernate())[1]))
        await wait_all_tasks_blocked()
        assert ref.status == ASLEEP
        await trio.sleep(6)
        assert ref.actor.seen == ["late"]


async def test_a_kill_or_an_untrapped_exit_ends_it_without_waking_it():
    for end in (lambda system, ref: system.kill(ref), lambda s, ref: s.exit(ref, Shutdown())):
        events = []
        async with open_system() as system:
            ref = await asleep(system, events=events)
            end(system, ref)
            await system.join(ref)
            assert events == ["dehydrate"]


async def test_terminate_has_the_state():
    log = []
    async with open_system() as system:
        ref = await asleep(system, log=log)
        await system.stop(ref)
        assert log == [("terminate", Normal())]
        await asleep(system, log=log, trap=True)
    assert log == [("terminate", Normal()), ("terminate", Shutdown())]


async def test_inspection_and_suspension_wake_it_and_resuming_nothing_does_not():
    async with open_system() as system:
        ref = await asleep(system)
        await system.resume(ref)
        await wait_all_tasks_blocked()
        assert ref.status == ASLEEP
        assert (await system.get_state(ref)).seen == ["sleep"]
        ref.cast(Note("sleep"))
        await wait_all_tasks_blocked()
        await system.suspend(ref)
        assert ref.actor.seen == ["sleep", "sleep"]
        ref.cast(Note("sleep"))
        assert ref.queue_length == 1
        await system.resume(ref)
        await wait_all_tasks_blocked()
        assert ref.status == ASLEEP
        await system.replace_state(ref, lambda actor: actor.seen.append("repaired"))
        assert ref.actor.seen == ["sleep", "sleep", "sleep", "repaired"]


async def test_trap_exit_set_on_the_object_outlives_the_sleep():
    async with open_system() as system:
        ref, other = await asleep(system, trap=True), await system.spawn(Worker)
        await other.call(DoSync(lambda me: me.exit(ref, Shutdown())))
        await wait_all_tasks_blocked()
        assert ref.actor.seen == ["sleep", Exit(other, Shutdown())]


class Broken(Sleeper):
    def __init__(self, where, **options):
        super().__init__(**options)
        self.where = where

    def dehydrate(self):
        if self.where == "dehydrate":
            raise ValueError("cannot pack")
        return super().dehydrate()

    def rehydrate(self, packed):
        super().rehydrate(packed)
        raise ValueError("cannot unpack")


async def test_a_crash_of_dehydrate_is_a_crash_of_the_actor_with_terminate():
    found, log = [], []
    async with open_system() as system:
        system.on_report(found.append)
        ref = await system.spawn(Broken, "dehydrate", log=log)
        ref.cast(Note("sleep"))
        reason = await system.join(ref)
        assert reason == Crashed("ValueError", "cannot pack")
        assert log == [("terminate", reason)]
        assert [(r.phase, r.reason) for r in found if isinstance(r, CrashReport)] == [
            ("dehydrate", reason)
        ]


async def test_a_crash_of_rehydrate_is_a_crash_of_the_actor_and_its_callers_hear_it():
    found, log = [], []
    async with open_system() as system:
        system.on_report(found.append)
        ref = await asleep(system, Broken, where="rehydrate", log=log)
        with pytest.raises(CalleeDied) as caught:
            await ref.call(Add(1))
        assert caught.value.reason == Crashed("ValueError", "cannot unpack")
        assert log == []
        assert [r.phase for r in found if isinstance(r, CrashReport)] == ["rehydrate"]


async def test_what_comes_up_while_it_packs_keeps_it_awake():
    class Restless(Sleeper):
        def dehydrate(self):
            self.ref.cast(Note("own"))
            self.hibernate()
            return super().dehydrate()

    class Ending(Sleeper):
        def dehydrate(self):
            self.stop(Shutdown("done"))
            return super().dehydrate()

    class Unwilling(Sleeper):
        def dehydrate(self):
            self.seen.append("not now")

    async with open_system() as system:
        ref = await system.spawn(Restless)
        ref.cast(Note("sleep"))
        await wait_all_tasks_blocked()
        assert ref.actor.seen == ["sleep", "own"]
        assert status(ref) == "idle"
        log = []
        ref = await system.spawn(Ending, log=log)
        ref.cast(Note("sleep"))
        assert await system.join(ref) == Shutdown("done")
        assert log == [("terminate", Shutdown("done"))]
        ref = await system.spawn(Unwilling)
        ref.cast(Note("sleep"))
        await wait_all_tasks_blocked()
        assert ref.actor.seen == ["sleep", "not now"]
        assert status(ref) == "idle"


class Napping(Sleeper):
    hibernate_after = 10


async def test_an_idle_actor_hibernates_after_its_time_and_again(autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(Napping)
        for _ in range(3):
            ref.cast(Note(1))
            await wait_all_tasks_blocked()
            await trio.sleep(9.9)
            assert status(ref) == "idle"
            await trio.sleep(5.2)
            assert status(ref) == "hibernated"
            assert system.statistics()["deadlines"] == 0
        assert ref.ties is None


@pytest.mark.parametrize("directly", [False, True])
async def test_messages_more_often_than_that_keep_it_awake(directly, autojump_clock):
    events = []
    async with open_system() as system:
        ref, caller = await system.spawn(Napping, events=events), await system.spawn(Worker)
        for _ in range(30):
            await trio.sleep(9)
            if directly:
                await caller.call(Do(lambda me: ref.call(Add(1))))
            else:
                ref.cast(Note(1))
        assert events == []
        await trio.sleep(16)
        assert events == ["dehydrate"]


async def test_a_parked_or_suspended_actor_does_not_hibernate(autojump_clock):
    events = []
    async with open_system() as system:
        ref = await system.spawn(Napping, events=events)
        ref.cast(Do(lambda me: me.sleep(100)))
        other = await system.spawn(Napping, events=events)
        await system.suspend(other)
        await trio.sleep(90)
        assert events == []
        await system.resume(other)
        await trio.sleep(30)
        assert events == ["dehydrate", "dehydrate"]


class TimedOut(Napping):
    @on(Timeout)
    def timed_out(self, message):
        self.seen.append("timeout")


async def test_the_idle_timeout_goes_on_and_wakes_it(autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(TimedOut)
        await ref.call(DoSync(lambda me: me.set_idle_timeout(40)))
        await trio.sleep(20)
        assert status(ref) == "hibernated"
        await trio.sleep(21)
        assert status(ref) == "idle"
        assert ref.actor.seen == ["timeout"]
        await trio.sleep(16)
        assert status(ref) == "hibernated"
        await trio.sleep(25)
        assert ref.actor.seen == ["timeout", "timeout"]


async def test_what_is_stashed_stays_stashed_while_it_sleeps():
    class Stashing(Sleeper):
        @on(Note)
        def note(self, message):
            if message.value == "aside":
                self.stash()
            else:
                self.unstash_all()
                super().note(message)

    async with open_system() as system:
        ref = await system.spawn(Stashing)
        for value in ("sleep", "aside"):
            ref.cast(Note(value))
            await wait_all_tasks_blocked()
        await ref.call(DoSync(lambda me: me.hibernate()))
        await wait_all_tasks_blocked()
        assert status(ref) == "hibernated"
        assert await ref.call(DoSync(lambda me: len(me.seen))) == 1
        assert await ref.call(DoSync(lambda me: me.stashed)) == 1


async def test_a_code_upgrade_finds_the_state(autojump_clock):
    class Newer(Sleeper):
        def code_change(self, version, state):
            self.seen.append("changed")

    async with open_system() as system:
        ref = await asleep(system)
        await system.change_code(ref, Newer)
        assert ref.actor.seen == ["sleep", "changed"]
        ref.cast(Note("sleep"))
        await wait_all_tasks_blocked()
        freeze(ref)
        assert not is_at_rest(ref)
        await wait_all_tasks_blocked()
        assert is_at_rest(ref)
        assert ref.actor.seen == ["sleep", "changed", "sleep"]
        ref.cast(Note(1))
        await wait_all_tasks_blocked()
        assert ref.queue_length == 1
        thaw(ref)
        await wait_all_tasks_blocked()
        assert ref.actor.seen[-1] == 1
        drowsy = await system.spawn(Napping)
        await trio.sleep(6)
        freeze(drowsy)
        assert is_at_rest(drowsy)
        await system.change_code(drowsy, Worker)
        thaw(drowsy)
        await trio.sleep(30)
        assert drowsy.ties is None
        assert status(drowsy) == "idle"


async def test_the_end_of_an_actor_takes_its_deadline_away():
    async with open_system() as system:
        for end in (system.kill, lambda ref: ref.cast(Do(lambda me: me.stop()))):
            ref = await system.spawn(Napping)
            assert system.statistics()["deadlines"] == 1
            end(ref)
            await system.join(ref)
            assert system.statistics()["deadlines"] == 0


async def test_one_that_cannot_pack_now_is_asked_again(autojump_clock):
    class Later(Napping):
        def dehydrate(self):
            self.events.append("asked")
            return super().dehydrate() if len(self.events) > 3 else None

    events = []
    async with open_system() as system:
        ref = await system.spawn(Later, events=events)
        await trio.sleep(100)
        assert events == ["asked"] * 4 + ["dehydrate"]
        assert ref.status == ASLEEP


async def test_a_watched_actor_hibernates_and_its_statistics_go_on():
    async with open_system() as system:
        ref = await system.spawn(Sleeper)
        system.start_statistics(ref)
        ref.cast(Note("sleep"))
        await wait_all_tasks_blocked()
        assert ref.status == ASLEEP
        await ref.call(Add(1))
        assert system.statistics_of(ref).messages == 2


async def test_an_actor_whose_class_cannot_hibernate_says_what_to_write():
    async with open_system() as system:
        ref = await system.spawn(Worker)

        async def sleep(me):
            with pytest.raises(ActorError, match=r"give its class def dehydrate"):
                me.hibernate()

        await ref.call(Do(sleep))
        assert ref.is_alive()


async def _async_hook(self):
    pass


@pytest.mark.parametrize(
    ("base", "fields", "says"),
    [
        (Worker, {"hibernate_after": 5}, "needs both hooks"),
        (Worker, {"dehydrate": lambda self: 1}, "needs both hooks"),
        (Sleeper, {"dehydrate": _async_hook}, "plain def"),
        (Sleeper, {"hibernate_after": 0}, "seconds above 0"),
        (Sleeper, {"hibernate_after": "soon"}, "seconds above 0"),
        (
            TaskActor,
            {"dehydrate": lambda self: 1, "rehydrate": lambda self, packed: None},
            "is a task actor",
        ),
    ],
)
def test_wrong_hooks_are_refused_when_the_class_is_made(base, fields, says):
    with pytest.raises(TypeError, match=says):
        type("Wrong", (base,), fields)


class Visitor(Actor):
    """A state of 100 small objects."""

    def __init__(self):
        self.basket = {n: (n + 1000, n * 0.5) for n in range(100)}

    def dehydrate(self):
        return json.dumps([price for _, price in self.basket.values()]).encode()

    def rehydrate(self, packed):
        self.basket = {n: (n + 1000, price) for n, price in enumerate(json.loads(packed))}

    @on(Note)
    def note(self, message):
        self.hibernate()

    @on(Get)
    def get(self, request):
        return self.basket[99]


async def test_a_hibernated_actor_takes_a_tenth_of_what_its_state_takes():
    count = 200
    async with open_system() as system:
        for _ in range(10):
            (await system.spawn(Visitor)).cast(Note(1))
        await wait_all_tasks_blocked()
        gc.collect()
        tracemalloc.start()
        try:
            refs = [await system.spawn(Visitor) for _ in range(count)]
            gc.collect()
            awake = tracemalloc.get_traced_memory()[0] / count
            for ref in refs:
                ref.cast(Note(1))
            await wait_all_tasks_blocked()
            gc.collect()
            after = tracemalloc.get_traced_memory()[0] / count
        finally:
            tracemalloc.stop()
        assert all(ref.status == ASLEEP for ref in refs)
        assert after < awake / 8, (awake, after)
        assert await refs[0].call(Get()) == (1099, 49.5)
