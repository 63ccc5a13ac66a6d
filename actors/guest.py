"""`open_guest_system`: a system of actors inside a running asyncio program.

    async with open_guest_system("visitors") as bridge:      # in asyncio code
        counter = await bridge.spawn(Counter, 5)
        total = await bridge.call(counter, Add(3), timeout=1.0)

The system runs on trio, as a guest of the asyncio loop, in the loop's own thread. The bridge is how
asyncio code reaches it, and how handlers reach asyncio code.

Contract:

* `call`, `cast`, `spawn` and `run` are for asyncio code in the loop's thread, inside the block;
  `from_asyncio` is for handlers and other trio code. Other threads use `portal`.
* **Errors** come back as they are: the same classes of `CallError`, the same exception that a
  function raised.
* **Cancellation** goes both ways. Cancelling an asyncio task that waits in `call` gives the call up
  (a late reply is dropped); in `run` it cancels the trio function, and the task goes on when that
  has unwound. Killing an actor, or cancelling the trio task, that waits in `from_asyncio` cancels
  the asyncio code and waits for its end.
* **Context variables** are inherited, as by a new task, in both directions.
* **The end.** When the block is left - at its end, by an exception, by a cancellation, by a loop
  that shuts down, also while it is being entered - the system stops in order and everything that it
  has started has ended, in trio and in asyncio, before the block is left. If the system ends by
  itself (``system.stop_soon()``, KeyboardInterrupt or SystemExit in a handler, a failure of the
  runtime), the task that opened it is cancelled inside the block; the block then ends quietly, or
  with that failure, as a block of `open_system` does.
* Several systems may be open in one loop; they share its trio run and nothing else.
* Signal handlers, wakeup fd and logging stay the host's (`actors.embedding.guest_run` says how).
  Ctrl-C is what the host makes of it: under ``asyncio.run`` it cancels the main task, and so the
  block.

What a call costs: no task, on either side; a message, a future, and a switch from one loop to the
other, which calls that are made at the same time share. The measured figures are in the
documentation's page on embedding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager
from functools import partial
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import outcome
import trio

from actors.embedding.guest_run import GuestRun, finish
from actors.embedding.outside import Outsider, call_from_outside, run_from_outside
from actors.errors import ActorError, CallCycle
from actors.lifecycle.ties import tie, untie
from actors.ref import CALL_TIMEOUT_S, LocalRef, Ref
from actors.scheduling.cycles import MAX_FOLLOWED, find_cycle
from actors.scheduling.protection import protect
from actors.scheduling.waits import Wait, wait_for
from actors.system import STOP_TIMEOUT_S, System, open_system

if TYPE_CHECKING:
    from actors.actor import Actor
    from actors.embedding.portal import Portal
    from actors.messages import Request
    from actors.scheduling.waits import RequestCall

P = ParamSpec("P")
R = TypeVar("R")
Task = asyncio.Task[Any]

ABANDON_S = 2.0
"""Seconds that asyncio code started by handlers has for ending, after the system has."""


class AsyncioCancelled(ActorError):
    """Asyncio code that a handler waited for was cancelled, by itself or by its loop."""


class _Caller(Outsider):
    """An asyncio task that waits for the reply to its call."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self._future = future

    def __repr__(self) -> str:
        return "<asyncio code>"

    def is_alive(self) -> bool:
        """Whether the task still waits."""
        return not self._future.done()

    def answer(self, _tag: object, value: object, error: BaseException | None, /) -> None:
        """Wake the task."""
        future = self._future
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


