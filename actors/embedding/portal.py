"""`Portal`: the way into a system for other threads, such as those of a WSGI server.

    portal = system.portal()                     # in the system's thread; give it to other threads
    total = portal.call(counter, Add(3))         # in any other thread

Contract:

* Any number of threads may use one portal at the same time. What one thread does through it, calls
  and casts alike, reaches the system in the order in which the thread did it.
* `call`, `spawn` and `run` block their thread until the outcome is there and raise what the same
  would raise in trio: the same classes of `CallError`. A thread that is interrupted (Ctrl-C in the
  main thread) gives its call up, and cancels what it runs.
* When the system has stopped, everything raises `SystemStopped`. What waits while it stops is told:
  a call that its callee has died, a function that runs that the system has stopped. No thread stays
  blocked for a system that is gone.
* In the system's own thread everything but the construction raises RuntimeError: it would wait for
  itself.
* `cast` does not wait, unless `MAX_WAITING` things from this portal wait for the system's thread;
  then it blocks until the system has caught up. So a thread that sends faster than the system
  handles is slowed down instead of filling the memory.

A call through a portal costs two switches of threads, and no trio task.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, overload

import trio

from actors.actor import local
from actors.embedding.outside import Outsider, call_from_outside, run_from_outside, stopped
from actors.observing.reports import logger
from actors.ref import CALL_TIMEOUT_S, LocalRef, Ref
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    import outcome

    from actors.actor import Actor
    from actors.messages import Request
    from actors.system import System

P = ParamSpec("P")
R = TypeVar("R")

MAX_WAITING: Final = 10_000
"""Jobs of one portal that may wait for the system's thread before `cast` blocks."""
MAX_AT_ONCE: Final = 1_000
"""Jobs taken in between two looks of trio at everything else."""


class _Caller(Outsider):
    """A thread that waits for the reply to its call."""

    __slots__ = ("_future", "_thread")

    def __init__(self, future: Future[Any]) -> None:
        self._future = future
        self._thread = threading.current_thread().name

    def __repr__(self) -> str:
        return f"<thread {self._thread!r}>"

    def is_alive(self) -> bool:
        """Whether the thread still waits."""
        return not self._future.done()

    def answer(self, _tag: object, value: object, error: BaseException | None, /) -> None:
        """Wake the thread."""
        _settle(self._future, value, error)


