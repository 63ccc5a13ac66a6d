"""The trio tasks of a system: who leads, and who drives bound handlers.

All tasks of a system run the same function. One of them leads. When a handler needs a trio task,
the leader's task stays with it: it passes on what the handler yields to trio, and waits itself for
what the handler wants of us. Leadership goes to a pooled or a new task. When the handler has ended,
the task goes into the pool (at most 64), unless something was left open in it, in which case it
closes that and ends.

Each stint, from becoming leader to the end of the bound handler, runs inside a cancel scope of its
own, shielded: handlers hear of an outer cancellation only through the orderly stop of the system,
and killing a bound actor is cancelling this scope - level-triggered, as kill must be.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final

import trio

from actors.errors import LeftOpen, Unwind
from actors.observing.reports import logger
from actors.reasons import Killed
from actors.ref import BOUND, RECEIVING
from actors.scheduling import _trio_internals
from actors.scheduling._trio_internals import Leftovers, cancel_status, close_in_place, is_clean
from actors.scheduling.control import is_exiting
from actors.scheduling.outcomes import failed, finished, left_open_text
from actors.scheduling.protection import protect
from actors.scheduling.scheduler import MAX_SLICE_S, MAX_STRIKES, MIN_SLICE_S
from actors.scheduling.waits import Receive, Wait, wait_in_task

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from trio._core._run import CancelStatus

    from actors.scheduling.collector import Collector
    from actors.scheduling.scheduler import Scheduler
    from actors.scheduling.turns import Turn

MAX_POOL: Final = 64


@types.coroutine
def _forward(trap: Any) -> Generator[Any, Any, Any]:
    """Hand a trap of the handler to trio; what trio sends back is for the handler."""
    return (yield trap)


class Tasks:
    """The trio tasks of one system."""

    def __init__(self, scheduler: Scheduler, collector: Collector | None) -> None:
        self._scheduler = scheduler
        self._collector = collector
        self._pool: list[trio.lowlevel.Task] = []

    def unshield(self) -> None:
        """Remove every shield inside bound handlers and their children: a last resort."""
        for task, ref in tuple(self._scheduler.run.bound.items()):
            if ref.turn is not None and ref.turn.scope is not None:
                _trio_internals.unshield(task, ref.turn.scope)

    def promote(self) -> None:
        """Make a pooled or a new task leader."""
        if self._pool:
            trio.lowlevel.reschedule(self._pool.pop())
        else:
            self._scheduler.nursery.start_soon(self.work, name=f"actors {self._scheduler.name}")

    async def work(self) -> None:
        """Body of every task: lead, drive, rest in the pool, lead again."""
        task = trio.lowlevel.current_task()
        scheduler = self._scheduler
        try:
            while await self._stint(task) and not scheduler.closed and len(self._pool) < MAX_POOL:
                await self._rest(task)
        except Exception as error:
            # A fault of the runtime itself. Without a leader no actor can be run any more.
            logger.critical("the runtime has failed; the system stops", exc_info=error)
            scheduler.system.fail(error)
        finally:
            # Also when it ended in the midst of a step: others share this trio run.
            scheduler.run.current = None

    async def _rest(self, task: trio.lowlevel.Task) -> None:
        def abort(_: object) -> trio.lowlevel.Abort:
            self._pool.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        self._pool.append(task)
        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _stint(self, task: trio.lowlevel.Task) -> bool:
        """Lead until a handler is bound, then drive it. Whether the task is clean afterwards."""
        scheduler = self._scheduler
        with trio.CancelScope(shield=True) as scope:
            scheduler.leader = task
            scheduler.base = base = cancel_status(task)
            bound = await self._lead()
            if bound is not None:
                self.promote()
                return await self._drive(*bound, scope, base)
        return False

    async def _lead(self) -> tuple[Turn, Any] | None:
        scheduler = self._scheduler
        stopwatch, collector = scheduler.stopwatch, self._collector
        ended = stopwatch()
        while not scheduler.closed:
            if not scheduler.runq:
                if collector is not None:
                    collector.when_idle()
                await self._idle()
                ended = stopwatch()
                continue
            seconds = min(max(stopwatch() - ended, MIN_SLICE_S), MAX_SLICE_S)
            bound = scheduler.run_slice(seconds)
            if bound is not None:
                return bound
            if collector is not None:
                collector.after_slice()
            ended = stopwatch()
            await trio.lowlevel.cancel_shielded_checkpoint()
        return None

    async def _idle(self) -> None:
        scheduler = self._scheduler

        def abort(_: object) -> trio.lowlevel.Abort:
            scheduler.idle = False
            return trio.lowlevel.Abort.SUCCEEDED

        scheduler.idle = True
        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _drive(
        self, turn: Turn, trap: Any, scope: trio.CancelScope, base: CancelStatus
    ) -> bool:
        """Drive a bound handler to its end. Whether it left the task clean."""
        scheduler, ref = self._scheduler, turn.ref
        task = trio.lowlevel.current_task()
        scheduler.reporter.counters.bound += 1
        scheduler.run.bound[task] = ref
        turn.scope = scope
        if is_exiting(ref):
            scope.cancel()
        error: BaseException | None = None
        result: Any = None
        try:
            result = await self._steps(turn, trap)
        except BaseException as raised:
            error = raised
        turn.scope = None
        clean = is_clean(task, base)
        if not clean:
            error = await self._close_leftovers(turn, task, base)
        del scheduler.run.bound[task]
        ref.turn = None
        if error is None:
            finished(scheduler, ref, turn.phase, result)
        else:
            failed(scheduler, ref, turn.phase, error)
            error = None  # else its traceback and this frame would keep each other alive
        return clean

    async def _steps(self, turn: Turn, trap: Any) -> Any:
        scheduler, ref = self._scheduler, turn.ref
        run = scheduler.run
        coroutine = turn.coroutine
        while True:
            step: Callable[[Any], Any] = coroutine.send
            value: Any = None
            if isinstance(trap, Wait):
                await self._wait(turn, trap)
            else:
                try:
                    value = await _forward(trap)
                except BaseException as error:
                    step, value = coroutine.throw, error
            if is_exiting(ref) and self._is_strike(trap, value):
                turn.strikes += 1
                if turn.strikes > 2 * MAX_STRIKES:
                    self._abandon(turn)
                    raise Unwind
            run.current = ref
            began = scheduler.stopwatch()
            try:
                trap = turn.context.run(step, value)
            except StopIteration as stop:
                return stop.value
            finally:
                run.current = None
                seconds = scheduler.stopwatch() - began
                if seconds > scheduler.long_handler:
                    scheduler.reporter.long_handler(ref, ref.entry, seconds)

    @staticmethod
    def _is_strike(trap: Any, value: Any) -> bool:
        error = trap.error if isinstance(trap, Wait) else getattr(value, "error", value)
        return isinstance(error, (trio.Cancelled, Unwind))

    def _abandon(self, turn: Turn) -> None:
        """Give up a coroutine that swallows every attempt to unwind it.

        Its last trap has been cancelled and it has not been told, so nobody will wake this task on
        its behalf. It is kept: the garbage collector would only try again, and fail with a noise.
        """
        self._scheduler.reporter.zombie(turn.ref, Killed())
        self._scheduler.abandoned.append(turn.coroutine)

    async def _wait(self, turn: Turn, wait: Wait) -> None:
        """Wait in the task; trio's cancellation becomes the wait's error."""
        ref = turn.ref
        turn.wait = wait
        if isinstance(wait, Receive):
            ref.status = RECEIVING
        try:
            await wait_in_task(wait)
        except BaseException as error:
            wait.error = error
        finally:
            turn.wait = None
            if ref.is_alive():
                ref.status = BOUND

    async def _close_leftovers(
        self, turn: Turn, task: trio.lowlevel.Task, base: CancelStatus
    ) -> BaseException:
        leftovers = Leftovers(task, base)
        self._scheduler.reporter.counters.left_open += 1
        try:
            await close_in_place(leftovers.scopes, leftovers.nurseries)
        except BaseException as error:
            return error
        return LeftOpen(left_open_text(turn.ref, leftovers.describe()))


protect(Tasks, _forward)
