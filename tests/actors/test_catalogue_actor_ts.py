"""What went wrong elsewhere: the public findings of pathosDev/actor-ts, issues 913, 696 and 796.

Three catalogues of an actor runtime that was written from scratch for one thread, as this one is.
Each test here is one finding about the runtime itself, named by what has to hold instead; those
about supervision are in `tests/supervision/test_catalogue_actor_ts.py`.

Tested elsewhere: 920 and 762, the bounded stop and what it leaves (`test_system.py`,
`test_application.py`); timers that outlive their actor (`test_lifecycle.py`); 763, subscriptions
that outlive the subscriber (`test_registry.py`, `test_groups.py`); 518, 772 and 1098, what is
stashed (with the stash); 773, messages dropped at a bound are counted (`test_mailbox.py`).

Do not apply: 733, priority mailboxes, which do not exist here; 1244 and 1381, typed behaviours and
``become``; 453, a pact of death by an unhandled notice, which links are for; 921, fixed-delay
timers, since an interval is a message that its handler sends again; 628 to 633, 697 to 728 and the
rest of 796 on clusters, CRDTs, brokers, HTTP and their storage, which are other folders' matter.
"""

from __future__ import annotations

import gc
import signal
import weakref

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    NO_REPLY,
    ActorError,
    CallTimeout,
    Crashed,
    Down,
    Killed,
    Ref,
    StartFailed,
    on,
    open_system,
)
from tests.actors.kit import Add, Do, DoSync, Get, Note, Worker, seen


@pytest.fixture
async def system():
    async with open_system(seed=1) as system:
        yield system


class Small(Worker):
    mailbox_limit = 1


class Broken(Worker):
    def __init__(self):
        raise ValueError("constructor")


async def test_914_a_throwing_constructor_leaves_no_zombie(system, autojump_clock):
    parent = await system.spawn(Worker)

    async def start(me):
        with pytest.raises(StartFailed):
            await me.spawn(Broken, name="child")

    await parent.call(Do(start))
    assert system.actors() == (parent,)
    assert system.whereis("child") is None
    assert await parent.call(Add(1)) == 2


async def test_915_an_actor_that_ends_slowly_with_messages_waiting_does_not_spin(
    system, autojump_clock
):
    class Slow(Worker):
        async def terminate(self, reason):
            await self.sleep(10)

    ref = await system.spawn(Slow)
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.stop, ref)
        await trio.sleep(1)  # virtual: it passes only when nothing is runnable
        for number in range(100):
            ref.cast(Note(number))
        await trio.sleep(1)
        assert system.statistics()["runnable"] == 0
    assert trio.current_time() - begun == pytest.approx(10, abs=0.1)
    assert system.statistics()["dead_letters"] == 100


async def test_916_a_crash_is_never_silent(system, autojump_clock, caplog):
    def crash(me):
        raise ValueError("boom")

    ref = await system.spawn(Worker)
    ref.cast(DoSync(crash))
    await system.join(ref)
    assert "boom" in caplog.text
    assert "ERROR" in {record.levelname for record in caplog.records}


async def test_918_watching_what_cannot_be_watched_is_refused_aloud(system, autojump_clock):
    class Elsewhere(Ref):
        """A ref of another process."""

    ref = await system.spawn(Worker)

    def watch(me):
        with pytest.raises(ActorError, match="is not an actor of this process"):
            me.monitor(Elsewhere())
        with pytest.raises(ActorError, match="is not an actor of this process"):
            me.link(Elsewhere())

    await ref.call(DoSync(watch))


async def test_919_a_full_receiver_does_not_harm_the_sender(system, autojump_clock):
    full, sender = await system.spawn(Small), await system.spawn(Worker)
    await system.suspend(full)

    def send(me):
        for number in range(10):
            full.cast(Note(number))
        return "fine"

    assert await sender.call(DoSync(send)) == "fine"
    assert sender.is_alive()
    await system.resume(full)
    await wait_all_tasks_blocked()
    assert seen(full) == [0]


