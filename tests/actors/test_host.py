"""Systems leave their host alone, and each other."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
import trio

from actors import CalleeDied, open_system, open_system_in_thread
from actors.guest import open_guest_system
from tests.actors.kit import Add, Do, Worker

ROOT = Path(__file__).resolve().parents[2]


def host():
    """What of the process belongs to the host."""
    wakeup_fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup_fd, warn_on_full_buffer=False)
    loggers = [logging.getLogger(name) for name in (None, "actors", "supervision", "asyncio")]
    return {
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "wakeup fd": wakeup_fd,
        "loggers": [(log.level, log.handlers[:], log.filters[:], log.propagate) for log in loggers],
        "logging": (logging.root.manager.disable, logging.raiseExceptions, logging.lastResort),
        "warnings": list(warnings.filters),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
        "policy": asyncio.get_event_loop_policy(),
        "collector": (gc.get_threshold(), gc.isenabled(), gc.callbacks[:]),
        "frozen": gc.get_freeze_count(),
        "limits": (sys.getrecursionlimit(), sys.getswitchinterval(), sys.gettrace()),
    }


def differences(before, after):
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


async def crash_in_trio(system):
    """Something for every logger and report."""
    ref = await system.spawn(Worker)
    with pytest.raises(CalleeDied):
        await ref.call(Do(lambda me: 1 / 0))
    ref.cast(Add(1))


def test_a_system_in_trio_leaves_its_host_alone():
    async def main():
        before = host()
        async with open_system() as system:
            await crash_in_trio(system)
            during = host()
        return differences(before, during), differences(before, host())

    before = host()
    assert trio.run(main) == ({}, {})
    assert differences(before, host()) == {}


@pytest.mark.parametrize("loop_of", ["asyncio.run", "a bare loop"])
def test_a_system_in_asyncio_leaves_its_host_alone(loop_of):
    async def main():
        found = []
        before = host()
        hooks = sys.get_asyncgen_hooks()
        async with open_guest_system() as bridge:
            found.append(differences(before, host()))
            await bridge.run(crash_in_trio, bridge.system)
            found.append(differences(before, host()))
        found.append(differences(before, host()))
        assert sys.get_asyncgen_hooks() == hooks
        return found

    before = host()
    if loop_of == "asyncio.run":
        assert asyncio.run(main()) == [{}] * 3
    else:
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        loop = asyncio.new_event_loop()
        try:
            assert loop.run_until_complete(main()) == [{}] * 3
        finally:
            loop.close()
    assert differences(before, host()) == {}


def test_a_handler_of_the_host_for_ctrl_c_stays_the_hosts():
    def handler(number, frame):
        """Ours."""

    async def main():
        async with open_guest_system():
            assert signal.getsignal(signal.SIGINT) is handler
        assert signal.getsignal(signal.SIGINT) is handler

    before = signal.signal(signal.SIGINT, handler)
    try:
        asyncio.run(main())
        with open_system_in_thread():
            assert signal.getsignal(signal.SIGINT) is handler
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_system_in_a_thread_leaves_its_host_alone():
    before = host()
    with open_system_in_thread() as portal:
        system = portal.call(portal.spawn(Worker), Do(lambda me: me.system))
        portal.run(crash_in_trio, system)
        during = host()
    assert (differences(before, during), differences(before, host())) == ({}, {})


def test_the_collector_is_tuned_only_for_who_asks_and_put_back():
    before = host()
    with open_system_in_thread(tune_collector=True):
        assert "collector" in differences(before, host())
    left = differences(before, host())
    left.pop("frozen", None)  # Python 3.12 starts with some; the interpreter can only thaw all
    assert left == {}


def test_importing_touches_nothing():
    source = Path(__file__).read_text(encoding="utf-8")
    function = source[source.index("def host()") : source.index("def differences")]
    program = (
        "import asyncio, gc, logging, signal, sys, threading, warnings\n"
        f"{function}\n"
        "asyncio.get_event_loop_policy()\n"
        "before = host()\n"
        "threads = threading.enumerate()\n"
        "import actors, actors.guest, actors.testing, supervision, storage, beamish\n"
        "after = host()\n"
        "changed = {name for name in before if before[name] != after[name]}\n"
        "print(changed, threading.enumerate() == threads,\n"
        "      logging.root.handlers)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("set() True []\n", "")


def test_systems_of_all_kinds_side_by_side_share_nothing():
    counts = {}

    async def use(system, kind):
        reports = []
        system.on_report(reports.append)
        ref = await system.spawn(Worker, name="the same")
        await crash_in_trio(system)
        assert await ref.call(Add(1)) == 2
        assert system.whereis("the same") is ref
        statistics = system.statistics()
        counts[kind] = (
            len(system.actors()),
            statistics["spawned"],
            statistics["crashes"],
            len(reports),
            system.random.random(),
        )

    async def guests():
        async with (
            open_guest_system("guest 1", seed=3) as one,
            open_guest_system("guest 2", seed=3) as two,
        ):
            await asyncio.gather(
                one.run(use, one.system, "guest 1"), two.run(use, two.system, "guest 2")
            )

    async def in_trio():
        async with (
            open_system("trio 1", seed=3) as one,
            open_system("trio 2", seed=3) as two,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(use, one, "trio 1")
            nursery.start_soon(use, two, "trio 2")

    with open_system_in_thread("thread 1", seed=3) as one, open_system_in_thread(seed=3) as two:
        asyncio.run(guests())
        trio.run(in_trio)
        for portal, kind in ((one, "thread 1"), (two, "thread 2")):
            portal.run(use, portal.call(portal.spawn(Worker), Do(lambda me: me.system)), kind)
    assert len(counts) == 6
    assert len({count for kind, count in counts.items() if "thread" not in kind}) == 1
    assert counts["thread 1"] == counts["thread 2"]


def test_importing_loads_no_test_framework_and_asyncio_only_for_who_embeds_in_it():
    program = (
        "import sys, actors, supervision\n"
        "heavy = {'pytest', 'trio.testing', 'asyncio', 'actors.testing', 'beamish', 'storage'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "[]\n"
