"""Random traffic across upgrades, forward and failing: every call answered once, in order.

The model: actors that number what they get. Whatever is upgraded, fails, is suspended or parked in
between, each call comes back exactly once, by a version that was there at the time, the numbers of
one sender's messages rise in the order in which it sent them, and none is missing at the end.
"""

from __future__ import annotations

import itertools
import sys
import types
from collections import defaultdict

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors import UpgradeFailed, open_system
from tests.examples import examples

NAME = "upgrade_model_module"
SOURCE = """
from dataclasses import dataclass
from actors import NO_REPLY, Actor, Request, on

version = {version}

@dataclass(frozen=True, slots=True)
class Say(Request[tuple]):
    sender: int
    number: int

@dataclass(frozen=True, slots=True)
class Tell:
    sender: int
    number: int

@dataclass(frozen=True, slots=True)
class Slow(Request[tuple]):
    sender: int
    number: int
    seconds: float

@dataclass(frozen=True, slots=True)
class Later(Request[tuple]):
    sender: int
    number: int
    seconds: float

@dataclass(frozen=True, slots=True)
class Pass(Request[tuple]):
    sender: int
    number: int
    other: object

@dataclass(frozen=True, slots=True)
class Due:
    reply: object
    value: tuple

class Clerk(Actor):
    def __init__(self):
        self.seen = []

    def note(self, message):
        self.seen.append((message.sender, message.number, version))
        return (message.number, version)

    @on(Say)
    def say(self, message):
        return self.note(message)

    @on(Tell)
    async def tell(self, message):
        self.note(message)

    @on(Slow)
    async def slow(self, message):
        value = self.note(message)
        await self.sleep(message.seconds)
        return value

    @on(Later)
    def later(self, message):
        self.send_after(message.seconds, Due(self.reply_to(), self.note(message)))
        return NO_REPLY

    @on(Due)
    def due(self, message):
        message.reply.reply(message.value)

    @on(Pass)
    async def pass_on(self, message):
        value = self.note(message)
        await message.other.call(Say(message.sender, -message.number))
        return value

    def code_change(self, old_version, state):
        self.seen = list(state["seen"])
        self.changed = getattr(self, "changed", 0) + 1
        if {fails} and len(self.seen) % 2:
            raise ValueError("odd")
"""

KINDS = st.sampled_from(["Say", "Tell", "Slow", "Later", "Pass"])
ACTIONS = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 3), st.integers(0, 2), KINDS),
    st.tuples(st.just("upgrade"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.005, 0.05])),
)


class Run:
    """One random history."""

    def __init__(self, system, clerks):
        self.system = system
        self.clerks = clerks
        self.modules = [sys.modules[NAME]]
        self.sent = defaultdict(list)
        self.answers = []
        self.numbers = defaultdict(int)
        self.versions = [1]
        self.next_version = itertools.count(2)

    async def send(self, sender, clerk, kind):
        """One message; each sender goes on with the message classes that it began with."""
        module = self.modules[sender % len(self.modules)]
        ref = self.clerks[clerk]
        self.numbers[sender] += 1
        number = self.numbers[sender]
        self.sent[sender, clerk].append(number)
        extra = {"Slow": (0.01,), "Later": (0.01,), "Pass": (self.clerks[(clerk + 1) % 3],)}
        message = getattr(module, kind)(sender, number, *extra.get(kind, ()))
        if kind == "Tell":
            ref.cast(message)
            return
        if kind == "Pass" and clerk == 2:
            message = module.Say(sender, number)  # nobody waits in a circle
        answer = await ref.call(message, timeout=60)
        assert answer[0] == number
        self.answers.append((sender, number))

    async def upgrade(self, fails):
        """A new version, which may fail; if it works it is the next."""
        version = next(self.next_version)
        text = SOURCE.format(version=version, fails=fails)
        try:
            await self.system.upgrade(NAME, sources={NAME: text}, timeout=30)
        except UpgradeFailed:
            assert sys.modules[NAME] is self.modules[-1]
        else:
            self.versions.append(version)
            self.modules.append(sys.modules[NAME])


@examples(60)
@given(st.lists(ACTIONS, min_size=5, max_size=40))
def test_every_message_is_handled_once_and_in_order_across_upgrades(actions):
    module = types.ModuleType(NAME)
    sys.modules[NAME] = module
    exec(SOURCE.format(version=1, fails=False), module.__dict__)
    try:
        trio.run(history, module, actions, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        del sys.modules[NAME]


async def history(module, actions):
    async with open_system(seed=1) as system:
        run = Run(system, [await system.spawn(module.Clerk) for _ in range(3)])
        async with trio.open_nursery() as nursery:
            for what, *arguments in actions:
                if what == "wait":
                    await trio.sleep(*arguments)
                else:
                    nursery.start_soon(getattr(run, what), *arguments)
                    await trio.lowlevel.checkpoint()
        await trio.sleep(1)
        check(run)
        assert system.statistics()["crashes"] == 0
        assert all(type(ref.actor) is sys.modules[NAME].Clerk for ref in run.clerks)


def check(run):
    assert len(run.answers) == len(set(run.answers))
    for clerk, ref in enumerate(run.clerks):
        versions = [version for _, _, version in ref.actor.seen]
        assert set(versions) <= set(run.versions), "code of a failed upgrade has run"
        assert versions == sorted(versions, key=run.versions.index), "old code has run after new"
        seen = defaultdict(list)
        for sender, number, _ in ref.actor.seen:
            if number > 0:
                seen[sender].append(number)
        for sender in range(4):
            assert seen[sender] == run.sent[sender, clerk], "lost, doubled or out of order"
