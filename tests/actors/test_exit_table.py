"""OTP's table of exit signals, each row a case: links, exits, kills, monitors, parents.

What a signal does depends on where it comes from, on its reason and on whether the target traps
exits, and on nothing else: the rows are run against a target that rests, one whose handler waits,
and one whose handler waits in trio.

| from              | reason       | not trapping       | trapping           |
|-------------------|--------------|--------------------|--------------------|
| a link            | normal       | nothing            | `Exit` message     |
| a link            | anything else| ends with it       | `Exit` message     |
| another, `exit`   | normal       | nothing            | `Exit` message     |
| another, `exit`   | anything else| ends with it       | `Exit` message     |
| itself, `exit`    | anything     | ends with it       | `Exit` message     |
| anybody, `kill`   |              | ends with killed   | ends with killed   |
| nobody: a link to the dead |     | ends with noproc   | `Exit`, noproc     |

The atom ``kill`` is an operation here and no reason, so a reason of that name is one like others.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    Crashed,
    Down,
    Exit,
    ExitReason,
    Killed,
    NoProc,
    Normal,
    Shutdown,
    Signal,
    StartFailed,
    Stop,
    TaskActor,
    on,
    open_system,
)
from tests.actors.kit import Do, DoSync, Get, Note, Worker, seen


@dataclass(frozen=True, slots=True)
class Kill(ExitReason):
    """A reason that has the name of the operation: what ``exit(kill)`` ends a process with."""


CRASH = Crashed("ValueError", "boom")
REASONS = {
    "normal": Normal(),
    "shutdown": Shutdown(),
    "shutdown_T": Shutdown("moving"),
    "error": CRASH,
    "kill": Kill(),
    "killed": Killed(),
    "noproc": NoProc(),
}
ABNORMAL = [name for name in REASONS if name != "normal"]

IGNORED, DIES, MESSAGE = "ignored", "dies", "message"

TABLE = [
    # source, reason, not trapping, trapping
    ("link", "normal", IGNORED, MESSAGE),
    *[("link", reason, DIES, MESSAGE) for reason in ABNORMAL],
    ("exit", "normal", IGNORED, MESSAGE),
    *[("exit", reason, DIES, MESSAGE) for reason in ABNORMAL],
]
CASES = [
    pytest.param(source, reason, traps, outcome, id=f"{source}-{reason}-{when}-{outcome}")
    for source, reason, plain, trapping in TABLE
    for traps, when, outcome in [(False, "plain", plain), (True, "trapping", trapping)]
]
OCCUPIED = ["resting", "waiting", "waiting in trio"]


def end(actor, reason):
    """Have `actor` (asked from within) end with `reason`."""
    if reason == CRASH:
        raise ValueError("boom")
    raise Stop(reason)


async def occupy(target, how):
    """Bring `target` into this state; returns what ends it."""
    if how == "waiting":
        gate = Signal()
        target.cast(Do(lambda me: gate.wait()))
        await wait_all_tasks_blocked()
        return lambda: gate.set(None)
    event = trio.Event()
    if how == "waiting in trio":
        target.cast(Do(lambda me: event.wait()))
        await wait_all_tasks_blocked()
    return event.set


async def send(system, sender, target, source, reason):
    """Bring a signal with `reason` from `sender` to `target`."""
    if source == "exit":
        await sender.call(DoSync(lambda me: me.exit(target, reason)))
    elif reason == Killed():
        system.kill(sender)
    else:
        sender.cast(DoSync(lambda me: end(me, reason)))
    await wait_all_tasks_blocked()


@pytest.mark.parametrize("occupied", OCCUPIED)
@pytest.mark.parametrize(("source", "reason", "traps", "outcome"), CASES)
async def test_a_signal_of_another_does_what_its_row_says(source, reason, traps, outcome, occupied):
    log = []
    async with open_system() as system:
        sender = await system.spawn(Worker)
        target = await system.spawn(Worker, trap=traps, log=log)
        if source == "link":
            await sender.call(DoSync(lambda me: me.link(target)))
        release = await occupy(target, occupied)
        await send(system, sender, target, source, REASONS[reason])
        ended = None if target.is_alive() else target.exit_reason
        release()
        await wait_all_tasks_blocked()
        assert ended == (REASONS[reason] if outcome == DIES else None)
        if outcome != DIES:
            message = [Exit(sender, REASONS[reason])] if outcome == MESSAGE else []
            assert seen(target) == message
            assert target.links is None or source == "exit"
        assert log == [], "terminate runs for no signal that comes from another"


@pytest.mark.parametrize("reason", REASONS)
async def test_an_exit_to_oneself_ends_with_any_reason_also_normal(reason):
    async with open_system() as system:
        target = await system.spawn(Worker)
        await target.call(DoSync(lambda me: me.exit(me.ref, REASONS[reason])))
        assert await system.join(target) == REASONS[reason]


@pytest.mark.parametrize("reason", REASONS)
async def test_an_exit_to_oneself_is_a_message_to_one_who_traps(reason):
    async with open_system() as system:
        target = await system.spawn(Worker, trap=True)
        await target.call(DoSync(lambda me: me.exit(me.ref, REASONS[reason])))
        assert await target.call(Get()) == [Exit(target, REASONS[reason])]


# -- kill ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("occupied", OCCUPIED)
@pytest.mark.parametrize("traps", [False, True])
@pytest.mark.parametrize("by", ["another", "a linked one", "the system"])
async def test_kill_ends_with_killed_whether_trapped_or_not(by, traps, occupied):
    log = []
    async with open_system() as system:
        sender = await system.spawn(Worker, trap=True)
        target = await system.spawn(Worker, trap=traps, log=log)
        if by == "a linked one":
            await sender.call(DoSync(lambda me: me.link(target)))
        await occupy(target, occupied)
        if by == "the system":
            system.kill(target)
        else:
            await sender.call(DoSync(lambda me: me.kill(target)))
        assert await system.join(target) == Killed()
        assert log == [], "a killed actor does not terminate"


@pytest.mark.parametrize("traps", [False, True])
async def test_killing_oneself_ends_with_killed_whether_trapped_or_not(traps):
    async with open_system() as system:
        target = await system.spawn(Worker, trap=traps)
        await target.call(DoSync(lambda me: me.kill(me.ref)))
        assert await system.join(target) == Killed()


async def test_kill_goes_on_through_links_as_killed_which_can_be_trapped():
    async with open_system() as system:
        victim, plain = await system.spawn(Worker), await system.spawn(Worker)
        trapping = await system.spawn(Worker, trap=True)
        await plain.call(DoSync(lambda me: me.link(victim)))
        await trapping.call(DoSync(lambda me: me.link(plain)))
        system.kill(victim)
        assert await system.join(plain) == Killed()
        assert await trapping.call(Get()) == [Exit(plain, Killed())]


# -- signals to the dead and from nobody --------------------------------------------------------


@pytest.mark.parametrize("send_it", [Worker.exit, lambda me, ref, reason: me.kill(ref)])
async def test_a_signal_to_the_dead_is_nothing(send_it):
    async with open_system() as system:
        dead, sender = await system.spawn(Worker), await system.spawn(Worker)
        system.exit(dead, CRASH)
        await system.join(dead)
        await sender.call(DoSync(lambda me: send_it(me, dead, Shutdown())))
        assert sender.is_alive()
        assert dead.exit_reason == CRASH


@pytest.mark.parametrize("reason", REASONS)
async def test_a_link_to_the_dead_brings_noproc_and_not_what_it_died_of(reason):
    async with open_system() as system:
        dead, plain = await system.spawn(Worker), await system.spawn(Worker)
        trapping = await system.spawn(Worker, trap=True)
        dead.cast(DoSync(lambda me: end(me, REASONS[reason])))
        await system.join(dead)
        await trapping.call(DoSync(lambda me: me.link(dead)))
        assert await trapping.call(Get()) == [Exit(dead, NoProc())]
        plain.cast(DoSync(lambda me: me.link(dead)))
        assert await system.join(plain) == NoProc()


@pytest.mark.parametrize("reason", REASONS)
async def test_an_exit_from_outside_reaches_a_trapping_child_as_from_nobody(reason):
    async with open_system() as system:
        parent = await system.spawn(Worker)
        child = await parent.call(Do(lambda me: me.spawn(Worker, trap=True)))
        system.exit(child, REASONS[reason])
        assert await child.call(Get()) == [Exit(None, REASONS[reason])]


# -- links --------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["the one who ends", "the one who is told"])
async def test_a_link_is_the_same_whoever_made_it(by):
    async with open_system() as system:
        ending, told = await system.spawn(Worker), await system.spawn(Worker, trap=True)
        one, other = (ending, told) if by == "the one who ends" else (told, ending)
        await one.call(DoSync(lambda me: me.link(other)))
        system.exit(ending, CRASH)
        await system.join(ending)
        assert await told.call(Get()) == [Exit(ending, CRASH)]


async def test_linking_twice_makes_one_link_which_one_unlink_removes():
    async with open_system() as system:
        ending, told = await system.spawn(Worker), await system.spawn(Worker, trap=True)
        await told.call(DoSync(lambda me: (me.link(ending), me.link(ending))))
        await ending.call(DoSync(lambda me: me.link(told)))
        await told.call(DoSync(lambda me: me.unlink(ending)))
        system.exit(ending, CRASH)
        await system.join(ending)
        assert await told.call(Get()) == []


async def test_a_linked_pair_that_ends_at_once_sends_one_exit_at_most():
    async with open_system() as system:
        one, two = await system.spawn(Worker), await system.spawn(Worker, trap=True)
        await one.call(DoSync(lambda me: me.link(two)))
        system.exit(one, CRASH)
        system.exit(one, Shutdown())
        assert await system.join(one) == CRASH, "the first signal decides"
        assert await two.call(Get()) == [Exit(one, CRASH)]


async def test_a_link_to_oneself_is_none():
    async with open_system() as system:
        ref = await system.spawn(Worker, trap=True)
        await ref.call(DoSync(lambda me: me.link(me.ref)))
        assert ref.links is None
        ref.cast(DoSync(lambda me: me.stop(CRASH)))
        assert await system.join(ref) == CRASH


async def test_an_exit_that_waits_already_is_not_taken_back_by_unlinking():
    async with open_system() as system:
        ending, told = await system.spawn(Worker), await system.spawn(Worker, trap=True)

        async def late(me):
            me.link(ending)
            system.exit(ending, CRASH)
            await me.sleep(0.01)
            me.unlink(ending)

        await told.call(Do(late))
        assert await told.call(Get()) == [Exit(ending, CRASH)]


async def test_trapping_counts_when_the_signal_arrives():
    async with open_system() as system:
        first, second = await system.spawn(Worker), await system.spawn(Worker)
        target = await system.spawn(Worker)

        def trap(me):
            me.trap_exit = True
            me.link(first)
            me.link(second)

        await target.call(DoSync(trap))
        system.exit(first, CRASH)
        await system.join(first)
        assert await target.call(Get()) == [Exit(first, CRASH)]
        await target.call(DoSync(lambda me: setattr(me, "trap_exit", False)))
        system.exit(second, CRASH)
        assert await system.join(target) == CRASH


async def test_what_an_actor_sent_arrives_before_the_signal_of_its_end():
    async with open_system() as system:
        ending, told = await system.spawn(Worker), await system.spawn(Worker, trap=True)
        await told.call(DoSync(lambda me: me.link(ending)))

        def last_words(me):
            told.cast(Note("last words"))
            end(me, CRASH)

        ending.cast(DoSync(last_words))
        await system.join(ending)
        assert await told.call(Get()) == ["last words", Exit(ending, CRASH)]


async def test_a_start_that_fails_sends_its_parent_no_signal():
    class Failing(Worker):
        def init(self):
            raise ValueError("boom")

    async with open_system() as system:
        parent = await system.spawn(Worker, trap=True)

        async def start(me):
            with pytest.raises(StartFailed) as caught:
                await me.spawn(Failing)
            return caught.value.reason

        assert await parent.call(Do(start)) == CRASH
        assert await parent.call(Get()) == []


# -- the parent ---------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("source", ["link", "exit"])
async def test_a_parents_signal_terminates_a_child_that_traps(source, reason):
    log = []
    async with open_system() as system:
        parent = await system.spawn(Worker)
        child = await parent.call(Do(lambda me: me.spawn(Worker, trap=True, log=log)))
        await send(system, parent, child, source, REASONS[reason])
        assert child.exit_reason == REASONS[reason]
        assert log == [("terminate", REASONS[reason])]


@pytest.mark.parametrize("reason", REASONS)
async def test_who_starts_an_actor_without_a_link_is_not_its_parent(reason):
    async with open_system() as system:
        starter = await system.spawn(Worker)
        started = await starter.call(Do(lambda me: me.spawn(Worker, trap=True, link=False)))
        await send(system, starter, started, "exit", REASONS[reason])
        assert await started.call(Get()) == [Exit(starter, REASONS[reason])]


@pytest.mark.parametrize("reason", REASONS)
async def test_a_child_without_trapping_ends_with_its_parent_unless_that_ends_normally(reason):
    log = []
    async with open_system() as system:
        parent = await system.spawn(Worker)
        child = await parent.call(Do(lambda me: me.spawn(Worker, log=log)))
        await send(system, parent, child, "link", REASONS[reason])
        assert child.exit_reason == (None if reason == "normal" else REASONS[reason])
        assert log == []


@pytest.mark.parametrize("reason", REASONS)
async def test_a_task_actor_that_traps_gets_its_parents_end_as_a_message(reason):
    class Listener(TaskActor):
        trap_exit = True
        got = None

        async def run(self):
            type(self).got = await self.receive()

    async with open_system() as system:
        parent = await system.spawn(Worker)
        child = await parent.call(Do(lambda me: me.spawn(Listener)))
        await send(system, parent, child, "link", REASONS[reason])
        assert Listener.got == Exit(parent, REASONS[reason])
        assert child.exit_reason == Normal(), "what it returns from run with"


# -- monitors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("traps", [False, True])
@pytest.mark.parametrize("reason", REASONS)
async def test_a_monitor_brings_the_reason_once_and_ends_nobody(reason, traps):
    async with open_system() as system:
        target, watcher = await system.spawn(Worker), await system.spawn(Worker, trap=traps)
        record = await watcher.call(DoSync(lambda me: me.monitor(target)))
        await send(system, target, None, "link", REASONS[reason])
        await wait_all_tasks_blocked()
        assert await watcher.call(Get()) == [Down(record, target, REASONS[reason])]


async def test_one_who_is_linked_and_monitors_gets_both_messages():
    async with open_system() as system:
        target, watcher = await system.spawn(Worker), await system.spawn(Worker, trap=True)
        record = await watcher.call(DoSync(lambda me: (me.link(target), me.monitor(target))[1]))
        system.exit(target, CRASH)
        await system.join(target)
        got = await watcher.call(Get())
        assert sorted(map(repr, got)) == sorted(
            map(repr, [Exit(target, CRASH), Down(record, target, CRASH)])
        )


@pytest.mark.parametrize("reason", REASONS)
async def test_a_monitor_of_the_dead_brings_noproc_and_not_what_it_died_of(reason):
    async with open_system() as system:
        target, watcher = await system.spawn(Worker), await system.spawn(Worker)
        await send(system, target, None, "link", REASONS[reason])
        record = await watcher.call(DoSync(lambda me: me.monitor(target)))
        assert await watcher.call(Get()) == [Down(record, target, NoProc())]


async def test_the_end_of_a_watcher_is_nothing_to_the_watched():
    async with open_system() as system:
        target, watcher = await system.spawn(Worker, trap=True), await system.spawn(Worker)
        await watcher.call(DoSync(lambda me: me.monitor(target)))
        system.exit(watcher, CRASH)
        await system.join(watcher)
        assert await target.call(Get()) == []


async def test_a_monitor_of_oneself_brings_nothing():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        await ref.call(DoSync(lambda me: me.monitor(me.ref)))
        ref.cast(DoSync(lambda me: me.stop()))
        assert await system.join(ref) == Normal()
        assert system.statistics()["dead_letters"] == 0


DEMONITORS = [
    # when it is taken back, flush, how many DOWNs are seen in the end
    ("while the target lives", True, 0),
    ("while the target lives", False, 0),
    ("while the DOWN waits", True, 0),
    ("while the DOWN waits", False, 1),
    ("after the DOWN", True, 1),
    ("after the DOWN", False, 1),
]


@pytest.mark.parametrize(("when", "flush", "downs"), DEMONITORS)
async def test_demonitor_does_what_its_row_says_and_keeps_the_other_messages(when, flush, downs):
    async with open_system() as system:
        target, watcher = await system.spawn(Worker), await system.spawn(Worker)

        async def watch(me):
            record = me.monitor(target)
            me.ref.cast(Note("before"))
            if when == "while the DOWN waits":
                system.kill(target)
                await system.join(target)
            me.ref.cast(Note("after"))
            if when != "after the DOWN":
                me.demonitor(record, flush=flush)
            return record

        record = await watcher.call(Do(watch))
        system.kill(target)
        await system.join(target)
        await wait_all_tasks_blocked()
        if when == "after the DOWN":
            await watcher.call(DoSync(lambda me: me.demonitor(record, flush=flush)))
        got = await watcher.call(Get())
        assert [entry for entry in got if isinstance(entry, str)] == ["before", "after"]
        assert [e for e in got if isinstance(e, Down)] == [Down(record, target, Killed())] * downs


# -- what the reason is -------------------------------------------------------------------------


ENDS = {
    "a handler raises": (lambda me: end(me, CRASH), CRASH),
    "a handler raises Stop": (lambda me: end(me, Shutdown("moving")), Shutdown("moving")),
    "stop()": (lambda me: me.stop(), Normal()),
    "stop(reason)": (lambda me: me.stop(Kill()), Kill()),
    "stop() twice: the first counts": (
        lambda me: (me.stop(Shutdown("first")), me.stop(Shutdown("second"))),
        Shutdown("first"),
    ),
    "stop(), then a crash": (lambda me: (me.stop(), end(me, CRASH)), CRASH),
}


@pytest.mark.parametrize("how", ENDS)
async def test_links_monitors_and_terminate_hear_the_same_reason(how):
    act, reason = ENDS[how]
    log = []
    async with open_system() as system:
        target = await system.spawn(Worker, log=log)
        watcher = await system.spawn(Worker, trap=True)
        record = await watcher.call(DoSync(lambda me: (me.link(target), me.monitor(target))[1]))
        target.cast(DoSync(act))
        assert await system.join(target) == reason
        assert set(await watcher.call(Get())) == {
            Exit(target, reason),
            Down(record, target, reason),
        }
        assert log == [("terminate", reason)]


async def test_a_crash_in_terminate_takes_the_place_of_the_reason():
    class Clumsy(Actor):
        def terminate(self, reason):
            raise ValueError("boom")

        @on(Note)
        def note(self, message):
            self.stop(Shutdown())

    async with open_system() as system:
        target, linked = await system.spawn(Clumsy), await system.spawn(Worker, trap=True)
        await linked.call(DoSync(lambda me: me.link(target)))
        target.cast(Note(None))
        assert await system.join(target) == CRASH
        assert await linked.call(Get()) == [Exit(target, CRASH)]
