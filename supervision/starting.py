"""Starting a child, and what a failed start is called."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final

from actors import Actor, CallError, ExitReason, Shutdown, StartFailed
from actors.lifecycle.start_and_end import start
from actors.lifecycle.starting import begin_start
from actors.reasons import Ignored, crashed
from actors.ref import LocalRef
from supervision.child_spec import ChildSpec

IGNORED: Final = Ignored()


@dataclass(frozen=True, slots=True)
class FailedToStartChild:
    """Detail of the `Shutdown` with which a supervisor fails to start: which child, and why."""

    id: object
    reason: ExitReason

    def __str__(self) -> str:
        """One line for people."""
        return f"failed to start child {self.id!r}: {self.reason}"


def failed_to_start_child(spec: ChildSpec, reason: ExitReason) -> Shutdown:
    """The exit reason of a supervisor whose child `spec` did not start for `reason`."""
    return Shutdown(FailedToStartChild(spec.id, reason))


def reason_of_failure(error: CallError) -> ExitReason:
    """Why a start failed: the reason of `StartFailed`, or a description of a taken name."""
    return error.reason if isinstance(error, StartFailed) else crashed(error)


def start_again(
    supervisor: Actor,
    spec: ChildSpec,
    args: tuple[Any, ...] = (),
    name: object = None,
    extra: tuple[Any, ...] = (),
) -> tuple[LocalRef, bool]:
    """Start a linked child without waiting for a slow ``init``; see `actors.lifecycle.starting`.

    Returns the child and whether it has started; if not, the supervisor gets a `Started`. If
    the scheduler's ``binding`` is set afterwards, the supervisor has to give way before it does
    anything else. Raises as `start_child`.
    """
    return begin_start(
        supervisor.ref,
        spec.actor,
        (*extra, *spec.args, *args),
        {} if spec.kwargs is None else dict(spec.kwargs),
        spec.name if name is None else name,
    )


def start_child(
    supervisor: Actor,
    spec: ChildSpec,
    args: tuple[Any, ...] = (),
    name: object = None,
    extra: tuple[Any, ...] = (),
) -> Awaitable[LocalRef]:
    """Start a linked child.

    `extra` come before the arguments of the spec, `args` after them, `name` replaces its name.

    Raises:
        StartFailed: its construction or ``init`` failed; the reason is `Ignored` if it did not
            want to start.
        AlreadyStarted: the name is taken.

    """
    parent = supervisor.ref
    return start(
        parent.scheduler,
        spec.actor,
        (*extra, *spec.args, *args),
        {} if spec.kwargs is None else dict(spec.kwargs),
        name=spec.name if name is None else name,
        parent=parent,
        link=True,
    )
