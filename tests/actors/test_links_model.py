"""Links, monitors, exit signals and traps of a few actors, at random, against a small model.

The model is a run queue and, for each actor, its flags, its mailbox and what it is tied to: OTP's
rules of propagation in a page. Steps come in bursts, so that signals meet each other on their way;
suspended actors have messages waiting, which `demonitor` has to find.
"""

from __future__ import annotations

from collections import deque

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Crashed, Down, Exit, Killed, NoProc, Normal, Shutdown, open_system
from actors.lifecycle.links import links_of
from actors.scheduling.control import control_of
from tests.actors.kit import Worker
from tests.examples import examples

SIZE = 4


class One:
    """An actor of the model."""

    def __init__(self, number, *, trap):
        self.number = number
        self.trap = trap
        self.held = self.queued = False
        self.links = {}
        self.watchers = {}
        self.monitors = {}
        self.mailbox = []
        self.seen = []
        self.exit = self.stop = self.reason = None

    @property
    def alive(self):
        return self.reason is None


class Model:
    def __init__(self, traps):
        self.ones = [One(number, trap=trap) for number, trap in enumerate(traps)]
        self.runq = deque()
        self.monitors = []

    def _wake(self, one):
        if not one.queued:
            one.queued = True
            self.runq.append(one)

    def _put(self, one, message):
        if one.alive:
            one.mailbox.append(message)
            self._wake(one)

    def _signal(self, one, reason, sender):
        if not one.alive:
            return
        if one.trap:
            self._put(one, ("exit", sender.number, reason))
        elif reason != Normal() or sender is one:
            self._unwind(one, reason)

    def _unwind(self, one, reason):
        if one.exit is None or reason == Killed():
            one.exit = reason
        self._wake(one)

    def settle(self):
        while self.runq:
            one = self.runq.popleft()
            one.queued = False
            if not one.alive:
                continue
            if one.exit or one.stop:
                self._die(one, one.exit or one.stop)
            elif not one.held:
                one.seen += one.mailbox
                one.mailbox.clear()

    def _die(self, one, reason):
        one.reason = reason
        one.mailbox.clear()
        for other in list(one.links):
            del other.links[one]
            self._signal(other, reason, one)
        one.links.clear()
        for record in one.monitors:
            del self.monitors[record][1].watchers[record]
        one.monitors.clear()
        for record, watcher in list(one.watchers.items()):
            del watcher.monitors[record]
            self._put(watcher, ("down", record, one.number, reason))
        one.watchers.clear()

    def link(self, one, other):
        if one is other:
            return
        if other.alive:
            one.links.setdefault(other)
            other.links.setdefault(one)
        else:
            self._signal(one, NoProc(), other)

    def unlink(self, one, other):
        one.links.pop(other, None)
        other.links.pop(one, None)

    def monitor(self, one, other):
        record = len(self.monitors)
        self.monitors.append((one, other))
        if other.alive:
            other.watchers[record] = one
            one.monitors[record] = None
        else:
            self._put(one, ("down", record, other.number, NoProc()))

    def demonitor(self, number, flush):
        if not self.monitors:
            return
        record = number % len(self.monitors)
        watcher, target = self.monitors[record]
        if watcher.monitors.pop(record, "gone") != "gone":
            del target.watchers[record]
        elif flush:
            watcher.mailbox[:] = [m for m in watcher.mailbox if m[:2] != ("down", record)]

    def exit(self, one, other, reason):
        self._signal(other, reason, one)

    def kill(self, one, other):
        if other.alive:
            self._unwind(other, Killed())

    def stop(self, one, reason):
        one.stop = one.stop or reason
        self._wake(one)

    def trap(self, one, flag):
        one.trap = flag

    def hold(self, one):
        one.held = True

    def release(self, one):
        one.held = False
        self._wake(one)


