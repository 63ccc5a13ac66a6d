"""Tasks: actors that run one function, and whose outcome the starter awaits (Elixir's ``Task``).

    task = await start_task(self, fetch, url)             # an actor of its own, linked to this one
    ...                                                   # both go on
    page = await task.result(timeout=5.0)                 # its value, or TaskFailed(reason)

    async with stream_tasks(self, fetch, urls, max_concurrency=8) as outcomes:
        async for item, page, reason in outcomes: ...     # reason is None where all went well

Contract:

* The function is ``def`` or ``async def`` and may use everything that a handler may. What it
  returns is the result; what it raises is the crash of its actor, with a crash report.
* Exceptions of the classes given as ``expected=`` are no crash but a result of another kind, which
  is the business of whoever awaits it: nothing is reported, the actor ends with `Normal` and no
  link carries anything, and `Task.result` raises `TaskFailed` as for a crash.
* ``start_task(actor, ...)`` links: a crash of the task ends the starter and its end ends the task,
  unless ``link=False``. ``start_task(system, ...)`` links with nobody. Tasks under a supervisor are
  made by ``supervision.TaskSupervisor``.
* `Task.result` waits until the task's actor has *ended*, so nothing of it is left when it returns.
  It may be awaited by anybody, any number of times, in handlers and in trio tasks. A handler that
  waits for a task which calls that handler's actor is a deadlock, and raised as `CallCycle`.
  A timeout leaves the task alone; `Task.shutdown` ends it.
* A stream runs at most `max_concurrency` tasks, takes the next item only when one has ended, and
  keeps at most as many outcomes that wait for their turn (`ordered`). Each task has `timeout`
  seconds; then it is killed, and the stream raises `CallTimeout` (``on_timeout="raise"``) or goes
  on with the reason `TimedOut` for that item (``"kill"``). Leaving the block kills what still runs.

A stream belongs to one consumer. Items are pulled from any iterable, in the consumer's turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from types import CoroutineType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    Self,
    TypeVar,
    TypeVarTuple,
    overload,
)

from actors.actor import Actor
from actors.behaviours.task_actor import TaskActor
from actors.errors import CallError, CallTimeout, Stop, WaitTimeout
from actors.lifecycle.links import Watch, remove_link
from actors.lifecycle.start_and_end import send_exit, send_kill
from actors.lifecycle.stopping import check_no_cycle, wait_for_end
from actors.lifecycle.ties import tie, untie
from actors.observing.summaries import summary
from actors.reasons import Crashed, ExitReason, Normal, Shutdown, crashed
from actors.ref import CALL_TIMEOUT_S
from actors.scheduling.clocks import deadline_after
from actors.scheduling.protection import expose, protect
from actors.scheduling.waits import Wait, wait_for

if TYPE_CHECKING:
    from actors.ref import LocalRef
    from actors.system import System

R = TypeVar("R")
Ts = TypeVarTuple("Ts")
Item = TypeVar("Item")

MAX_CONCURRENCY: Final = 8
"""Tasks of a stream that run at once, if nothing else is said."""

Expected = type[Exception] | tuple[type[Exception], ...]
"""Classes of exceptions, as an ``except`` takes them."""
Starter = Callable[..., Awaitable["LocalRef"]]
"""Starts an actor: class and arguments as for ``spawn``."""


class TaskFailed(CallError):
    """The task ended without a result. `reason` says why."""

    def __init__(self, task: object, reason: ExitReason) -> None:
        super().__init__(f"{task!r} ended without a result: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TimedOut(ExitReason):
    """A task of a stream did not end in its time and was killed."""


class Task(Generic[R]):
    """One task that has been started. Compare by identity."""

    __slots__ = ("_expected", "_failure", "_owner", "_value", "ref")

    ref: LocalRef
    """The task's actor."""

    def __init__(self, owner: LocalRef | None = None, expected: Expected = ()) -> None:
        self._owner = owner
        self._expected = expected
        self._failure: Crashed | None = None
        self._value: Any = None

    def __repr__(self) -> str:
        return f"<task {self.ref!r}>"

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return not self.ref.is_alive()

    async def result(self, timeout: float | None = CALL_TIMEOUT_S) -> R:  # noqa: ASYNC109
        """What the function returned; waits for the task's end.

        Raises:
            TaskFailed: the task crashed, failed as expected, was ended or killed.
            CallTimeout: it has not ended within `timeout` seconds (None: wait for ever).
            CallCycle: the task waits for the caller.
        """
        if not self.is_done:
            check_no_cycle(self.ref)
        reason = await wait_for_end(self.ref, timeout)
        if reason is None:
            raise CallTimeout(f"{self!r} has not ended within {timeout} s")
        return self._outcome(reason)

    def _outcome(self, reason: ExitReason) -> R:
        failure = self._failed_with(reason)
        if failure is None:
            return self._value  # type: ignore[no-any-return]
        raise TaskFailed(self, failure)

    def _failed_with(self, reason: ExitReason) -> ExitReason | None:
        """Why there is no result; None if there is one. `reason`: what the actor ended with."""
        return self._failure if isinstance(reason, Normal) else reason

    def _unlink(self) -> None:
        if self._owner is not None:
            remove_link(self.ref, self._owner)
            remove_link(self._owner, self.ref)

    async def shutdown(self, timeout: float | None = CALL_TIMEOUT_S) -> ExitReason:  # noqa: ASYNC109
        """End the task in order: unlink it, send `Shutdown`, kill it after `timeout` seconds.

        Returns the reason of its end: `Normal` if it was quicker, and then `result` tells more.
        """
        ref = self.ref
        if not self.is_done:
            check_no_cycle(ref)
            if timeout is not None:
                deadline_after(ref.scheduler.now(), timeout)  # a wrong one ends nobody
            self._unlink()
            send_exit(ref, Shutdown(), None)
        reason = await wait_for_end(ref, timeout)
        if reason is None:
            send_kill(ref)
            reason = await wait_for_end(ref, None)
        assert reason is not None
        return reason


