"""A look at every actor of a system, in slices, so that very many do not hold up the node."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from actors import System

SLICE = 1_000
"""Actors looked at in one go: a millisecond or so."""

MOST_KINDS = 1_000


@dataclass(slots=True)
class Kind:
    """The actors of one class: how many live, how many messages wait for them, and most for one."""

    alive: int = 0
    waiting: int = 0
    longest: int = 0


class Survey:
    """What the last look has found, by the name of the class."""

    def __init__(self, system: System) -> None:
        self.kinds: dict[str, Kind] = {}
        self._system = system

    async def take(self) -> None:
        """Look again. Actors that come and go meanwhile are counted or not."""
        kinds: dict[str, Kind] = {}
        for number, ref in enumerate(self._system.actors()):
            if number % SLICE == SLICE - 1:
                await trio.lowlevel.checkpoint()
            name = ref.behaviour.name
            if name not in kinds and len(kinds) >= MOST_KINDS:
                name = "others"
            kind = kinds.setdefault(name, Kind())
            length = ref.queue_length
            kind.alive += 1
            kind.waiting += length
            kind.longest = max(kind.longest, length)
        self.kinds = kinds