class Real:
    """The same steps on actors."""

    def __init__(self, refs):
        self.refs = refs
        self.monitors = []

    def link(self, ref, other):
        ref.actor.link(other)

    def unlink(self, ref, other):
        ref.actor.unlink(other)

    def monitor(self, ref, other):
        self.monitors.append(ref.actor.monitor(other))

    def demonitor(self, number, flush):
        if self.monitors:
            record = self.monitors[number % len(self.monitors)]
            Worker.demonitor(None, record, flush=flush)

    def exit(self, ref, other, reason):
        ref.actor.exit(other, reason)

    def kill(self, ref, other):
        ref.actor.kill(other)

    def stop(self, ref, reason):
        ref.actor.stop(reason)

    def trap(self, ref, flag):
        ref.actor.trap_exit = flag

    def hold(self, ref):
        control_of(ref).held = True

    def release(self, ref):
        control_of(ref).held = False
        ref.nudge()

    def shown(self, message):
        if isinstance(message, Down):
            number = self.monitors.index(message.monitor)
            return ("down", number, self.refs.index(message.ref), message.reason)
        assert isinstance(message, Exit)
        return ("exit", self.refs.index(message.ref), message.reason)


actors = st.integers(0, SIZE - 1)
reasons = st.sampled_from([Normal(), Shutdown(), Shutdown("x"), Crashed("E"), Killed()])
steps = st.one_of(
    st.tuples(st.just("link"), actors, actors),
    st.tuples(st.just("link"), actors, actors),
    st.tuples(st.just("unlink"), actors, actors),
    st.tuples(st.just("monitor"), actors, actors),
    st.tuples(st.just("monitor"), actors, actors),
    st.tuples(st.just("exit"), actors, actors, reasons),
    st.tuples(st.just("kill"), actors, actors),
    st.tuples(st.just("stop"), actors, reasons),
    st.tuples(st.just("trap"), actors, st.booleans()),
    st.tuples(st.just("hold"), actors),
    st.tuples(st.just("release"), actors),
    st.tuples(st.just("demonitor"), st.integers(0, 20), st.booleans()),
)
flags = st.lists(st.booleans(), min_size=SIZE, max_size=SIZE)
programs = st.lists(st.lists(steps, min_size=1, max_size=5), max_size=10)


def perform(model, real, name, first, *rest):
    """One step on both, if the actor that makes it is alive."""
    if name == "demonitor":
        model.demonitor(first, *rest)
        real.demonitor(first, *rest)
        return
    one = model.ones[first]
    assert (real.refs[first].actor is not None) == one.alive
    if not one.alive:
        return
    numbers = [arg for arg in rest if type(arg) is int]
    others = [arg for arg in rest if type(arg) is not int]
    getattr(model, name)(one, *(model.ones[number] for number in numbers), *others)
    getattr(real, name)(real.refs[first], *(real.refs[number] for number in numbers), *others)


def check(model, real, workers):
    for one, ref, worker in zip(model.ones, real.refs, workers, strict=True):
        assert ref.exit_reason == one.reason
        assert [real.shown(message) for message in worker.seen] == one.seen
        assert [other.number for other in one.links] == [
            real.refs.index(other) for other in links_of(ref)
        ]
        ties = ref.ties
        watchers = {} if ties is None or ties.watchers is None else ties.watchers
        monitors = {} if ties is None or ties.monitors is None else ties.monitors
        assert [real.monitors.index(record) for record in watchers] == list(one.watchers)
        assert [real.monitors.index(record) for record in monitors] == list(one.monitors)
    downs = [message[1] for one in model.ones for message in one.seen if message[0] == "down"]
    assert len(set(downs)) == len(downs)


async def live(traps, held, program):
    async with open_system("model", seed=0) as system:
        refs = [await system.spawn(Worker, trap=trap) for trap in traps]
        workers = [ref.actor for ref in refs]
        model, real = Model(traps), Real(refs)
        everybody = range(SIZE)
        # Some are suspended from the start; at the end all see what has waited for them.
        hold = [("hold", number) for number in everybody if held[number]]
        release = [("release", number) for number in everybody]
        for burst in [hold, *program, release]:
            for step in burst:
                perform(model, real, *step)
            await wait_all_tasks_blocked()
            model.settle()
            check(model, real, workers)
        assert set(system.actors()) == {refs[one.number] for one in model.ones if one.alive}


@examples(100)
@given(flags, flags, programs)
def test_links_and_monitors_do_what_the_model_does(traps, held, program):
    trio.run(live, traps, held, program, clock=MockClock(autojump_threshold=0))
