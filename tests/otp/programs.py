"""Small programs of processes, and what happens to them here.

A program is a number of processes to begin with and a list of steps. A step is a tuple: what, who
does it, and the rest. The next step begins when all is quiet; then it is noted who lives or ended
of what, and what each process has seen since: exits, downs, outcomes of calls, its ``terminate``.
Within a step no order is compared, since OTP promises none between different senders.

====================================  ==========================================================
``("spawn", child, who)``             start a linked child; processes are numbered as they come
``("trap", who, flag)``               trap exits, or not
``("link", who, other)``, ``unlink``  a link
``("monitor", who, other, n)``        a monitor with the number `n`; ``("demonitor", who, n)``
``("exit", who, other, reason)``      an exit signal; ``("kill", who, other)``
``("stop", who, reason)``             end; the reason ``crash`` raises
``("call", who, other, step)``        have `other` do a step while `who` waits, and note the answer
``("must_call", who, other, step)``   the same, but a failed call is `who`'s crash
====================================  ==========================================================

``programs.erl`` runs the same on OTP. What is known to differ (``docs/otp.md``) is not in a
program: starts that fail, signals behind a backlog.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    CallCycle,
    CalleeDied,
    Crashed,
    Down,
    Exit,
    ExitReason,
    Killed,
    NoProc,
    Normal,
    Request,
    Shutdown,
    Stop,
    on,
    open_system,
)

MAX_PROCESSES = 5


@dataclass(frozen=True, slots=True)
class Odd(ExitReason):
    """A reason that OTP knows nothing of."""


REASONS = {
    "normal": Normal(),
    "shutdown": Shutdown(),
    "shutdown_t": Shutdown("t"),
    "odd": Odd(),
    "killed": Killed(),
    "noproc": NoProc(),
}
NAMES = {reason: name for name, reason in REASONS.items()}


def name_of(reason):
    """A reason as both sides write it."""
    return "crash" if isinstance(reason, Crashed) else NAMES[reason]


@dataclass(frozen=True, slots=True)
class Act(Request[str]):
    step: tuple


class World:
    """The processes of a program and what they have seen since the last step."""

    def __init__(self):
        self.refs = {}
        self.seen = []

    def index(self, ref):
        """The number of a process."""
        return next(index for index, known in self.refs.items() if known is ref)


class Process(Actor):
    """Does one step of a program at a time."""

    def __init__(self, world, index):
        self.world, self.index, self.monitors = world, index, {}

    def init(self):
        self.world.refs[self.index] = self.ref

    def terminate(self, reason):
        self.note("terminate", name_of(reason))

    def note(self, *entry):
        self.world.seen.append([self.index, *entry])

    @on(Exit)
    def exited(self, message):
        self.note("exit", self.world.index(message.ref), name_of(message.reason))

    @on(Down)
    def down(self, message):
        number = next(n for n, monitor in self.monitors.items() if monitor is message.monitor)
        self.note("down", number, name_of(message.reason))

    @on(Act)
    async def act(self, request):
        what, _, *rest = request.step
        if what == "trap":
            self.trap_exit = rest[0]
        elif what == "demonitor":
            if rest[0] in self.monitors:
                self.demonitor(self.monitors[rest[0]])
        elif what == "stop":
            self._stop(*rest)
        elif what in {"spawn", "call", "must_call"}:
            await self._wait(*request.step)
        else:
            self._signal(what, self.world.refs[rest[0]], *rest[1:])
        return "ok"

    def _stop(self, reason):
        if reason == "crash":
            raise ValueError("crash")
        raise Stop(REASONS[reason])

    def _signal(self, what, other, *rest):
        if what == "link":
            self.link(other)
        elif what == "unlink":
            self.unlink(other)
        elif what == "monitor":
            self.monitors[rest[0]] = self.monitor(other)
        elif what == "exit":
            self.exit(other, REASONS[rest[0]])
        else:
            self.kill(other)

    async def _wait(self, what, first, second, step=None):
        if what == "spawn":
            await self.spawn(Process, self.world, first)
        elif what == "must_call":
            await self.world.refs[second].call(Act(step))
        else:
            try:
                answer = await self.world.refs[second].call(Act(step))
            except CallCycle:
                answer = "cycle"
            except CalleeDied as error:
                answer = name_of(error.reason)
            self.note("call", second, answer)


async def run_here(program):
    """What is seen after each step, when the program runs on our runtime."""
    count, steps = program
    world, result = World(), []
    async with open_system(seed=0) as system:
        for index in range(count):
            await system.spawn(Process, world, index)
        for step in steps:
            if named(step) <= world.refs.keys():
                world.refs[step[2] if step[0] == "spawn" else step[1]].cast(Act(step))
            await wait_all_tasks_blocked()
            states = [
                [index, "alive" if ref.is_alive() else name_of(ref.exit_reason)]
                for index, ref in sorted(world.refs.items())
            ]
            result.append([states, list(world.seen)])
            world.seen.clear()
        for ref in world.refs.values():
            system.kill(ref)
    return result


def comparable(observed):
    """What both runtimes must agree on; of a process that ended in this step, only its end.

    Whether it has handled an `Exit` or `Down` of the same step just before is a question of order.
    """
    result, ended = [], set()
    for states, seen in observed:
        now = {index for index, state in states if state != "alive"}
        kept = [e for e in seen if e[0] not in now - ended or e[1] == "terminate"]
        result.append((states, sorted(kept, key=repr)))
        ended = now
    return result


def named(step):
    """The processes that a step needs; without one of them, nothing is done."""
    what, *rest = step
    if what == "spawn":
        return {rest[1]}
    if what in {"call", "must_call"}:
        return {*rest[:2], *named(rest[2])}
    return set(rest[:1] if what in {"trap", "stop", "demonitor"} else rest[:2])


@st.composite
def programs(draw):
    """Programs of two to five processes; a process that has ended is asked nothing by chance."""
    count = begun = draw(st.integers(2, 3))
    steps = []
    for number in range(draw(st.integers(1, 12))):
        who, other = draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))
        what = draw(st.sampled_from(["trap", "link", "link", "plain", "plain", "call", "spawn"]))
        if what == "spawn" and count < MAX_PROCESSES:
            steps.append(("spawn", count, who))
            count += 1
        elif what == "trap":
            steps.append(("trap", who, draw(st.booleans())))
        elif what == "call":
            steps.append(draw(_call(who, other, count)))
        elif what == "link":
            steps.append(("link", who, other))
        else:
            steps.append(draw(_plain(who, other, number)))
    return begun, steps


def _plain(who, other, number):
    reasons = st.sampled_from(sorted(REASONS))
    return st.one_of(
        st.just(("unlink", who, other)),
        st.just(("monitor", who, other, number)),
        st.builds(lambda n: ("demonitor", who, n), st.integers(0, number)),
        st.builds(lambda reason: ("exit", who, other, reason), reasons),
        st.just(("kill", who, other)),
        st.builds(lambda reason: ("stop", who, reason), reasons | st.just("crash")),
    )


def _call(who, other, count):
    reasons = st.sampled_from([*sorted(REASONS), "crash"])
    inner = st.one_of(
        st.just(("trap", other, True)),
        st.builds(lambda reason: ("stop", other, reason), reasons),
        st.builds(
            lambda third, reason: ("must_call", other, third, ("stop", third, reason)),
            st.integers(0, count - 1).filter(lambda third: third not in {who, other}),
            reasons,
        )
        if count > 2
        else st.nothing(),
    )
    return st.builds(
        lambda what, step: (what, who, other, step), st.sampled_from(["call", "must_call"]), inner
    )
