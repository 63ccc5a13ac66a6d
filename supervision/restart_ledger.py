"""The account of restarts: may this child be started again, after how long, and at whose cost.

Contract:

* A child without a budget of its own spends from the supervisor's. When that is exceeded the
  whole supervisor gives up (`Exceeded.SUPERVISOR`), as in OTP.
* A child with a budget of its own (its spec's, else the `child_budget` that the ledger gives to
  each child) spends from that one alone. When it is exceeded this child is
  given up (`Exceeded.CHILD`) and nobody else pays: strangers under one supervisor do not take
  each other down.
* Otherwise the answer is the delay in seconds before the start, 0 without a backoff.
* A child that has neither budget nor backoff costs no memory here. The others have a record from
  their first crash until it says nothing any more: records gone quiet are swept out whenever
  their number has doubled, so that there are at most twice as many as children that crashed
  lately (or 64), at an amortised O(1) per restart.

A key is whatever names the child for its supervisor; `move` follows it to its next incarnation.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from random import Random
from typing import Final

from supervision.backoff import Backoff
from supervision.budget import Budget, RestartWindow
from supervision.child_spec import ChildSpec

_SWEEP_FROM: Final = 64


class Exceeded(Enum):
    """Whose budget a restart would exceed."""

    CHILD = "child"
    SUPERVISOR = "supervisor"


class _Record:
    """What is remembered of one child's restarts."""

    __slots__ = ("attempts", "reset_after", "started", "window")

    def __init__(self, budget: Budget | None, backoff: Backoff | None) -> None:
        self.window = None if budget is None else RestartWindow(budget)
        self.reset_after = 0.0 if backoff is None else backoff.reset_after
        self.attempts = 0
        self.started = 0.0

    def quiet(self, now: float) -> bool:
        if self.window is not None and not self.window.quiet(now):
            return False
        return now - self.started >= self.reset_after


class RestartLedger:
    """The restarts of one supervisor's children; times in seconds of a monotonic clock."""

    __slots__ = ("_child_budget", "_random", "_records", "_sweep_at", "_window")

    def __init__(self, budget: Budget, random: Random, child_budget: Budget | None = None) -> None:
        self._window = RestartWindow(budget)
        self._random = random
        self._child_budget = child_budget
        self._records: dict[Hashable, _Record] = {}
        self._sweep_at = _SWEEP_FROM

    def judge(
        self, key: Hashable, spec: ChildSpec, now: float, *, was_up: bool
    ) -> float | Exceeded:
        """Spend one restart of the child: seconds to wait before it, or who has none left.

        `was_up` is False if what ended is an attempt to start: a start that fails is never quiet.
        """
        budget = self._child_budget if spec.budget is None else spec.budget
        if budget is None and spec.backoff is None:
            return 0.0 if self._window.spend(now) else Exceeded.SUPERVISOR
        record = self._records.get(key)
        if record is None:
            record = self._open(key, budget, spec.backoff, now)
        if record.window is None:
            if not self._window.spend(now):
                return Exceeded.SUPERVISOR
        elif not record.window.spend(now):
            del self._records[key]
            return Exceeded.CHILD
        if was_up and now - record.started >= record.reset_after:
            record.attempts = 0
        record.attempts += 1
        delay = 0.0
        if spec.backoff is not None:
            delay = spec.backoff.delay(record.attempts, self._random)
        record.started = now + delay
        return delay

    def move(self, old: Hashable, new: Hashable) -> None:
        """The child known as `old` goes on as `new`."""
        record = self._records.pop(old, None)
        if record is not None:
            self._records[new] = record

    def forget(self, key: Hashable) -> None:
        """The child is no longer supervised."""
        self._records.pop(key, None)

    def __len__(self) -> int:
        return len(self._records)

    def _open(
        self, key: Hashable, budget: Budget | None, backoff: Backoff | None, now: float
    ) -> _Record:
        records = self._records
        if len(records) >= self._sweep_at:
            for old in [key for key, record in records.items() if record.quiet(now)]:
                del records[old]
            self._sweep_at = max(_SWEEP_FROM, 2 * len(records))
        record = records[key] = _Record(budget, backoff)
        return record
