"""Opening and stopping systems: order, deadlines, Ctrl-C, nothing left behind."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import textwrap
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
import trio
import trio.lowlevel
import trio.testing
from trio.testing import wait_all_tasks_blocked

from actors import Actor, CallError, Signal, TaskActor, on, open_system
from actors.scheduling import _trio_internals
from tests.actors.kit import Add, Do, DoSync, Note, Worker


async def test_leaving_the_block_stops_roots_newest_first_and_children_with_them():
    log = []

    class Named(Worker):
        trap_exit = True

        def __init__(self, name):
            super().__init__(trap=True)
            self.label = name

        def terminate(self, reason):
            log.append((self.label, str(reason)))

    async with open_system() as system:
        first = await system.spawn(Named, "first")
        await first.call(Do(lambda me: me.spawn(Named, "child of first")))
        await system.spawn(Named, "second")
    assert log == [("second", "shutdown"), ("first", "shutdown"), ("child of first", "shutdown")]


async def test_an_exception_of_the_body_leaves_the_block_as_it_is():
    with pytest.raises(ValueError, match="plain") as caught:
        async with open_system() as system:
            await system.spawn(Worker)
            raise ValueError("plain")
    assert type(caught.value) is ValueError


async def test_outer_cancellation_stops_the_system_in_order():
    log = []

    class Slow(Worker):
        async def terminate(self, reason):
            await trio.sleep(0.01)
            log.append("terminated")

    with trio.move_on_after(0.05) as scope:
        async with open_system() as system:
            ref = await system.spawn(Slow, trap=True)
            bound = await system.spawn(Worker)
            bound.cast(Do(_bound_until_cancelled(log)))
            ref.cast(Do(lambda me: me.sleep(0.01)))
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert sorted(log) == ["bound unwound", "terminated"]


def _bound_until_cancelled(log):
    async def handler(me):
        try:
            await trio.sleep_forever()
        finally:
            log.append("bound unwound")

    return handler


async def test_every_parked_coroutine_is_unwound_when_the_block_is_left():
    log = []

    async def park(me):
        try:
            await Signal().wait()
        finally:
            log.append(me.ref.number)

    async with open_system() as system:
        for _ in range(100):
            ref = await system.spawn(Worker)
            ref.cast(Do(park))
        await wait_all_tasks_blocked()
    assert sorted(log) == list(range(1, 101))


async def test_callers_outside_hear_of_the_end(autojump_clock):
    outcomes = []

    async def ask(ref):
        try:
            await ref.call(Do(lambda me: me.sleep(1000)), timeout=None)
        except Exception as error:
            outcomes.append(type(error).__name__)

    async with trio.open_nursery() as nursery, open_system() as system:
        ref = await system.spawn(Worker)
        nursery.start_soon(ask, ref)
        await wait_all_tasks_blocked()
    assert outcomes == ["CalleeDied"]


async def test_the_stop_is_bounded_when_an_actor_does_not_end_in_order(autojump_clock):
    log = []

    class Dawdling(Worker):
        async def terminate(self, reason):
            try:
                await self.sleep(1000)
            finally:
                log.append("killed")

    before = trio.current_time()
    async with open_system(stop_timeout=3) as system:
        await system.spawn(Dawdling, trap=True)
    assert 3 <= trio.current_time() - before < 3.1
    assert log == ["killed"]


async def swallow(stubborn, me):
    while stubborn:
        try:
            await me.sleep(1000)
        except BaseException:
            continue


async def swallow_bound(stubborn, me):
    while stubborn:
        try:
            await trio.sleep(1000)
        except BaseException:
            continue


async def shield(stubborn, me):
    with trio.CancelScope(shield=True):
        await trio.sleep_forever()


async def shield_child(stubborn, me):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shield, stubborn, me)


@pytest.mark.parametrize("handler", [swallow, swallow_bound, shield, shield_child])
async def test_the_stop_is_bounded_when_a_handler_cannot_be_unwound(handler, autojump_clock):
    before = trio.current_time()
    reports = []
    stubborn = [True]
    with trio.fail_after(30):
        async with open_system(stop_timeout=1) as system:
            system.on_report(reports.append)
            ref = await system.spawn(Worker)
            ref.cast(Do(lambda me: handler(stubborn, me)))
            await wait_all_tasks_blocked()
    stubborn.clear()  # so that the garbage collector can close what could not be unwound
    assert trio.current_time() - before < 5
    assert reports


async def test_a_stopped_system_leaves_no_task_and_no_garbage_finalizers():
    async with trio.open_nursery() as nursery:
        tasks = trio.lowlevel.current_statistics().tasks_living
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            async with open_system() as system:
                for _ in range(10):
                    (await system.spawn(Worker)).cast(Do(lambda me: me.sleep(100)))
                    (await system.spawn(Worker)).cast(Do(_bound_until_cancelled([])))
                await wait_all_tasks_blocked()
            gc.collect()
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert not nursery.child_tasks


async def test_system_exit_in_a_handler_stops_the_system_and_is_raised():
    log = []

    def leave(me):
        raise SystemExit(3)

    with pytest.raises(SystemExit) as caught:
        async with open_system() as system:
            await system.spawn(Worker, trap=True, log=log)
            (await system.spawn(Worker)).cast(DoSync(leave))
            await trio.sleep_forever()
    assert caught.value.code == 3
    assert len(log) == 1


async def test_keyboard_interrupt_inside_a_group_stops_the_system():
    async def leave():
        raise KeyboardInterrupt

    async def in_nursery(me):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave)

    with pytest.raises(KeyboardInterrupt):
        async with open_system() as system:
            (await system.spawn(Worker)).cast(Do(in_nursery))
            await trio.sleep_forever()


INTERRUPTED = """
    import sys, time
    import trio
    from actors import Actor, Signal, on, open_system
    from tests.actors.kit import Add, Do, Note, Worker

    class Spinner(Worker):
        @on(Note)
        def note(self, message):
            self.ref.cast(message)
            deadline = time.perf_counter() + {spin}
            while time.perf_counter() < deadline:
                pass

    async def chatter(me, other):
        while True:
            await other.call(Add(1))
            await me.sleep(0)

    log = []

    async def main():
        async with open_system() as system:
            spinner = await system.spawn(Spinner, trap=True, log=log)
            spinner.cast(Note(1))
            for _ in range(20):
                other = await system.spawn(Worker)
                await system.spawn(Worker, trap=True, log=log)
                ref = await system.spawn(Worker)
                ref.cast(Do(lambda me, other=other: chatter(me, other)))
                bound = await system.spawn(Worker)
                bound.cast(Do(lambda me: trio.sleep_forever()))
            print("ready", flush=True)
            while True:
                await trio.sleep(0.001)
                await other.call(Add(1))

    try:
        trio.run(main)
    except BaseException as error:
        found = isinstance(error, KeyboardInterrupt) or (
            isinstance(error, BaseExceptionGroup) and error.subgroup(KeyboardInterrupt)
        )
        print("stopped", bool(found), len(log), flush=True)
