"""What one may ask a supervisor, and how it says no.

| request                 | replies              | refused with                                 |
|-------------------------|----------------------|----------------------------------------------|
| `StartChild(spec)`      | the child's `Ref`    | `StartFailed`, `AlreadyStarted`,             |
|                         |                      | `ChildAlreadyPresent`, `TooManyChildren`,    |
|                         |                      | `InvalidChildSpec`                           |
| `TerminateChild(child)` | None                 | `ChildNotFound`                              |
| `RestartChild(id)`      | the child's `Ref`    | `ChildNotFound`, `ChildRunning`,             |
|                         |                      | `ChildRestarting`, `StartFailed`             |
| `DeleteChild(id)`       | None                 | as `RestartChild`, but `StartFailed`         |
| `GetChildSpec(child)`   | the `ChildSpec`      | `ChildNotFound`                              |
| `WhichChildren()`       | tuple of `ChildInfo` |                                              |
| `CountChildren()`       | `ChildCounts`        |                                              |

A refusal is a `CallError` raised at the caller; the supervisor and its children feel nothing.
The words and their conditions are those of OTP's `supervisor`: `RestartChild` starts a child that
has ended or was terminated, `DeleteChild` forgets the spec of such a child, `TerminateChild` stops
a child in order and keeps the spec of one that is not temporary. `StartFailed` and
`AlreadyStarted` are those of `actors`; a child whose ``init`` raised `Ignore` fails to start with
the reason `Ignored`, and a static supervisor keeps its spec, as one that has ended.

A `DynamicSupervisor` names children by their `Ref`, has no ids and so neither `RestartChild` nor
`DeleteChild` (`UnsupportedRequest`).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

from actors import Actor, CallError, Ref, Reject, Request
from supervision.child_spec import ChildSpec, ChildType, shown

ActorClass = type[Actor]


class SupervisorError(CallError):
    """A supervisor refused a request."""


class ChildNotFound(SupervisorError):
    """The supervisor has no such child."""


class ChildRunning(SupervisorError):
    """The child is running: terminate it first."""


class ChildRestarting(SupervisorError):
    """The child is about to be restarted: terminate it first."""


class ChildAlreadyPresent(SupervisorError):
    """A child with this id has ended and its spec is kept: use RestartChild or DeleteChild."""


class InvalidChildSpec(SupervisorError):
    """The spec is none, or does not fit this supervisor; the sentence shows what to write."""


class TooManyChildren(SupervisorError):
    """The supervisor has `max_children` already."""


class UnsupportedRequest(SupervisorError):
    """A dynamic supervisor has no ids: give the child's ref to TerminateChild or GetChildSpec."""


@dataclass(frozen=True, slots=True)
class StartChild(Request[Ref]):
    """Start a child; it runs, with `init` done, when the reply comes.

    A dynamic supervisor appends `args` to those of the spec and registers `name` in place of the
    spec's, so that one spec serves any number of children. (Idea: simple_one_for_one.)
    """

    spec: ChildSpec
    args: tuple[Any, ...] = ()
    name: Hashable | None = None


@dataclass(frozen=True, slots=True)
class TerminateChild(Request[None]):
    """Stop a child in order: its id, or for a dynamic supervisor its ref."""

    child: Hashable


@dataclass(frozen=True, slots=True)
class RestartChild(Request[Ref]):
    """Start a child again that has ended or was terminated."""

    id: Hashable


@dataclass(frozen=True, slots=True)
class DeleteChild(Request[None]):
    """Forget a child that has ended or was terminated."""

    id: Hashable


@dataclass(frozen=True, slots=True)
class GetChildSpec(Request[ChildSpec]):
    """The spec of a child: by its id, or for a dynamic supervisor by its ref."""

    child: Hashable


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """One child. `ref` is None unless it is running, `id` None under a dynamic supervisor."""

    id: Hashable | None
    ref: Ref | None
    state: Literal["running", "restarting", "ended"]
    type: ChildType
    actor: ActorClass


@dataclass(frozen=True, slots=True)
class WhichChildren(Request[tuple[ChildInfo, ...]]):
    """All children, in start order."""


@dataclass(frozen=True, slots=True)
class ChildCounts:
    """Numbers of children: with a spec, running, and of these specs by type."""

    specs: int
    active: int
    supervisors: int
    workers: int


@dataclass(frozen=True, slots=True)
class CountChildren(Request[ChildCounts]):
    """How many children there are."""


def named_child(child: Hashable) -> Any:
    """The id or ref in a request. Raises `Reject` of `ChildNotFound` if it cannot be one."""
    try:
        hash(child)
    except Exception:
        raise Reject(
            ChildNotFound(f"{shown(child)} cannot name a child, since it is not hashable.")
        ) from None
    return child


def check_additions(request: StartChild) -> None:
    """Raise `Reject` of `InvalidChildSpec` if `args` or `name` cannot be added to a spec."""
    if type(request.args) is not tuple:
        raise Reject(
            InvalidChildSpec(
                f"args={shown(request.args)} of StartChild is not a tuple of arguments. "
                "Write StartChild(spec, args=(5,))."
            )
        )
    try:
        hash(request.name)
    except Exception:
        raise Reject(
            InvalidChildSpec(
                f"name={shown(request.name)} of StartChild is not hashable. "
                'Write StartChild(spec, name=("user", "alice")).'
            )
        ) from None
