"""Start and end of actors: init, terminate, exit signals, links, monitors, kill."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    AlreadyStarted,
    CalleeDied,
    Crashed,
    Down,
    Ignore,
    Ignored,
    Killed,
    Normal,
    Shutdown,
    Signal,
    StartFailed,
    Stop,
    SystemStopped,
    ZombieReport,
    on,
    open_system,
)
from tests.actors.kit import Add, Do, DoSync, Get, Note, Worker, seen

CRASH = Crashed("ValueError", "boom")


def boom(me):
    raise ValueError("boom")


# -- start --------------------------------------------------------------------------------------


class Starting(Actor):
    def __init__(self, act=None):
        self.act = act
        self.done = []

    async def init(self):
        if self.act is not None:
            result = self.act(self)
            if hasattr(result, "__await__"):
                await result
        self.done.append("init")

    @on(Get)
    def get(self, request):
        return list(self.done)

    @on(Note)
    def note(self, message):
        self.done.append(message.value)


class StartingPlainly(Starting):
    def init(self):
        if self.act is not None:
            self.act(self)
        self.done.append("init")


@pytest.mark.parametrize("cls", [Starting, StartingPlainly])
async def test_init_has_run_when_spawn_returns(cls):
    async with open_system() as system:
        ref = await system.spawn(cls)
        assert ref.actor.done == ["init"]
        parent = await system.spawn(Worker)
        child = await parent.call(Do(lambda me: me.spawn(cls)))
        assert child.actor.done == ["init"]


async def test_init_may_wait_for_actors_and_for_trio():
    async with open_system() as system:
        worker = await system.spawn(Worker)

        async def act(me):
            await me.sleep(0.001)
            me.done.append(await worker.call(Add(1)))
            await trio.sleep(0.001)
            me.done.append("trio")

        ref = await system.spawn(Starting, act)
        assert ref.actor.done == [2, "trio", "init"]
        parent = await system.spawn(Worker)
        child = await parent.call(Do(lambda me: me.spawn(Starting, act)))
        assert child.actor.done == [2, "trio", "init"]


@pytest.mark.parametrize("cls", [Starting, StartingPlainly])
async def test_a_failing_init_raises_and_leaves_the_name_free(cls):
    async with open_system() as system:
        with pytest.raises(StartFailed) as caught:
            await system.spawn(cls, boom, name="it")
        assert caught.value.reason == CRASH
        assert system.whereis("it") is None
        assert system.actors() == ()
        parent = await system.spawn(Worker)

        async def start(me):
            with pytest.raises(StartFailed):
                await me.spawn(cls, boom, name="it")
            return system.whereis("it")

        assert await parent.call(Do(start)) is None
        assert parent.is_alive(), "a failed start is told by StartFailed alone"


async def test_a_failing_constructor_raises_start_failed():
    class Broken(Actor):
        def __init__(self):
            raise ValueError("boom")

    async with open_system() as system:
        with pytest.raises(StartFailed) as caught:
            await system.spawn(Broken, name="it")
        assert caught.value.reason == CRASH
        assert system.whereis("it") is None


async def test_wrong_arguments_are_a_failed_start_that_names_them():
    async with open_system() as system:
        with pytest.raises(StartFailed, match="positional argument"):
            await system.spawn(Starting, 1, 2, 3)


async def test_only_actor_classes_can_be_spawned():
    async with open_system() as system:
        with pytest.raises(TypeError, match="subclass of Actor"):
            await system.spawn(dict)


async def test_init_may_stop_or_ignore():
    def stop(me):
        raise Stop(Shutdown("not today"))

    def ignore(me):
        raise Ignore

    async with open_system() as system:
        with pytest.raises(StartFailed) as caught:
            await system.spawn(Starting, stop)
        assert caught.value.reason == Shutdown("not today")
        with pytest.raises(StartFailed) as caught:
            await system.spawn(Starting, ignore)
        assert caught.value.reason == Ignored()
        assert system.statistics()["crashes"] == 0


async def test_messages_wait_until_init_has_run_and_a_continuation_comes_first():
    async with open_system() as system:

        async def act(me):
            me.ref.cast(Note("second"))
            me.continue_with(Note("first"))
            await trio.sleep(0.01)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: system.spawn(Starting, act, name="it"))
            await wait_all_tasks_blocked(0.001)
            system.whereis("it").cast(Note("third"))
        assert await system.whereis("it").call(Get()) == ["init", "first", "second", "third"]


async def test_a_taken_name_names_its_owner():
    async with open_system() as system:
        ref = await system.spawn(Worker, name=("user", "alice"))
        assert system.whereis(("user", "alice")) is ref
        with pytest.raises(AlreadyStarted, match="belongs to") as caught:
            await system.spawn(Worker, name=("user", "alice"))
        assert caught.value.ref is ref


async def test_a_name_must_be_hashable():
    async with open_system() as system:
        with pytest.raises(TypeError, match="hashable"):
            await system.spawn(Worker, name=[])


async def test_a_spawn_that_is_cancelled_leaves_no_actor():
    async with open_system() as system:
        with trio.move_on_after(0.01):
            await system.spawn(Starting, lambda me: me.sleep(100), name="it")
        await wait_all_tasks_blocked()
        assert system.actors() == ()
        assert system.whereis("it") is None


async def test_a_spawn_that_a_handler_gives_up_leaves_no_child(autojump_clock):
    async def start(me):
        with trio.move_on_after(1) as scope:
            await me.spawn(Starting, lambda child: child.sleep(100), name="it")
        return scope.cancelled_caught

    async with open_system() as system:
        parent = await system.spawn(Worker, trap=True)
        assert await parent.call(Do(start))
        await wait_all_tasks_blocked()
        assert system.actors() == (parent,)
        assert system.whereis("it") is None
        assert seen(parent) == []


async def test_a_parent_killed_while_it_starts_a_child_leaves_no_child():
    async with open_system() as system:
        parent = await system.spawn(Worker)
        parent.cast(Do(lambda me: me.spawn(Starting, lambda child: child.sleep(100), link=False)))
        await wait_all_tasks_blocked()
        assert len(system.actors()) == 2
        system.kill(parent)
        await wait_all_tasks_blocked()
        assert system.actors() == ()


async def test_nothing_starts_in_a_stopped_system():
    async with open_system() as system:
        pass
    with pytest.raises(SystemStopped):
        await system.spawn(Worker)


# -- end ----------------------------------------------------------------------------------------


async def test_a_crash_runs_terminate_and_then_releases_the_name():
    async with open_system() as system:
        log = []

        class Watched(Worker):
            def terminate(self, reason):
                log.append((reason, system.whereis("it") is self.ref))

        ref = await system.spawn(Watched, name="it")
        ref.cast(DoSync(boom))
        assert await system.join(ref) == CRASH
        assert log == [(CRASH, True)]
        assert system.whereis("it") is None
        assert ref.exit_reason == CRASH


async def test_terminate_may_wait_and_its_crash_becomes_the_reason():
    class Waiting(Worker):
        async def terminate(self, reason):
            await self.sleep(0.001)
            await trio.sleep(0.001)
            raise KeyError("in terminate")

    async with open_system() as system:
        ref = await system.spawn(Waiting)
        ref.cast(DoSync(lambda me: me.stop()))
        assert await system.join(ref) == Crashed("KeyError", "'in terminate'")


async def test_a_killed_actor_unwinds_but_does_not_terminate():
    log = []

    async def hold(me):
        try:
            await me.sleep(100)
        finally:
            log.append("unwound")

    async with open_system() as system:
        ref = await system.spawn(Worker, log=log, name="it")
        ref.cast(Do(hold))
        await wait_all_tasks_blocked()
        system.kill(ref)
        assert ref.is_alive(), "the end comes after unwinding"
        assert await system.join(ref) == Killed()
        assert log == ["unwound"]


async def test_kill_raises_at_every_further_wait():
    waits = []

    async def stubborn(me):
        for _ in range(3):
            try:
                await me.sleep(100)
            except BaseException as error:
                waits.append(type(error).__name__)
        return "done"

    async with open_system() as system:
        ref = await system.spawn(Worker)
        ref.cast(Do(stubborn))
        await wait_all_tasks_blocked()
        system.kill(ref)
        assert await system.join(ref) == Killed()
    assert waits == ["Unwind"] * 3


async def test_kill_raises_at_every_further_wait_of_a_bound_handler():
    waits = []

    async def stubborn(me):
        for wait in (trio.sleep, me.sleep, trio.sleep):
            try:
                await wait(100)
            except BaseException as error:
                waits.append(type(error).__name__)

    async with open_system() as system:
        ref = await system.spawn(Worker)
        ref.cast(Do(stubborn))
        await wait_all_tasks_blocked()
        system.kill(ref)
        assert await system.join(ref) == Killed()
    assert waits == ["Cancelled"] * 3


async def test_synchronous_code_dies_at_its_end():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        assert await ref.call(DoSync(lambda me: me.kill(me.ref) or "done")) == "done"
        assert await system.join(ref) == Killed()


async def test_kill_after_the_reply_came_but_before_it_was_taken():
    async with open_system() as system:
        signal = Signal()
        log = []

        async def hold(me):
            log.append(await signal.wait())

        ref = await system.spawn(Worker)
        ref.cast(Do(hold))
        await wait_all_tasks_blocked()
        signal.set("value")
        system.kill(ref)
        assert await system.join(ref) == Killed()
        assert log == []


async def test_an_actor_that_swallows_its_unwinding_is_reported_as_a_zombie(autojump_clock):
    reports = []

    async def immortal(me):
        while not released.is_set:
            try:
                await me.sleep(1000)
            except BaseException:
                with trio.CancelScope(shield=True):
                    await trio.sleep(10)

    async with open_system() as system:
        released = Signal()
        system.on_report(reports.append)
        ref = await system.spawn(Worker, name="it")
        ref.cast(Do(immortal))
        await wait_all_tasks_blocked()
        system.kill(ref)
        await trio.sleep(4.9)
        assert reports == []
        await trio.sleep(0.2)
        assert reports == [ZombieReport(ref, Killed())]
        assert system.whereis("it") is ref
        released.set(None)
        await system.join(ref)


async def test_an_actor_with_a_parked_handler_takes_no_other_message(autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        ref.cast(Do(lambda me: me.sleep(5)))
        await ref.call(Add(1), timeout=10)
        assert trio.current_time() >= 5


# -- exit signals and links: what is not a row of test_exit_table.py -----------------------------


async def test_an_unlinked_child_outlives_its_parent():
    async with open_system() as system:
        parent = await system.spawn(Worker)
        child = await parent.call(Do(lambda me: me.spawn(Worker, link=False)))
        system.kill(parent)
        await wait_all_tasks_blocked()
        assert child.is_alive()


async def test_unlinked_actors_hear_nothing():
    async with open_system() as system:
        one, two = await system.spawn(Worker), await system.spawn(Worker)
        await two.call(DoSync(lambda me: me.link(one)))
        await two.call(DoSync(lambda me: me.link(one)))
        await one.call(DoSync(lambda me: me.unlink(two)))
        system.kill(one)
        await wait_all_tasks_blocked()
        assert two.is_alive()


async def test_a_long_cascade_of_exits_is_no_recursion():
    async with open_system() as system:
        first = previous = await system.spawn(Worker)
        for _ in range(3_000):
            following = await system.spawn(Worker)
            target = previous
            await following.call(DoSync(lambda me, target=target: me.link(target)))
            previous = following
        system.exit(first, CRASH)
        assert await system.join(previous) == CRASH
        assert system.actors() == ()


# -- monitors -----------------------------------------------------------------------------------


async def test_each_monitor_brings_exactly_one_down():
    async with open_system() as system:
        target, watcher = await system.spawn(Worker), await system.spawn(Worker)
        one, two = await watcher.call(DoSync(lambda me: (me.monitor(target), me.monitor(target))))
        target.cast(DoSync(boom))
        await system.join(target)
        assert await watcher.call(Get()) == [Down(one, target, CRASH), Down(two, target, CRASH)]


async def test_down_comes_after_the_targets_last_message_and_act():
    log = []
    async with open_system() as system:
        watcher = await system.spawn(Worker)

        class Last(Worker):
            async def terminate(self, reason):
                await self.sleep(0.001)
                watcher.cast(Note("last words"))
                log.append(system.whereis("it"))

        target = await system.spawn(Last, name="it")
        record = await watcher.call(DoSync(lambda me: me.monitor(target)))
        target.cast(DoSync(lambda me: me.stop()))
        await system.join(target)
        assert await watcher.call(Get()) == ["last words", Down(record, target, Normal())]
        assert log == [target]


async def test_demonitor_leaves_nothing_at_the_target():
    async with open_system() as system:
        target, watcher = await system.spawn(Worker), await system.spawn(Worker)
        await watcher.call(DoSync(lambda me: me.demonitor(me.monitor(target))))
        assert not target.ties.watchers
        assert not watcher.ties.monitors


async def test_a_watchers_end_withdraws_its_monitors():
    async with open_system() as system:
        target, watcher = await system.spawn(Worker), await system.spawn(Worker)
        await watcher.call(DoSync(lambda me: me.monitor(target)))
        system.kill(watcher)
        await system.join(watcher)
        assert not target.ties.watchers


async def test_join_that_is_cancelled_leaves_nothing_behind():
    async with open_system() as system:
        target = await system.spawn(Worker)
        with trio.move_on_after(0.01):
            await system.join(target)
        assert not target.ties.joins


# -- timers -------------------------------------------------------------------------------------


async def test_a_timer_delivers_once_in_time(autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        before = trio.current_time()
        timer = await ref.call(DoSync(lambda me: me.send_after(10, Note("due"))))
        await trio.sleep(9.99)
        assert timer.is_pending
        assert seen(ref) == []
        await trio.sleep(0.02)
        assert seen(ref) == ["due"]
        assert trio.current_time() - before < 10.02
        assert not await ref.call(DoSync(lambda me: me.cancel_timer(timer)))


async def test_a_cancelled_timer_delivers_nothing(autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        assert await ref.call(DoSync(lambda me: me.cancel_timer(me.send_after(1, Note("never")))))
        await trio.sleep(5)
        assert seen(ref) == []
        assert not ref.ties.timers


async def test_timers_die_with_their_actor(autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        await ref.call(DoSync(lambda me: me.send_after(1, Note("never"))))
        system.kill(ref)
        await system.join(ref)
        assert system.statistics()["deadlines"] == 0
        await trio.sleep(5)
        assert system.statistics()["dead_letters"] == 0


async def test_equal_deadlines_fire_in_the_order_in_which_they_were_set(autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(Worker)

        def set_them(me):
            for number in (3, 1, 2):
                me.send_after(number, Note((number, "a")))
            for number in (2, 1, 3):
                me.send_after(number, Note((number, "b")))

        await ref.call(DoSync(set_them))
        await trio.sleep(4)
        assert seen(ref) == [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "a"), (3, "b")]


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
async def test_a_timer_needs_a_finite_time(seconds):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        ref.cast(DoSync(lambda me: me.send_after(seconds, Note(1))))
        reason = await system.join(ref)
        assert "give a finite number" in reason.text


# -- system messages ----------------------------------------------------------------------------


async def test_a_suspended_actor_keeps_its_messages_until_resumed():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        await system.suspend(ref)
        ref.cast(Note(1))
        await wait_all_tasks_blocked()
        assert seen(ref) == []
        assert (await system.get_state(ref)).seen == []
        await system.resume(ref)
        assert await ref.call(Get()) == [1]


async def test_a_suspended_actor_can_be_killed():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        await system.suspend(ref)
        ref.cast(Note(1))
        system.kill(ref)
        assert await system.join(ref) == Killed()


async def test_system_messages_overtake_user_messages():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        ref.cast(Do(lambda me: me.sleep(0.01)))
        for number in range(10):
            ref.cast(Note(number))
        assert (await system.get_state(ref)).seen == []
        ref.cast(Note("x"))
        system.exit(ref, CRASH)
        await system.join(ref)
        assert system.statistics()["dead_letters"] == 11


async def test_inspecting_a_dead_actor_fails():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        system.kill(ref)
        await system.join(ref)
        with pytest.raises(CalleeDied):
            await system.get_state(ref)
