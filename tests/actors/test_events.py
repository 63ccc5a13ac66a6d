"""System events reach who subscribes to their kind, and cost nothing otherwise."""

from __future__ import annotations

import gc

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    ActorError,
    CollectorPause,
    CrashReport,
    DeadLetter,
    Killed,
    Shutdown,
    Started,
    StartFailed,
    Stopped,
    on,
    open_system,
)
from tests.actors.kit import Do, DoSync, Get, Note, Worker


class Bad(Actor):
    def init(self):
        raise ValueError("no")


class Listener(Actor):
    def __init__(self):
        self.seen = []

    @on(Started)
    def started(self, event):
        self.seen.append(event)

    @on(Stopped)
    def stopped(self, event):
        self.seen.append(event)

    @on(Get)
    def get(self, request):
        return list(self.seen)


async def test_starts_and_ends_are_told_in_order_to_callbacks():
    found = []
    async with open_system() as system:
        stop = system.on_event(found.append, Started, Stopped)
        top = await system.spawn(Worker, name="top")
        ref = await top.call(Do(lambda me: me.spawn(Worker)))
        system.kill(ref)
        await system.join(top)
        with pytest.raises(StartFailed):
            await system.spawn(Bad)
        stop()
        await system.spawn(Worker)
    kinds = [(type(event), event.actor) for event in found]
    assert kinds == [
        (Started, "Worker"),
        (Started, "Worker"),
        (Stopped, "Worker"),
        (Stopped, "Worker"),
        (Started, "Bad"),
        (Stopped, "Bad"),
    ]
    assert (found[0].name, found[0].parent, found[1].parent) == ("top", None, top)
    assert found[2].reason == Killed()


async def test_the_table_is_a_plain_dict_while_nobody_follows_starts_and_ends():
    async with open_system() as system:
        refs = [await system.spawn(Worker) for _ in range(3)]
        assert type(system._scheduler.table) is dict
        one = system.on_event(print, Started)
        two = system.on_event(repr, Stopped, CrashReport)
        assert type(system._scheduler.table) is not dict
        one()
        assert type(system._scheduler.table) is not dict
        two()
        assert type(system._scheduler.table) is dict
        assert system.actors() == tuple(refs)


async def test_only_the_kinds_that_were_named_are_told():
    found = []
    async with open_system() as system:
        system.on_event(found.append, DeadLetter, CrashReport)
        ref = await system.spawn(Worker)
        ref.cast(DoSync(lambda me: 1 / 0))
        await system.join(ref)
        ref.cast(Note(1))
    assert [type(event) for event in found] == [CrashReport, DeadLetter]
    assert found[1].message == "Note(value=1)"


async def test_reports_callbacks_hear_nothing_of_starts():
    found = []
    async with open_system() as system:
        system.on_report(found.append)
        system.on_event(lambda event: None, Started)
        await system.spawn(Worker)
    assert found == []


async def test_a_task_follows_events_with_async_for():
    async with open_system() as system:
        with system.events(Stopped) as events:
            refs = [await system.spawn(Worker) for _ in range(3)]
            for ref in refs:
                system.kill(ref)
            assert [(await events.receive(1)).ref for _ in refs] == refs
        assert [event async for event in events] == []


async def test_a_stream_that_is_not_read_drops_and_counts():
    async with open_system() as system:
        with system.events(Started, size=2) as events:
            refs = [await system.spawn(Worker) for _ in range(5)]
        assert events.dropped == 3
        assert [event.ref async for event in events] == refs[:2]


async def test_an_actor_gets_events_as_messages():
    async with open_system() as system:
        listener = await system.spawn(Listener)
        subscription = system.send_events(listener, Started, Stopped)
        ref = await system.spawn(Worker)
        system.kill(ref)
        await system.join(ref)
        found = await listener.call(Get())
        assert [(type(event), event.ref) for event in found] == [(Started, ref), (Stopped, ref)]
        subscription.close()
        await system.spawn(Worker)
        assert len(await listener.call(Get())) == 2


async def test_events_that_an_actor_has_no_room_for_are_dropped_and_counted():
    async with open_system() as system:
        listener = await system.spawn(Listener)
        await system.suspend(listener)
        subscription = system.send_events(listener, Started, size=3)
        for _ in range(10):
            await system.spawn(Worker)
        assert subscription.dropped == 7
        await system.resume(listener)
        assert len(await listener.call(Get())) == 3


async def test_a_subscription_ends_with_its_actor():
    async with open_system() as system:
        listener = await system.spawn(Listener)
        system.send_events(listener, Started, Stopped)
        system.kill(listener)
        await system.join(listener)
        assert system._scheduler.reporter.listeners == {}
        with pytest.raises(ActorError, match="cannot follow events"):
            system.send_events(listener, Started)


async def test_a_callback_that_raises_harms_nobody():
    found = []
    async with open_system() as system:
        system.on_event(lambda event: 1 / 0, Started)
        system.on_event(found.append, Started)
        await system.spawn(Worker)
    assert len(found) == 1


async def test_pauses_of_the_collector_are_told_outside_of_them():
    found = []
    async with open_system(tune_collector=True) as system:
        system.on_event(found.append, CollectorPause)
        gc.collect()
        assert found == []
        await (await system.spawn(Worker)).call(Get())
        await trio.testing.wait_all_tasks_blocked()
    assert found[0].generation == 2
    assert found[0].seconds >= 0


async def test_kinds_must_be_named():
    async with open_system() as system:
        with pytest.raises(TypeError, match="name the classes"):
            system.on_event(print)
        with pytest.raises(TypeError, match="name the classes"):
            system.on_event(print, "started")
        with pytest.raises(ValueError, match="at least 1"):
            system.events(Started, size=0)


async def test_who_waits_for_the_next_event_hears_that_the_stream_is_closed():
    async with open_system() as system, trio.open_nursery() as nursery:
        stream, other = system.events(Started), system.events(Started)
        seen = []

        async def read():
            seen.extend([event async for event in stream])

        async def receive():
            with pytest.raises(ActorError, match="has been closed"):
                await other.receive()

        nursery.start_soon(read)
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        stream.close()
        other.close()
    assert seen == []


async def test_a_callback_that_follows_twice_is_told_once_after_one_has_ended():
    async with open_system() as system:
        seen = []
        undo = system.on_event(seen.append, Started)
        system.on_event(seen.append, Started)
        await system.spawn(Worker)
        undo()
        undo()
        await system.spawn(Worker)
    assert len(seen) == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_an_interrupt_in_a_callback_stops_the_system_in_order(error):
    ended = []

    class Last(Actor):
        trap_exit = True

        def terminate(self, reason):
            ended.append(reason)

    def report(_):
        raise error

    with pytest.raises(error), trio.fail_after(5):
        async with open_system() as system:
            await system.spawn(Last)
            system.on_report(report)
            ref = await system.spawn(Worker)
            ref.cast(DoSync(lambda _: 1 / 0))
            await trio.sleep_forever()
    assert ended == [Shutdown()]
