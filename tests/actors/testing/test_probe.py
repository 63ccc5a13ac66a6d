"""Probes: what they expect, and what a failure says."""

from __future__ import annotations

import pytest
import trio

from actors import (
    ActorError,
    Busy,
    CalleeDied,
    CallError,
    Crashed,
    Down,
    Exit,
    Killed,
    Normal,
    Request,
    Shutdown,
)
from actors.lifecycle.ties import tied
from actors.testing import ExpectationFailed, open_probe, open_test_system, run_virtual
from actors.testing import probe as probe_module
from tests.actors.kit import Add, Do, Get, Note, Worker


@pytest.fixture
async def system():
    async with open_test_system() as system:
        yield system


@pytest.fixture
async def probe(system):
    return await open_probe(system, name="probe")


async def test_messages_are_expected_in_order_by_type_value_and_predicate(autojump_clock, probe):
    for value in (1, 2, 3, 4):
        probe.ref.cast(Note(value))
    assert await probe.expect(Note) == Note(1)
    await probe.expect(Note(2))
    assert (await probe.expect(lambda note: note.value == 3)).value == 3
    assert await probe.expect((str, Note)) == Note(4)
    assert probe.messages == ()


async def test_a_message_that_comes_later_is_waited_for(autojump_clock, system, probe):
    worker = await system.spawn(Worker)

    async def later(me):
        await me.sleep(2.9)
        probe.ref.cast(Note("late"))

    worker.cast(Do(later))
    assert await probe.receive() == Note("late")
    assert trio.current_time() == pytest.approx(2.9, abs=0.01)


async def test_a_wrong_message_fails_at_once_and_is_shown_and_kept(autojump_clock, probe):
    probe.ref.cast(Note("other"))
    probe.ref.cast(Note("more"))
    before = trio.current_time()
    with pytest.raises(ExpectationFailed) as caught:
        await probe.expect(Add)
    assert trio.current_time() == before
    text = str(caught.value)
    assert "expected Add, but this came instead:" in text
    assert "Note(value='other')" in text
    assert "Note(value='more')" in text
    assert probe.messages == (Note("other"), Note("more"))


async def test_nothing_at_all_fails_in_time_and_says_so(autojump_clock, system, probe):
    with pytest.raises(ExpectationFailed, match=r"expected Add within 0\.5 s, but nothing came$"):
        await probe.expect(Add, within=0.5)
    assert trio.current_time() == pytest.approx(0.5)
    system.kill(probe.ref)
    await probe.expect_down(probe.ref)
    with pytest.raises(ExpectationFailed, match="the probe itself ended: killed"):
        await probe.expect(Add)


async def test_a_failure_names_the_predicate(autojump_clock, probe):
    def is_large(note):
        return note.value > 9

    probe.ref.cast(Note(1))
    with pytest.raises(ExpectationFailed, match=r"what .*is_large\(\) is true for"):
        await probe.expect(is_large)


async def test_expect_no_watches_for_its_time_and_shows_what_came(autojump_clock, system, probe):
    await probe.expect_no(within=1.0)
    assert trio.current_time() == pytest.approx(1.0)
    worker = await system.spawn(Worker)

    async def later(me):
        await me.sleep(0.5)
        probe.ref.cast(Note("unwanted"))

    worker.cast(Do(later))
    await probe.expect_no(within=0.4)
    with pytest.raises(ExpectationFailed, match=r"no message, but this came:\n.*unwanted"):
        await probe.expect_no(within=0.4)
    await probe.expect_no(Add, within=0.1)
    with pytest.raises(ExpectationFailed, match=r"expected no Note"):
        await probe.expect_no(Note)


async def test_fishing_skips_what_does_not_match(autojump_clock, probe):
    for value in (1, 2, "three", 4):
        probe.ref.cast(Note(value))
    assert await probe.fish_for(lambda note: note.value == "three") == Note("three")
    assert probe.messages == (Note(4),)
    with pytest.raises(ExpectationFailed, match=r"fished 1 s for Add, but only this came:\n.*4"):
        await probe.fish_for(Add, within=1.0)


