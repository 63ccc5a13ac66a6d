"""Small state machines, and what they do here.

A program is the first state, a table of ``(state, event, actions)``, a list of
``(state, actions)`` for entering states, and bursts of events; an event is a name, or
``("call", name)``. A burst is sent while the machine is suspended, so that all of it waits at once;
then it is noted what was handled in which state, and which calls were answered in which.

=================================  =============================================================
``("next", state)``, ``"repeat"``  go to a state; enter the present one again
``"postpone"``                     put the event aside
``("insert", event)``              handle it next
``("zero", kind, event)``          a timeout of zero; the kind is ``state``, ``event`` or a name
``("long", kind, event)``          one that does not fire in time
``("cancel", kind)``               take a timeout back
``("update", kind, event)``        have it bring another event; if none is there, one of zero
=================================  =============================================================

After `MAX_HANDLED` steps a machine does nothing any more, so that every program ends.
``machines.erl`` runs the same on OTP. Left out, as OTP 25 loses its track there (see
``docs/otp.md``): setting a timeout to a time above zero while one of zero waits.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import trio
from trio.testing import wait_all_tasks_blocked

from actors import CallError, Request, StateMachine, on, on_enter, open_system

MAX_HANDLED = 60
LONG_S = 3600
STATES = ["a", "b", "c"]
EVENTS = ["e", "f", "g", "h"]


@dataclass(frozen=True, slots=True)
class Event:
    name: str


@dataclass(frozen=True, slots=True)
class Question(Request[str]):
    name: str


class Machine(StateMachine[str]):
    """Does what its table says."""

    def __init__(self, first, table, enter):
        self.first = first
        self.table = {(state, event): actions for state, event, actions in table}
        self.enter = dict(enter)
        self.seen, self.count = [], 0

    def init(self):
        self.next_state(self.first)

    @on_enter()
    def entered(self, old):
        self.seen.append(["enter", old, self.state])
        self.count += 1
        if self.count <= MAX_HANDLED:
            for action in self.enter.get(self.state, []):
                self.act(action)

    @on(Event)
    @on(Question)
    def event(self, event):
        state = self.state
        self.seen.append([state, event.name])
        self.count += 1
        result = state
        if self.count <= MAX_HANDLED:
            actions = self.table.get((state, event.name), [])
            for action in actions:
                self.act(action)
            if "postpone" in actions:
                result = self.postpone()
        return result

    def act(self, action):
        if action == "repeat":
            self.repeat_state()
            return
        if action == "postpone":
            return
        what, first, *rest = action
        event = Event(rest[0]) if rest else None
        if what == "next":
            self.next_state(first)
        elif what == "insert":
            self.next_event(Event(first))
        elif what == "update":
            self.update(first, event)
        else:
            self.set(first, {"zero": 0, "long": LONG_S, "cancel": None}[what], event)

    def set(self, kind, seconds, event):
        if kind == "state":
            self.set_state_timeout(seconds, event)
        elif kind == "event":
            self.set_event_timeout(seconds, event)
        else:
            self.set_timeout(kind, seconds, event)

    def update(self, kind, event):
        if kind == "state":
            self.update_state_timeout(event)
        elif kind == "event":
            self.update_event_timeout(event)
        else:
            self.update_timeout(kind, event)


async def run_here(program):
    """For each burst the state after it, all that was handled until then, and the new replies."""
    first, table, enter, bursts = program
    result = []
    async with open_system(seed=0) as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Machine, first, table, enter)
        replies = []

        async def ask(name):
            with suppress(CallError):  # the machine ends with the program
                replies.append([name, await ref.call(Question(name), timeout=None)])

        for burst in bursts:
            await system.suspend(ref)
            for event in burst:
                if isinstance(event, tuple):
                    nursery.start_soon(ask, event[1])
                    await wait_all_tasks_blocked()
                else:
                    ref.cast(Event(event))
            await system.resume(ref)
            await wait_all_tasks_blocked()
            result.append([ref.actor.state, list(ref.actor.seen), sorted(replies)])
            replies.clear()
        nursery.cancel_scope.cancel()
    return result


def comparable(observed):
    """Replies sorted: here the tasks that get them run in no order that means anything."""
    return [[state, seen, sorted(replies)] for state, seen, replies in observed]


def random_machine(random):
    """A program, dense: most events do something in most states.

    Its timeouts are all of zero, or all long, and then never updated into one of zero.
    """
    long = random.random() < 0.3
    table = [
        (state, event, _actions(random, long=long))
        for state in STATES
        for event in EVENTS
        if random.random() < 0.8
    ]
    enter = [(state, _entering(random, long=long)) for state in STATES if random.random() < 0.4]
    bursts = [
        [_event(random) for _ in range(random.randint(2, 8))] for _ in range(random.randint(1, 3))
    ]
    return random.choice(STATES), table, enter, bursts


def _event(random):
    event = random.choice(EVENTS)
    return ("call", event) if random.random() < 0.25 else event


def _actions(random, *, long):
    moves = [("next", random.choice(STATES))] if random.random() < 0.4 else []
    if not moves and random.random() < 0.1:
        moves.append("repeat")
    if random.random() < 0.35:
        moves.append("postpone")
    inserted = random.choice([0, 0, 0, 0, 1, 2])
    moves += [("insert", random.choice(EVENTS)) for _ in range(inserted)]
    moves += [_timeout(random, long=long) for _ in range(random.choice([0, 0, 1, 2]))]
    random.shuffle(moves)
    return moves


def _entering(random, *, long):
    actions = [_timeout(random, long=long) for _ in range(random.choice([0, 1, 1, 2]))]
    return [*actions, "repeat"] if random.random() < 0.1 else actions


def _timeout(random, *, long):
    kind, event = random.choice(["state", "event", "n", "m"]), random.choice(EVENTS)
    what = random.choice(
        ["long", "cancel"] if long else ["zero", "zero", "zero", "update", "cancel"]
    )
    return ("cancel", kind) if what == "cancel" else (what, kind, event)
