"""What went wrong elsewhere: the public findings of pathosDev/actor-ts, issues 913, 696 and 796.

Three catalogues of an actor runtime that was written from scratch for one thread, as this one is.
Each test here is one finding about the runtime itself, named by what has to hold instead. Others
are in the namesakes of this file for supervision and storage, and in ``.._changelog.py``.

What was read. Of the catalogues an excerpt each: the first eight points of 913, the first four of
696, none of 796; of issue 1509, which sums up later concerns about the core, three of 28. Instead
the repository's ``CHANGELOG.md``: of 0.1 to 0.17 the beginning of each entry that names actors,
mailboxes, supervision, timers, routers, events, dead letters or the test kit, of what follows 0.17
what was changed and mended; and the titles of the commits to the core. A few findings were read in
their own opening paragraphs. What was found there and never mended is in no change log and known
only where a search gave it: 640, 922, 1030, 1098, 1241 to 1244, 1381, 1384, 1567. A finding that
no row names was not judged.

"here": this file, "changelog", "supervision", "storage": the other three. Where another file is
named, the test was read and proves it.

==============  =====================================  ============================================
finding         subject                                held by, or why it does not apply
==============  =====================================  ============================================
*starting, restarting, ending*
914             throwing constructor                   here, and supervision
1384            failures inside the restart            supervision: in all places at once
634, 793, 899,  restart with named children            here, and supervision
926
915             spinning while it stops                here, and supervision
663             stop loses what was sent before        differs, as OTP: a stop overtakes; changelog
                                                       says how to have the rest handled
663             bounded graceful stop                  ``test_stopping.py``: a stop that takes too
                                                       long raises and goes on
920             no deadline for the whole stop         ``test_application.py``: one deadline ...
641, 762        timers outlive the system              changelog; ``test_timers.py``: no timer ...
764, 644, 549   signal handlers                        here: a system touches none
523             what was stopped does not start again  supervision
509             strategy that is never read            ``test_restart_table.py``: by effect
635, 1032       children suspended and never resumed   no such suspension: a crash suspends nobody
1171            ref keeps the dead in memory           here
*supervision*
917             one budget for all siblings            supervision
638, no number  budget ignored, or off by one          supervision: every budget of n allows n
48              backoff that never resets              supervision
652, 771, 782   delays in lockstep, infinite or NaN    ``test_backoff.py``: children that crash
                                                       together ...; refuses each wrong field
770             forged ticks of a supervisor           supervision; within one process nothing more
                                                       is defended: who may import may call
916, 410, 678   silent crash                           here, and supervision; the runtime's own:
                                                       ``test_system.py``: a fault of the runtime
*mailboxes*
729             full mailbox evicts a notice, or       here, and changelog: under every policy
                hinders who tells it
919, 1149       a full receiver harms the sender       here; ``test_overflow.py``: under each policy
407             no bound while suspended               ``test_overflow.py``: the bound is exact ...
408             cost grows with the backlog            ``test_overflow.py``: throughput does not ...
310, 1148, 773  drops that nobody counts               ``test_overflow.py``: each policy's counter
795             bound of NaN or infinity               changelog
409, 1205       turns that starve timers and sockets   ``test_scheduler.py``: a flood does not ...,
                                                       one actor's run is at most 64 messages
794             notices of ends are unbounded          accepted: one for each link or monitor
733, 647        priority mailboxes                     not here: no such mailboxes, and no code of
                                                       the receiver runs in a cast
1167, 636       throttle that spins                    not here: no throttle of an actor
643             a message begins while another waits   ``test_lifecycle.py``: an actor with a parked
                                                       handler takes no other message
*stash*
518, 639        stash lost at the end, or its order    ``test_stash.py``: at the end stashed calls
                                                       fail; what was stashed comes before all ...
772             unstash past the bound                 differs: a stash has its own ``stash_limit``
                                                       (``test_stash.py``: a full stash refuses ...)
1098, 1319      stashed notice of an end is lost       here
*calls*
118, 177        second reply to an ask                 here
765             ask without time, or NaN               here
451             callers of who stops wait for ever     ``test_calls.py``: callers who are owed ...
119, 120, 777   reply that reaches another request     ``test_calls.py``: a late reply does not wake
                                                       the caller's next wait; replies go to the
                                                       wait itself, there is no name to forge
718             context leaks from sender to receiver  changelog; ``test_scheduler.py``: each
                                                       message runs in its own copy ...
*watching*
453, 448        unhandled notice of an end             here; no pact of death: links are for that
918             watching what is elsewhere             here
1030, 159       notice of the old hits the new         here
*timers and state machines*
921             fixed delay that is a fixed rate       ``test_timers.py``: after a stall ...
922             idle timeout after a long handler      here
642             timer that has fired counts as set     changelog
1567            interval ended by its first tick       here
519, 1083, 143  state timeout that is out of date      ``test_state_machine.py``: a timeout that has
                                                       fired is not handled after ...; a restart
                                                       has a new mailbox
640             first state is not entered             ``test_state_machine.py``: the first state is
                                                       entered after the start and before any ...
640             message that no state takes vanishes   ``test_state_machine.py``: a cast without a
                                                       handler goes to ``handle_info``
*events, groups, dead letters, logs*
645, 763, 1111  subscriptions outlive the subscriber   ``test_events.py``: a subscription ends with
                                                       its actor; ``test_registry.py`` and
                                                       ``test_groups.py``: an ended listener/watcher
                                                       is forgotten; the event in hand: here, and
                                                       changelog
1010            one faulty subscriber breaks the bus   ``test_events.py``: a callback that raises
no number       dead letter about a dead letter        changelog (601)
433             dead letters that name nobody          changelog
1000, 1178      undeliverable messages are silent      ``test_reports.py``: dead letters are counted
                                                       each ..., unhandled messages are counted ...
126, 134        names and texts that forge log lines   changelog, and supervision
658, 745        a metric's label for each actor        ``test_metrics.py``: counted by class
449             router keeps a dead member             ``test_groups.py``: a group exists while ...
154             router prefers who is stopping         differs, as pg: ``test_groups.py``: an actor
                                                       being killed is a member until it has unwound
455             pool of no members                     ``test_partition_supervisor.py``: wrong
                                                       numbers of partitions are refused
153             deadline of a gathering level with     ``test_multicall.py``: one deadline for all
                those of its asks                      that is never exceeded
*test kit*
1011            probe that does not say what it wants  ``testing/test_probe.py``: nothing at all ...
477, 1338, 1376 tests that measure the machine         virtual time in all of them
*storage*
628             truncated journal begins anew          storage
629             truncation takes what it must keep     storage
1166            two owners of one stream               storage
117             a refused writer is stuck              storage
133             names that make bad keys               ``test_names.py``: a bad name is refused
*what there is not*
1241, 1243,     typed behaviours, ``become``,          not here: no such behaviours
1244, 1381,     interceptors, nested supervision
928, 152
895, 900        guessable or reserved names            an actor without a name has none
433             queue and replay of dead letters       they are counted and told, not kept
517, 637, 697-  clusters, singletons, shards, CRDTs,   not here: other matter, nothing of it is in
728, 949, 1175  brokers, workers, HTTP, devtools       these libraries
630-633         journals: migration, tags, shards      not here: ``storage`` has none of them
411, 412, 1207, what the instrumentation or the paths  other mechanisms; here the benches tell
1208            of a message cost
==============  =====================================  ============================================
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
from actors.observing.events import Started
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
    assert system.statistics()["unhandled"] == 1


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


async def test_922_a_long_handler_is_not_idleness(system, autojump_clock):
    class Idle(Worker):
        @on(Note)
        def note(self, message):
            self.seen.append((message.value, trio.current_time() - begun))

        def handle_info(self, message):
            self.seen.append(("idle", trio.current_time() - begun))

    async def work(me):
        me.set_idle_timeout(1)
        await me.sleep(3)

    begun = trio.current_time()
    ref = await system.spawn(Idle)
    await ref.call(Do(work))
    await trio.sleep(0.9)
    assert seen(ref) == []
    await trio.sleep(0.2)
    assert [when for _, when in seen(ref)] == [pytest.approx(4, abs=0.05)]


async def test_1030_the_end_of_an_old_actor_is_not_mistaken_for_its_successors(
    system, autojump_clock
):
    watcher = await system.spawn(Worker)
    old = await system.spawn(Worker, name="same")
    monitor = watcher.actor.monitor(old)
    await system.suspend(watcher)
    await system.stop(old)
    new = await system.spawn(Worker, name="same")
    second = watcher.actor.monitor(new)
    await system.resume(watcher)
    await wait_all_tasks_blocked()
    (down,) = seen(watcher)
    assert new != old
    assert (down.monitor, down.ref) == (monitor, old)
    system.kill(new)
    await wait_all_tasks_blocked()
    assert seen(watcher)[1:] == [Down(second, new, Killed())]


async def test_1567_an_interval_that_its_first_tick_ends_leaves_no_timer(system, autojump_clock):
    class Once(Worker):
        @on(Note)
        def tick(self, message):
            self.seen.append(message.value)
            self.cancel_timer("k")

    ref = await system.spawn(Once)
    await ref.call(DoSync(lambda me: me.start_interval("k", 1, Note("t"))))
    await trio.sleep(5)
    assert seen(ref) == ["t"]
    assert system.statistics()["deadlines"] == 0


@pytest.mark.parametrize("inside", [True, False])
async def test_765_a_call_whose_time_is_no_number_is_refused_and_waits_for_nothing(
    system, autojump_clock, inside
):
    silent, caller = await system.spawn(Worker), await system.spawn(Worker)

    async def call(me):
        with pytest.raises(ValueError, match="timeout"):
            await silent.call(Do(lambda me: me.sleep(100)), timeout=float("nan"))
        return "told"

    with trio.fail_after(10):
        assert await (caller.call(Do(call)) if inside else call(None)) == "told"


@pytest.mark.parametrize("limit", [1, 1000])
async def test_1098_a_notice_of_an_end_that_was_stashed_comes_back(system, autojump_clock, limit):
    class Later(Worker):
        mailbox_limit = limit
        closed = True

        @on(Down)
        def down(self, message):
            if self.closed:
                self.stash()
            else:
                self.seen.append(message)

    def reopen(me):
        me.closed = False
        me.unstash_all()

    watcher, target = await system.spawn(Later), await system.spawn(Worker)
    monitor = watcher.actor.monitor(target)
    system.kill(target)
    await wait_all_tasks_blocked()
    assert seen(watcher) == []
    watcher.cast(DoSync(reopen))
    for number in range(10):
        watcher.cast(Note(number))
    await wait_all_tasks_blocked()
    assert seen(watcher)[0] == Down(monitor, target, Killed())


async def test_645_who_follows_events_from_a_callback_is_not_told_the_event_in_hand(
    system, autojump_clock
):
    told = []

    def first(event):
        if len(told) == 0:
            system.on_event(told.append, Started)

    system.on_event(first, Started)
    await system.spawn(Worker)
    assert told == []
    ref = await system.spawn(Worker)
    assert ref in [event.ref for event in told]
