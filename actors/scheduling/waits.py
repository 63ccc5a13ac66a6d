"""What a handler can wait for without trio: the private traps.

A handler waits by yielding a `Wait` (``await park(wait)``). Its outcome is set once, by `resolve`;
whatever comes later - a late reply, a timeout after the reply - finds it done and is dropped.
Nobody but the owner of the coroutine resumes it: `resolve` only puts the wait on the run queue of
the *waiting* actor's scheduler (or reschedules the trio task that waits), and the scheduler resumes
the coroutine if it still waits for exactly this wait.

=============  ===================================================================
field          meaning
=============  ===================================================================
``done``       an outcome is there
``value``      the outcome, when ``error`` is None
``error``      exception to raise in the waiter; made for this one waiter
``ref``        the actor that waits, or None for a trio task
``turn``       the parked handler, once it has parked
``task``       the trio task that sleeps until the outcome (bound handlers, plain tasks)
``deadline``   time on trio's clock when the wheel calls ``fire``
``slot``       the wheel's dict that holds the wait, None when it has no deadline
=============  ===================================================================
"""

from __future__ import annotations

import types
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

import trio

from actors.errors import CallCycle, CallTimeout, WaitTimeout
from actors.scheduling.clocks import deadline_after
from actors.scheduling.cycles import find_cycle
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Generator

    from actors.ref import LocalRef
    from actors.scheduling.scheduler import Scheduler
    from actors.scheduling.turns import Turn

CYCLE_CHECK_S = 1.0
"""A call that has waited this long has its whole chain of waits followed."""


@types.coroutine
def park(wait: Wait) -> Generator[Wait, object, None]:
    """Wait for the outcome of `wait`; the scheduler or the task's driver resumes the coroutine."""
    yield wait


class Wait:
    """One wait of one waiter for one outcome."""

    __slots__ = ("deadline", "done", "error", "ref", "slot", "task", "turn", "value")

    def __init__(self, ref: LocalRef | None) -> None:
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.ref = ref
        self.turn: Turn | None = None
        self.task: trio.lowlevel.Task | None = None
        self.deadline = 0.0
        self.slot: dict[Any, None] | None = None

    def resolve(self, value: object = None, error: BaseException | None = None) -> bool:
        """Set the outcome and wake the waiter. False if there was one already."""
        if self.done:
            return False
        self.done = True
        self.value = value
        self.error = error
        slot = self.slot
        if slot is not None:
            self.slot = None
            slot.pop(self, None)
        turn = self.turn
        if turn is not None:
            scheduler = turn.ref.scheduler
            scheduler.runq.append(self)
            if scheduler.idle:
                scheduler.wake()
            return True
        task = self.task
        if task is not None:
            self.task = None
            trio.lowlevel.reschedule(task)
        return True

    def take_error(self) -> BaseException:
        """The error to raise, no longer referenced from here (else it would be part of a cycle)."""
        error = self.error
        assert error is not None
        self.error = None
        return error

    def abandon(self) -> None:
        """The waiter has gone; forget it. A later outcome is dropped."""
        self.done = True
        slot = self.slot
        if slot is not None:
            self.slot = None
            slot.pop(self, None)

    def fire(self, _scheduler: Scheduler, /) -> None:
        """The deadline has come (called by the wheel, which has removed the wait already)."""
        self.resolve(None, WaitTimeout("the wait's deadline came first"))


class Sleep(Wait):
    """A wait that only its deadline ends."""

    __slots__ = ()

    def fire(self, _scheduler: Scheduler, /) -> None:
        """The time has come."""
        self.resolve(None)


class Receive(Wait):
    """A task actor's wait for its next message."""

    __slots__ = ()


class Call(Wait):
    """A request in a mailbox, and the wait for its reply.

    ``caller`` is None when a trio task waits. ``final`` is the deadline proper when ``deadline``
    is the moment of the cycle check.
    """

    __slots__ = ("callee", "final", "request")

    def __init__(self, ref: LocalRef | None, callee: LocalRef, request: object) -> None:
        # One of these is made for each call that waits. `value` and `error` are there once it is
        # done, `deadline` and `final` once it is armed.
        self.done = False
        self.ref = ref
        self.turn = None
        self.task = None
        self.slot = None
        self.callee = callee
        self.request = request

    def arm(self, timeout: float | None, now: float) -> None:
        """Put the call's deadline, and before it the cycle check, into the callee's wheel."""
        self.final = inf if timeout is None else deadline_after(now, timeout)
        self.callee.scheduler.wheel.add(self, min(now + CYCLE_CHECK_S, self.final))

    def fire(self, scheduler: Scheduler, /) -> None:
        """Time for the cycle check, or the end of the caller's patience."""
        if self.deadline < self.final:
            cycle = find_cycle(self.ref, self.callee, None) if self.ref is not None else None
            if cycle is not None:
                self.resolve(None, CallCycle(cycle))
            elif self.final < inf:
                scheduler.wheel.add(self, self.final)
            return
        self.resolve(None, CallTimeout(self.expired()))

    def expired(self) -> str:
        """The sentence of the timeout."""
        kind = type(self.request).__qualname__
        return f"no reply to {kind} from {self.callee!r} in time"


class Asker(Protocol):
    """Whoever is told the outcome of a request."""

    def answer(self, tag: object, value: object, error: BaseException | None) -> None:
        """The request with this `tag` has its outcome; called once."""


class RequestCall(Call):
    """A request that nobody is blocked by: `asker` is told its outcome, with `tag`.

    The asker is the actor that asked, which gets an `Answer`, or a `Requests`. ``ref`` is only who
    is named as the caller.
    """

    __slots__ = ("asker", "tag")

    def __init__(
        self,
        ref: LocalRef | None,
        callee: LocalRef,
        request: object,
        tag: object,
        asker: Asker,
    ) -> None:
        super().__init__(ref, callee, request)
        self.tag = tag
        self.asker = asker

    def resolve(self, value: object = None, error: BaseException | None = None) -> bool:
        """Set the outcome and tell the asker."""
        if self.done:
            return False
        self.done = True
        slot = self.slot
        if slot is not None:
            self.slot = None
            slot.pop(self, None)
        self.asker.answer(self.tag, value, error)
        return True

    def fire(self, _scheduler: Scheduler, /) -> None:
        """The deadline has come; nobody is blocked, so there is no cycle to look for."""
        self.resolve(None, CallTimeout(self.expired()))


async def wait_in_task(wait: Wait) -> None:
    """Sleep in the current trio task until `wait` is done. Raises only trio's `Cancelled`."""
    if wait.done:
        return
    wait.task = trio.lowlevel.current_task()

    def abort(_: object) -> trio.lowlevel.Abort:
        wait.task = None
        wait.abandon()
        return trio.lowlevel.Abort.SUCCEEDED

    await trio.lowlevel.wait_task_rescheduled(abort)


protect(Wait, Sleep, Call, RequestCall, wait_in_task, park)


async def give_way(current: LocalRef) -> None:
    """Let the leader go on, and come back in this actor's next turn."""
    wait = Wait(current)
    wait.resolve()
    await park(wait)


async def wait_for(wait: Wait, current: LocalRef | None) -> object:
    """Wait as the actor `current` or as the current task; return the value or raise the error."""
    if not wait.done:
        await (wait_in_task(wait) if current is None else park(wait))
    if wait.error is not None:
        raise wait.take_error()
    return wait.value


protect(wait_for, give_way)
