"""Random lives of a static supervisor against a model of OTP's rules in a few lines.

The model knows specs, which children run, in which order children start and stop, whose restarts
are left, and what the end of a significant child means. It has no processes: whatever happens is
worked off at once, as the supervisor's is when nothing is runnable. A child is (key, restart type,
significant, restarts of its own or None).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Actor, CallError, ExitReason, Killed, Normal, Shutdown, Stop, on, open_system
from supervision import (
    Budget,
    ChildSpec,
    DeleteChild,
    RestartChild,
    StartChild,
    Supervisor,
    TerminateChild,
    WhichChildren,
)
from tests.examples import examples


@dataclass(frozen=True, slots=True)
class End:
    reason: ExitReason


class Worker(Actor):
    trap_exit = True

    def __init__(self, log, key):
        self.log, self.key = log, key

    def init(self):
        self.log.append(("start", self.key))

    def terminate(self, reason):
        self.log.append(("stop", self.key))

    @on(End)
    def end(self, message):
        raise Stop(message.reason)


class Model:
    """What OTP's documentation says, for children whose starts never fail."""

    def __init__(self, strategy, intensity, auto_shutdown, children):
        self.strategy, self.left, self.auto_shutdown = strategy, intensity, auto_shutdown
        self.log = []
        self.restart = {}
        self.running = {}
        self.significant = {}
        self.own = {}
        self.own_left = {}
        self.alive = True
        for child in children:
            self._add(*child)

    def _add(self, key, restart, significant, own):
        self.restart[key] = restart
        self.significant[key] = significant
        self.own[key] = self.own_left[key] = own
        self._start(key)

    def _start(self, key):
        self.running[key] = True
        self.log.append(("start", key))

    def _down(self, key):
        self.running[key] = False
        if self.restart[key] == "temporary":
            del self.restart[key], self.running[key]

    def _stop(self, keys):
        for key in reversed(keys):
            if self.running[key]:
                self.log.append(("stop", key))
            self._down(key)

    def end(self, key, reason):
        if not self.running.get(key):
            return
        self.log.append(("stop", key))
        restart = self.restart[key]
        clean = isinstance(reason, (Normal, Shutdown))
        again = restart == "permanent" or (restart == "transient" and not clean)
        if not again:
            self._ended_for_good(key)
            return
        self.running[key] = False
        if self.own[key] is not None:
            if self.own_left[key] == 0:
                self.own_left[key] = self.own[key]
                self._ended_for_good(key)
                return
            self.own_left[key] -= 1
        elif self.left == 0:
            self._give_up()
            return
        else:
            self.left -= 1
        keys = list(self.restart)
        if self.strategy == "one_for_one":
            keys = [key]
        elif self.strategy == "rest_for_one":
            keys = keys[keys.index(key) :]
        self._stop([other for other in keys if other != key])
        for other in keys:
            if other in self.restart:
                self._start(other)

    def _give_up(self):
        self._stop(list(self.restart))
        self.alive = False

    def _ended_for_good(self, key):
        self._down(key)
        if self.auto_shutdown == "never" or not self.significant[key]:
            return
        left = [other for other, runs in self.running.items() if runs and self.significant[other]]
        if self.auto_shutdown == "any_significant" or not left:
            self._give_up()

    def start_child(self, key, *fields):
        if key not in self.restart:
            self._add(key, *fields)

    def terminate_child(self, key):
        if key in self.restart:
            self.own_left[key] = self.own[key]
            self._stop([key])

    def restart_child(self, key):
        if self.running.get(key) is False:
            self._start(key)

    def delete_child(self, key):
        if self.running.get(key) is False:
            del self.restart[key], self.running[key]


keys = st.sampled_from("abcd")
restarts = st.sampled_from(["permanent", "transient", "temporary"])
reasons = st.sampled_from([Normal(), Shutdown(), Shutdown("later"), Killed()])
budgets = st.none() | st.integers(0, 2)
auto_shutdowns = st.sampled_from(["never", "any_significant", "all_significant"])


def child_like(auto_shutdown):
    """Children that fit the supervisor: key, restart type, significant, own budget."""
    fields = st.tuples(keys, restarts, st.booleans(), budgets)
    return fields.map(
        lambda child: (
            *child[:2],
            child[2] and child[1] != "permanent" and auto_shutdown != "never",
            child[3],
        )
    )


@st.composite
def lives(draw):
    """A supervisor with its children, and what happens to them."""
    auto_shutdown = draw(auto_shutdowns)
    child = child_like(auto_shutdown)
    step = st.one_of(
        st.tuples(st.just("end"), keys, reasons),
        st.tuples(st.just("end"), keys, reasons),
        child.map(lambda fields: ("start_child", *fields)),
        st.tuples(st.just("terminate_child"), keys),
        st.tuples(st.just("restart_child"), keys),
        st.tuples(st.just("delete_child"), keys),
    )
    first = draw(st.lists(child, max_size=4, unique_by=lambda child: child[0]))
    return auto_shutdown, first, draw(st.lists(step, max_size=14))


strategies = st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])

REQUESTS = {
    "terminate_child": TerminateChild,
    "restart_child": RestartChild,
    "delete_child": DeleteChild,
}


def spec(log, key, restart, significant, own):
    budget = None if own is None else Budget(own, 1e9)
    return ChildSpec(
        key,
        Worker,
        (log, key),
        name=key,
        restart=restart,
        significant=significant,
        budget=budget,
    )


async def perform(system, supervisor, log, name, key, *rest):
    if name == "end":
        ref = system.whereis(key)
        if ref is not None:
            ref.cast(End(*rest))
    else:
        request = (
            StartChild(spec(log, key, *rest)) if name == "start_child" else REQUESTS[name](key)
        )
        with suppress(CallError):  # Refused: the model does nothing either.
            await supervisor.call(request)
    await wait_all_tasks_blocked()


async def live(strategy, intensity, auto_shutdown, first, program):
    log = []
    model = Model(strategy, intensity, auto_shutdown, first)
    async with open_system("model", seed=0) as system:
        specs = [spec(log, *child) for child in first]
        supervisor = await system.spawn(
            Supervisor,
            specs,
            strategy=strategy,
            intensity=intensity,
            period=1e9,
            auto_shutdown=auto_shutdown,
        )
        for name, *arguments in program:
            await perform(system, supervisor, log, name, *arguments)
            getattr(model, name)(*arguments)
            assert log == model.log
            assert supervisor.is_alive() is model.alive
            if not model.alive:
                assert await system.join(supervisor) == Shutdown()
                assert system.actors() == ()
                return
            listed = await supervisor.call(WhichChildren())
            assert [(child.id, child.state == "running") for child in listed] == list(
                model.running.items()
            )


@examples(60)
@given(strategies, st.integers(0, 4), lives())
def test_a_supervisor_lives_as_the_model_does(strategy, intensity, life):
    trio.run(live, strategy, intensity, *life, clock=MockClock(autojump_threshold=0))
