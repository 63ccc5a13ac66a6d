"""Random lives of a dynamic supervisor against a model of Elixir's rules in a few lines.

Children are named, so that the next incarnation of one is found again. The model knows which
children live, whose restarts are left, and what the end of a significant child means.
"""

from __future__ import annotations

from contextlib import suppress

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import CallError, Killed, Normal, Shutdown, Stop, open_system
from supervision import (
    Budget,
    ChildSpec,
    CountChildren,
    DynamicSupervisor,
    StartChild,
    TerminateChild,
    WhichChildren,
)
from tests.actors.kit import Do, Worker
from tests.examples import examples


class Model:
    def __init__(self, intensity, most, child_budget, auto_shutdown):
        self.left, self.most, self.auto_shutdown = intensity, most, auto_shutdown
        self.child_budget = child_budget
        self.children = {}
        self.starts = dict.fromkeys("abcde", 0)
        self.alive = True

    def start(self, key, restart, significant, own):
        if key not in self.children and (self.most is None or len(self.children) < self.most):
            own = self.child_budget if own is None else own
            self.children[key] = [restart, significant, own]
            self.starts[key] += 1

    def terminate(self, key):
        self.children.pop(key, None)

    def end(self, key, reason):
        if key not in self.children:
            return
        restart, significant, own = child = self.children[key]
        clean = isinstance(reason, (Normal, Shutdown))
        again = restart == "permanent" or (restart == "transient" and not clean)
        if again and own is None and self.left == 0:
            self.alive = False
            return
        if not again or own == 0:
            del self.children[key]
            left = any(other[1] for other in self.children.values())
            ends = self.auto_shutdown == "any_significant" or not left
            self.alive = not (significant and ends)
            return
        if own is None:
            self.left -= 1
        else:
            child[2] -= 1
        self.starts[key] += 1


keys = st.sampled_from("abcde")
reasons = st.sampled_from([Normal(), Shutdown(), Shutdown("later"), Killed()])
budgets = st.none() | st.integers(0, 2)


@st.composite
def lives(draw):
    auto_shutdown = draw(st.sampled_from(["never", "any_significant", "all_significant"]))
    fields = st.tuples(
        st.just("start"),
        keys,
        st.sampled_from(["permanent", "transient", "temporary"]),
        st.booleans() if auto_shutdown != "never" else st.just(False),
        budgets,
    ).map(lambda step: (*step[:3], step[3] and step[2] != "permanent", step[4]))
    step = st.one_of(
        fields,
        fields,
        st.tuples(st.just("end"), keys, reasons),
        st.tuples(st.just("end"), keys, reasons),
        st.tuples(st.just("terminate"), keys),
    )
    options = (draw(st.integers(0, 4)), draw(st.none() | st.integers(1, 4)), draw(budgets))
    return (*options, auto_shutdown), draw(st.lists(step, max_size=20))


async def perform(system, supervisor, started, name, key, *rest):
    ref = system.whereis(key)
    if name == "end" and ref is not None:

        def stop(me):
            raise Stop(rest[0])

        ref.cast(Do(stop))
    elif name == "terminate" and ref is not None:
        await supervisor.call(TerminateChild(ref))
    elif name == "start":
        restart, significant, own = rest
        spec = ChildSpec(
            key,
            Noted,
            (started, key),
            name=key,
            restart=restart,
            significant=significant,
            budget=None if own is None else Budget(own, 1e9),
        )
        with suppress(CallError):  # Refused: the model does nothing either.
            await supervisor.call(StartChild(spec))
    await wait_all_tasks_blocked()


class Noted(Worker):
    def __init__(self, started, key):
        super().__init__()
        self.started, self.key = started, key

    def init(self):
        self.started[self.key] += 1


async def live(options, program):
    intensity, most, child_budget, auto_shutdown = options
    model = Model(*options)
    started = dict.fromkeys("abcde", 0)
    async with open_system("model", seed=0) as system:
        supervisor = await system.spawn(
            DynamicSupervisor,
            intensity=intensity,
            period=1e9,
            max_children=most,
            child_budget=None if child_budget is None else Budget(child_budget, 1e9),
            auto_shutdown=auto_shutdown,
        )
        for name, *arguments in program:
            await perform(system, supervisor, started, name, *arguments)
            getattr(model, name)(*arguments)
            assert supervisor.is_alive() is model.alive
            if not model.alive:
                assert await system.join(supervisor) == Shutdown()
                assert system.actors() == ()
                return
            assert started == model.starts
            listed = await supervisor.call(WhichChildren())
            names = {system.whereis(key) for key in model.children}
            assert {child.ref for child in listed} == names
            assert (await supervisor.call(CountChildren())).active == len(model.children)


@examples(60)
@given(lives())
def test_a_dynamic_supervisor_lives_as_the_model_does(life):
    trio.run(live, *life, clock=MockClock(autojump_threshold=0))