class TaskRun(TaskActor):
    """The actor of a task: runs `function` with `args` and ends."""

    __slots__ = ("_args", "_function", "_task")

    def __init__(
        self, task: Task[Any] | None, function: Callable[..., Any], args: tuple[Any, ...] = ()
    ) -> None:
        self._task = task
        self._function = function
        self._args = args

    async def run(self) -> None:
        """Run the function."""
        task = Task() if self._task is None else self._task
        try:
            value = self._function(*self._args)
            if isinstance(value, CoroutineType):
                value = await value
        except Stop:
            raise
        except task._expected as error:
            task._failure = crashed(error)
        else:
            task._value = value


@overload
async def start_task(
    starter: Actor | System,
    function: Callable[[*Ts], Coroutine[Any, Any, R]],
    *args: *Ts,
    link: bool = True,
    expected: Expected = (),
) -> Task[R]: ...
@overload
async def start_task(
    starter: Actor | System,
    function: Callable[[*Ts], R],
    *args: *Ts,
    link: bool = True,
    expected: Expected = (),
) -> Task[R]: ...
async def start_task(
    starter: Actor | System,
    function: Callable[[*Ts], Any],
    *args: *Ts,
    link: bool = True,
    expected: Expected = (),
) -> Task[Any]:
    """Run ``function(*args)`` in an actor of its own, linked to `starter` if that is an actor.

    `expected`: an exception class, or several, that are no crash when the function raises them.

    Raises:
        SystemStopped: the system has stopped.
        TypeError: `function` cannot be called, `starter` starts no actors, or `expected` names
            something else than classes of exceptions.
    """
    _check(starter, function)
    linked = starter.ref if isinstance(starter, Actor) and link else None
    task: Task[Any] = Task(linked, check_expected(expected))
    task.ref = await starter_of(starter, link=link)(TaskRun, task, function, args)
    return task


