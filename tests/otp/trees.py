"""Small programs of a supervisor and its children, and what happens to them here.

A program is the supervisor's options, its children and a list of steps. The next step begins when
all is quiet; then it is noted what the request of the step was answered with, every start, failed
start and stop since, in order, and the state of the children, or why the supervisor ended.

==========================  ====================================================================
``("finish", id, reason)``  the child ends by itself; ``crash`` raises, ``killed`` is a kill
``("break", id, times)``    its next `times` starts fail
``("terminate", id)``       a request, also ``restart`` and ``delete``
``("start", id)``           a request to a dynamic supervisor, if no such child lives
==========================  ====================================================================

The strategy ``simple_one_for_one`` is a `DynamicSupervisor` here; its one spec starts every child.
When such a supervisor ends, all its children stop at once, so the order of these stops means
nothing, there and here.

``trees.erl`` runs the same on OTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    CallError,
    ExitReason,
    Normal,
    Shutdown,
    StartFailed,
    Stop,
    on,
    open_system,
)
from supervision import (
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildSpec,
    DeleteChild,
    DynamicSupervisor,
    RestartChild,
    StartChild,
    Supervisor,
    TerminateChild,
    WhichChildren,
)
from tests.otp.programs import Odd, name_of

REASONS = {
    "normal": Normal(),
    "shutdown": Shutdown(),
    "shutdown_t": Shutdown("t"),
    "odd": Odd(),
}
REQUESTS = {"terminate": TerminateChild, "restart": RestartChild, "delete": DeleteChild}
REFUSALS = {
    ChildNotFound: "not_found",
    ChildRestarting: "restarting",
    ChildRunning: "running",
    StartFailed: "failed",
}


@dataclass(frozen=True, slots=True)
class End:
    reason: str


@dataclass(frozen=True, slots=True)
class Broken(ExitReason):
    """Why a child that is to fail does not start."""


class World:
    """What the children of a program have noted, and whose starts fail how often."""

    def __init__(self):
        self.refs, self.log, self.broken = {}, [], {}
        self.spec = None


class Child(Actor):
    """Notes its starts and stops."""

    trap_exit = True

    def __init__(self, world, key):
        self.world, self.key = world, key

    def init(self):
        world, key = self.world, self.key
        if world.broken.get(key):
            world.broken[key] -= 1
            world.log.append(["fail", key])
            raise Stop(Broken())
        world.refs[key] = self.ref
        world.log.append(["start", key])

    def terminate(self, reason):
        self.world.log.append(["stop", self.key, name_of(reason)])

    @on(End)
    def end(self, message):
        if message.reason == "crash":
            raise ValueError("crash")
        raise Stop(REASONS[message.reason])


async def _step(system, world, top, what, key, *rest):
    ref = world.refs.get(key)
    if what == "start" and ref is not None and ref.is_alive():
        return "alive"
    if what in ("terminate", "finish") and world.spec is not None and ref is None:
        return "unknown"
    if what == "terminate" and world.spec is not None and not ref.is_alive():
        return "dead"
    if what == "break":
        world.broken[key] = rest[0]
    elif what == "finish" and rest[0] == "killed":
        system.kill(world.refs[key])
    elif what == "finish":
        world.refs[key].cast(End(rest[0]))
    else:
        try:
            if what == "start":
                await top.call(StartChild(world.spec, args=(key,)))
            elif world.spec is not None:
                await top.call(TerminateChild(ref))
            else:
                await top.call(REQUESTS[what](key))
        except CallError as error:
            return REFUSALS.get(type(error), "gone")
    return "ok"


async def run_here(program):
    """What is seen after each step, when the program runs on our supervisor."""
    strategy, intensity, auto, children, steps = program
    world, result = World(), []
    specs = [
        ChildSpec(key, Child, (world, key), restart=restart, significant=significant)
        for key, restart, significant in children
    ]
    options = {"intensity": intensity, "period": 1000.0, "auto_shutdown": auto}
    async with open_system(seed=0) as system:
        if strategy == "simple_one_for_one":
            ((_, restart, significant),) = children
            world.spec = ChildSpec(
                "child", Child, (world,), restart=restart, significant=significant
            )
            top = await system.spawn(DynamicSupervisor, **options)
        else:
            top = await system.spawn(Supervisor, specs, strategy=strategy, **options)
        world.log.clear()
        for step in steps:
            answer = await _step(system, world, top, *step)
            await wait_all_tasks_blocked()
            state = [name_of(top.exit_reason)] if top.exit_reason else await _states(top, world)
            result.append([answer, list(world.log), state])
            world.log.clear()
    return result


async def _states(top, world):
    keys = {ref: key for key, ref in world.refs.items()}
    return sorted(
        [child.id or keys[child.ref], child.state] for child in await top.call(WhichChildren())
    )


@st.composite
def trees(draw):
    """Programs of one to four children, named a to d."""
    auto = draw(st.sampled_from(["never", "any_significant", "all_significant"]))
    children = []
    for key in "abcd"[: draw(st.integers(1, 4))]:
        restart = draw(st.sampled_from(["permanent", "transient", "temporary"]))
        may = auto != "never" and restart != "permanent"
        children.append((key, restart, may and draw(st.booleans())))
    keys = st.sampled_from([key for key, *_ in children])
    ends = st.sampled_from([*REASONS, "crash", "crash", "killed"])
    step = st.one_of(
        st.tuples(st.just("finish"), keys, ends),
        st.tuples(st.just("finish"), keys, ends),
        st.tuples(st.just("break"), keys, st.integers(1, 3)),
        st.tuples(st.sampled_from(sorted(REQUESTS)), keys),
    )
    return (
        draw(st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])),
        draw(st.integers(0, 6)),
        auto,
        children,
        draw(st.lists(step, min_size=1, max_size=12)),
    )


@st.composite
def dynamic_trees(draw):
    """Programs of a simple_one_for_one supervisor; children are named a to d."""
    auto = draw(st.sampled_from(["never", "any_significant", "all_significant"]))
    restart = draw(st.sampled_from(["permanent", "transient", "temporary"]))
    may = auto != "never" and restart != "permanent"
    keys = st.sampled_from("abcd")
    ends = st.sampled_from([*REASONS, "crash", "crash", "killed"])
    step = st.one_of(
        st.tuples(st.just("start"), keys),
        st.tuples(st.just("start"), keys),
        st.tuples(st.just("finish"), keys, ends),
        st.tuples(st.just("finish"), keys, ends),
        st.tuples(st.just("break"), keys, st.integers(1, 3)),
        st.tuples(st.just("terminate"), keys),
    )
    first = [("start", key) for key in "abcd"[: draw(st.integers(0, 3))]]
    return (
        "simple_one_for_one",
        draw(st.integers(0, 6)),
        auto,
        [("child", restart, may and draw(st.booleans()))],
        first + draw(st.lists(step, min_size=1, max_size=14)),
    )


def settled(seen):
    """What was seen after a step of a dynamic supervisor, without the order that means nothing."""
    answer, log, state = seen
    ended = len(state) == 1 and not isinstance(state[0], list)
    return [answer, sorted(log) if ended else log, state]