"""


@pytest.mark.parametrize(
    ("spin", "delay_ms"),
    [(0, 0), (0, 3), (0, 13), (0, 34), (0.05, 0), (0.05, 34), (1e9, 5), (1e9, 50)],
)
def test_ctrl_c_at_any_moment_stops_in_order(spin, delay_ms):
    program = textwrap.dedent(INTERRUPTED).format(spin=spin)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout.readline() == "ready\n"
        with suppress(subprocess.TimeoutExpired):
            process.wait(delay_ms / 1000)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert out == "stopped True 21\n", err
    assert process.returncode == 0


# -- other doors --------------------------------------------------------------------------------


async def test_a_thread_calls_and_casts_through_the_portal():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        portal = system.portal()

        def in_thread():
            for number in range(3):
                portal.cast(ref, Note(number))
            return portal.call(ref, Add(1))

        assert await trio.to_thread.run_sync(in_thread) == 2
        assert ref.actor.seen == [0, 1, 2]
        with pytest.raises(RuntimeError):
            portal.call(ref, Add(1))


async def test_the_seed_makes_the_systems_randomness():
    async with open_system(seed=7) as one, open_system(seed=7) as two:
        assert [one.random.random() for _ in range(3)] == [two.random.random() for _ in range(3)]


async def test_statistics_count_what_happened():
    async with open_system() as system:
        ref = await system.spawn(Worker, name="it")
        await ref.call(Add(1))
        system.kill(ref)
        await system.join(ref)
        ref.cast(Note(1))
        statistics = system.statistics()
    expected = {"spawned": 1, "ended": 1, "messages": 1, "dead_letters": 1, "actors": 0, "names": 0}
    assert {name: statistics[name] for name in expected} == expected


class Listener(TaskActor):
    def __init__(self, act=None):
        self.act = act
        self.log = []

    async def run(self):
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            while True:
                message = await self.receive()
                if message == Note("stop"):
                    nursery.cancel_scope.cancel()
                    return
                await self.dispatch(message)

    @on(Add)
    async def add(self, request):
        await trio.lowlevel.checkpoint()
        return request.amount + 1

    @on(Note)
    def note(self, message):
        self.log.append(message.value)
        if message.value == "crash":
            raise ValueError("crash")

    def terminate(self, reason):
        self.log.append(reason)


async def test_a_task_actor_keeps_a_nursery_and_handles_messages():
    async with open_system() as system:
        ref = await system.spawn(Listener)
        caller = await system.spawn(Worker)
        log = ref.actor.log
        for number in range(3):
            ref.cast(Note(number))
        assert await ref.call(Add(1)) == 2
        assert await caller.call(Do(lambda me: ref.call(Add(2)))) == 3
        assert log == [0, 1, 2]
        ref.cast(Note("stop"))
        assert str(await system.join(ref)) == "normal"


async def test_a_task_actors_crash_kill_and_unknown_requests():
    async with open_system() as system:
        crashing, killed = await system.spawn(Listener), await system.spawn(Listener)
        await wait_all_tasks_blocked()
        with pytest.raises(Exception, match="no handler"):
            await crashing.call(DoSync(None))
        crashing.cast(Note("crash"))
        assert "crash" in str(await system.join(crashing))
        await killed.call(Add(1))
        system.kill(killed)
        assert str(await system.join(killed)) == "killed"


async def test_a_task_actor_before_its_first_message_can_be_stopped():
    class Quiet(TaskActor):
        async def run(self):
            await self.receive()

    async with open_system() as system:
        one, two = await system.spawn(Quiet), await system.spawn(Quiet)
        system.kill(one)
        await wait_all_tasks_blocked()
        assert not one.is_alive()
        two.cast(Note(1))
        assert str(await system.join(two)) == "normal"
        assert system.statistics()["bound"] == 0


async def test_an_actor_class_without_run_is_no_task_actor():
    class Lazy(TaskActor):
        pass

    async with open_system() as system:
        ref = await system.spawn(Lazy)
        assert "must override run" in (await system.join(ref)).text


def test_actor_is_small():
    class Slim(Actor):
        __slots__ = ()

    assert sys.getsizeof(Slim()) <= 56


async def test_a_fault_of_the_runtime_itself_stops_the_system_and_is_raised(caplog):
    outcomes = []

    async def ask(ref):
        try:
            await ref.call(Do(lambda me: me.sleep(1000)), timeout=None)
        except Exception as error:
            outcomes.append(type(error).__name__)

    with pytest.raises(ZeroDivisionError):
        async with open_system() as system, trio.open_nursery() as nursery:
            ref = await system.spawn(Worker)
            idle = await system.spawn(Worker)
            bound = await system.spawn(Worker)
            bound.cast(Do(_bound_until_cancelled(outcomes)))
            with trio.CancelScope(shield=True):
                nursery.start_soon(ask, ref)
                await wait_all_tasks_blocked()
                system._scheduler.run_slice = lambda seconds: 1 / 0
                idle.cast(Note(1))
                await wait_all_tasks_blocked()
            await trio.sleep_forever()
    assert "the runtime has failed" in caplog.text
    assert "bound unwound" in outcomes
    assert system.actors() == ()


def simulate(seed):
    """A history of random actors: calls, casts, timers, crashes, trio; what happened, in order."""
    log = []

    class Random(Worker):
        @on(Note)
        async def note(self, message):
            random, now = self.system.random, trio.current_time()
            log.append((round(now, 6), self.ref.number, message.value))
            await trio.sleep(random.random())
            choice, others = random.random(), self.system.actors()
            other = others[random.randrange(len(others))]
            if choice < 0.3:
                other.cast(Note(random.random()))
            elif choice < 0.6:
                self.send_after(random.random(), Note(random.random()))
            elif choice < 0.7:
                await self.spawn(Random, link=False)
            elif choice < 0.8 and len(others) > 3:
                raise ValueError
            else:
                with suppress(CallError):
                    log.append(await other.call(Add(1), timeout=0.2))
            self.send_after(random.random(), Note(random.random()))

    async def main():
        async with open_system(seed=seed) as system:
            for number in range(10):
                (await system.spawn(Random)).cast(Note(number))
            await trio.sleep(30)

    undo = _trio_internals.seed(seed)
    try:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        undo()
    return log


def test_one_seed_replays_one_history():
    first = simulate(1)
    assert len(first) > 100
    assert simulate(1) == first
    assert simulate(2) != first
