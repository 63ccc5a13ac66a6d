"""Selective receive: the messages that a task actor has passed over.

In Erlang a ``receive`` with a pattern scans the mailbox from its beginning each time, unless the
compiler can tell that it need not. Here a message that is passed over moves into a queue of its
type, once, and the next `receive` looks at the ends of queues only: one step for each type asked
for, or, without types, one for each type that has been passed over.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from actors.mailboxes.aside import admit, release, set_aside
from actors.mailboxes.mailbox import EMPTY
from actors.scheduling.protection import protect
from actors.scheduling.waits import Call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.ref import LocalRef


class PassedOver:
    """Entries by the types of their messages, numbered in the order of their arrival."""

    __slots__ = ("count", "number", "queues")

    def __init__(self) -> None:
        self.queues: dict[type, deque[tuple[int, Any]]] = {}
        self.count = 0
        self.number = 0

    def add(self, entry: Any) -> None:
        """`entry` is the newest."""
        self.number += 1
        self.count += 1
        self.queues.setdefault(type_of(entry), deque()).append((self.number, entry))

    def pop(self, types: Iterable[type]) -> Any:
        """The oldest entry of one of `types`, `EMPTY` if there is none."""
        queues = self.queues
        oldest = min(
            (kind for kind in types if kind in queues),
            key=lambda kind: queues[kind][0][0],
            default=None,
        )
        if oldest is None:
            return EMPTY
        queue = queues[oldest]
        _, entry = queue.popleft()
        self.count -= 1
        if not queue:
            del queues[oldest]
        return entry

    def take_all(self) -> list[Any]:
        """All entries, the oldest first; nothing is left."""
        numbered = sorted(
            (pair for queue in self.queues.values() for pair in queue), key=lambda pair: pair[0]
        )
        self.queues.clear()
        self.count = 0
        return [entry for _, entry in numbered]


def type_of(entry: Any) -> type:
    """The type of the message in a mailbox's entry."""
    return type(entry.request) if isinstance(entry, Call) else type(entry)


def pass_over(ref: LocalRef, entry: Any) -> None:
    """Put `entry` aside, or refuse it if too many are."""
    aside = None if ref.ties is None else ref.ties.aside
    if aside is None:
        aside = PassedOver()
        set_aside(ref, aside)
    assert isinstance(aside, PassedOver)
    if admit(ref, entry, aside.count):
        aside.add(entry)


def passed_over(ref: LocalRef, types: tuple[type, ...]) -> Any:
    """The oldest message put aside that is of one of `types` (none: of any), or `EMPTY`."""
    aside = None if ref.ties is None else ref.ties.aside
    if aside is None:
        return EMPTY
    assert isinstance(aside, PassedOver)
    return release(ref, aside.pop(types or tuple(aside.queues)))


protect(PassedOver, type_of, pass_over, passed_over)
