"""The actor that probes the run queue: a message to itself, and how long until its turn."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from actors import Actor, on
from beamish.messenger.environment import Environment

EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class _Tick:
    pass


@dataclass(frozen=True, slots=True)
class _Probe:
    sent_at: float


class LoadMeter(Actor):
    """One for a node."""

    def __init__(self, environment: Environment) -> None:
        self._load = environment.load

    def init(self) -> None:
        """Begin."""
        self.send_after(EVERY_S, _Tick())

    @on(_Tick)
    def tick(self, _message: _Tick) -> None:
        """Stand in the queue behind all that is in it now."""
        self.ref.cast(_Probe(trio.current_time()))

    @on(_Probe)
    def probe(self, message: _Probe) -> None:
        """It was our turn."""
        self._load.waited(trio.current_time() - message.sent_at)
        self.send_after(EVERY_S, _Tick())
