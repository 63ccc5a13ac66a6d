"""What is given wrongly is an error of who gives it, in a sentence that says what to do."""

from __future__ import annotations

import pytest
import trio

from actors import (
    Actor,
    ActorError,
    Agent,
    AgentGet,
    AgentGetAndUpdate,
    AgentUpdate,
    CrashReport,
    Groups,
    Registry,
    Started,
    StartFailed,
    open_system,
    start_task,
    stream_tasks,
)
from tests.actors.kit import DoSync, Worker


class Unspeakable:
    def __repr__(self):
        raise RuntimeError("no text")


class Early(Actor):
    def __init__(self):
        self.continue_with("too early")


class EarlySystem(Actor):
    def __init__(self):
        self.now = self.system


class Broken(Actor):
    def __init__(self):
        raise OSError("no disk")


async def test_spawn_takes_a_class_and_no_object():
    async with open_system() as system:
        with pytest.raises(TypeError, match="spawn takes a subclass of Actor, not"):
            await system.spawn(Worker())


@pytest.mark.parametrize("early", [Early, EarlySystem])
async def test_who_needs_the_runtime_in_dunder_init_is_told_of_init(early):
    async with open_system() as system:
        with pytest.raises(StartFailed, match=r"move what needs it into init\(\)"):
            await system.spawn(early)


async def test_a_constructor_that_raises_is_reported_with_its_trace():
    async with open_system() as system:
        reports = []
        system.on_report(reports.append)
        with pytest.raises(StartFailed, match="OSError: no disk"):
            await system.spawn(Broken, name="broken")
        (report,) = reports
        assert isinstance(report, CrashReport)
        assert (report.actor, report.name, report.phase) == ("Broken", "broken", "init")
        assert "Broken.__init__" in str(report.trace)
        assert not report.ref.is_alive()
        assert report.ref.exit_reason == report.reason
        assert system.actors() == ()


async def test_demonitor_takes_what_monitor_has_returned():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(Exception, match="demonitor takes what monitor"):
            await ref.call(DoSync(lambda me: me.demonitor(me.ref)))


@pytest.mark.parametrize("seconds", ["1", None, [], 10**400])
@pytest.mark.parametrize(
    "call",
    [
        lambda me, seconds: me.send_after(seconds, 1),
        lambda me, seconds: me.start_timer("key", seconds, 1),
        lambda me, seconds: me.send_interval(seconds, 1),
        lambda me, seconds: me.set_idle_timeout(seconds or ()),
    ],
)
async def test_a_time_is_a_number(call, seconds):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(Exception, match="a number of seconds, not"):
            await ref.call(DoSync(lambda me: call(me, seconds)))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda system, _: system.on_report(None), "a callback is an ordinary function"),
        (lambda system, _: system.on_report(trio.sleep), "a callback is an ordinary function"),
        (lambda system, _: system.on_event(5, Started), "a callback is an ordinary function"),
        (lambda system, _: system.events(Started, size="9"), "give a number of at least 1"),
        (lambda system, ref: system.start_log(ref, "9"), "give a number between 1 and"),
        (lambda _, __: Registry("system"), "Registry takes the system whose actors it holds"),
        (lambda _, __: Groups(None), "Groups takes the system whose actors it holds"),
        (lambda system, _: start_task(system, 5), "a task runs a function and its arguments"),
        (lambda _, __: start_task(5, trio.sleep), "started by an actor or a system"),
        (lambda system, ref: system.replace_state(ref, None), "takes a function of the actor"),
        (lambda system, _: system.upgrade(5), "upgrade takes names of modules"),
        (lambda system, _: system.spawn(Agent, 5), "takes a function that makes its state"),
    ],
)
async def test_a_wrong_argument_is_named(call, sentence):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises((TypeError, ValueError, StartFailed), match=sentence):
            result = call(system, ref)
            await result


async def test_a_report_callback_that_is_there_twice_is_removed_once():
    async with open_system() as system:
        reports = []
        undo = system.on_report(reports.append)
        system.on_report(reports.append)
        undo()
        undo()
        with pytest.raises(StartFailed):
            await system.spawn(Broken)
        assert len(reports) == 1


async def test_a_name_that_has_no_text_harms_nobody():
    async with open_system() as system:
        ref = await system.spawn(Worker, name=Unspeakable())
        assert repr(ref) == "<Worker <a Unspeakable that has no text> actors#1>"


@pytest.mark.parametrize("request_type", [AgentGet, AgentUpdate, AgentGetAndUpdate])
def test_a_request_to_an_agent_takes_a_function(request_type):
    with pytest.raises(TypeError, match=r"takes a function of the state, not 5; write Agent"):
        request_type(5)


async def test_a_system_gives_its_names_to_its_own_actors_only():
    async with open_system("one") as one, open_system("two") as two:
        ref = await two.spawn(Worker)
        with pytest.raises(ActorError, match="is not an actor of the system 'one'"):
            one.register("name", ref)
        assert ref.name is None
        two.register("name", ref)
        assert (one.whereis("name"), two.whereis("name")) == (None, ref)


WRONG_TIMES = ["1", [], float("nan")]


@pytest.mark.parametrize("seconds", WRONG_TIMES, ids=repr)
async def test_a_wrong_timeout_of_a_stop_stops_nobody(seconds):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        task = await start_task(system, trio.sleep_forever)
        with pytest.raises((TypeError, ValueError), match="give a finite number"):
            await system.stop(ref, timeout=seconds)
        with pytest.raises((TypeError, ValueError), match="give a finite number"):
            await task.shutdown(timeout=seconds)
        with pytest.raises((TypeError, ValueError), match="give a finite number"):
            await task.result(timeout=seconds)
        await trio.testing.wait_all_tasks_blocked()
        assert ref.is_alive()
        assert not task.is_done
        assert (ref.ties, task.ref.ties) == (None, None)


@pytest.mark.parametrize("seconds", [*WRONG_TIMES, float("inf")], ids=repr)
async def test_a_wrong_timeout_of_an_upgrade_or_a_stream_is_refused_at_once(
    seconds,
):
    async with open_system() as system:
        with pytest.raises((TypeError, ValueError), match="a number of seconds"):
            await system.upgrade("tests.actors.kit", timeout=seconds)
        if seconds != float("inf"):
            with pytest.raises((TypeError, ValueError), match="give a finite number"):
                stream_tasks(system, str, [1], timeout=seconds)
