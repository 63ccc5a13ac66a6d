"""The private names of trio that the runtime touches, and why each is needed.

They are used here only, but for the three of `is_clean`, which three hot functions spell out
(`Scheduler._handle`, `direct.step_into`, `LocalRef.call`): called, it would take a fifth of the
time of a message.

==============================================  =================================================
private name                                    needed for
==============================================  =================================================
``Task._cancel_status``                         whether a handler left a cancel scope open
``Task._counter``                               an order of tasks that does not depend on memory
``Task._child_nurseries``                       whether it left a nursery open
``Task._activate_cancel_status``                moving what it left open to a task that closes it
``CancelStatus._scope``, ``.parent``            closing what it left open, innermost first
``Nursery._parent_task``,                       the same for nurseries
``Nursery._nested_child_finished``
``CancelScope._cancel_status``                  finding a nursery among the open scopes
``GLOBAL_PARKING_LOT_BREAKER``                  which tasks own trio locks
``_run._ALLOW_DETERMINISTIC_SCHEDULING``,       seeding the order of trio's own tasks
``_run._r``
==============================================  =================================================

`check` verifies their shapes and raises `TrioChanged` with a sentence that names what is missing;
``tests/actors/test_trio_internals.py`` runs it and shows the behaviour behind each name.
Written against trio 0.31 to 0.35.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio
from trio._core import _run
from trio._core._parking_lot import GLOBAL_PARKING_LOT_BREAKER as _LOT_OWNERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio._core._run import CancelStatus, Nursery, Task


class TrioChanged(RuntimeError):
    """The installed trio lacks something that the runtime's safety rules need."""


def check() -> None:
    """Verify that trio has everything that this file uses.

    Raises:
        TrioChanged: names what is missing.
    """
    needed: list[tuple[Any, str]] = [
        (_run.Task, "_activate_cancel_status"),
        (_run.Task, "_cancel_status"),
        (_run.Task, "_child_nurseries"),
        (_run.Task, "_counter"),
        (_run.CancelStatus, "_scope"),
        (_run.CancelStatus, "parent"),
        (_run.CancelScope, "_cancel_status"),
        (_run.CancelScope, "_close"),
        (_run.Nursery, "_nested_child_finished"),
        (_run, "_ALLOW_DETERMINISTIC_SCHEDULING"),
        (_run, "_r"),
    ]
    for owner, name in needed:
        if not hasattr(owner, name):
            message = (
                f"trio {trio.__version__} has no {owner.__name__}.{name}; "
                "install a trio that this release supports (see pyproject.toml)"
            )
            raise TrioChanged(message)
    if not isinstance(_LOT_OWNERS, dict):
        raise TrioChanged(f"trio {trio.__version__} no longer records lock owners in a dict")


def cancel_status(task: Task) -> CancelStatus:
    """The innermost cancel status of `task`; compare it by identity."""
    return task._cancel_status


def is_clean(task: Task, base: CancelStatus) -> bool:
    """Whether `task` has no scope beyond `base`, no nursery and no trio lock."""
    return (
        task._cancel_status is base
        and not task._child_nurseries
        and (not _LOT_OWNERS or task not in _LOT_OWNERS)
    )


class Leftovers:
    """Scopes, nurseries and locks that a handler left open in a task, detached from it."""

    def __init__(self, task: Task, base: CancelStatus) -> None:
        self.scopes = _scopes_above(task, base)
        self.nurseries: list[Nursery] = list(task._child_nurseries)
        self.locks = len(_LOT_OWNERS.get(task, ()))
        self._innermost = task._cancel_status

    def describe(self) -> str:
        """What was left open, in words."""
        nurseries = len(self.nurseries)
        counts = [
            (max(0, len(self.scopes) - nurseries), "cancel scope", "cancel scopes"),
            (nurseries, "nursery", "nurseries"),
            (self.locks, "trio lock", "trio locks"),
        ]
        parts = [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]
        return " and ".join(parts) or "a cancel scope closed that it had not opened"

    def detach(self, task: Task, base: CancelStatus) -> None:
        """Take everything out of `task`, clean afterwards. Locks are broken, as by its end."""
        for lot in _LOT_OWNERS.pop(task, ()):
            lot.break_lot(task)
        task._child_nurseries.clear()
        if not self.nurseries:
            while self.scopes and cancel_status(task) is not base:
                self.scopes.pop(0).__exit__(None, None, None)
        if cancel_status(task) is not base:
            task._activate_cancel_status(base)

    async def close(self) -> None:
        """Close the detached scopes and nurseries, innermost first, in the calling task."""
        if not self.scopes:
            return
        task = trio.lowlevel.current_task()
        own = task._cancel_status
        outermost = self.scopes[-1]._cancel_status
        if outermost is None:
            return
        outermost.parent = own
        task._activate_cancel_status(self._innermost)
        task._child_nurseries.extend(self.nurseries)
        for nursery in self.nurseries:
            nursery._parent_task = task
        await close_in_place(self.scopes, self.nurseries)
        if task._cancel_status is not own:
            task._activate_cancel_status(own)


def _scopes_above(task: Task, base: CancelStatus) -> list[trio.CancelScope]:
    scopes = []
    status: CancelStatus | None = task._cancel_status
    while status is not None and status is not base:
        scopes.append(status._scope)
        status = status.parent
    return scopes if status is base else []


async def close_in_place(scopes: list[trio.CancelScope], nurseries: list[Nursery]) -> None:
    """Close `scopes` (innermost first) of the current task, nurseries with their children."""
    owned = {id(nursery.cancel_scope): nursery for nursery in nurseries}
    for scope in scopes:
        nursery = owned.get(id(scope))
        if nursery is not None:
            scope.cancel()
            await nursery._nested_child_finished(None)
        scope._close(None)


def unshield(task: Task, boundary: trio.CancelScope) -> None:
    """Remove the shields that code of `task`, or of its children, has opened inside `boundary`."""
    todo = [task]
    while todo:
        task = todo.pop()
        status: CancelStatus | None = task._cancel_status
        while status is not None and status._scope is not boundary:
            if status._scope.shield:
                status._scope.shield = False
            status = status.parent
        for nursery in task.child_nurseries:
            todo.extend(sorted(nursery.child_tasks, key=_age))


def _age(task: Task) -> int:
    return task._counter


def seed(number: int) -> Callable[[], None]:
    """Make the order of trio's own tasks a function of `number`; returns what undoes it.

    The setting is the process's: for simulation, where one run at a time exists.
    """
    before = (_run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate())
    module: Any = _run
    module._ALLOW_DETERMINISTIC_SCHEDULING = True
    _run._r.seed(number)

    def undo() -> None:
        module._ALLOW_DETERMINISTIC_SCHEDULING = before[0]
        _run._r.setstate(before[1])

    return undo


LOCK_OWNERS: Final = _LOT_OWNERS
"""Tasks that own trio locks, for the scheduler's inlined check."""
