"""The queue in front of a commit: bounded, commands before obligations.

A group takes all commands that wait (up to `GROUP_BYTES` and `GROUP_COUNT`), then at most one slice
of everything else (obligations, settling, snapshots, truncation). So neither waits for more than a
slice of the other, and no flood of commands starves obligations.

Not synchronised: an engine with threads wraps it in its lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from storage.operations import Append, Refused, Write
from storage.rules import size_of

GROUP_COUNT = 4096
GROUP_BYTES = 16 << 20
SLICE_COUNT = 64
SLICE_BYTES = 4 << 20


@dataclass(slots=True, eq=False)
class Ticket:
    """A write under way: the operation, whom to tell, and what it holds of the queue's bound."""

    op: Write
    done: Callable[[Any], None]
    size: int


class Intake:
    """Writes that wait for a commit."""

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._commands: deque[Ticket] = deque()
        self._others: deque[Ticket] = deque()
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._commands) + len(self._others)

    @property
    def commands(self) -> int:
        """Commands that wait."""
        return len(self._commands)

    @property
    def obligations(self) -> int:
        """Everything else that waits."""
        return len(self._others)

    @property
    def bytes(self) -> int:
        """Bytes that all of them hold."""
        return self._bytes

    def offer(self, op: Write, done: Callable[[Any], None]) -> Refused | None:
        """Queue a write, or say why not.

        Settling and the rest may go a quarter above the bound: refusing what ends work would keep
        the queue full.
        """
        size = size_of(op)
        command = is_command(op)
        slack = 1.0 if command else 1.25
        if len(self) >= self._max_count * slack or self._bytes + size > self._max_bytes * slack:
            return Refused(
                "busy",
                f"{len(self)} writes with {self._bytes} bytes wait for the disk already; "
                "try again later",
            )
        self._bytes += size
        (self._commands if command else self._others).append(Ticket(op, done, size))
        return None

    def take(self) -> list[Ticket]:
        """The next group, empty if nothing waits."""
        group = self._move(self._commands, GROUP_COUNT, GROUP_BYTES)
        return group + self._move(self._others, SLICE_COUNT, SLICE_BYTES)

    def drain(self) -> list[Ticket]:
        """Everything that waits, given up."""
        left = [*self._commands, *self._others]
        self._commands.clear()
        self._others.clear()
        self._bytes = 0
        return left

    def _move(self, queue: deque[Ticket], count: int, volume: int) -> list[Ticket]:
        group: list[Ticket] = []
        while queue and len(group) < count and volume > 0:
            ticket = queue.popleft()
            volume -= ticket.size
            self._bytes -= ticket.size
            group.append(ticket)
        return group


def is_command(op: Write) -> bool:
    """Whether a write is new work, not the carrying out of work accepted earlier."""
    return isinstance(op, Append) and not op.obligation
