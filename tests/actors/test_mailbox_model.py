"""Mailboxes against a model: any policy and bound, any order of what may come and of what it meets.

The receiver handles at once what comes, unless it is suspended or busy in a handler. Whatever
happens, each message has exactly one fate, the one of the model: handled in its place, dropped and
counted, refused, given up, or lost with the receiver's death and told.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Actor, Busy, CalleeDied, MailboxAlarm, Request, on, open_system
from actors.mailboxes.overflow import senders_waiting
from tests.examples import examples

COUNTERS = (
    "dropped",
    "dropped_new",
    "dropped_old",
    "rejected",
    "dropped_block",
    "dropped_own",
    "busy",
    "waited",
    "dead_letters",
)
DROPPED_AS = {"drop_new": "dropped_new", "reject": "rejected", "block": "dropped_block"}


@dataclass(frozen=True, slots=True)
class Cast:
    number: int


@dataclass(frozen=True, slots=True)
class Ask(Request[int]):
    number: int


@dataclass(frozen=True, slots=True)
class Work:
    """Be busy: do what comes through the channel, until it is closed."""

    number: int
    orders: trio.MemoryReceiveChannel


class Receiver(Actor):
    def __init__(self, handled):
        self.handled = handled

    @on(Cast)
    def cast_came(self, message):
        self.handled.append(message.number)

    @on(Ask)
    def asked(self, request):
        self.handled.append(request.number)
        return request.number

    @on(Work)
    async def work(self, message):
        self.handled.append(message.number)
        async for number in message.orders:
            self.ref.cast(Cast(number))


@dataclass
class Entry:
    number: int
    own: bool = False
    call: bool = False
    orders: trio.MemorySendChannel | None = None


@dataclass
class Model:
    """What a mailbox of `limit` messages does, told without any of the runtime's means."""

    policy: str
    limit: int
    mark: int | None
    queue: list = field(default_factory=list)
    senders: list = field(default_factory=list)
    handled: list = field(default_factory=list)
    fates: dict = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)
    alarmed: bool = False

    def put(self, number):
        self.look()
        self.queue.append(Entry(number, own=True))

    def own(self, number):
        self.look()
        if len(self.queue) < 2 * self.limit:
            self.queue.append(Entry(number, own=True))
        else:
            self.drop(number, "dropped_own")

    def cast(self, number, orders=None):
        self.look()
        if len(self.queue) < self.limit or self.displace():
            self.queue.append(Entry(number, orders=orders))
        else:
            self.drop(number, DROPPED_AS.get(self.policy, "dropped_new"))

    def call(self, number):
        self.look()
        if len(self.queue) < self.limit or self.displace():
            self.queue.append(Entry(number, call=True))
        elif self.policy == "block":
            self.wait(Entry(number, call=True))
        else:
            self.busy(number)

    def send(self, number):
        if len(self.queue) < self.limit or self.policy in ("drop_new", "drop_old"):
            self.cast(number)
        elif self.policy == "block":
            self.look()
            self.wait(Entry(number))
        else:
            self.look()
            self.busy(number)

    def wait(self, entry):
        if len(self.senders) < self.limit:
            self.senders.append(entry)
            self.counts["waited"] += 1
        else:
            self.busy(entry.number)

    def displace(self):
        if self.policy != "drop_old":
            return False
        for index, entry in enumerate(self.queue):
            if not entry.own:
                del self.queue[index]
                if entry.call:
                    self.busy(entry.number)
                else:
                    self.drop(entry.number, "dropped_old")
                return True
        return False

    def drop(self, number, counter):
        self.counts["dropped"] += 1
        self.counts[counter] += 1
        self.fates[number] = "dropped"

    def busy(self, number):
        self.counts["busy"] += 1
        self.fates[number] = "busy"

    def look(self):
        self.alarmed |= self.mark is not None and len(self.queue) >= self.mark

    def drain(self):
        """Handle all, or up to the message that makes busy; its orders."""
        while self.queue:
            entry = self.queue.pop(0)
            while self.senders and len(self.queue) < self.limit:
                self.queue.append(self.senders.pop(0))
            self.handled.append(entry.number)
            self.fates[entry.number] = "handled"
            if entry.orders is not None:
                return entry.orders
        return None

    def give_up(self, number):
        self.senders = [entry for entry in self.senders if entry.number != number]
        self.fates[number] = "given up"

    def die(self):
        for entry in self.queue:
            self.fates[entry.number] = "died" if entry.call else "dead letter"
            self.counts["dead_letters"] += not entry.call
        for entry in self.senders:
            self.fates[entry.number] = "died"
        self.queue, self.senders, self.alarmed = [], [], False


