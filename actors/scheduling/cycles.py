"""Deadlocks among calls.

A call from A to B can never be answered if B waits for C, and C for A: a handler that waits takes
no other message. Each actor records whom its handler waits for; a call that would have to wait
follows these records from its callee. At call time at most 32 are followed, which finds every
short cycle at once; a call that has waited a second follows the whole chain. Tasks in a nursery of
a handler count as waits of its actor, since the handler cannot end before them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.lifecycle.ties import tied
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.ref import LocalRef

MAX_FOLLOWED: Final = 32
"""Waits followed when a call is made."""


def find_cycle(caller: LocalRef, callee: LocalRef, limit: int | None) -> list[LocalRef] | None:
    """The cycle that a call from `caller` to `callee` would close, from caller to caller, or None.

    `limit`: how many waits to follow at most (None: all).
    """
    if callee is caller:
        return [caller, caller]
    if callee.waiting is None and callee.ties is None:
        return None
    came_from: dict[LocalRef, LocalRef] = {callee: caller}
    todo = [callee]
    followed = 0
    while todo:
        ref = todo.pop()
        for other in _waits_of(ref):
            if other is caller:
                return _path(came_from, ref, caller)
            if other not in came_from:
                followed += 1
                if limit is not None and followed > limit:
                    return None
                came_from[other] = ref
                todo.append(other)
    return None


def _waits_of(ref: LocalRef) -> list[LocalRef]:
    waits = [] if ref.waiting is None else [ref.waiting]
    waits.extend(call.callee for call in tied(ref, "child_waits"))
    return waits


def _path(came_from: dict[LocalRef, LocalRef], last: LocalRef, caller: LocalRef) -> list[LocalRef]:
    path = [caller]
    ref = last
    while ref is not caller:
        path.append(ref)
        ref = came_from[ref]
    path.append(caller)
    path.reverse()
    return path


protect(find_cycle, _waits_of, _path)