def _check(starter: object, function: object) -> None:
    if not callable(function):
        raise TypeError(
            f"a task runs a function and its arguments, not {summary(function)}; "
            "write start_task(starter, function, *args)"
        )
    if not isinstance(starter, Actor) and not hasattr(starter, "spawn"):
        raise TypeError(f"a task is started by an actor or a system, not by {summary(starter)}")


def check_expected(expected: Any) -> Expected:
    """`expected` as it was given. Raises TypeError if it is no class of exceptions, nor several."""
    for kind in expected if isinstance(expected, tuple) else (expected,):
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise TypeError(
                f"expected= takes exception classes, not {summary(kind)}; write expected=OSError "
                "or expected=(OSError, ValueError)"
            )
    return expected  # type: ignore[no-any-return]


def starter_of(starter: Actor | System, *, link: bool) -> Starter:
    """How `starter` starts an actor."""
    if not isinstance(starter, Actor):
        return starter.spawn

    async def spawn(cls: type[Actor], *args: Any) -> LocalRef:
        return await starter.spawn(cls, *args, link=link)

    return spawn


class TaskOutcome(NamedTuple, Generic[Item, R]):
    """What became of one item: `value`, or None and the `reason` of the failure."""

    item: Item
    value: R | None
    reason: ExitReason | None


class _Job(Watch):
    """A task of a stream: told of its end."""

    __slots__ = ("deadline", "item", "reason", "stream", "task", "timed_out")

    def __init__(self, stream: TaskStream[Any, Any], item: Any, deadline: float | None) -> None:
        self.stream = stream
        self.item = item
        self.deadline = deadline
        self.reason: ExitReason | None = None
        self.timed_out = False
        self.task: Task[Any] = Task(stream._owner, stream._expected)

    def ended(self, reason: ExitReason, /) -> None:
        """The task has ended."""
        self.reason = reason
        self.stream._note_end(self)

    def outcome(self) -> TaskOutcome[Any, Any]:
        assert self.reason is not None
        reason = TimedOut() if self.timed_out else self.task._failed_with(self.reason)
        return TaskOutcome(self.item, self.task._value if reason is None else None, reason)


class TaskStream(Generic[Item, R]):
    """The outcomes of one function over many items; see the top of this file."""

    def __init__(
        self,
        start: Starter,
        function: Callable[[Item], Any],
        items: Iterable[Item],
        *,
        max_concurrency: int = MAX_CONCURRENCY,
        ordered: bool = True,
        timeout: float | None = CALL_TIMEOUT_S,
        on_timeout: Literal["raise", "kill"] = "raise",
        owner: LocalRef | None = None,
        expected: Expected = (),
    ) -> None:
        if type(max_concurrency) is not int or max_concurrency < 1:
            raise ValueError(f"max_concurrency={max_concurrency!r} is not an int of at least 1")
        if on_timeout not in ("raise", "kill"):
            raise ValueError(f"on_timeout is 'raise' or 'kill', not {on_timeout!r}")
        if timeout is not None:
            deadline_after(0.0, timeout)
        self._start = start
        self._owner = owner
        self._expected = check_expected(expected)
        self._function = function
        self._items: Iterator[Item] | None = iter(items)
        self._max: Final = max_concurrency
        self._ordered: Final = ordered
        self._timeout: Final = timeout
        self._raises: Final = on_timeout == "raise"
        self._running: dict[_Job, None] = {}
        self._kept: deque[_Job] = deque()
        self._wait: Wait | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill what still runs, and wait for that."""
        self._items = None
        running = list(self._running)
        for job in running:
            untie(job.ref, "watchers", job)
            job.task._unlink()
            send_kill(job.ref)
        self._running.clear()
        for job in running:
            await wait_for_end(job.ref, None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TaskOutcome[Item, R]:
        while True:
            await self._fill()
            kept = self._kept
            if kept and kept[0].reason is not None:
                return kept.popleft().outcome()
            if not self._running:
                raise StopAsyncIteration
            await self._await_an_end()

    async def _fill(self) -> None:
        """Start tasks while there is room for them and for their outcomes."""
        while (
            self._items is not None
            and len(self._running) < self._max
            and len(self._kept) < 2 * self._max
        ):
            for item in self._next_item():
                await self._start_one(item)

    def _next_item(self) -> tuple[Item, ...]:
        """The next item, if there is one; iterating is the user's code."""
        assert self._items is not None
        for item in self._items:
            return (item,)
        self._items = None
        return ()

    async def _start_one(self, item: Item) -> None:
        job = _Job(self, item, None)
        task = job.task
        ref = task.ref = await self._start(TaskRun, task, self._function, (item,))
        job.ref = ref
        if self._ordered:
            self._kept.append(job)
        if ref.exit_reason is not None:
            self._running[job] = None
            job.ended(ref.exit_reason)
            return
        if self._timeout is not None:
            job.deadline = ref.scheduler.now() + self._timeout
        self._running[job] = None
        tie(ref, "watchers", job)

    def _note_end(self, job: _Job) -> None:
        self._running.pop(job, None)
        if not self._ordered:
            self._kept.append(job)
        if self._wait is not None:
            self._wait.resolve(None)

    async def _await_an_end(self) -> None:
        # All have the same patience, so the oldest is the first whose time is over.
        oldest = next(iter(self._running))
        scheduler = oldest.ref.scheduler
        current = scheduler.run.current
        wait = self._wait = Wait(current)
        if oldest.deadline is not None:
            scheduler.wheel.add(wait, oldest.deadline)
        try:
            await wait_for(wait, current)
        except WaitTimeout:
            if oldest.reason is None:
                await self._give_up(oldest)
        finally:
            self._wait = None

    async def _give_up(self, job: _Job) -> None:
        job.timed_out = True
        job.task._unlink()
        send_kill(job.ref)
        self._wait = None
        await wait_for_end(job.ref, None)
        if self._raises:
            raise CallTimeout(f"the task for {job.item!r} has not ended within {self._timeout} s")