class Bridge:
    """Between asyncio code and one system. Made by `open_guest_system`."""

    def __init__(self, system: System, loop: asyncio.AbstractEventLoop) -> None:
        self._system = system
        self._scheduler = system._scheduler
        self._loop = loop
        self._visits: dict[Task, LocalRef | None] = {}

    def __repr__(self) -> str:
        return f"<Bridge between asyncio and {self._system.name!r}>"

    @property
    def system(self) -> System:
        """The system. Its plain methods may be used in asyncio code, the async ones by `run`."""
        return self._system

    @property
    def is_running(self) -> bool:
        """Whether the system runs and does not stop."""
        return not (self._scheduler.closed or self._system.is_stopping)

    # -- from asyncio ------------------------------------------------------------------------------

    async def call(
        self,
        ref: Ref,
        request: Request[R],
        timeout: float | None = CALL_TIMEOUT_S,  # noqa: ASYNC109
    ) -> R:
        """Send `request` and wait for its reply; raises what ``await ref.call`` raises.

        Raises also:
            SystemStopped: the system has stopped.
            RuntimeError: not called from a task of the loop that the system was opened in.
        """
        task = self._current_task()
        future = self._loop.create_future()
        owner = self._visits.get(task) if self._visits else None
        call = self._begin(ref, request, timeout, future, owner)
        try:
            return await future  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            call.abandon()
            raise
        finally:
            if owner is not None:
                untie(owner, "child_waits", call)

    def _begin(
        self,
        ref: Ref,
        request: object,
        timeout: float | None,
        future: asyncio.Future[Any],
        owner: LocalRef | None,
    ) -> RequestCall:
        if owner is None:
            return call_from_outside(ref, request, timeout, _Caller(future))
        # A handler waits for this task, so whom the task waits for, the handler waits for.
        if isinstance(ref, LocalRef):
            cycle = find_cycle(owner, ref, MAX_FOLLOWED)
            if cycle is not None:
                raise CallCycle(cycle)
        call = call_from_outside(ref, request, timeout, _Caller(future))
        tie(owner, "child_waits", call)
        return call

    def cast(self, ref: Ref, message: object) -> None:
        """Send `message` and forget it; the same as ``ref.cast(message)`` in the loop's thread."""
        ref.cast(message)

    def whereis(self, name: Hashable) -> LocalRef | None:
        """The living actor with this name."""
        return self._system.whereis(name)

    async def wait_for(
        self,
        name: Hashable,
        timeout: float | None = CALL_TIMEOUT_S,  # noqa: ASYNC109
    ) -> LocalRef:
        """The living actor with this name, when there is one; see `System.wait_for`."""
        return await self.run(self._system.wait_for, name, timeout)

    @overload
    async def spawn(
        self, cls: Callable[P, Actor], *args: P.args, **kwargs: P.kwargs
    ) -> LocalRef: ...
    @overload
    async def spawn(
        self, cls: type[Actor], *args: Any, name: Hashable, **kwargs: Any
    ) -> LocalRef: ...
    async def spawn(self, cls: Any, *args: Any, name: Any = None, **kwargs: Any) -> LocalRef:
        """Start an actor without a parent; see `System.spawn`."""
        return await self.run(partial(self._system.spawn, cls, *args, name=name, **kwargs))

    async def run(self, function: Callable[..., Awaitable[R]], *args: Any) -> R:
        """Run ``await function(*args)`` in a trio task of the system; its result.

        Raises:
            SystemStopped: the system has stopped, before or while it ran.
            RuntimeError: not called from a task of the loop that the system was opened in.
            BaseException: whatever `function` raises.
        """
        self._current_task()
        done: asyncio.Future[outcome.Outcome[R]] = self._loop.create_future()
        scope = run_from_outside(self._scheduler, function, args, done.set_result)
        cancelled: asyncio.CancelledError | None = None
        while not done.done():
            try:
                await asyncio.shield(done)
            except asyncio.CancelledError as error:
                cancelled = error
                scope.cancel()
        result = done.result()
        if cancelled is not None and (isinstance(result, outcome.Value) or scope.cancelled_caught):
            raise cancelled
        return result.unwrap()

    def portal(self) -> Portal:
        """A way in for other threads, such as those that run plain ``def`` endpoints."""
        return self._system.portal()

    def _current_task(self) -> Task:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        if task is None or task.get_loop() is not self._loop:
            raise RuntimeError(
                "this is for asyncio tasks of the loop that opened the system; in handlers and "
                "other trio code write 'await ref.call(...)', in other threads use bridge.portal()"
            )
        return task

    # -- from trio ---------------------------------------------------------------------------------

    async def from_asyncio(self, function: Callable[..., Awaitable[R]], *args: Any) -> R:
        """In a handler or other trio code: run ``await function(*args)`` as an asyncio task.

        Raises:
            AsyncioCancelled: the asyncio task was cancelled, not by this side.
            RuntimeError: not called in trio code of this thread.
            BaseException: whatever `function` raises.
        """
        run = self._scheduler.run
        current = run.current
        if current is None:
            try:
                owner = run.owner_of_current_task()
                trio.lowlevel.current_task()
            except RuntimeError:
                raise RuntimeError(
                    "from_asyncio is for handlers and other trio code; in asyncio, just await"
                ) from None
        else:
            owner = current
        ended = Wait(current)
        # Not loop.create_task: an eager task factory would run the code here, inside trio.
        task = asyncio.Task(_awaiting(function, args), loop=self._loop)
        self._visits[task] = owner
        task.add_done_callback(partial(self._visited, ended))
        try:
            return await wait_for(ended, current)  # type: ignore[return-value]
        except BaseException:
            if not task.done():
                await self._end(task)
            raise

    def _visited(self, ended: Wait, task: Task) -> None:
        self._visits.pop(task, None)
        if task.cancelled():
            ended.resolve(None, AsyncioCancelled("the asyncio task was cancelled"))
            return
        error = task.exception()
        if error is not None:
            ended.resolve(None, error)
        else:
            ended.resolve(task.result())

    @staticmethod
    async def _end(task: Task) -> None:
        """Cancel `task` and wait for its end, in a trio task: an actor that ends waits no more."""
        ended = Wait(None)
        task.add_done_callback(lambda _: ended.resolve())
        task.cancel()
        with trio.CancelScope(shield=True):
            await wait_for(ended, None)

    async def _end_visits(self) -> None:
        """Asyncio code that the last resort of the system's stop has left alone."""
        left = list(self._visits)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=ABANDON_S)


