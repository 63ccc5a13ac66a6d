"""Traces: bounded, over by themselves, and gone without a trace."""

from __future__ import annotations

import pytest
import trio

from actors import CalleeDied, open_system
from tests.actors.kit import Add, Do, Get, Note, Worker, sleep_in_trio


class Other(Worker):
    pass


async def test_a_trace_shows_what_an_actor_takes_in_hand_and_what_comes_of_it():
    async with open_system() as system:
        ref, caller = await system.spawn(Worker), await system.spawn(Worker)
        with system.trace(ref) as trace:
            ref.cast(Note("x"))
            assert await ref.call(Add(1)) == 2
            await caller.call(Do(lambda me: ref.call(Do(sleep_in_trio))))
        assert [event.kind for event in trace.events] == [
            *["in", "done"],
            *["in", "reply"],
            *["in", "reply"],
        ]
        assert trace.events[0].text == "Note(value='x')"
        assert trace.events[-1].seconds >= 0.001
        assert trace.over == "it was stopped"
        assert ref.behaviour is Worker._behaviour


async def test_a_trace_of_a_class_covers_those_that_start_later():
    async with open_system() as system:
        first, stranger = await system.spawn(Worker), await system.spawn(Other)
        with system.trace(Other) as trace:
            second = await system.spawn(Other)
            for ref in (first, stranger, second):
                await ref.call(Add(1))
        assert [event.ref for event in trace.events] == [stranger, stranger, second, second]
        third = await system.spawn(Other)
        assert third.behaviour is Other._behaviour
        assert type(system._scheduler.table) is dict


async def test_a_trace_of_a_predicate_covers_those_that_it_names():
    async with open_system() as system:
        refs = [await system.spawn(Worker, name=name) for name in "abc"]
        with system.trace(lambda ref: ref.name == "b") as trace:
            for ref in refs:
                await ref.call(Add(1))
        assert {event.ref for event in trace.events} == {refs[1]}


async def test_a_trace_ends_by_itself_after_its_limit():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        trace = system.trace(ref, limit=10)
        for number in range(100):
            ref.cast(Note(number))
        assert await trace.wait(1) == "there were 10 events"
        await ref.call(Get())
        assert len(trace.events) == 10
        assert ref.behaviour is Worker._behaviour


async def test_a_trace_ends_by_itself_when_there_is_too_much(autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        trace = system.trace(ref, limit=1000, per_second=5)
        for _ in range(3):
            ref.cast(Note(0))
            ref.cast(Note(0))
            await trio.sleep(1)
        assert trace.over is None
        for _ in range(3):
            ref.cast(Note(0))
        await ref.call(Get())
        assert trace.over == "there were more than 5 events within one second"
        assert len(trace.events) == 12 + 5


async def test_the_texts_of_a_trace_are_bounded():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with system.trace(ref) as trace:
            ref.cast(Note(["x" * 1_000_000] * 1_000))
            await ref.call(Get())
        assert all(len(event.text) <= 400 for event in trace.events)


async def test_a_callback_of_a_trace_that_raises_ends_it_and_harms_nobody():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        trace = system.trace(ref, callback=lambda event: 1 / 0)
        assert await ref.call(Add(1)) == 2
        assert trace.over == "its callback raised"


async def test_a_predicate_of_a_trace_that_raises_later_ends_it_and_is_logged(caplog):
    async with open_system() as system:
        ref = await system.spawn(Worker, name="b")
        trace = system.trace(lambda ref: ref.name < "c")
        second = await system.spawn(Worker)  # has no name: None < "c" raises
        assert await second.call(Add(1)) == 2
        assert trace.over == "its predicate raised"
        assert ref.behaviour is second.behaviour is Worker._behaviour
        await system.spawn(Worker)
    assert caplog.text.count("the predicate of a trace raised; the trace ends") == 1


async def test_a_predicate_that_raises_at_once_raises_at_the_caller_and_nothing_is_traced():
    async with open_system() as system:
        ref = await system.spawn(Worker, name="b")
        await system.spawn(Worker)
        with pytest.raises(TypeError, match="'<' not supported"):
            system.trace(lambda ref: ref.name < "c")
        assert ref.behaviour is Worker._behaviour


async def test_a_trace_may_end_in_the_middle_of_a_run():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        trace = system.trace(ref)
        for number in range(10):
            ref.cast(Note(number))
        ref.cast(Do(lambda me: trace.stop()))
        for number in range(10, 20):
            ref.cast(Note(number))
        assert await ref.call(Get()) == list(range(20))
        assert len(trace.events) == 21


async def test_a_trace_does_not_keep_count_of_the_dead():
    async with open_system() as system:
        with system.trace(Worker) as trace:
            for _ in range(1000):
                ref = await system.spawn(Worker)
                system.kill(ref)
                await system.join(ref)
            assert len(trace._refs) < 200


async def test_what_cannot_be_traced_is_refused():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(ValueError, match="limit=0"):
            system.trace(ref, limit=0)
        with pytest.raises(TypeError, match="a ref, an actor class or a predicate"):
            system.trace("it")
        system.kill(ref)
        await system.join(ref)
        with pytest.raises(CalleeDied):
            system.trace(ref)
