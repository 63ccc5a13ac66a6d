"""The runtime's peer on pykka: an actor is a thread with a queue; there is no supervision.

Load comes from an actor. `ask` has the deadline that our calls have.
"""

from __future__ import annotations

import importlib
import time
from typing import Any

BATCH = 1_000
"""Casts between two confirmations, as in `bench.runtime_programs`."""

pykka: Any = importlib.import_module("pykka")


class Counter(pykka.ThreadingActor):  # type: ignore[misc]
    """Counts what it is told, answers with the count when asked."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_receive(self, message: object) -> int:
        """Count, or tell."""
        if message == "bump":
            self.count += 1
        return self.count


class Driver(pykka.ThreadingActor):  # type: ignore[misc]
    """Sends the load: (kind, target, count), answered with the seconds taken."""

    def on_receive(self, message: tuple[str, Any, int]) -> float:
        """Cast or call so many times."""
        kind, target, count = message
        began = time.perf_counter()
        if kind == "casts":
            for _ in range(count // BATCH):
                for _ in range(BATCH):
                    target.tell("bump")
                target.ask("total", timeout=60.0)
        else:
            for _ in range(count):
                target.ask("total", timeout=5.0)
        return time.perf_counter() - began


def _rate(kind: str, count: int) -> float:
    try:
        driver, counter = Driver.start(), Counter.start()
        driver.ask((kind, counter, BATCH))
        return float(count / driver.ask((kind, counter, count)))
    finally:
        pykka.ActorRegistry.stop_all()


def casts(count: int) -> dict[str, float]:
    """Messages told, counted when handled."""
    return {"casts_per_s": _rate("casts", count)}


def calls(count: int) -> dict[str, float]:
    """Questions asked with a deadline of 5 s, one after another."""
    return {"calls_per_s": _rate("calls", count)}
