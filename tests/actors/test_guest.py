"""A system inside a running asyncio program: calls, cancellation, errors, and every kind of end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import trio

from actors import (
    Busy,
    CallCycle,
    CalleeDied,
    CallTimeout,
    Killed,
    Reject,
    Shutdown,
    SystemStopped,
    open_system,
)
from actors.guest import AsyncioCancelled, open_guest_system
from tests.actors.kit import Add, Do, Get, Note, Worker

ROOT = Path(__file__).resolve().parents[2]
value = contextvars.ContextVar("value", default="none")


def in_asyncio(function):
    """Run a test in asyncio, and look for tasks and coroutines that it has left behind."""

    def test():
        async def main():
            async with asyncio.timeout(20):
                await function()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert not trio.lowlevel.in_trio_run()

        asyncio.run(main(), debug=True)
        gc.collect()

    test.__name__ = function.__name__
    test.__doc__ = function.__doc__
    return test


async def until(condition):
    while not condition():  # noqa: ASYNC110 - the condition has no event
        await asyncio.sleep(0.001)


# -- calls from asyncio ----------------------------------------------------------------------------


@in_asyncio
async def test_asyncio_code_calls_casts_and_spawns():
    async with open_guest_system("guests") as bridge:
        ref = await bridge.spawn(Worker, name="worker")
        assert bridge.whereis("worker") is ref
        late = asyncio.ensure_future(bridge.wait_for("late"))
        await asyncio.sleep(0)
        assert await bridge.spawn(Worker, name="late") is await late
        assert bridge.system.name == "guests"
        for number in range(3):
            bridge.cast(ref, Note(number))
        assert await bridge.call(ref, Get()) == [0, 1, 2]
        assert await asyncio.gather(*(bridge.call(ref, Add(n)) for n in range(200))) == [
            n + 1 for n in range(200)
        ]
        assert bridge.is_running
    assert not bridge.is_running


@in_asyncio
async def test_call_errors_are_the_same_classes_as_in_trio():
    class Full(Worker):
        mailbox_limit = 1

    class Refused(CallCycle):
        def __init__(self):
            Exception.__init__(self, "refused")

    def refuse(me):
        raise Reject(Refused())

    def crash(me):
        raise ValueError("on purpose")

    async with open_guest_system() as bridge:
        ref = await bridge.spawn(Worker)
        with pytest.raises(Refused):
            await bridge.call(ref, Do(refuse))
        with pytest.raises(CallTimeout, match="no reply to Do"):
            await bridge.call(ref, Do(lambda me: me.sleep(60)), timeout=0.01)
        bridge.system.kill(ref)
        await bridge.run(bridge.system.join, ref)
        other = await bridge.spawn(Worker)
        with pytest.raises(CalleeDied, match="on purpose"):
            await bridge.call(other, Do(crash))
        with pytest.raises(CalleeDied):
            await bridge.call(other, Add(1))
        full = await bridge.spawn(Full)
        held = asyncio.create_task(bridge.call(full, Do(lambda me: me.sleep(60))))
        await until(lambda: full.queue_length == 0 and full.turn is not None)
        bridge.cast(full, Note(1))
        with pytest.raises(Busy):
            await bridge.call(full, Add(1))
        held.cancel()


@in_asyncio
async def test_a_cancelled_call_is_given_up_and_leaves_no_deadline():
    async with open_guest_system() as bridge:
        ref = await bridge.spawn(Worker)
        waiting = asyncio.create_task(bridge.call(ref, Do(lambda me: me.sleep(0.05)), timeout=60))
        await until(lambda: ref.turn is not None)
        assert bridge.system.statistics()["deadlines"] == 2
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert bridge.system.statistics()["deadlines"] == 1  # the handler's own
        await until(lambda: ref.turn is None)
        assert bridge.system.statistics()["deadlines"] == 0
        assert await bridge.call(ref, Add(1)) == 2


@in_asyncio
async def test_a_crash_report_names_the_asyncio_caller():
    reports = []
    async with open_guest_system() as bridge:
        bridge.system.on_report(reports.append)
        ref = await bridge.spawn(Worker)
        with pytest.raises(CalleeDied):
            await bridge.call(ref, Do(lambda me: 1 / 0))
    assert repr(reports[0].caller) == "<asyncio code>"


@in_asyncio
async def test_calling_from_trio_code_or_another_loop_says_what_to_write_instead():
    async with open_guest_system() as bridge:
        ref = await bridge.spawn(Worker)
        with pytest.raises(RuntimeError, match=r"await ref\.call"):
            await bridge.run(bridge.call, ref, Add(1))
        with pytest.raises(RuntimeError, match=r"bridge\.portal"):
            await asyncio.to_thread(lambda: asyncio.run(bridge.call(ref, Add(1))))
        with pytest.raises(RuntimeError, match="just await"):
            await bridge.from_asyncio(asyncio.sleep, 0)


@in_asyncio
async def test_a_ref_in_asyncio_code_says_that_there_is_a_bridge():
    async with open_guest_system() as bridge:
        ref = await bridge.spawn(Worker)
        with pytest.raises(RuntimeError, match=r"in asyncio use the bridge"):
            await ref.call(Add(1))
        with pytest.raises(RuntimeError, match=r"in asyncio use the bridge"):
            await ref.send(Add(1))


@in_asyncio
async def test_worker_threads_of_the_server_use_the_portal():
    async with open_guest_system() as bridge:
        ref = await bridge.spawn(Worker)
        portal = bridge.portal()
        assert await asyncio.to_thread(portal.call, ref, Add(1)) == 2
        with pytest.raises(RuntimeError, match="use the bridge"):
            portal.call(ref, Add(1))


# -- running trio functions ------------------------------------------------------------------------


@in_asyncio
async def test_a_trio_function_runs_and_its_error_comes_back():
    async def fails():
        await trio.lowlevel.checkpoint()
        raise LookupError("from trio")

    async with open_guest_system() as bridge:
        assert await bridge.run(trio.to_thread.run_sync, lambda: 42) == 42
        with pytest.raises(LookupError, match="from trio"):
            await bridge.run(fails)


@in_asyncio
async def test_cancelling_run_cancels_the_trio_function_and_waits_for_it():
    log = []

    async def slow():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.02)
            log.append("unwound")

    async with open_guest_system() as bridge:
        task = asyncio.create_task(bridge.run(slow))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == ["unwound"]


@in_asyncio
async def test_context_variables_go_both_ways():
    async def in_trio():
        await trio.lowlevel.checkpoint()
        return value.get()

    async def in_host():
        await asyncio.sleep(0)
        return value.get()

    async with open_guest_system() as bridge:

        async def handler(me):
            value.set("from the handler")
            return await bridge.from_asyncio(in_host)

        ref = await bridge.spawn(Worker)
        value.set("from asyncio")
        assert await bridge.run(in_trio) == "from asyncio"
        assert await bridge.call(ref, Do(handler)) == "from the handler"
        assert value.get() == "from asyncio"


# -- asyncio code in handlers ----------------------------------------------------------------------


@in_asyncio
async def test_a_handler_awaits_asyncio_code_and_gets_its_result_or_error():
    async def double(number):
        await asyncio.sleep(0.001)
        return 2 * number

    async def fails():
        await asyncio.sleep(0)
        raise LookupError("from asyncio")

    async with open_guest_system() as bridge:

        async def good(me):
            return await bridge.from_asyncio(double, 21)

        async def bad(me):
            with pytest.raises(LookupError, match="from asyncio"):
                await bridge.from_asyncio(fails)
            return "caught"

        async def bound(me):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bridge.from_asyncio, double, 1)
                return await bridge.from_asyncio(double, 4)

        ref = await bridge.spawn(Worker)
        assert await bridge.call(ref, Do(good)) == 42
        assert bridge.system.statistics()["bound"] == 0
        assert await bridge.call(ref, Do(bad)) == "caught"
        assert await bridge.call(ref, Do(bound)) == 8
        assert await bridge.run(bridge.from_asyncio, double, 3) == 6


@pytest.mark.parametrize("how", ["parked", "bound", "task"])
def test_ending_who_waits_cancels_the_asyncio_code_and_waits_for_its_end(how):
    @in_asyncio
    async def scenario():
        log = []

        async def slow():
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                log.append("unwound")

        async with open_guest_system() as bridge:

            async def handler(me):
                if how == "bound":
                    await trio.lowlevel.checkpoint()
                try:
                    await bridge.from_asyncio(slow)
                finally:
                    log.append("handler")

            if how == "task":
                waiting = asyncio.create_task(bridge.run(handler, None))
                await until(lambda: bridge._visits)
                await asyncio.sleep(0.01)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            else:
                ref = await bridge.spawn(Worker)
                ref.cast(Do(handler))
                await until(lambda: bridge._visits)
                await asyncio.sleep(0.01)
                bridge.system.kill(ref)
                assert await bridge.run(bridge.system.join, ref) == Killed()
            assert log == ["unwound", "handler"]

    scenario()


@in_asyncio
async def test_an_eager_task_factory_does_not_run_asyncio_code_inside_trio():
    factory = getattr(asyncio, "eager_task_factory", None)  # from Python 3.12 on
    if factory is None:

        def factory(loop, coroutine, **options):
            raise AssertionError("the code would run at once")

    async def in_host():
        with pytest.raises(RuntimeError):
            trio.lowlevel.current_task()
        await asyncio.sleep(0)
        return "ran"

    async with open_guest_system() as bridge:
        ref = await bridge.spawn(Worker)
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        try:
            reply = await bridge.call(ref, Do(lambda me: bridge.from_asyncio(in_host)))
        finally:
            loop.set_task_factory(None)
        assert reply == "ran"


@in_asyncio
async def test_asyncio_code_of_handlers_ends_before_the_block_is_left():
    log = []

    async def slow():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            log.append("unwound")

    async with open_guest_system() as bridge:
        for actor in (Worker, Worker):
            ref = await bridge.spawn(actor)
            ref.cast(Do(lambda me: bridge.from_asyncio(slow)))
        await until(lambda: len(bridge._visits) == 2)
    assert log == ["unwound", "unwound"]


@in_asyncio
async def test_asyncio_code_that_is_cancelled_by_others_is_an_error_of_the_handlers():
    async def cancels_itself():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    async with open_guest_system() as bridge:

        async def handler(me):
            with pytest.raises(AsyncioCancelled):
                await bridge.from_asyncio(cancels_itself)
            return "goes on"

        ref = await bridge.spawn(Worker)
        assert await bridge.call(ref, Do(handler)) == "goes on"


@in_asyncio
async def test_asyncio_code_that_calls_back_who_waits_for_it_is_a_call_cycle():
    async with open_guest_system() as bridge:
        one = await bridge.spawn(Worker)
        two = await bridge.spawn(Worker)

        async def call_back(me):
            return await bridge.from_asyncio(bridge.call, one, Add(1))

        async def through_another(me):
            return await bridge.from_asyncio(bridge.call, two, Do(lambda me: one.call(Add(1))))

        async def elsewhere(me):
            return await bridge.from_asyncio(bridge.call, two, Add(1))

        with pytest.raises(CalleeDied, match="CallCycle"):
            await bridge.call(one, Do(call_back))
        one = await bridge.spawn(Worker)
        with pytest.raises(CalleeDied, match="CallCycle"):
            await bridge.call(one, Do(through_another))
        one = await bridge.spawn(Worker)
        two = await bridge.spawn(Worker)
        assert await bridge.call(one, Do(elsewhere)) == 2


# -- the end, in every case ------------------------------------------------------------------------


@in_asyncio
async def test_the_actors_stop_in_order_when_the_block_is_left():
    log = []
    async with open_guest_system() as bridge:
        ref = await bridge.spawn(Worker)
        waiting = asyncio.create_task(bridge.call(ref, Do(lambda me: me.sleep(60)), timeout=None))
        running = asyncio.create_task(bridge.run(trio.sleep_forever))
        idle = await bridge.spawn(Worker, trap=True, log=log)
        await until(lambda: ref.turn is not None)
    assert log == [("terminate", Shutdown())]
    with pytest.raises(CalleeDied):
        await waiting
    with pytest.raises(SystemStopped):
        await running
    for late in (bridge.call(idle, Add(1)), bridge.run(trio.sleep, 0), bridge.spawn(Worker)):
        with pytest.raises(SystemStopped, match="has stopped"):
            await late


@in_asyncio
async def test_an_exception_leaves_the_block_after_the_orderly_stop():
    log = []
    with pytest.raises(LookupError, match="mine"):
        async with open_guest_system() as bridge:
            await bridge.spawn(Worker, trap=True, log=log)
            raise LookupError("mine")
    assert log == [("terminate", Shutdown())]


@in_asyncio
async def test_a_cancelled_block_stops_in_order_also_when_cancelled_again():
    log = []

    class Slow(Worker):
        async def terminate(self, reason):
            await trio.sleep(0.05)
            log.append(reason)

    async def main():
        async with open_guest_system() as bridge:
            await bridge.spawn(Slow, trap=True)
            entered.set()
            await asyncio.sleep(60)

    entered = asyncio.Event()
    task = asyncio.create_task(main())
    await entered.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.005)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == [Shutdown()]


def test_cancelling_the_entry_at_any_step_leaves_nothing():
    @in_asyncio
    async def scenario():
        entered = 0
        for steps in range(12):

            async def main():
                nonlocal entered
                async with open_guest_system():
                    entered += 1
                    await asyncio.sleep(60)

            task = asyncio.create_task(main())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not trio.lowlevel.in_trio_run()
        assert 0 < entered < 12

    scenario()


def test_a_fatal_error_in_a_handler_cancels_the_block_and_is_raised_from_it():
    reached = []

    async def main():
        def fatal(me):
            raise SystemExit(7)

        async with open_guest_system() as bridge:
            ref = await bridge.spawn(Worker)
            ref.cast(Do(fatal))
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                reached.append("cancelled")
                raise

    async def outer():
        with pytest.raises(SystemExit):
            await main()
        assert asyncio.current_task().cancelling() == 0
        reached.append("outer")

    asyncio.run(outer(), debug=True)
    assert reached == ["cancelled", "outer"]


@in_asyncio
async def test_a_failure_of_trio_itself_is_raised_from_every_block():
    async def main(entered):
        async with open_guest_system() as bridge:
            ref = await bridge.spawn(Worker)
            entered.append(bridge)
            await bridge.call(ref, Do(lambda me: me.sleep(60)), timeout=None)

    entered = []
    tasks = [asyncio.create_task(main(entered)) for _ in range(2)]
    await until(lambda: len(entered) == 2)
    entered[0].portal()._token.run_sync_soon(lambda: 1 / 0)
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, trio.TrioInternalError)


@in_asyncio
async def test_a_system_that_stops_itself_ends_the_block_quietly():
    async with open_guest_system() as bridge:
        ref = await bridge.spawn(Worker)
        ref.cast(Do(lambda me: me.system.stop_soon()))
        await asyncio.sleep(60)
        raise AssertionError("the block should have been cancelled")
    assert asyncio.current_task().cancelling() == 0
    await asyncio.sleep(0)


@in_asyncio
async def test_who_cancels_the_block_as_well_is_not_forgotten():
    async def main():
        async with open_guest_system() as bridge:
            bridge.system.stop_soon()
            asyncio.current_task().cancel()
            await asyncio.sleep(60)

    task = asyncio.create_task(main())
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("also", [False, True])
def test_only_the_blocks_own_cancellation_ends_with_it(also):
    @in_asyncio
    async def scenario():
        async def main():
            async with open_guest_system() as bridge:
                bridge.system.stop_soon()
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    if also:
                        asyncio.current_task().cancel()
                    raise
            return "went on"

        task = asyncio.create_task(main())
        if also:
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            assert await task == "went on"

    scenario()


def test_a_loop_that_shuts_down_stops_a_system_that_a_task_has_left_open():
    log = []

    async def server(entered):
        async with open_guest_system() as bridge:
            await bridge.spawn(Worker, trap=True, log=log)
            entered.set()
            await asyncio.sleep(60)

    async def main():
        entered = asyncio.Event()
        task = asyncio.create_task(server(entered))
        await entered.wait()
        assert not task.done()

    asyncio.run(main(), debug=True)
    assert log == [("terminate", Shutdown())]


@in_asyncio
async def test_several_systems_share_a_loop_and_nothing_else():
    async with open_guest_system("one") as one:
        async with open_guest_system("two") as two:
            first = await one.spawn(Worker, name="same")
            second = await two.spawn(Worker, name="same")
            assert one.whereis("same") is first
            assert two.whereis("same") is second
            assert two.system.statistics()["actors"] == 1
        with pytest.raises(SystemStopped):
            await two.call(second, Add(1))
        assert await one.call(first, Add(1)) == 2
    async with open_guest_system("three") as three:
        assert three.is_running


async def test_another_trio_run_in_the_thread_is_an_error_that_says_so():
    opening = open_guest_system()

    async def main():
        with pytest.raises(RuntimeError, match="trio allows only one"):
            await opening.__aenter__()

    async with open_system():
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(main())
        finally:
            loop.close()


def test_ctrl_c_under_asyncio_run_stops_in_order():
    program = textwrap.dedent("""
        import asyncio
        from actors import Actor
        from actors.guest import open_guest_system

        class Slow(Actor):
            trap_exit = True
            async def terminate(self, reason):
                await self.sleep(0.05)
                print("terminated", reason, flush=True)

        async def main():
            async with open_guest_system() as bridge:
                await bridge.spawn(Slow)
                print("ready", flush=True)
                await asyncio.sleep(60)

        try:
            asyncio.run(main(), debug=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (out, err) == ("terminated shutdown\ninterrupted\n", "")
