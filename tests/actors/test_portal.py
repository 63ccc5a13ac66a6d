"""The way in for other threads, and a whole system in a thread of its own."""

from __future__ import annotations

import contextvars
import gc
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trio

from actors import (
    CalleeDied,
    CallTimeout,
    Shutdown,
    StartFailed,
    SystemStopped,
    WaitTimeout,
    open_system,
    open_system_in_thread,
)
from actors.embedding import portal as portal_module
from tests.actors.kit import Add, Do, Get, Note, Worker

ROOT = Path(__file__).resolve().parents[2]
value = contextvars.ContextVar("value", default="none")


def wait_until(condition):
    ended = threading.Event()
    for _ in range(10_000):
        if condition():
            return
        ended.wait(0.001)
    raise AssertionError("it did not come about")


def test_many_threads_call_cast_and_spawn_through_one_portal():
    with open_system_in_thread("threads") as portal:
        shared = portal.spawn(Worker, name="shared")
        assert portal.whereis("shared") is shared
        assert portal.wait_for("shared") is shared
        with pytest.raises(WaitTimeout, match=r"'nobody' within 0\.01 s"):
            portal.wait_for("nobody", 0.01)

        def work(number):
            own = portal.spawn(Worker)
            for step in range(20):
                portal.cast(own, Note(step))
            assert portal.call(own, Get()) == list(range(20))
            return portal.call(shared, Add(number))

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(40))) == list(range(1, 41))


def test_errors_are_those_of_trio():
    class Fails(Worker):
        def init(self):
            raise ValueError("on purpose")

    async def fails():
        raise LookupError("in trio")

    with open_system_in_thread() as portal:
        ref = portal.spawn(Worker)
        with pytest.raises(CallTimeout):
            portal.call(ref, Do(lambda me: me.sleep(60)), timeout=0.01)
        other = portal.spawn(Worker)
        with pytest.raises(CalleeDied, match="ZeroDivisionError"):
            portal.call(other, Do(lambda me: 1 / 0))
        with pytest.raises(CalleeDied):
            portal.call(other, Add(1))
        with pytest.raises(StartFailed, match="on purpose"):
            portal.spawn(Fails)
        with pytest.raises(LookupError, match="in trio"):
            portal.run(fails)


def test_run_runs_in_trio_with_the_threads_context():
    async def in_trio():
        await trio.lowlevel.checkpoint()
        return value.get(), threading.current_thread().name

    with open_system_in_thread("named") as portal:
        value.set("of the thread")
        assert portal.run(in_trio) == ("of the thread", "actors named")
    value.set("none")


def test_the_systems_own_thread_is_refused():
    with open_system_in_thread() as portal:
        ref = portal.spawn(Worker)
        for use in (
            lambda me: portal.call(ref, Add(1)),
            lambda me: portal.cast(ref, Note(1)),
            lambda me: portal.run(trio.sleep, 0),
            lambda me: portal.spawn(Worker),
        ):
            asked = portal.spawn(Worker)
            with pytest.raises(CalleeDied, match="wait for itself"):
                portal.call(asked, Do(use))


def test_a_ref_in_a_foreign_thread_says_what_to_use_and_wedges_nothing():
    with open_system_in_thread("own") as portal:
        ref = portal.spawn(Worker)
        system = ref.scheduler.system
        wait_until(lambda: system._scheduler.idle)
        with pytest.raises(RuntimeError, match=r"reach it through a portal"):
            ref.cast(Note(1))
        assert portal.call(ref, Add(1), timeout=2.0) == 2

        async def elsewhere():
            wait_until(lambda: system._scheduler.idle)
            await ref.call(Add(1))

        with pytest.raises(RuntimeError, match=r"reach it through a portal"):
            trio.run(elsewhere)
        assert portal.call(ref, Add(2), timeout=2.0) == 3


async def test_a_system_in_a_thread_is_refused_inside_trio():
    with pytest.raises(RuntimeError, match="async with open_system"), open_system_in_thread():
        pass


def test_what_waits_while_the_system_stops_is_told_and_what_comes_later_too():
    log = []
    with ThreadPoolExecutor(2) as pool:
        with open_system_in_thread("gone") as portal:
            ref = portal.spawn(Worker, trap=True, log=log)
            busy = portal.spawn(Worker)
            call = pool.submit(portal.call, busy, Do(lambda me: me.sleep(60)), None)
            run = pool.submit(portal.run, trio.sleep_forever)
            wait_until(lambda: busy.turn is not None and len(portal._waiting) == 2)
        with pytest.raises(CalleeDied):
            call.result(5)
        with pytest.raises(SystemStopped):
            run.result(5)
    assert log == [("terminate", Shutdown())]
    for late in (
        lambda: portal.call(ref, Add(1)),
        lambda: portal.cast(ref, Note(1)),
        lambda: portal.spawn(Worker),
        lambda: portal.run(trio.sleep, 0),
    ):
        with pytest.raises(SystemStopped, match="'gone' has stopped"):
            late()
    assert not [thread for thread in threading.enumerate() if thread.name == "actors gone"]


