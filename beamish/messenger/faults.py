"""A hook by which actors crash on purpose, off unless a test or a fault bench switches it on.

Every user, conversation and session passes the named points below while it works. An injector
may raise there; what follows is what would follow any defect of ours at that point.
"""

from __future__ import annotations

import random
from collections import Counter

POINTS = ("before handling", "between append and reply", "between fan-outs", "after reply")
"""Where an actor can be made to crash."""


class InjectedCrash(Exception):
    """Raised by `CrashInjector`; no handler catches it."""


class CrashInjector:
    """Crashes a share of all passages, and counts them by actor kind and point."""

    def __init__(self, probability: float, rng: random.Random, kinds: frozenset[str]) -> None:
        self._probability = probability
        self._rng = rng
        self._kinds = kinds
        self.crashes: Counter[str] = Counter()
        """`"kind: point"` -> crashes so far."""

    def passing(self, kind: str, point: str) -> None:
        """Called by an actor of `kind` at `point`; raises InjectedCrash now and then."""
        if kind in self._kinds and self._rng.random() < self._probability:
            self.crashes[f"{kind}: {point}"] += 1
            raise InjectedCrash(f"a fault was injected into a {kind} {point}")


class NoFaults(CrashInjector):
    """The default: nothing ever happens."""

    def __init__(self) -> None:
        super().__init__(0.0, random.Random(0), frozenset())  # noqa: S311  not for secrets

    def passing(self, kind: str, point: str) -> None:
        """Do nothing."""
