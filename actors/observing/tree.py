"""The actors of a system as a tree of values, bounded however many there are.

An actor stands below its parent, the one that has spawned it with a link; one without a living
parent stands below the system. One look at the table of all actors finds everybody's children, so
the tree is of one moment; of a million actors that takes some tenths of a second.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.reasons import bounded
from actors.ref import STATUS_NAMES
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.ref import LocalRef, Ref
    from actors.scheduling.scheduler import Scheduler

MAX_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Node:
    """One actor, or the system itself, whose `ref` is None.

    `children` are those shown, in the order in which they were spawned; `more` counts the children
    that are not. `actor` is the name of the class.
    """

    ref: Ref | None
    actor: str
    name: object
    status: str
    queue_length: int
    children: tuple[Node, ...]
    more: int

    def __str__(self) -> str:
        """Lines for people, one for each actor."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        # A loop and not recursion: chains of children may be longer than Python's stack.
        todo: list[tuple[str, str, Node | int]] = [("", "", self)]
        while todo:
            lead, indent, node = todo.pop()
            if isinstance(node, int):
                yield f"{lead}({node:,} more)"
                continue
            yield f"{lead}{node._label()}"
            below: list[Node | int] = [*node.children, *([node.more] if node.more else [])]
            for child in reversed(below):
                last = child is below[-1]
                branch, deeper = ("└── ", "    ") if last else ("├── ", "│   ")
                todo.append((indent + branch, indent + deeper, child))

    def _label(self) -> str:
        name = "" if self.name is None else f" {bounded(repr(self.name), MAX_NAME)}"
        queue = f", {self.queue_length:,} waiting" if self.queue_length else ""
        return f"{self.actor}{name} ({self.status}{queue})"


class _Children:
    __slots__ = ("count", "shown")

    def __init__(self) -> None:
        self.count = 0
        self.shown: list[LocalRef] = []


def build_tree(scheduler: Scheduler, max_nodes: int) -> Node:
    """The tree of a system, breadth first; see `System.tree`."""
    if max_nodes < 1:
        raise ValueError(f"a tree of {max_nodes!r} nodes: give a number of at least 1")
    children = _children(scheduler, max_nodes)
    chosen: dict[LocalRef | None, list[LocalRef]] = {}
    order: list[LocalRef | None] = []
    todo: deque[LocalRef | None] = deque([None])
    room = max_nodes
    while todo:
        ref = todo.popleft()
        order.append(ref)
        entry = children.get(ref)
        if entry is not None and room:
            chosen[ref] = entry.shown[:room]
            room -= len(chosen[ref])
            todo.extend(chosen[ref])
    built: dict[LocalRef | None, Node] = {}
    for ref in reversed(order):
        below = tuple(built[child] for child in chosen.get(ref, ()))
        more = (children[ref].count if ref in children else 0) - len(below)
        built[ref] = _node(scheduler, ref, below, more)
    return built[None]


def _children(scheduler: Scheduler, most: int) -> dict[LocalRef | None, _Children]:
    found: dict[LocalRef | None, _Children] = {}
    for ref in scheduler.table:
        parent = ref.parent
        if parent is not None and (parent.actor is None or parent.scheduler is not scheduler):
            parent = None
        entry = found.get(parent)
        if entry is None:
            entry = found[parent] = _Children()
        entry.count += 1
        if entry.count <= most:
            entry.shown.append(ref)
    return found


def _node(scheduler: Scheduler, ref: LocalRef | None, below: tuple[Node, ...], more: int) -> Node:
    if ref is None:
        count = len(scheduler.table)
        return Node(None, "system", scheduler.name, f"{count:,} actors", 0, below, more)
    return Node(
        ref,
        ref.behaviour.name,
        ref.name,
        STATUS_NAMES[ref.status],
        ref.queue_length,
        below,
        more,
    )


protect(build_tree, _children, _node)