async def test_729_a_full_mailbox_evicts_no_notice_of_an_end(system, autojump_clock):
    watcher, target = await system.spawn(Small), await system.spawn(Worker)
    monitor = watcher.actor.monitor(target)
    await system.suspend(watcher)
    watcher.cast(Note("waits"))
    system.kill(target)
    await system.join(target)
    for number in range(10):
        watcher.cast(Note(number))
    await system.resume(watcher)
    await wait_all_tasks_blocked()
    assert seen(watcher) == ["waits", Down(monitor, target, Killed())]


async def test_453_a_notice_without_a_handler_is_counted_and_crashes_nobody(system, autojump_clock):
    class Deaf(Worker):
        down = None

    watcher, target = await system.spawn(Deaf), await system.spawn(Worker)
    watcher.actor.monitor(target)
    system.kill(target)
    await wait_all_tasks_blocked()
    assert watcher.is_alive()


@pytest.mark.parametrize("seconds", [0, -1])
@pytest.mark.parametrize("inside", [True, False])
async def test_765_a_call_with_no_time_at_all_times_out(system, autojump_clock, seconds, inside):
    class Silent(Worker):
        @on(Get)
        async def get(self, request):
            await trio.sleep_forever()

    silent, caller = await system.spawn(Silent), await system.spawn(Worker)

    async def call(me):
        with pytest.raises(CallTimeout):
            await silent.call(Get(), timeout=seconds)
        return "told"

    begun = trio.current_time()
    assert await (caller.call(Do(call)) if inside else call(None)) == "told"
    assert trio.current_time() - begun < 0.1


async def test_118_a_second_reply_leaves_no_timer_and_wakes_nobody(system, autojump_clock):
    class Twice(Worker):
        @on(Get)
        def get(self, request):
            reply = self.reply_to()
            reply.reply("first")
            reply.reply("second")
            return NO_REPLY

    ref, caller = await system.spawn(Twice), await system.spawn(Worker)

    async def call(me):
        first = await ref.call(Get())
        await me.sleep(1)
        return first

    assert await caller.call(Do(call)) == "first"
    assert system.statistics()["deadlines"] == 0


async def test_764_a_system_touches_no_signal_handler(autojump_clock):
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in numbers]
    async with open_system() as system:
        await system.spawn(Worker)
        assert [signal.getsignal(number) for number in numbers] == before
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("end", ["stop", "kill", "crash"])
async def test_1171_a_kept_ref_of_the_dead_keeps_nothing_of_them_alive(system, autojump_clock, end):
    def crash(me):
        raise ValueError("boom")

    parent = await system.spawn(Worker, trap=True)
    ref = await parent.call(Do(lambda me: me.spawn(Worker)))
    other = await system.spawn(Worker)
    other.actor.monitor(ref)
    ref.actor.send_after(1000, Note(1))
    state = weakref.ref(ref.actor)
    if end == "stop":
        await system.stop(ref)
    elif end == "kill":
        system.kill(ref)
    else:
        ref.cast(DoSync(crash))
    await system.join(ref)
    await system.stop(parent)
    await wait_all_tasks_blocked()
    gc.collect()
    assert state() is None
    assert (ref.parent, ref.links, ref.ties, ref.mailbox) == (None, None, None, None)
    assert system.statistics()["deadlines"] == 0


async def test_634_an_actor_with_named_children_of_its_own_comes_back_with_fresh_ones(
    system, autojump_clock
):
    class Parent(Worker):
        async def init(self):
            self.child = await self.spawn(Worker, name="child")

    def crash(me):
        raise ValueError("boom")

    first = await system.spawn(Parent, name="parent")
    old = system.whereis("child")
    first.cast(DoSync(crash))
    assert await system.join(first) == Crashed("ValueError", "boom")
    await system.join(old)
    second = await system.spawn(Parent, name="parent")
    assert system.whereis("child") not in (None, old)
    assert system.whereis("child") is second.actor.child
