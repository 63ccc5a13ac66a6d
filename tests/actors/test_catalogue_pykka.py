"""What users of pykka ran into: jodal/pykka, issues 23, 42, 46 and 231, and those beside them.

Tested elsewhere: calls left in the mailbox of a dead actor (23: `test_calls.py`); stopping oneself
and waiting for it is an error and no deadlock (76: `test_stopping.py`); a proxy to oneself (48) is
a call to oneself, a `CallCycle` (`test_calls.py`). Does not apply: `is_alive` of a proxy (3), for
there are no proxies.
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import CalleeDied, CrashReport, Exit, Normal, Shutdown, open_system
from supervision import ChildSpec, Supervisor
from tests.actors.kit import Add, Do, DoSync, Note, Worker, seen


@pytest.fixture
async def system():
    async with open_system(seed=1) as system:
        yield system


class Slow(Worker):
    async def terminate(self, reason):
        await self.sleep(1)
        super().terminate(reason)


def crash(me):
    raise ValueError("boom")


async def test_23_whoever_waits_in_the_mailbox_of_an_actor_that_stops_is_told(
    system, autojump_clock
):
    ref = await system.spawn(Slow)
    await system.suspend(ref)
    errors = []

    async def call():
        with pytest.raises(CalleeDied) as info:
            await ref.call(Add(1), timeout=None)
        errors.append(info.value.reason)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(call)
        await wait_all_tasks_blocked()
        await system.stop(ref)
    assert errors == [Normal()] * 3


async def test_23_several_may_stop_one_actor_and_each_hears_of_its_end(system, autojump_clock):
    log = []
    ref, other = await system.spawn(Slow, log=log), await system.spawn(Worker)
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(system.stop, ref)
        nursery.start_soon(other.call, Do(lambda me: me.system.stop(ref)))
    assert trio.current_time() - begun == pytest.approx(1, abs=0.1)
    assert log == [("terminate", Normal())]


async def test_42_a_cast_that_crashes_is_reported_told_to_links_and_restarted(
    system, autojump_clock
):
    reports = []
    system.on_report(reports.append)
    watcher = await system.spawn(Worker, trap=True)
    top = await system.spawn(Supervisor, [ChildSpec("child", Worker, name="child")])
    first = system.whereis("child")
    watcher.actor.link(first)
    first.cast(DoSync(crash))
    await system.join(first)
    await wait_all_tasks_blocked()
    assert [report.ref for report in reports if isinstance(report, CrashReport)] == [first]
    assert seen(watcher) == [Exit(first, first.exit_reason)]
    assert top.is_alive()
    assert system.whereis("child") not in (None, first)


async def test_46_stop_is_now_or_after_what_waits_as_one_likes(system, autojump_clock):
    log = []

    class Keeps(Worker):
        def note(self, message):
            log.append(message.value)

    def last(me):
        me.stop()

    now, later = await system.spawn(Keeps), await system.spawn(Keeps)
    for ref in (now, later):
        await system.suspend(ref)
        ref.cast(Note("waits"))
    later.cast(DoSync(last))  # a message like others: all before it are handled first
    later.cast(Note("after"))
    await system.stop(now)
    assert log == []
    await system.resume(later)
    assert await system.join(later) == Normal()
    assert log == ["waits"]


async def test_46_a_message_that_stops_is_nothing_that_others_see(system, autojump_clock):
    ref = await system.spawn(Worker)
    await system.suspend(ref)
    worker = ref.actor
    await system.stop(ref)
    assert worker.seen == []
    assert system.statistics()["unhandled"] == 0


async def test_47_an_actor_that_is_ended_takes_its_children_along(system, autojump_clock):
    parent = await system.spawn(Worker)
    await parent.call(Do(lambda me: me.spawn(Supervisor, [ChildSpec("leaf", Worker)])))
    assert len(system.actors()) == 3
    await system.stop(parent, Shutdown())
    await wait_all_tasks_blocked()
    assert system.actors() == ()


async def test_231_stop_returns_when_terminate_has_ended(system, autojump_clock):
    log = []
    ref = await system.spawn(Slow, log=log)
    await system.stop(ref)
    assert log == [("terminate", Normal())]
    assert not ref.is_alive()


async def test_8_a_stopped_actor_handles_none_of_the_messages_that_waited(system, autojump_clock):
    ref = await system.spawn(Worker)
    await system.suspend(ref)
    worker = ref.actor
    ref.cast(Note("waits"))
    await system.stop(ref)
    assert worker.seen == []
