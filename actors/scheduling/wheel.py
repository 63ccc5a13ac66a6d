"""Deadlines: a wheel of insertion-ordered dicts, and one timekeeper.

A slot covers 1/64 s and is a dict, so that putting a deadline in and taking it out again (as every
answered call does) are two dict operations, and nothing stays behind. A heap holds the *numbers* of
the slots that exist, each once. The timekeeper is one trio task; it sleeps to the earliest deadline
of the earliest non-empty slot, or for ever. Nothing ticks.

Deadlines fire in order of time, equal ones in order of insertion, never early and at most about a
millisecond late (plus the load). Items have ``deadline``, ``slot`` and ``fire(scheduler)``.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from operator import attrgetter
from sys import float_info
from typing import TYPE_CHECKING, Protocol

import trio

from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.scheduling.scheduler import Scheduler

SLOTS_PER_S = 64
MIN_SLEEP_S = 0.001
"""Deadlines nearer to each other than this may share a wake-up."""
FAR = int(float_info.max)
"""The slot of what is too far away to have one of its own."""
MIN_CROWD = 512
"""Below this many slots, empty ones are left for the timekeeper to find."""


class Deadline(Protocol):
    """What the wheel holds."""

    deadline: float
    slot: dict[Deadline, None] | None

    def fire(self, scheduler: Scheduler, /) -> None:
        """The deadline has come; the item is out of the wheel already."""


_by_deadline: Callable[[Deadline], float] = attrgetter("deadline")


class Wheel:
    """The deadlines of one system."""

    def __init__(self, scheduler: Scheduler, now: Callable[[], float]) -> None:
        self._scheduler = scheduler
        self._now = now
        self._slots: dict[int, dict[Deadline, None]] = {}
        self._numbers: list[int] = []
        self._crowded = MIN_CROWD
        self._wake_at = inf
        self._scope = trio.CancelScope()

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def add(self, item: Deadline, deadline: float) -> None:
        """Have ``item.fire`` called at `deadline` (trio's clock); infinity is never."""
        try:
            number = int(deadline * SLOTS_PER_S)
        except OverflowError:
            number = FAR if deadline > 0 else 0
        slot = self._slots.get(number)
        if slot is None:
            slot = self._open(number)
        item.deadline = deadline
        item.slot = slot
        slot[item] = None
        if deadline < self._wake_at:
            self._wake_at = self._scope.deadline = deadline

    def _open(self, number: int) -> dict[Deadline, None]:
        if len(self._slots) > self._crowded:
            self._drop_empty()
        slot: dict[Deadline, None] = {}
        self._slots[number] = slot
        heappush(self._numbers, number)
        return slot

    def _drop_empty(self) -> None:
        for number in [number for number, slot in self._slots.items() if not slot]:
            del self._slots[number]
        self._numbers = sorted(self._slots)
        self._crowded = 2 * len(self._slots) + MIN_CROWD

    @staticmethod
    def remove(item: Deadline) -> None:
        """Take `item` out, if it is still in."""
        slot = item.slot
        if slot is not None:
            item.slot = None
            slot.pop(item, None)

    def _earliest(self) -> float:
        while self._numbers:
            slot = self._slots[self._numbers[0]]
            if slot:
                return min(map(_by_deadline, slot))
            del self._slots[heappop(self._numbers)]
        return inf

    def expire(self) -> None:
        """Fire what is due."""
        now = self._now()
        while self._numbers and self._numbers[0] <= now * SLOTS_PER_S:
            number = self._numbers[0]
            slot = self._slots[number]
            due = sorted((item for item in slot if item.deadline <= now), key=_by_deadline)
            for item in due:
                if item.slot is slot:
                    item.slot = None
                    del slot[item]
                    item.fire(self._scheduler)
            if slot or self._numbers[0] != number:
                return
            del self._slots[heappop(self._numbers)]

    async def keep_time(self) -> None:
        """The timekeeper. Runs until cancelled."""
        while True:
            self._wake_at = max(self._earliest(), self._now() + MIN_SLEEP_S)
            with trio.CancelScope(deadline=self._wake_at) as self._scope:
                await trio.sleep_forever()
            self.expire()


protect(Wheel)