async def test_a_portal_outlives_its_system_inside_a_run_that_goes_on():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        portal = system.portal()
    for late in (lambda: portal.call(ref, Add(1)), lambda: portal.run(trio.sleep, 0)):
        with pytest.raises(SystemStopped):
            await trio.to_thread.run_sync(late)


def test_threads_do_not_stay_blocked_for_a_run_that_broke():
    running = threading.Event()

    async def run():
        running.set()
        await trio.sleep_forever()

    with ThreadPoolExecutor(1) as pool, open_system_in_thread() as portal:
        waiting = pool.submit(portal.run, run)
        assert running.wait(5)
        portal.close()  # as when trio itself has failed, and no actor was ended in order
        with pytest.raises(SystemStopped):
            waiting.result(5)


def test_an_error_at_the_start_is_raised_where_the_block_is_entered(monkeypatch):
    def check():
        raise LookupError("trio has changed")

    monkeypatch.setattr("actors.scheduling._trio_internals.check", check)
    before = threading.active_count()
    with pytest.raises(LookupError, match="trio has changed"), open_system_in_thread():
        raise AssertionError("not entered")
    assert threading.active_count() == before


def test_a_failure_of_the_system_is_raised_where_the_block_is_left():
    def fatal(me):
        raise SystemExit(7)

    with pytest.raises(SystemExit), open_system_in_thread() as portal:
        ref = portal.spawn(Worker)
        with pytest.raises(CalleeDied):
            portal.call(ref, Do(fatal))
        wait_until(lambda: portal._over)
        with pytest.raises(SystemStopped) as caught:
            portal.call(ref, Add(1))
        assert isinstance(caught.value.__cause__, SystemExit)


def test_an_exception_leaves_the_block_after_the_orderly_stop():
    log = []
    with pytest.raises(LookupError, match="mine"), open_system_in_thread() as portal:
        portal.spawn(Worker, trap=True, log=log)
        raise LookupError("mine")
    assert log == [("terminate", Shutdown())]


def test_a_thread_that_casts_faster_than_the_system_handles_is_slowed_down(monkeypatch):
    monkeypatch.setattr(portal_module, "MAX_WAITING", 10)
    most = 0
    with open_system_in_thread() as portal:
        ref = portal.spawn(Worker)
        for number in range(500):
            portal.cast(ref, Note(number))
            most = max(most, len(portal._jobs))
        assert portal.call(ref, Get()) == list(range(500))
    assert 0 < most <= 11


def test_a_cast_by_a_thread_that_a_handler_waits_for_does_not_pass_a_call():
    with open_system_in_thread() as portal:
        ref = portal.spawn(Worker)
        portal.cast(ref, Note("first"))
        assert portal.call(ref, Get()) == ["first"]


def test_nothing_is_left_of_many_systems_in_threads():
    for _ in range(20):
        with open_system_in_thread() as portal:
            portal.call(portal.spawn(Worker), Add(1))
    gc.collect()


@pytest.mark.parametrize("where", ["call", "run", "body"])
def test_ctrl_c_in_the_main_thread_leaves_the_block_in_order(where):
    program = textwrap.dedent(f"""
        import threading, time
        import trio
        from actors import Actor, Request, on, open_system_in_thread

        class Sleep(Request[None]):
            pass

        class Slow(Actor):
            trap_exit = True

            @on(Sleep)
            async def sleep_long(self, request: Sleep) -> None:
                await self.sleep(60)

            async def terminate(self, reason):
                await self.sleep(0.05)
                print("terminated", reason, flush=True)

        class Untrapped(Slow):
            trap_exit = False

        cancelled = threading.Event()

        async def wait():
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()

        try:
            with open_system_in_thread() as portal:
                portal.spawn(Slow)
                print("ready", flush=True)
                if {where!r} == "call":
                    portal.call(portal.spawn(Untrapped), Sleep(), None)
                elif {where!r} == "run":
                    try:
                        portal.run(wait)
                    finally:
                        print("cancelled inside", cancelled.wait(5), flush=True)
                else:
                    time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted", threading.active_count(), flush=True)
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
        threading.Event().wait(0.2)  # a little into what it waits for; earlier is right as well
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert err == ""
    lines = out.splitlines()
    assert lines[-1] == "interrupted 1"
    assert lines.count("terminated shutdown") == 1
    assert (where == "run") == ("cancelled inside True" in lines)
