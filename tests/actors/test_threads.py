"""Refs in a thread that is not their system's: refused, also while the system is busy."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import trio

from actors import NO_REPLY, CalleeDied, Signal, on, open_system, open_system_in_thread
from tests.actors.kit import Add, Do, DoSync, Get, Note, Worker

REFUSED = "belongs to another thread or trio run; reach it through a portal"


def in_thread(function):
    """What `function` returns or raises in a thread; this one does nothing else meanwhile."""
    outcome = []

    def run():
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


async def while_busy(system, function):
    """The same, while an actor of the system has a message in hand."""
    busy = await system.spawn(Worker)
    return await busy.call(DoSync(lambda me: in_thread(function)))


class Debtor(Worker):
    def __init__(self):
        super().__init__()
        self.owed = None

    @on(Add)
    def add(self, request):
        self.owed = self.reply_to()
        return NO_REPLY


@pytest.mark.parametrize("debug", [False, True])
async def test_a_cast_from_another_thread_is_refused_while_the_system_is_busy(debug):
    async with open_system(debug=debug) as system:
        ref = await system.spawn(Worker)
        error = await while_busy(system, lambda: ref.cast(Note("from elsewhere")))
        assert isinstance(error, RuntimeError)
        assert REFUSED in str(error)
        # It was found out late where it costs nothing: the message is not lost.
        assert await ref.call(Get()) == ([] if debug else ["from elsewhere"])


async def test_a_debug_system_refuses_also_casts_at_who_has_messages_already():
    async with open_system(debug=True) as system:
        ref = await system.spawn(Worker)
        ref.cast(Note(1))
        ref.cast(Note(2))
        error = await while_busy(system, lambda: ref.cast(Note("from elsewhere")))
        assert isinstance(error, RuntimeError)
        assert await ref.call(Get()) == [1, 2]


@pytest.mark.parametrize("way", ["call", "send"])
async def test_a_debug_system_refuses_calls_and_sends_of_another_trio_run(way):
    async with open_system(debug=True) as system:
        ref = await system.spawn(Worker)
        error = await while_busy(system, lambda: trio.run(getattr(ref, way), Add(1)))
        assert isinstance(error, RuntimeError)
        assert REFUSED in str(error)


@pytest.mark.parametrize("way", ["call", "send"])
async def test_a_call_of_another_trio_run_is_refused_between_two_messages(way):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        ref.cast(Note(1))  # it has a message, so that it is not this that wakes it
        error = in_thread(lambda: trio.run(getattr(ref, way), Add(1)))
        assert isinstance(error, RuntimeError)
        assert REFUSED in str(error)


async def test_a_start_from_another_thread_is_refused():
    async with open_system() as system:
        error = await while_busy(system, lambda: trio.run(system.spawn, Worker))
        assert isinstance(error, RuntimeError)
        assert len(system.actors()) == 1


async def test_a_reply_from_another_thread_is_refused_and_is_owed_still():
    async with open_system() as system, trio.open_nursery() as nursery:
        debtor = await system.spawn(Debtor)

        @nursery.start_soon
        async def ask():
            assert await debtor.call(Add(1)) == 3

        await trio.testing.wait_all_tasks_blocked()
        error = await while_busy(system, lambda: debtor.actor.owed.reply(2))
        assert isinstance(error, RuntimeError)
        debtor.actor.owed.reply(3)


async def test_a_signal_that_an_actor_waits_for_is_not_set_from_another_thread():
    signal = Signal()
    async with open_system() as system, trio.open_nursery() as nursery:
        waiter = await system.spawn(Worker)

        @nursery.start_soon
        async def wait():
            assert await waiter.call(Do(lambda me: signal.wait())) == "here"

        await trio.testing.wait_all_tasks_blocked()
        error = await while_busy(system, lambda: signal.set("elsewhere"))
        assert isinstance(error, RuntimeError)
        assert signal.set("here")


async def test_a_debug_system_does_what_any_other_does():
    async with open_system(debug=True) as system:
        ref = await system.spawn(Worker, name="one")
        ref.cast(Note(1))
        assert await ref.call(Add(1)) == 2
        await ref.send(Note(2))
        assert await ref.call(Get()) == [1, 2]
        system.kill(ref)
        await system.join(ref)
        with pytest.raises(CalleeDied):
            await ref.call(Add(1))


def test_a_system_of_its_own_thread_may_be_a_debug_system():
    with open_system_in_thread(debug=True) as portal:
        ref = portal.spawn(Worker)
        assert portal.call(ref, Add(1)) == 2
        with pytest.raises(RuntimeError, match=REFUSED):
            ref.cast(Note(1))
        assert portal.call(ref, Get()) == []


@pytest.mark.parametrize(("options", "kind"), [([], "LocalRef"), (["-X", "dev"], "CheckedRef")])
def test_debug_systems_are_the_default_of_pythons_development_mode(options, kind):
    program = (
        "import trio, actors\n"
        "async def main():\n"
        "    async with actors.open_system() as system:\n"
        "        print(type(await system.spawn(actors.Agent, dict)).__name__)\n"
        "trio.run(main)\n"
    )
    command = [sys.executable, *options, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == kind
