"""Random lives of a static supervisor against a model of OTP's rules in a few lines.

The model knows specs, which children run, and in which order children start and stop. It has no
processes: whatever happens is worked off at once, as the supervisor's is when nothing is runnable.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Actor, CallError, ExitReason, Killed, Normal, Shutdown, Stop, on, open_system
from supervision import (
    ChildSpec,
    DeleteChild,
    RestartChild,
    StartChild,
    Supervisor,
    TerminateChild,
    WhichChildren,
)


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

    def __init__(self, strategy, intensity, children):
        self.strategy, self.left = strategy, intensity
        self.log = []
        self.restart = {}
        self.running = {}
        self.alive = True
        for key, restart in children:
            self._add(key, restart)

    def _add(self, key, restart):
        self.restart[key] = restart
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
            self._down(key)
            return
        self.running[key] = False
        if self.left == 0:
            self._stop(list(self.restart))
            self.alive = False
            return
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

    def start_child(self, key, restart):
        if key not in self.restart:
            self._add(key, restart)

    def terminate_child(self, key):
        if key in self.restart:
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
steps = st.lists(
    st.one_of(
        st.tuples(st.just("end"), keys, reasons),
        st.tuples(st.just("start_child"), keys, restarts),
        st.tuples(st.just("terminate_child"), keys),
        st.tuples(st.just("restart_child"), keys),
        st.tuples(st.just("delete_child"), keys),
    ),
    max_size=14,
)
children = st.lists(st.tuples(keys, restarts), max_size=4, unique_by=lambda child: child[0])
strategies = st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])

REQUESTS = {
    "terminate_child": TerminateChild,
    "restart_child": RestartChild,
    "delete_child": DeleteChild,
}


def spec(log, key, restart):
    return ChildSpec(key, Worker, (log, key), name=key, restart=restart)


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


async def live(strategy, intensity, first, program):
    log = []
    model = Model(strategy, intensity, first)
    async with open_system("model", seed=0) as system:
        specs = [spec(log, key, restart) for key, restart in first]
        supervisor = await system.spawn(
            Supervisor, specs, strategy=strategy, intensity=intensity, period=1e9
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


@settings(max_examples=80)
@given(strategies, st.integers(0, 4), children, steps)
def test_a_supervisor_lives_as_the_model_does(strategy, intensity, first, program):
    trio.run(live, strategy, intensity, first, program, clock=MockClock(autojump_threshold=0))
