"""Random programs under random kills: every call has an outcome, and nothing is left behind.

Actors call each other directly and through queues, hold scopes and locks, open nurseries, defer
replies, crash, stop, trap, link and monitor; meanwhile somebody kills them. The seed is the test's
parameter; under it the whole history repeats.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import pytest
import trio
import trio.testing

from actors import (
    NO_REPLY,
    Actor,
    ActorError,
    Answer,
    CallError,
    Down,
    Exit,
    Normal,
    Reject,
    Request,
    Shutdown,
    Signal,
    StartFailed,
    Stop,
    on,
    open_system,
)
from actors.scheduling import _trio_internals


@dataclass(frozen=True, slots=True)
class Act(Request[int]):
    depth: int


@dataclass(frozen=True, slots=True)
class Later(Request[int]):
    pass


@dataclass(frozen=True, slots=True)
class Tick:
    pass


class Refused(CallError):
    pass


class World:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.refs: list = []
        self.lock = trio.Lock()
        self.signals: list[Signal[int]] = []
        self.downs: dict = {}
        self.unwound = 0
        self.entered = 0
        self.log: list = []

    def pick(self):
        return self.random.choice(self.refs)


class Chaotic(Actor):
    mailbox_limit = 50

    def __init__(self, world: World, *, trap: bool = False) -> None:
        self.world = world
        self.trap_exit = trap
        self.owed: list = []

    async def init(self) -> None:
        choice = self.world.random.random()
        if choice < 0.1:
            raise ValueError("init")
        if choice < 0.2:
            await self.sleep(0.01)
        elif choice < 0.3:
            await trio.sleep(0.01)

    async def terminate(self, reason) -> None:
        choice = self.world.random.random()
        if choice < 0.2:
            await trio.sleep(0.02)
        elif choice < 0.3:
            await self.sleep(0.02)
        elif choice < 0.35:
            raise KeyError("terminate")
        for reply in self.owed:
            reply.reply(0)

    @on(Act)
    async def act(self, request: Act) -> int:
        world, depth = self.world, request.depth
        world.entered += 1
        world.log.append((round(trio.current_time(), 4), self.ref.number))
        try:
            for _ in range(world.random.randrange(4)):
                await self.step(depth)
            return depth
        finally:
            world.unwound += 1

    async def step(self, depth: int) -> None:
        random, world = self.world.random, self.world
        choice = random.randrange(22)
        other = world.pick()
        if choice < 4 and depth:
            await self.tolerant(other.call(Act(depth - 1), timeout=random.choice((0.05, 2, None))))
        elif choice == 4:
            await self.sleep(random.random() / 10)
        elif choice == 5:
            await trio.sleep(random.random() / 10)
        elif choice == 6 and depth:
            with trio.move_on_after(random.random() / 10):
                await self.tolerant(other.call(Act(depth - 1)))
        elif choice == 7:
            async with world.lock:
                await self.sleep(0.001)
        elif choice == 8 and depth:
            async with trio.open_nursery() as nursery:
                for _ in range(2):
                    target = world.pick()
                    nursery.start_soon(self.tolerant, target.call(Act(depth - 1), timeout=0.3))
        elif choice == 9:
            for _ in range(5):
                other.cast(Tick())
        elif choice == 10:
            self.request(other, Act(0), "tag", timeout=0.2)
        elif choice == 11:
            await self.tolerant(other.call(Later(), timeout=0.1))
        elif choice == 12 and other is not self.ref:
            self.link(other)
        elif choice == 13:
            record = self.monitor(other)
            world.downs[record] = 0
        elif choice == 14:
            self.send_after(random.random() / 5, Tick())
        elif choice == 15:
            signal: Signal[int] = Signal()
            world.signals.append(signal)
            with suppress(ActorError):
                await signal.wait(timeout=random.choice((0.05, None)))
        elif choice == 16 and random.random() < 0.3:
            raise random.choice(
                (ValueError("x"), Stop(Normal()), Reject(Refused()), StopIteration())
            )
        elif choice == 17 and random.random() < 0.3:
            self.stop(random.choice((Normal(), Shutdown())))
        elif choice == 18 and len(world.refs) < 60:
            with suppress(StartFailed):
                world.refs.append(await self.spawn(Chaotic, world, link=random.random() < 0.3))
        elif choice == 19 and random.random() < 0.1:
            trio.CancelScope().__enter__()
        elif choice == 20:
            self.exit(other, random.choice((Normal(), Shutdown())))
        elif choice == 21 and random.random() < 0.2:
            self.kill(other)

    @staticmethod
    async def tolerant(call) -> None:
        with suppress(CallError):
            await call

    @on(Later)
    def later(self, request: Later):
        self.owed.append(self.reply_to())
        return NO_REPLY

    @on(Tick)
    def tick(self, message: Tick) -> None:
        if self.owed:
            self.owed.pop().reply(1)
        if self.world.random.random() < 0.001:
            raise RuntimeError("tick")

    @on(Answer)
    def answered(self, message: Answer) -> None:
        pass

    @on(Down)
    def down(self, message: Down) -> None:
        self.world.downs[message.monitor] += 1

    @on(Exit)
    async def exited(self, message: Exit) -> None:
        await self.sleep(0.001)


async def drive(system, world: World, outcomes: list) -> None:
    for _ in range(40):
        with trio.move_on_after(world.random.choice((0.05, 1000))):
            try:
                await world.pick().call(Act(3), timeout=world.random.choice((0.1, 3, None)))
                outcomes.append("reply")
            except CallError as error:
                outcomes.append(type(error).__name__)


async def disturb(system, world: World) -> None:
    random = world.random
    while True:
        await trio.sleep(random.random() / 20)
        for signal in world.signals:
            if random.random() < 0.3:
                signal.set(1)
        world.signals = [signal for signal in world.signals if not signal.is_set]
        if random.random() < 0.3:
            system.kill(world.pick())
        if random.random() < 0.1:
            system.exit(world.pick(), Shutdown())
        world.refs = [ref for ref in world.refs if ref.is_alive()]
        while len(world.refs) < 20:
            try:
                ref = await system.spawn(Chaotic, world, trap=random.random() < 0.3)
            except StartFailed:
                continue
            world.refs.append(ref)


async def play(seed: int) -> list:
    world, outcomes = World(seed), []
    async with open_system(seed=seed, stop_timeout=5) as system, trio.open_nursery() as nursery:
        while len(world.refs) < 20:
            try:
                world.refs.append(await system.spawn(Chaotic, world))
            except StartFailed:
                continue
        nursery.start_soon(disturb, system, world)
        async with trio.open_nursery() as drivers:
            for _ in range(10):
                drivers.start_soon(drive, system, world, outcomes)
        nursery.cancel_scope.cancel()
    statistics = system.statistics()
    assert world.entered == world.unwound
    assert statistics["actors"] == statistics["names"] == 0
    assert statistics["tasks"] == 0
    assert max(world.downs.values(), default=0) <= 1
    assert len(outcomes) > 50
    assert statistics["zombies"] == 0
    return world.log


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_leave_nothing_behind(seed):
    def run():
        undo = _trio_internals.seed(seed)
        try:
            clock = trio.testing.MockClock(autojump_threshold=0)
            return trio.run(play, seed, clock=clock)
        finally:
            undo()

    first = run()
    gc.collect()
    assert run() == first
