"""`TaskSupervisor`: tasks as children of a supervisor (Elixir's ``Task.Supervisor``).

    specs = [ChildSpec("tasks", DynamicSupervisor, name="tasks")]
    await system.spawn(Supervisor, specs)
    tasks = TaskSupervisor(system.whereis("tasks"))
    task = await tasks.start(fetch, url)                # linked with the supervisor alone
    page = await task.result()
    await tasks.start_child(send_mail, address)         # nobody waits for it

It is a handle on any `DynamicSupervisor`, whose limits apply (`max_children`, ...). Tasks that are
awaited are temporary children: whoever waits hears of a failure, and a second run could not tell
anybody its result. A task that nobody awaits may be transient or permanent.

What a task raises is its crash: reported, told to the supervisor, and to the starter as
`TaskFailed`. With ``link=`` it ends that actor as well, and is ended by its end. Exceptions named
as ``expected=`` are the starter's business alone: no report, and no link carries them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Final, Literal, TypeVar, TypeVarTuple, cast, overload

from actors import Actor, LocalRef, Ref, Task, TaskStream
from actors.behaviours.tasks import MAX_CONCURRENCY, Expected, TaskRun, check_expected
from actors.lifecycle.start_and_end import send_exit
from actors.ref import CALL_TIMEOUT_S
from supervision.child_spec import ChildSpec, ShutdownTime
from supervision.decision import Restart
from supervision.requests import StartChild

R = TypeVar("R")
Ts = TypeVarTuple("Ts")
Item = TypeVar("Item")

_AWAITED: Final = ChildSpec("task", TaskRun, restart="temporary")


class TaskSupervisor:
    """Starts tasks under a `DynamicSupervisor`. Immutable, and free to make."""

    __slots__ = ("ref",)

    def __init__(self, ref: Ref) -> None:
        self.ref: Final = ref

    @overload
    async def start(
        self,
        function: Callable[[*Ts], Coroutine[Any, Any, R]],
        *args: *Ts,
        link: Actor | None = None,
        expected: Expected = (),
    ) -> Task[R]: ...
    @overload
    async def start(
        self,
        function: Callable[[*Ts], R],
        *args: *Ts,
        link: Actor | None = None,
        expected: Expected = (),
    ) -> Task[R]: ...
    async def start(
        self,
        function: Callable[[*Ts], Any],
        *args: *Ts,
        link: Actor | None = None,
        expected: Expected = (),
    ) -> Task[Any]:
        """Run ``function(*args)`` as a temporary child; `link`: an actor to link it with.

        `expected`: exception classes that are no crash, as for `actors.start_task`.

        Raises:
            TooManyChildren: the supervisor has `max_children`.
            CallError: as any call of the supervisor.

        """
        owner = None if link is None else link.ref
        task: Task[Any] = Task(owner, check_expected(expected))
        ref = task.ref = await _start(self.ref, TaskRun, task, function, args)
        if link is not None and owner is not None:
            if ref.exit_reason is None:
                link.link(ref)
            else:
                send_exit(owner, ref.exit_reason, ref)
        return task

    async def start_child(
        self,
        function: Callable[..., Any],
        *args: Any,
        restart: Restart = "temporary",
        shutdown: ShutdownTime = 5.0,
    ) -> Ref:
        """Run ``function(*args)`` as a child that nobody awaits. Raises as `start`."""
        spec = ChildSpec("task", TaskRun, restart=restart, shutdown=shutdown)
        return await self.ref.call(StartChild(spec, args=(None, function, args)))

    @overload
    def stream(
        self,
        function: Callable[[Item], Coroutine[Any, Any, R]],
        items: Iterable[Item],
        *,
        max_concurrency: int = MAX_CONCURRENCY,
        ordered: bool = True,
        timeout: float | None = CALL_TIMEOUT_S,
        on_timeout: Literal["raise", "kill"] = "raise",
        expected: Expected = (),
    ) -> TaskStream[Item, R]: ...
    @overload
    def stream(
        self,
        function: Callable[[Item], R],
        items: Iterable[Item],
        *,
        max_concurrency: int = MAX_CONCURRENCY,
        ordered: bool = True,
        timeout: float | None = CALL_TIMEOUT_S,
        on_timeout: Literal["raise", "kill"] = "raise",
        expected: Expected = (),
    ) -> TaskStream[Item, R]: ...
    def stream(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        max_concurrency: int = MAX_CONCURRENCY,
        ordered: bool = True,
        timeout: float | None = CALL_TIMEOUT_S,
        on_timeout: Literal["raise", "kill"] = "raise",
        expected: Expected = (),
    ) -> TaskStream[Any, Any]:
        """Run `function` for each item in a child of its own; see `actors.stream_tasks`."""
        return TaskStream(
            partial(_start, self.ref),
            function,
            items,
            max_concurrency=max_concurrency,
            ordered=ordered,
            timeout=timeout,
            on_timeout=on_timeout,
            expected=expected,
        )


async def _start(supervisor: Ref, actor: type[Actor], *args: Any) -> LocalRef:
    spec = _AWAITED if actor is TaskRun else ChildSpec("task", actor, restart="temporary")
    return cast("LocalRef", await supervisor.call(StartChild(spec, args=args)))
