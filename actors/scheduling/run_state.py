"""What all systems of one trio run share: whose code runs at this moment.

Systems of one run step actors in the same thread and strictly nested, so one field says which actor
is current. It is never a module global: several runs may live in several threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.ref import LocalRef


class RunState:
    """Shared state of the systems in one trio run."""

    __slots__ = ("bound", "current")

    def __init__(self) -> None:
        self.current: LocalRef | None = None
        self.bound: dict[trio.lowlevel.Task, LocalRef] = {}

    def owner_of_current_task(self) -> LocalRef | None:
        """The actor in whose handler's nursery the current task was started, if any."""
        if not self.bound:
            return None
        task: trio.lowlevel.Task | None = trio.lowlevel.current_task()
        while task is not None:
            owner = self.bound.get(task)
            if owner is not None:
                return owner
            nursery = task.parent_nursery
            task = None if nursery is None else nursery.parent_task
        return None


_run_state: trio.lowlevel.RunVar[RunState] = trio.lowlevel.RunVar("actors.scheduling.run_state")


def run_state() -> RunState:
    """The state of the current trio run. Raises RuntimeError outside of trio."""
    try:
        return _run_state.get()
    except LookupError:
        state = RunState()
        _run_state.set(state)
        return state


protect(RunState, run_state)