@overload
def stream_tasks(
    starter: Actor | System,
    function: Callable[[Item], Coroutine[Any, Any, R]],
    items: Iterable[Item],
    *,
    link: bool = True,
    max_concurrency: int = MAX_CONCURRENCY,
    ordered: bool = True,
    timeout: float | None = CALL_TIMEOUT_S,
    on_timeout: Literal["raise", "kill"] = "raise",
    expected: Expected = (),
) -> TaskStream[Item, R]: ...
@overload
def stream_tasks(
    starter: Actor | System,
    function: Callable[[Item], R],
    items: Iterable[Item],
    *,
    link: bool = True,
    max_concurrency: int = MAX_CONCURRENCY,
    ordered: bool = True,
    timeout: float | None = CALL_TIMEOUT_S,
    on_timeout: Literal["raise", "kill"] = "raise",
    expected: Expected = (),
) -> TaskStream[Item, R]: ...
def stream_tasks(
    starter: Actor | System,
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    link: bool = True,
    max_concurrency: int = MAX_CONCURRENCY,
    ordered: bool = True,
    timeout: float | None = CALL_TIMEOUT_S,
    on_timeout: Literal["raise", "kill"] = "raise",
    expected: Expected = (),
) -> TaskStream[Any, Any]:
    """Run `function` for each item in a task of its own; use it with ``async with``.

    Args:
        starter: the actor, or the system, that starts the tasks.
        function: called with one item.
        items: pulled one by one.
        link: with an actor: whether a crash of a task ends it, too.
        max_concurrency: tasks that run at once, at least 1.
        ordered: outcomes in the order of the items, or as they come.
        timeout: seconds for each task, None for any time.
        on_timeout: what comes of a task that is late.
        expected: exception classes that are no crash, but the reason of an outcome.
    """
    return TaskStream(
        starter_of(starter, link=link),
        function,
        items,
        max_concurrency=max_concurrency,
        ordered=ordered,
        timeout=timeout,
        on_timeout=on_timeout,
        expected=expected,
        owner=starter.ref if isinstance(starter, Actor) and link else None,
    )


protect(Task, TaskStream, _Job, start_task, check_expected, starter_of, stream_tasks)
expose(TaskStream._next_item)