class Run:
    """One receiver after the other, and the model beside them."""

    def __init__(self, system, nursery, policy, limit, mark):
        self.system, self.nursery = system, nursery
        fields = {"mailbox_policy": policy, "mailbox_limit": limit, "mailbox_alarm": mark}
        self.cls = type("Bounded", (Receiver,), fields)
        self.model = Model(policy, limit, mark)
        self.handled = []
        self.told = {}
        self.scopes = {}
        self.mode = "free"
        self.numbers = 0
        self.alarms = 0
        self.expected_alarms = 0
        system.on_report(self.reported)

    def reported(self, report):
        self.alarms += isinstance(report, MailboxAlarm) and report.raised

    async def start(self):
        self.ref = await self.system.spawn(self.cls, self.handled)

    def number(self):
        self.numbers += 1
        return self.numbers

    async def do(self, operation, count):
        for _ in range(count if operation in ("call", "send", "work") else 1):
            await getattr(self, f"do_{operation}")(count)
            await wait_all_tasks_blocked()
            if self.mode == "free":
                self.orders = self.model.drain()
                self.mode = "busy" if self.orders else "free"
            self.check()

    async def do_cast(self, count):
        for _ in range(count):
            number = self.number()
            self.ref.cast(Cast(number))
            self.model.cast(number)

    async def do_asked(self, count):
        for _ in range(count):
            number = self.number()
            self.ref.put(Cast(number))
            self.model.put(number)

    async def do_own(self, count):
        if self.mode == "busy":
            for _ in range(count):
                number = self.number()
                await self.orders.send(number)
                self.model.own(number)

    async def do_call(self, _count):
        number = self.number()
        self.nursery.start_soon(self.wait_for, number, self.ref.call, Ask(number))
        self.model.call(number)

    async def do_send(self, _count):
        number = self.number()
        self.nursery.start_soon(self.wait_for, number, self.ref.send, Cast(number))
        self.model.send(number)

    async def wait_for(self, number, function, message):
        with trio.CancelScope() as scope:
            self.scopes[number] = scope
            try:
                await function(message, None)
                self.told[number] = "done"
            except (Busy, CalleeDied) as error:
                self.told[number] = "busy" if isinstance(error, Busy) else "died"
        if scope.cancelled_caught:
            self.told[number] = "given up"

    async def do_give_up(self, count):
        if self.model.senders:
            number = self.model.senders[count % len(self.model.senders)].number
            self.scopes[number].cancel()
            self.model.give_up(number)

    async def do_suspend(self, _count):
        if self.mode == "free":
            self.mode = "suspended"
            await self.system.suspend(self.ref)

    async def do_work(self, _count):
        orders, receiving = trio.open_memory_channel(0)
        number = self.number()
        self.ref.cast(Work(number, receiving))
        self.model.cast(number, orders)

    async def do_go_on(self, _count):
        if self.mode == "suspended":
            await self.system.resume(self.ref)
        elif self.mode == "busy":
            await self.orders.aclose()
        self.mode = "free"

    async def do_die(self, _count):
        self.expected_alarms += self.model.alarmed
        self.system.kill(self.ref)
        await self.system.join(self.ref)
        self.model.die()
        self.mode = "free"
        await self.start()

    def check(self):
        model, statistics = self.model, self.system.statistics()
        assert self.handled == model.handled
        assert self.ref.queue_length == len(model.queue)
        assert senders_waiting(self.ref) == len(model.senders)
        assert {name: statistics[name] for name in COUNTERS} == {
            name: model.counts[name] for name in COUNTERS
        }
        assert self.alarms == self.expected_alarms + model.alarmed

    def check_fates(self):
        """Nothing is lost silently: what was not handled was dropped and counted, or told."""
        assert set(self.model.fates) == set(range(1, self.numbers + 1))
        for number, told in self.told.items():
            fate = self.model.fates[number]
            assert told == fate or (
                told == "done" and fate in ("handled", "dropped", "dead letter")
            )
        counted = sum(fate == "dropped" for fate in self.model.fates.values())
        assert counted == self.system.statistics()["dropped"]


OPERATIONS = (
    *("cast", "call", "send", "asked", "own") * 2,
    *("work", "work", "work", "suspend", "go_on", "give_up", "die"),
)


@pytest.mark.parametrize("policy", ["block", "drop_new", "drop_old", "reject"])
@examples(60)
@given(
    st.integers(1, 5),
    st.integers(0, 5),
    st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(1, 6)), min_size=6, max_size=25),
)
def test_every_message_has_the_fate_that_the_model_gives_it(policy, limit, mark, operations):
    async def main():
        async with open_system(deterministic=True) as system, trio.open_nursery() as nursery:
            run = Run(system, nursery, policy, limit, min(mark, limit) or None)
            await run.start()
            for operation, count in operations:
                await run.do(operation, count)
            while run.mode != "free":
                await run.do("go_on", 0)
            run.check_fates()
            assert run.ref.mailbox is None or policy == "drop_old"
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock())
