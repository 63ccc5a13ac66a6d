"""Starts that the starter does not wait for: their outcome is a message to it.

For an actor that must go on while a slow ``init`` runs, such as a supervisor that starts a child
again. The new actor is linked and has its name at once; `begin_start` says whether it has started
already (its ``init`` did not wait), raises if it has failed already, and otherwise the starter is
sent exactly one `Started`, before anything else that comes of the new actor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from actors.lifecycle.start_and_end import create
from actors.scheduling.control import control_of
from actors.scheduling.protection import protect
from actors.scheduling.waits import Wait

if TYPE_CHECKING:
    from actors.actor import Actor
    from actors.errors import CallError
    from actors.ref import LocalRef


@dataclass(frozen=True, slots=True)
class Started:
    """The start of `ref` has its outcome: `error` is None, or why it failed."""

    ref: LocalRef
    error: CallError | None


class Starting(Wait):
    """Stands where the starter's wait would: tells it by message."""

    __slots__ = ("child", "starter")

    def __init__(self, starter: LocalRef, child: LocalRef) -> None:
        super().__init__(None)
        self.starter = starter
        self.child = child

    def resolve(self, value: object = None, error: BaseException | None = None) -> bool:
        """Tell the starter."""
        if self.done:
            return False
        self.done = True
        self.value = value
        self.starter.put(Started(self.child, cast("CallError | None", error)))
        return True


def begin_start(
    starter: LocalRef,
    cls: type[Actor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    name: object,
) -> tuple[LocalRef, bool]:
    """Start a child of `starter`, the current actor; the child, and whether it has started.

    If ``starter.scheduler.binding`` is set afterwards, ``init`` needs the leader's task: the
    starter has to give way before it does anything else (`actors.scheduling.waits.give_way`).

    Raises:
        StartFailed: its construction, or an ``init`` that did not wait, failed.
        AlreadyStarted: the name is taken.
    """
    scheduler = starter.scheduler
    ref = create(scheduler, cls, args, kwargs, name=name, parent=starter, link=True)
    behaviour = ref.behaviour
    if behaviour.init is None:
        if behaviour.run is not None:
            control_of(ref).run = True
            scheduler.enqueue(ref)
        return ref, True
    if scheduler.can_step_directly():
        wait = scheduler.start_directly(ref)
        if wait is None:
            return ref, True
        if wait.done:
            raise wait.take_error()
        control_of(ref).starting = Starting(starter, ref)
    else:
        control_of(ref).starting = Starting(starter, ref)
        scheduler.enqueue(ref)
    return ref, False


protect(Starting, begin_start)
