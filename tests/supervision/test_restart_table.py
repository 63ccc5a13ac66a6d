"""OTP's tables of a supervisor, each row a case: who is restarted, in which order, what is refused.

The children are `a`, `b`, `c` in start order; what happens, happens to `b`. A log notes every start
and every stop of the others, so that an order is a line of it.

That the table of ``decision.py`` holds for both kinds of supervisors is in ``test_decision.py``,
what stopping a child may end with in ``test_stopping.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    AlreadyStarted,
    Crashed,
    ExitReason,
    Ignore,
    Ignored,
    Killed,
    NoProc,
    Normal,
    Shutdown,
    StartFailed,
    Stop,
    on,
)
from supervision import (
    Backoff,
    Budget,
    ChildAlreadyPresent,
    ChildInfo,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildSpec,
    DeleteChild,
    DynamicSupervisor,
    FailedToStartChild,
    GetChildSpec,
    RestartChild,
    StartChild,
    Supervisor,
    TerminateChild,
    WhichChildren,
)

SLOW = Backoff(first=100.0, maximum=100.0, jitter=0.0)

REASONS = {
    "normal": Normal(),
    "shutdown": Shutdown(),
    "shutdown_T": Shutdown("moving"),
    "crash": Crashed("ValueError", "boom"),
    "killed": Killed(),
    "noproc": NoProc(),
}
STRATEGIES = ["one_for_one", "one_for_all", "rest_for_one"]


@dataclass(frozen=True, slots=True)
class End:
    reason: ExitReason


class Worker(Actor):
    """Notes its starts, and its stops unless it ended by itself."""

    trap_exit = True

    def __init__(self, log, key):
        self.log, self.key, self.by_itself = log, key, False

    def init(self):
        self.log.append(f"start {self.key}")

    def terminate(self, reason):
        if not self.by_itself:
            self.log.append(f"stop {self.key}")

    @on(End)
    def end(self, message):
        self.by_itself = True
        if isinstance(message.reason, Crashed):
            raise ValueError("boom")
        raise Stop(message.reason)


class Broken(Actor):
    def init(self):
        raise ValueError("boom")


class Unmade(Actor):
    def __init__(self):
        raise ValueError("boom")


class Stopping(Actor):
    def init(self):
        raise Stop(Shutdown("not today"))


class Shy(Actor):
    def init(self):
        raise Ignore


def spec(log, key, **fields):
    return ChildSpec(key, Worker, (log, key), name=key, **fields)


async def end(system, key, reason):
    """Have the child end by itself with `reason`."""
    if reason == Killed():
        system.kill(system.whereis(key))
    else:
        system.whereis(key).cast(End(reason))
    await wait_all_tasks_blocked()


async def states(supervisor):
    return {child.id: child.state for child in await supervisor.call(WhichChildren())}


# -- who is restarted, and in which order -------------------------------------------------------

RESTARTED = {
    "permanent": ["normal", "shutdown", "shutdown_T", "crash", "killed", "noproc"],
    "transient": ["crash", "killed", "noproc"],
    "temporary": [],
}
ORDER = {
    "one_for_one": ["start b"],
    "one_for_all": ["stop c", "stop a", "start a", "start b", "start c"],
    "rest_for_one": ["stop c", "start b", "start c"],
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("restart", RESTARTED)
async def test_a_child_that_ends_is_restarted_with_whom_its_row_says(
    autojump_clock, system, restart, reason, strategy
):
    log = []
    children = [spec(log, "a"), spec(log, "b", restart=restart), spec(log, "c")]
    supervisor = await system.spawn(Supervisor, children, strategy=strategy)
    before = {key: system.whereis(key) for key in "abc"}
    del log[:]
    await end(system, "b", REASONS[reason])
    restarts = reason in RESTARTED[restart]
    assert log == (ORDER[strategy] if restarts else [])
    renewed = {key for key in "abc" if system.whereis(key) not in (None, before[key])}
    assert renewed == {line[-1] for line in log if line.startswith("start")}
    after = await states(supervisor)
    if restarts:
        assert after == dict.fromkeys("abc", "running")
    elif restart == "temporary":
        assert after == {"a": "running", "c": "running"}
    else:
        assert after == {"a": "running", "b": "ended", "c": "running"}


SIBLINGS = {
    # restart type of a sibling that is stopped with the crashed one -> is it started again?
    "permanent": ["stop c", "start b", "start c"],
    "transient": ["stop c", "start b", "start c"],
    "temporary": ["stop c", "start b"],
}


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize("sibling", SIBLINGS)
async def test_a_sibling_that_is_stopped_with_a_child_is_started_again_unless_temporary(
    autojump_clock, system, sibling, strategy
):
    log = []
    children = [spec(log, "b"), spec(log, "c", restart=sibling)]
    supervisor = await system.spawn(Supervisor, children, strategy=strategy)
    del log[:]
    await end(system, "b", REASONS["crash"])
    assert log == SIBLINGS[sibling]
    assert ("c" in await states(supervisor)) == (sibling != "temporary")


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_child_terminated_by_request_is_started_again_only_with_its_group(
    autojump_clock, system, strategy
):
    log = []
    supervisor = await system.spawn(
        Supervisor, [spec(log, key) for key in "abc"], strategy=strategy
    )
    await supervisor.call(TerminateChild("c"))
    assert (await states(supervisor))["c"] == "ended"
    await end(system, "b", REASONS["crash"])
    started_again = strategy != "one_for_one"
    assert (await states(supervisor))["c"] == ("running" if started_again else "ended")


# -- significant children -----------------------------------------------------------------------

ANY, ALL = "any_significant", "all_significant"
SIGNIFICANT = [
    # auto_shutdown, restart type, reason: does the end of one of one significant child end it all?
    *[(auto, "transient", reason, True) for auto in (ANY, ALL) for reason in list(REASONS)[:3]],
    *[(auto, "transient", reason, False) for auto in (ANY, ALL) for reason in list(REASONS)[3:]],
    *[(auto, "temporary", reason, True) for auto in (ANY, ALL) for reason in REASONS],
]


@pytest.mark.parametrize(("auto", "restart", "reason", "ends"), SIGNIFICANT)
async def test_a_significant_child_that_is_not_restarted_ends_its_supervisor(  # noqa: PLR0917
    autojump_clock, system, auto, restart, reason, ends
):
    log = []
    children = [spec(log, "a"), spec(log, "b", restart=restart, significant=True), spec(log, "c")]
    supervisor = await system.spawn(Supervisor, children, auto_shutdown=auto)
    del log[:]
    await end(system, "b", REASONS[reason])
    if ends:
        assert supervisor.exit_reason == Shutdown()
        assert log == ["stop c", "stop a"]
    else:
        assert log == ["start b"]


LAST_OF_TWO = [(ANY, "first", True), (ALL, "first", False), (ALL, "both", True)]


@pytest.mark.parametrize(("auto", "which", "ends"), LAST_OF_TWO)
async def test_all_significant_waits_for_the_last_and_any_significant_for_none(
    autojump_clock, system, auto, which, ends
):
    children = [spec([], key, restart="temporary", significant=True) for key in "ab"]
    supervisor = await system.spawn(Supervisor, [*children, spec([], "c")], auto_shutdown=auto)
    for key in "a" if which == "first" else "ab":
        await end(system, key, Normal())
    assert supervisor.is_alive() != ends


@pytest.mark.parametrize("auto", [ANY, ALL])
async def test_a_significant_child_stopped_with_its_group_ends_nothing(
    autojump_clock, system, auto
):
    children = [spec([], "a"), spec([], "b", restart="temporary", significant=True)]
    supervisor = await system.spawn(
        Supervisor, children, strategy="one_for_all", auto_shutdown=auto
    )
    await end(system, "a", REASONS["crash"])
    assert await states(supervisor) == {"a": "running"}


@pytest.mark.parametrize(
    ("options", "fields"),
    [({}, {"restart": "transient"}), ({"auto_shutdown": "never"}, {"restart": "temporary"})],
)
async def test_a_significant_child_needs_a_supervisor_that_may_shut_down(system, options, fields):
    with pytest.raises(StartFailed, match="is significant, but its supervisor never shuts down"):
        await system.spawn(Supervisor, [spec([], "b", significant=True, **fields)], **options)


# -- the budget ---------------------------------------------------------------------------------


@pytest.mark.parametrize("intensity", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
async def test_one_restart_more_than_the_intensity_ends_the_supervisor_with_shutdown(
    autojump_clock, system, kind, intensity
):
    log = []
    supervisor = await system.spawn(kind, intensity=intensity, period=5.0)
    await supervisor.call(StartChild(spec(log, "a")))
    await supervisor.call(StartChild(spec(log, "b")))
    for _ in range(intensity):
        await end(system, "b", REASONS["crash"])
    assert supervisor.is_alive()
    await end(system, "b", REASONS["crash"])
    assert supervisor.exit_reason == Shutdown()
    assert log == ["start a", *["start b"] * (intensity + 1), "stop a"]


NESTED = [
    # restart type of the inner supervisor -> what becomes of it
    ("permanent", {"inner": "running"}),
    ("transient", {"inner": "ended"}),
    ("temporary", {}),
]


@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
@pytest.mark.parametrize(("restart", "left"), NESTED)
async def test_an_inner_supervisor_that_gives_up_has_shut_down_so_transient_is_not_restarted(  # noqa: PLR0917
    autojump_clock, system, reports, restart, left, kind
):
    inner = ChildSpec("inner", kind, kwargs={"intensity": 0}, name="inner", restart=restart)
    outer = await system.spawn(Supervisor, [inner])
    before = system.whereis("inner")
    await before.call(StartChild(spec([], "b")))
    await end(system, "b", REASONS["crash"])
    assert before.exit_reason == Shutdown()
    assert await states(outer) == left
    told = [report for report in reports if report[1] == "'inner'"]
    expected = [("child_terminated", "'inner'", "shutdown")] if restart == "permanent" else []
    assert told == expected, "the outer one is silent unless it restarts: the trap for transient"


async def test_a_budget_of_the_childs_own_leaves_a_transient_supervisor_up(autojump_clock, system):
    inner = ChildSpec("inner", Supervisor, name="inner", restart="transient")
    await system.spawn(Supervisor, [inner])
    supervisor = system.whereis("inner")
    await supervisor.call(StartChild(spec([], "b", budget=Budget(0, 5.0))))
    await end(system, "b", REASONS["crash"])
    assert await states(supervisor) == {"b": "ended"}


# -- a start that fails -------------------------------------------------------------------------

FAILURES = [
    (Broken, Crashed("ValueError", "boom")),
    (Unmade, Crashed("ValueError", "boom")),
    (Stopping, Shutdown("not today")),
]


@pytest.mark.parametrize(("actor", "reason"), FAILURES)
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_child_that_does_not_start_stops_those_before_it_and_is_named(
    autojump_clock, system, place, actor, reason
):
    log = []
    children = [spec(log, key) for key in "ab"]
    children.insert(place, ChildSpec("it", actor))
    with pytest.raises(StartFailed) as caught:
        await system.spawn(Supervisor, children)
    assert caught.value.reason == Shutdown(FailedToStartChild("it", reason))
    started = "ab"[:place]
    assert log == [f"start {key}" for key in started] + [f"stop {key}" for key in started[::-1]]
    assert system.actors() == ()


@pytest.mark.parametrize(("actor", "reason"), FAILURES)
async def test_a_child_that_does_not_start_on_request_is_refused_and_not_kept(
    autojump_clock, system, actor, reason
):
    supervisor = await system.spawn(Supervisor, [spec([], "a")])
    with pytest.raises(StartFailed) as caught:
        await supervisor.call(StartChild(ChildSpec("it", actor)))
    assert caught.value.reason == reason
    assert await states(supervisor) == {"a": "running"}


@pytest.mark.parametrize(
    ("restart", "kept"), [("permanent", True), ("transient", True), ("temporary", False)]
)
@pytest.mark.parametrize("when", ["at the start", "on request"])
async def test_a_child_that_ignores_its_start_is_kept_unless_temporary(
    autojump_clock, system, when, restart, kept
):
    shy = ChildSpec("shy", Shy, restart=restart)
    supervisor = await system.spawn(Supervisor, [shy] if when == "at the start" else [])
    if when == "on request":
        with pytest.raises(StartFailed) as caught:
            await supervisor.call(StartChild(shy))
        assert caught.value.reason == Ignored()
    assert await states(supervisor) == ({"shy": "ended"} if kept else {})


# -- requests in each state of the child --------------------------------------------------------

OK, STARTED = "done", "a new incarnation"
REQUESTS = [
    # request, running, restarting, ended, terminated, unknown
    ("terminate", OK, OK, OK, OK, ChildNotFound),
    ("restart", ChildRunning, ChildRestarting, STARTED, STARTED, ChildNotFound),
    ("delete", ChildRunning, ChildRestarting, OK, OK, ChildNotFound),
    ("spec", OK, OK, OK, OK, ChildNotFound),
    (
        "start",
        AlreadyStarted,
        ChildAlreadyPresent,
        ChildAlreadyPresent,
        ChildAlreadyPresent,
        STARTED,
    ),
]
STATES = ["running", "restarting", "ended", "terminated", "unknown"]
AFTER = {
    # request that was granted, state before -> state after, None: unknown
    **{("terminate", state): "ended" for state in STATES},
    **{("delete", state): None for state in STATES},
    **{("restart", state): "running" for state in STATES},
    **{("start", state): "running" for state in STATES},
    ("spec", "running"): "running",
    ("spec", "restarting"): "restarting",
    ("spec", "ended"): "ended",
    ("spec", "terminated"): "ended",
}


async def bring(system, supervisor, state):
    """Bring the child `b` into `state`; returns what one knows of it then."""
    if state == "restarting":
        await end(system, "b", REASONS["crash"])
    elif state == "ended":
        await end(system, "b", Normal())
    elif state == "terminated":
        await supervisor.call(TerminateChild("b"))
    elif state == "unknown":
        await supervisor.call(TerminateChild("b"))
        await supervisor.call(DeleteChild("b"))
    return (await states(supervisor)).get("b")


@pytest.mark.parametrize(
    ("request_name", "state", "outcome"),
    [(row[0], state, row[1 + place]) for row in REQUESTS for place, state in enumerate(STATES)],
)
async def test_a_request_is_granted_or_refused_as_its_row_says(
    autojump_clock, system, request_name, state, outcome
):
    child = spec([], "b", restart="transient", backoff=SLOW)
    supervisor = await system.spawn(Supervisor, [spec([], "a"), child])
    before = await bring(system, supervisor, state)
    request = {
        "terminate": TerminateChild("b"),
        "restart": RestartChild("b"),
        "delete": DeleteChild("b"),
        "spec": GetChildSpec("b"),
        "start": StartChild(child),
    }[request_name]
    if outcome in {OK, STARTED}:
        reply = await supervisor.call(request)
        expected = {STARTED: system.whereis("b"), OK: child if request_name == "spec" else None}
        assert reply is expected[outcome]
        assert (await states(supervisor)).get("b") == AFTER[request_name, state]
    else:
        with pytest.raises(outcome):
            await supervisor.call(request)
        assert (await states(supervisor)).get("b") == before
    assert system.whereis("a").is_alive()


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("running", "running"),
        ("restarting", "restarting"),
        ("ended", "ended"),
        ("terminated", "ended"),
    ],
)
async def test_a_child_is_listed_with_a_ref_only_while_it_runs(
    autojump_clock, system, state, shown
):
    child = spec([], "b", restart="transient", backoff=SLOW)
    supervisor = await system.spawn(Supervisor, [child])
    await bring(system, supervisor, state)
    ref = system.whereis("b") if shown == "running" else None
    assert await supervisor.call(WhichChildren()) == (ChildInfo("b", ref, shown, "worker", Worker),)