async def test_calls_are_expected_and_answered_by_hand(autojump_clock, system, probe):
    outcomes = []

    async def ask(request):
        try:
            outcomes.append(await probe.ref.call(request))
        except CallError as error:
            outcomes.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, Add(1))
        assert await probe.expect_call(Add) == Add(1)
        probe.reply(42)
        nursery.start_soon(ask, Get())
        assert await probe.expect_call() == Get()
        probe.fail(Busy("no"))
    assert outcomes[0] == 42
    assert isinstance(outcomes[1], Busy)
    with pytest.raises(ActorError, match="no consumed call waits"):
        probe.reply(1)
    probe.ref.cast(Note(1))
    with pytest.raises(ExpectationFailed, match="expected a call of Note, but this was cast"):
        await probe.expect_call(Note)
    assert probe.messages == (Note(1),)


async def test_actors_that_call_a_probe_get_their_reply(autojump_clock, system, probe):
    worker = await system.spawn(Worker)
    probe.auto_reply(Add, lambda request: request.amount * 10)
    assert await worker.call(Do(lambda me: probe.ref.call(Add(4)))) == 40
    assert await probe.expect(Add) == Add(4)


async def test_automatic_replies_also_reach_calls_that_wait(autojump_clock, probe):
    async with trio.open_nursery() as nursery:

        async def ask():
            assert await probe.ref.call(Get()) == "given"

        nursery.start_soon(ask)
        await probe.expect_call(Get)
        end = probe.auto_reply(Get, "given")
    probe.auto_reply(Get, Busy)
    with pytest.raises(Busy):
        await probe.ref.call(Get())
    end()
    probe.auto_reply(Get, lambda _: CalleeDied(probe.ref, Killed()))
    with pytest.raises(CalleeDied):
        await probe.ref.call(Get())


async def test_an_end_is_expected_with_its_reason(autojump_clock, system, probe):
    crashes, normal, living = [await system.spawn(Worker) for _ in range(3)]
    crashes.cast(Do(lambda me: 1 / 0))
    assert await probe.expect_down(crashes, reason=ZeroDivisionError) == Crashed(
        "ZeroDivisionError", "division by zero"
    )
    normal.cast(Do(lambda me: me.stop()))
    await probe.expect_down(normal, reason=Normal())
    await probe.expect_down(normal, reason=Normal)
    with pytest.raises(ExpectationFailed, match=r"another reason than Shutdown.*: normal"):
        await probe.expect_down(normal, reason=Shutdown)
    with pytest.raises(ExpectationFailed, match="did not end within 2 s"):
        await probe.expect_down(living, within=2.0)
    assert tied(living, "joins") == ()


async def test_a_probe_takes_downs_and_exits_like_any_message(autojump_clock, system, probe):
    worker = await system.spawn(Worker)
    probe.watch(worker)
    worker.cast(Do(lambda me: me.exit(probe.ref, Killed())))
    assert await probe.expect(Exit) == Exit(worker, Killed())
    system.kill(worker)
    assert (await probe.expect(Down)).ref is worker


async def test_a_probe_keeps_a_bounded_number_and_says_what_it_lost(
    autojump_clock, probe, monkeypatch
):
    monkeypatch.setattr(probe_module, "MAX_HELD", 3)
    for number in range(10):
        probe.ref.cast(Note(number))
    await trio.testing.wait_all_tasks_blocked()
    assert len(probe.messages) == 3
    with pytest.raises(ExpectationFailed, match="and 7 that the probe had no room for"):
        await probe.expect(Add)


def test_the_kit_needs_no_pytest_trio():
    class Ping(Request[str]):
        pass

    async def test():
        async with open_test_system() as system:
            probe = await open_probe(system)
            await probe.expect_no(within=3600)
            probe.auto_reply(Ping, "pong")
            return await probe.ref.call(Ping())

    assert run_virtual(test) == "pong"
