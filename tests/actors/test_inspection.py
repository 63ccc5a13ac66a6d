"""Looking at single actors: status, state, statistics, logs, suspension."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio

from actors import (
    Actor,
    ActorError,
    CallCycle,
    CalleeDied,
    CallTimeout,
    CrashReport,
    Request,
    Signal,
    TaskActor,
    Unhandled,
    on,
    open_system,
)
from actors.observing.summaries import MAX_STATE
from tests.actors.kit import Add, Do, DoSync, Get, Note, Worker, seen


class Secretive(Actor):
    def __init__(self):
        self.name = "ada"
        self.token = "secret"

    def format_status(self):
        return {"name": self.name, "token": "hidden"}

    @on(DoSync)
    def do(self, request):
        return request.function(self)


class Echo(TaskActor):
    def __init__(self):
        self.seen = []
        self.gate = None

    async def run(self):
        while True:
            message = await self.receive()
            if self.gate is not None:
                await self.gate.wait()
            await self.dispatch(message)

    @on(Add)
    def add(self, request):
        return request.amount + 1

    @on(Note)
    def note(self, message):
        self.seen.append(message.value)


async def parked(system, **options):
    """A worker in the middle of a message, and the signal that lets it go on."""
    signal, begun = Signal(), Signal()

    async def wait(me):
        begun.set(None)
        return await signal.wait()

    ref = await system.spawn(Worker, **options)
    ref.cast(Do(wait))
    await begun.wait()
    return ref, signal


# -- status ------------------------------------------------------------------------------------


async def test_a_status_says_what_an_actor_is_and_does():
    async with open_system() as system:
        top = await system.spawn(Worker, name="top")
        middle = await top.call(Do(lambda me: me.spawn(Worker)))
        ref = await middle.call(Do(lambda me: me.spawn(Worker, name="it", trap=True)))
        await ref.call(DoSync(lambda me: me.send_after(60, Note(1)) and None))
        await ref.call(DoSync(lambda me: me.monitor(top) and None))
        await top.call(DoSync(lambda me: me.monitor(ref) and None))
        status = await system.get_status(ref)
    assert (status.ref, status.actor, status.name) == (ref, "Worker", "it")
    assert status.module == "tests.actors.kit"
    assert status.status == "idle"
    assert status.parent is middle
    assert status.ancestors == (middle, top)
    assert status.links == (middle,)
    assert status.monitors == (top,)
    assert (status.monitored_by, status.timers, status.queue_length) == (1, 1, 0)
    assert status.message is None
    assert status.trap_exit
    assert not status.suspended


async def test_a_status_comes_at_once_from_an_actor_that_is_busy():
    async with open_system() as system:
        ref, signal = await parked(system)
        ref.cast(Note(1))
        status = await system.get_status(ref)
        assert status.status == "waiting"
        assert status.message == "Do(function=<function>)"
        assert status.queue_length == 1
        signal.set(None)


async def test_a_status_names_the_actor_that_is_waited_for():
    async with open_system() as system:
        callee, signal = await parked(system)
        caller = await system.spawn(Worker)
        caller.cast(Do(lambda me: callee.call(Add(1))))
        await trio.testing.wait_all_tasks_blocked()
        assert (await system.get_status(caller)).waits_for is callee
        signal.set(None)


async def test_a_status_of_the_dead_is_an_error():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        system.kill(ref)
        await system.join(ref)
        with pytest.raises(CalleeDied):
            await system.get_status(ref)


async def test_format_status_decides_what_is_shown():
    async with open_system() as system:
        ref = await system.spawn(Secretive)
        assert (await system.get_status(ref)).state == "Secretive('name'='ada', 'token'='hidden')"


async def test_a_status_is_bounded_whatever_the_state_is():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        ref.actor.seen = ["x" * 1000] * 10_000_000
        for number in range(1000):
            setattr(ref.actor, f"attribute_{number}", "y" * 10_000)
        assert len((await system.get_status(ref)).state) <= MAX_STATE


async def test_a_format_status_that_fails_is_described():
    class Bad(Actor):
        def format_status(self):
            raise ValueError("no")

    async with open_system() as system:
        ref = await system.spawn(Bad)
        assert "ValueError in format_status" in (await system.get_status(ref)).state


# -- state -------------------------------------------------------------------------------------


async def test_state_is_replaced_by_changing_it():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        await system.replace_state(ref, lambda actor: actor.seen.append("new"))
        assert await ref.call(Get()) == ["new"]


async def test_state_is_replaced_by_another_object():
    def other(actor):
        fresh = Worker()
        fresh.seen = [*actor.seen, "replaced"]
        return fresh

    async with open_system() as system:
        ref = await system.spawn(Worker)
        ref.cast(Note(0))
        await ref.call(Get())
        for number in range(5):
            ref.cast(Note(number))
        await system.replace_state(ref, other)
        assert await ref.call(Get()) == [0, "replaced", 0, 1, 2, 3, 4]


async def test_what_a_replacement_raises_is_raised_at_the_caller_alone():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(ZeroDivisionError):
            await system.replace_state(ref, lambda actor: 1 / 0)
        with pytest.raises(TypeError, match="another object of the same class"):
            await system.replace_state(ref, lambda actor: Secretive())
        assert await ref.call(Add(1)) == 2


async def test_who_does_not_pause_in_time_is_named_with_what_it_has_in_hand(autojump_clock):
    async with open_system() as system:
        ref, signal = await parked(system)
        with pytest.raises(CallTimeout, match=r"pause within 2 s: it is waiting, in hand is Do\("):
            await system.get_state(ref, timeout=2)
        signal.set(None)


async def test_a_replacement_that_came_too_late_is_not_done(autojump_clock):
    async with open_system() as system:
        ref, signal = await parked(system)
        with pytest.raises(CallTimeout):
            await system.replace_state(ref, lambda actor: actor.seen.append("late"), timeout=1)
        signal.set(None)
        assert await ref.call(Get()) == []


async def test_who_ends_before_its_turn_fails_the_inspection():
    async with open_system() as system:
        ref, _ = await parked(system)
        async with trio.open_nursery() as nursery:

            async def look():
                with pytest.raises(CalleeDied):
                    await system.get_state(ref)

            nursery.start_soon(look)
            await trio.testing.wait_all_tasks_blocked()
            system.kill(ref)


async def test_an_actor_that_would_wait_for_itself_is_told():
    async with open_system() as system:
        ref = await system.spawn(Worker)

        async def look(me):
            with pytest.raises(CallCycle):
                await system.get_state(me.ref)

        await ref.call(Do(look))


async def test_an_actor_can_inspect_another():
    async with open_system() as system:
        ref, other = await system.spawn(Worker), await system.spawn(Worker)
        state = await ref.call(Do(lambda me: system.get_state(other)))
        assert type(state) is Worker


# -- task actors ---------------------------------------------------------------------------------


async def test_a_task_actor_is_inspected_at_its_next_receive():
    async with open_system() as system:
        ref = await system.spawn(Echo)
        await ref.call(Add(1))
        assert (await system.get_state(ref)).seen == []
        signal = Signal()
        await system.replace_state(ref, lambda actor: setattr(actor, "gate", signal))
        ref.cast(Note(1))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(CallTimeout):
            await system.get_state(ref, timeout=0.01)
        signal.set(None)
        assert (await system.get_state(ref)).seen == [1]


async def test_a_task_actor_can_be_suspended_and_resumed():
    async with open_system() as system:
        ref = await system.spawn(Echo)
        await system.suspend(ref)
        ref.cast(Note(1))
        await trio.testing.wait_all_tasks_blocked()
        assert seen(ref) == []
        assert (await system.get_status(ref)).suspended
        await system.resume(ref)
        assert await ref.call(Add(1)) == 2
        assert seen(ref) == [1]
        assert ref.control is None


# -- statistics and log ----------------------------------------------------------------------------


async def test_statistics_count_messages_calls_and_time(autojump_clock):
    async with open_system(deterministic=False) as system:
        ref = await system.spawn(Worker)
        await ref.call(Add(1))
        system.start_statistics(ref)
        for _ in range(3):
            ref.cast(Note(1))
        await ref.call(Add(1))
        await ref.call(Do(lambda me: me.sleep(2)))
        with pytest.raises(Unhandled):
            await ref.call(Unknown())
        found = system.statistics_of(ref)
        assert (found.messages, found.calls, found.failed) == (6, 3, 1)
        assert 2 <= found.in_hand < 2.5
        assert 2 <= found.longest <= found.in_hand
        assert found.running < 1
        system.stop_statistics(ref)
        with pytest.raises(ActorError, match="start_statistics"):
            system.statistics_of(ref)


async def test_statistics_see_calls_between_actors_and_messages_without_a_handler():
    async with open_system() as system:
        ref, caller = await system.spawn(Worker), await system.spawn(Worker)
        system.start_statistics(ref)

        async def ask(me):
            await ref.call(Add(1))
            await ref.call(Do(lambda it: it.sleep(0)))
            with pytest.raises(Unhandled):
                await ref.call(Unknown())
            ref.cast("unhandled")

        await caller.call(Do(ask))
        await ref.call(Get())
        found = system.statistics_of(ref)
        assert (found.messages, found.calls) == (5, 4)


async def test_an_actor_that_nobody_watches_has_its_class_s_behaviour():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        system.start_statistics(ref)
        system.start_log(ref)
        assert ref.behaviour is not Worker._behaviour
        system.stop_statistics(ref)
        system.stop_log(ref)
        assert ref.behaviour is Worker._behaviour


async def test_watching_may_end_while_a_handler_is_parked():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        system.start_log(ref)
        signal = Signal()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.call, Do(lambda me: signal.wait()))
            await trio.testing.wait_all_tasks_blocked()
            assert (await system.get_status(ref)).in_hand_since is not None
            system.stop_log(ref)
            signal.set(7)
        assert await ref.call(Add(1)) == 2


async def test_watching_may_begin_while_a_handler_is_parked():
    async with open_system() as system:
        ref, signal = await parked(system)
        system.start_statistics(ref)
        signal.set(None)
        assert await ref.call(Add(1)) == 2
        assert system.statistics_of(ref).messages == 1


async def test_a_log_keeps_the_last_events():
    async with open_system() as system:
        ref = await system.spawn(Worker, name="it")
        system.start_log(ref, 4)
        ref.cast(Note(0))
        ref.cast(Note(5))
        assert await ref.call(Add(1)) == 2
        kinds = [(event.kind, event.text) for event in system.log_of(ref)]
        assert kinds == [
            ("in", "Note(value=5)"),
            ("done", "Note"),
            ("in", "Add(amount=1)"),
            ("reply", "2"),
        ]
        assert "in: Note(value=5)" in str(system.log_of(ref)[0])
        with pytest.raises(ValueError, match="between 1 and 1000"):
            system.start_log(ref, 0)


async def test_a_task_actor_is_watched_too():
    async with open_system() as system:
        ref = await system.spawn(Echo)
        system.start_log(ref)
        ref.cast(Note(1))
        assert await ref.call(Add(1)) == 2
        with pytest.raises(Unhandled):
            await ref.call(Unknown())
        kinds = [event.kind for event in system.log_of(ref)]
        assert kinds == ["in", "done", "in", "reply", "in", "raised"]


async def test_a_crash_report_shows_state_ancestors_and_log():
    found = []
    async with open_system() as system:
        system.on_report(found.append)
        top = await system.spawn(Worker, name="top", trap=True)
        ref = await top.call(Do(lambda me: me.spawn(Secretive)))
        system.start_log(ref)
        ref.cast(DoSync(lambda me: 1 / 0))
        await system.join(ref)
    [report] = [report for report in found if isinstance(report, CrashReport)]
    assert report.state == "Secretive('name'='ada', 'token'='hidden')"
    assert report.ancestors == (top,)
    assert [event.kind for event in report.log] == ["in", "raised"]


async def test_a_crash_report_is_bounded_whatever_the_state_is():
    found = []
    async with open_system() as system:
        system.on_report(found.append)
        ref = await system.spawn(Worker)
        ref.actor.seen = ["x" * 100_000] * 1_000_000
        for number in range(1000):
            setattr(ref.actor, f"attribute_{number}", ["y" * 10_000] * 100)
        ref.cast(DoSync(lambda me: 1 / 0))
        await system.join(ref)
    [report] = [report for report in found if isinstance(report, CrashReport)]
    assert len(report.state) <= MAX_STATE
    assert len(repr(report)) <= 30_000


@dataclass(frozen=True, slots=True)
class Unknown(Request[int]):
    pass