async def _awaiting(function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
    return await function(*args)


class _Opening:
    """The block of `open_guest_system`: what the asyncio side and the trio side know of it."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._bridge: Bridge | None = None
        self._failure: BaseException | None = None
        self._inside = False
        self._interrupted = False
        self._leave = trio.Event()
        self._task: Task
        self._run: GuestRun
        self._opened: asyncio.Future[None]
        self._ended: asyncio.Future[None]

    async def __aenter__(self) -> Bridge:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._opened = loop.create_future()
        self._ended = loop.create_future()
        self._run = await GuestRun.join(self._serve, self._failed)
        try:
            await asyncio.shield(self._opened)
        except BaseException:
            await self._close()
            raise
        if self._bridge is None:
            await self._close()
            raise self._failure or RuntimeError("the system ended before it was open")
        self._inside = True
        self._cancelling = task.cancelling()
        return self._bridge

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._inside = False
        cancelled: asyncio.CancelledError | None = None
        try:
            await self._close()
        except asyncio.CancelledError as raised:
            cancelled = raised
        # The task has been cancelled by this block alone if nothing is left of it after taking
        # that back; then the cancellation ends here, as in asyncio.timeout.
        ours = self._interrupted and self._task.uncancel() <= self._cancelling
        if self._failure is not None:
            raise self._failure
        if ours:
            return error is None or isinstance(error, asyncio.CancelledError)
        if cancelled is not None:
            raise cancelled
        return False

    async def _close(self) -> None:
        """Stop the system and wait for everything; a cancellation meanwhile is raised after it."""
        cancelled: asyncio.CancelledError | None = None
        self._leave.set()
        for wait in (self._wait_ended, self._end_visits, self._leave_run):
            try:
                await wait()
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def _wait_ended(self) -> None:
        await finish(self._ended)

    async def _end_visits(self) -> None:
        if self._bridge is not None:
            await self._bridge._end_visits()

    async def _leave_run(self) -> None:
        await self._run.leave(self._failed)

    # -- trio's side -------------------------------------------------------------------------------

    async def _serve(self) -> None:
        failure: BaseException | None = None
        try:
            async with open_system(**self._options) as system:
                self._bridge = Bridge(system, self._task.get_loop())
                self._opened.set_result(None)
                await self._leave.wait()
        except BaseException as error:
            if trio.current_effective_deadline() == -inf:
                raise  # trio itself has failed; the guest run tells why when it has ended
            failure = error
        self._failed(failure)

    def _failed(self, failure: BaseException | None) -> None:
        """The system has ended, in order (None) or not."""
        if self._ended.done():
            return
        self._failure = failure
        self._ended.set_result(None)
        if not self._opened.done():
            self._opened.set_result(None)
        if self._inside:
            self._interrupted = True
            self._task.cancel("the system of actors has ended")


def open_guest_system(
    name: str = "actors",
    *,
    seed: int | None = None,
    stop_timeout: float = STOP_TIMEOUT_S,
    tune_collector: bool = False,
    debug: bool | None = None,
) -> AbstractAsyncContextManager[Bridge]:
    """Open a system in the running asyncio loop for the duration of the block.

    The arguments are those of `open_system`.

    Raises:
        RuntimeError: a trio run that is not ours lives in this thread.
    """
    return _Opening(
        {
            "name": name,
            "seed": seed,
            "stop_timeout": stop_timeout,
            "tune_collector": tune_collector,
            "debug": debug,
        }
    )


protect(Bridge, _Caller)