class Portal:
    """Blocking calls, casts, starts and runs from other threads."""

    __slots__ = ("_jobs", "_over", "_scheduled", "_scheduler", "_thread", "_token", "_waiting")

    def __init__(self, system: System, token: trio.lowlevel.TrioToken) -> None:
        self._scheduler = system._scheduler
        self._token = token
        self._thread = threading.get_ident()
        self._jobs: deque[Callable[[], object]] = deque()
        self._scheduled = False
        self._over = False
        self._waiting: dict[Future[Any], None] = {}

    def __repr__(self) -> str:
        return f"<Portal into {self._scheduler.name!r}>"

    def call(self, ref: Ref, request: Request[R], timeout: float | None = CALL_TIMEOUT_S) -> R:
        """Block this thread until the reply is there; raises what ``await ref.call`` raises.

        Raises also `SystemStopped` if the system has stopped, RuntimeError in its own thread.
        """
        target = local(ref)
        begun: list[Callable[[], object]] = []

        def begin(_: Future[Any]) -> None:
            call = call_from_outside(target, request, timeout, caller)
            begun.append(call.abandon)

        future: Future[Any] = Future()
        caller = _Caller(future)
        return self._wait(future, begin, begun)  # type: ignore[no-any-return]

    def cast(self, ref: Ref, message: object) -> None:
        """Send `message`; returns at once. Casts of one thread arrive in order.

        Raises:
            SystemStopped: the system has stopped.
            RuntimeError: in the system's own thread, where ``ref.cast`` does it.
        """
        target = local(ref)
        self._check()
        if len(self._jobs) >= MAX_WAITING:
            future: Future[None] = Future()
            self._wait(future, lambda future: _settle(future, None, None), [])
        self._post(partial(target.cast, message))

    @overload
    def spawn(self, cls: Callable[P, Actor], *args: P.args, **kwargs: P.kwargs) -> LocalRef: ...
    @overload
    def spawn(self, cls: type[Actor], *args: Any, name: Hashable, **kwargs: Any) -> LocalRef: ...
    def spawn(self, cls: Any, *args: Any, name: Any = None, **kwargs: Any) -> LocalRef:
        """Start an actor without a parent; see `System.spawn`."""
        return self.run(partial(self._scheduler.system.spawn, cls, *args, name=name, **kwargs))

    def whereis(self, name: Hashable) -> LocalRef | None:
        """The living actor with this name."""
        return self.run(self._whereis, name)

    async def _whereis(self, name: Hashable) -> LocalRef | None:
        return self._scheduler.names.whereis(name)

    def wait_for(self, name: Hashable, timeout: float | None = CALL_TIMEOUT_S) -> LocalRef:
        """The living actor with this name, when there is one; see `System.wait_for`."""
        return self.run(self._scheduler.system.wait_for, name, timeout)

    def run(self, function: Callable[..., Awaitable[R]], *args: Any) -> R:
        """Run ``await function(*args)`` in the system's thread, with this context's variables.

        It runs in a trio task that ends with the system at the latest. Returns its result.

        Raises:
            SystemStopped: the system has stopped, before or while it ran.
            RuntimeError: called in the system's own thread.
            BaseException: whatever `function` raises.
        """
        context = contextvars.copy_context()
        begun: list[Callable[[], object]] = []

        def done(result: outcome.Outcome[Any]) -> None:
            error = getattr(result, "error", None)
            _settle(future, None if error is not None else result.unwrap(), error)

        def begin(_: Future[Any]) -> None:
            scope = context.run(run_from_outside, self._scheduler, function, args, done)
            begun.append(scope.cancel)

        future: Future[Any] = Future()
        return self._wait(future, begin, begun)  # type: ignore[no-any-return]

    def close(self) -> None:
        """The system's run has ended: whatever still waits is told. Called by who ran it."""
        self._over = True
        for future in tuple(self._waiting):
            _settle(future, None, stopped(self._scheduler))

    # -- the calling thread ------------------------------------------------------------------------

    def _check(self) -> None:
        if threading.get_ident() == self._thread:
            raise RuntimeError(
                "a portal is for other threads and would wait for itself in the system's own; "
                "there, await ref.call(...) or use the bridge"
            )
        if self._over or self._scheduler.closed:
            raise stopped(self._scheduler)

    def _wait(
        self,
        future: Future[Any],
        begin: Callable[[Future[Any]], object],
        give_up: list[Callable[[], object]],
    ) -> Any:
        """Have ``begin(future)`` run in the system's thread and wait for the outcome."""
        self._check()
        self._waiting[future] = None
        try:
            self._post(partial(_begin, begin, future))
            if self._over:  # closed meanwhile, perhaps before the future was entered
                _settle(future, None, stopped(self._scheduler))
            return future.result()
        except BaseException:
            if not future.done():
                self._post(partial(_give_up, future, give_up))
            raise
        finally:
            self._waiting.pop(future, None)

    def _post(self, job: Callable[[], object]) -> None:
        self._jobs.append(job)
        if self._scheduled:
            return
        self._scheduled = True
        try:
            self._token.run_sync_soon(self._work)
        except trio.RunFinishedError:
            self._over = True
            raise stopped(self._scheduler) from None

    # -- the system's thread -----------------------------------------------------------------------

    def _work(self) -> None:
        # A thread that finds the flag set has appended its job before this clears it.
        self._scheduled = False
        for _ in range(MAX_AT_ONCE):
            try:
                job = self._jobs.popleft()
            except IndexError:
                return
            job()
        if not self._scheduled:
            self._scheduled = True
            try:
                self._token.run_sync_soon(self._work)
            except trio.RunFinishedError:
                self._scheduled = False
                while self._jobs:
                    self._jobs.popleft()()


def _begin(begin: Callable[[Future[Any]], object], future: Future[Any]) -> None:
    if future.done():
        return
    try:
        begin(future)
    except BaseException as error:
        _settle(future, None, error)


def _give_up(future: Future[Any], give_up: list[Callable[[], object]]) -> None:
    future.cancel()
    for function in give_up:
        function()


def _settle(future: Future[Any], value: object, error: BaseException | None) -> None:
    """Set an outcome unless there is one; jobs must not raise, so nothing here may."""
    if future.done():
        return
    try:
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
    except Exception:
        logger.exception("the outcome of a call from another thread was set twice")


protect(Portal, _Caller, _begin, _give_up, _settle)
