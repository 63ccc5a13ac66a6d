"""Applications: order, all or none, one deadline, what an end means, configuration, hooks."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Actor, Crashed, Killed, Normal, Shutdown, Stop, open_system
from supervision import (
    Application,
    ApplicationController,
    ApplicationEnded,
    ApplicationFailed,
    ApplicationInUse,
    ApplicationNotFound,
    ChildSpec,
    FlagError,
    StartApplication,
    StopApplication,
    Supervisor,
    WhichApplications,
    open_application,
)
from tests.actors.kit import Do, Worker
from tests.examples import examples


class Root(Actor):
    """Notes its start and its end, and may take its time for either."""

    trap_exit = True

    def __init__(self, log, name, *, fails=False, stops_in=0.0):
        self.log = log
        self.label = name
        self.fails = fails
        self.stops_in = stops_in

    async def init(self):
        if self.fails:
            raise ValueError("no start")
        self.log.append(("start", self.label))

    async def terminate(self, reason):
        if self.stops_in:
            await self.sleep(self.stops_in)
        self.log.append(("stop", self.label))


def app(log, name, *needs, **fields):
    options = {key: fields.pop(key) for key in ("fails", "stops_in") if key in fields}
    root = ChildSpec(name, Root, (log, name), kwargs=options)
    return Application(name, root, dependencies=needs, **fields)


async def running(controller):
    return [one.name for one in await controller.call(WhichApplications())]


async def test_dependencies_start_first_and_stop_last(system, autojump_clock):
    log = []
    base = app(log, "base")
    left, right = app(log, "left", base), app(log, "right", base)
    top = app(log, "top", left, right)
    async with open_application(system, top) as controller:
        assert await running(controller) == ["base", "left", "right", "top"]
    order = ["base", "left", "right", "top"]
    assert log == [("start", one) for one in order] + [("stop", one) for one in reversed(order)]
    assert system.actors() == ()


@given(data=st.data())
@examples(40)
def test_any_graph_starts_in_order_and_stops_in_reverse_all_or_none(data):
    size = data.draw(st.integers(1, 8))
    edges = [data.draw(st.sets(st.integers(0, max(0, n - 1)), max_size=3)) for n in range(size)]
    fails = data.draw(st.none() | st.integers(0, size - 1))

    async def main():
        log = []
        made = []
        for number in range(size):
            needs = [made[one] for one in sorted(edges[number]) if one < number]
            made.append(app(log, f"a{number}", *needs, fails=number == fails))
        async with open_system(seed=1) as system:
            controller = await system.spawn(ApplicationController)
            try:
                names = await controller.call(StartApplication(made[-1]))
            except ApplicationFailed as error:
                failed, names = error.name, ()
                assert failed == f"a{fails}"
            assert await running(controller) == list(names)
            started = [name for act, name in log if act == "start"]
            for number, one in enumerate(made):
                if one.name in started:
                    for need in edges[number]:
                        if need < number:
                            assert started.index(f"a{need}") < started.index(one.name)
            await system.stop(controller, Shutdown())
        assert [name for act, name in log if act == "stop"] == started[::-1]
        assert len(set(started)) == len(started)

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_a_failed_start_stops_only_what_it_has_started(system, autojump_clock):
    log = []
    base, middle = app(log, "base"), app(log, "middle")
    broken = app(log, "broken", base, middle, fails=True)
    controller = await system.spawn(ApplicationController)
    assert await controller.call(StartApplication(base)) == ("base",)
    assert await controller.call(StartApplication(base)) == ()
    with pytest.raises(ApplicationFailed, match="'broken' failed: ValueError: no start") as info:
        await controller.call(StartApplication(broken))
    assert info.value.reason == Crashed("ValueError", "no start")
    assert log == [("start", "base"), ("start", "middle"), ("stop", "middle")]
    assert await running(controller) == ["base"]


async def test_one_deadline_holds_for_the_whole_stop(system, autojump_clock, caplog):
    log = []
    slow = [app(log, f"slow{number}", stops_in=4) for number in range(5)]
    top = Application("top", dependencies=tuple(slow))
    controller = await system.spawn(ApplicationController, stop_timeout=10)
    await controller.call(StartApplication(top))
    begun = trio.current_time()
    await system.stop(controller, Shutdown())
    assert trio.current_time() - begun == pytest.approx(10, abs=0.1)
    assert [name for act, name in log if act == "stop"] == ["slow4", "slow3"]
    assert "3 actors did not stop within 10 s and were killed: <Root" in caplog.text
    assert system.actors() == ()


async def test_a_stop_kills_the_whole_tree_of_what_is_late_and_says_what(system, autojump_clock):
    log = []
    inner = ChildSpec(
        "inner", Supervisor, ([ChildSpec("leaf", Root, (log, "leaf"), kwargs={"stops_in": 99})],)
    )
    late = Application("late", ChildSpec("late", Supervisor, ([inner],)))
    controller = await system.spawn(ApplicationController, stop_timeout=2)
    await controller.call(StartApplication(late))
    tree = set(system.actors()) - {controller}
    begun = trio.current_time()
    report = await controller.call(StopApplication("late"))
    assert trio.current_time() - begun == pytest.approx(2, abs=0.1)
    assert report.stopped == ("late",)
    assert set(report.killed) == tree
    assert {ref.exit_reason for ref in tree} == {Killed()}
    assert log == [("start", "leaf")]
    assert await running(controller) == []


@pytest.mark.parametrize(
    ("restart", "reason", "goes_down"),
    [
        ("permanent", Normal(), True),
        ("permanent", Shutdown(), True),
        ("transient", Normal(), False),
        ("transient", Shutdown(), True),
        ("transient", Crashed("E"), True),
        ("temporary", Normal(), False),
        ("temporary", Crashed("E"), False),
    ],
)
async def test_what_the_end_of_an_application_means(
    system, autojump_clock, restart, reason, goes_down
):
    log = []
    one = Application("one", Worker, dependencies=(app(log, "base"),))
    controller = await system.spawn(ApplicationController)
    await controller.call(StartApplication(one, restart=restart))
    (ref,) = [
        found.ref for found in await controller.call(WhichApplications()) if found.name == "one"
    ]
    assert ref is not None

    def end(me):
        raise Stop(reason)

    ref.cast(Do(end))
    await system.join(ref)
    await wait_all_tasks_blocked()
    if goes_down:
        assert controller.exit_reason == ApplicationEnded("one", reason)
        assert log == [("start", "base"), ("stop", "base")]
    else:
        assert await running(controller) == ["base"]


async def test_the_block_of_an_application_that_had_to_run_is_cancelled(system, autojump_clock):
    one = Application("one", Worker, restart="permanent")
    with pytest.raises(ApplicationFailed, match="'one' failed: killed"):
        async with open_application(system, one) as controller:
            (found,) = await controller.call(WhichApplications())
            system.kill(found.ref)
            await trio.sleep_forever()
    assert system.actors() == ()


async def test_an_error_in_the_block_stops_in_order_and_comes_out_as_it_is(system, autojump_clock):
    log = []
    with pytest.raises(KeyError):
        async with open_application(system, app(log, "one")):
            raise KeyError("mine")
    assert log == [("start", "one"), ("stop", "one")]


async def test_an_application_that_does_not_start_raises_from_the_block(system, autojump_clock):
    with pytest.raises(ApplicationFailed, match="no start"):
        async with open_application(system, app([], "one", fails=True)):
            raise AssertionError
    assert system.actors() == ()


async def test_the_end_of_the_system_stops_applications_in_order(autojump_clock):
    log = []
    async with open_system() as system:
        controller = await system.spawn(ApplicationController)
        await controller.call(StartApplication(app(log, "top", app(log, "base"))))
    assert log[2:] == [("stop", "top"), ("stop", "base")]


async def test_what_is_needed_is_not_stopped(system, autojump_clock):
    log = []
    base = app(log, "base")
    controller = await system.spawn(ApplicationController)
    await controller.call(StartApplication(app(log, "top", base)))
    with pytest.raises(ApplicationInUse, match="'base' is needed by 'top'; stop that first"):
        await controller.call(StopApplication("base"))
    await controller.call(StopApplication("top"))
    await controller.call(StopApplication("base"))
    with pytest.raises(ApplicationNotFound, match=r"no application 'base' runs; .* are none"):
        await controller.call(StopApplication("base"))


async def test_one_name_is_one_application(system, autojump_clock):
    controller = await system.spawn(ApplicationController)
    await controller.call(StartApplication(Application("one")))
    with pytest.raises(ApplicationFailed, match="another application of this name runs"):
        await controller.call(StartApplication(Application("one")))


async def test_configuration_is_what_is_declared_with_overrides(system, autojump_clock):
    seen = []

    def root(env):
        seen.append(dict(env))
        return ChildSpec("root", Worker)

    one = Application("one", root, env={"port": 8000, "host": "localhost"})
    async with open_application(system, one, env={"one": {"port": 9000}}) as controller:
        (found,) = await controller.call(WhichApplications())
        assert found.env == seen[0] == {"port": 9000, "host": "localhost"}
    with pytest.raises(ApplicationFailed, match="did you mean 'port'"):
        async with open_application(system, one, env={"one": {"prot": 9000}}):
            pass
    broken = Application("broken", lambda env: env["missing"])
    with pytest.raises(ApplicationFailed, match="its root raised KeyError: 'missing'"):
        async with open_application(system, broken):
            pass


async def test_phases_and_hooks_run_at_their_places(system, autojump_clock):
    log = []

    async def later(found):
        await trio.sleep(1)
        log.append(("prep_stop", found.ref.is_alive()))

    one = app(
        log,
        "one",
        phases=(
            ("open", lambda found: log.append("open")),
            ("tell", lambda found: log.append("tell")),
        ),
        prep_stop=later,
        stop=lambda found: log.append(("gone", found.ref.is_alive())),
    )
    async with open_application(system, one):
        log.append("block")
    assert log == [
        ("start", "one"),
        "open",
        "tell",
        "block",
        ("prep_stop", True),
        ("stop", "one"),
        ("gone", False),
    ]


async def test_a_failing_phase_is_a_failed_start(system, autojump_clock):
    log = []

    def fail(found):
        raise ValueError("boom")

    with pytest.raises(ApplicationFailed, match="its phase 'open' raised ValueError: boom"):
        async with open_application(system, app(log, "one", phases=(("open", fail),))):
            pass
    assert log == [("start", "one"), ("stop", "one")]


async def test_hooks_that_fail_or_hang_do_not_keep_the_rest_from_stopping(
    system, autojump_clock, caplog
):
    log = []

    def fail(found):
        raise ValueError("boom")

    async def hang(found):
        await trio.sleep_forever()

    base = app(log, "base", prep_stop=fail)
    top = app(log, "top", base, stop=hang)
    controller = await system.spawn(ApplicationController, stop_timeout=3)
    await controller.call(StartApplication(top))
    begun = trio.current_time()
    await system.stop(controller, Shutdown())
    assert trio.current_time() - begun == pytest.approx(3, abs=0.1)
    assert "stop of 'top' took too long" in caplog.text
    assert log == [("start", "base"), ("start", "top"), ("stop", "top")]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": ""}, "is not a name. Write Application"),
        ({"dependencies": ["base"]}, r"is not a tuple of applications. Write dependencies="),
        ({"env": 5}, r'is not a mapping. Write env=\{"port": 8000\}'),
        ({"restart": "always"}, 'Write restart="permanent"'),
        ({"stop": 5}, "is not a function. Write stop=my_stop"),
        ({"root": 5}, "is not a ChildSpec. Write root=ChildSpec"),
        ({"phases": ("open",)}, "is not a pair. Write phases="),
    ],
)
def test_a_wrong_field_shows_the_right_code(fields, text):
    with pytest.raises(FlagError, match=text):
        Application(**{"name": "one", **fields})
