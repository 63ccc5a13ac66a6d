"""The scheduler: runs actors inside one trio task, the leader.

Two tiers. An actor that does not run is an object without task, coroutine and queue. Actors with
messages stand in the run queue; the leader steps them itself. A handler that waits for something of
ours yields a `Wait` and is parked. A handler that awaits trio, or waits for something of ours while
it holds a scope, nursery or lock of the leader's task, is *bound*: the leader's task stays with it
to its end (``driver.py``) and another task becomes leader.

The run queue holds actors that have messages or system messages, and waits whose outcome is there.
Entries may be stale: an actor is checked when its turn comes, a wait is resumed only if the handler
still waits for exactly it.

A slice - what the leader does between two looks of trio at sockets and timers - lasts as long as
trio took since the last one, at least 0.5 ms and at most 20 ms. The clock is read after each
actor's run, every 16 messages inside one, and nowhere else, so a handler that calls others in a
loop steps at most 1,024 of them directly before it gives way. One actor's run is at most 64
messages. In a deterministic system a slice is 1,024 messages, whatever the time. (A limit of 1,024
in every system starves actors: when 2,000 busy sockets send two messages each between two slices,
half of them stay behind, every time.)

Everything here is synchronous and runs in the leader's task, except where a docstring says so.
"""

from __future__ import annotations

import itertools
from collections import deque
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

import trio

from actors.errors import LeftOpen, Unwind
from actors.lifecycle.ties import tie, untie
from actors.mailboxes.mailbox import EMPTY
from actors.messages import NO_REPLY
from actors.naming.arrivals import Arrivals
from actors.naming.names import Names
from actors.observing.reports import Reporter
from actors.ref import (
    BOUND,
    IDLE,
    PARKED,
    QUEUED,
    RECEIVING,
    RUNNING,
    LocalRef,
)
from actors.scheduling import direct
from actors.scheduling._trio_internals import LOCK_OWNERS, Leftovers, is_clean
from actors.scheduling.checked_ref import CheckedRef
from actors.scheduling.control import is_exiting
from actors.scheduling.outcomes import (
    check_owed,
    failed,
    finished,
    left_open_text,
    release,
    run_unhandled,
    wake_receiver,
    work_off,
)
from actors.scheduling.protection import protect
from actors.scheduling.threads import get_ident, stranger
from actors.scheduling.turns import Phase, Turn
from actors.scheduling.waits import Call, Receive, RequestCall, Wait, wait_in_task
from actors.scheduling.wheel import Wheel

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from trio._core._run import CancelStatus

    from actors.mailboxes.alarms import Alarm
    from actors.scheduling.run_state import RunState
    from actors.system import System

SLICE_MESSAGES: Final = 1024
RUN_MESSAGES: Final = 64
CLOCK_EVERY: Final = 16
"""Messages of one actor's run between two looks at the clock."""
MIN_SLICE_S: Final = 0.0005
MAX_SLICE_S: Final = 0.020
MAX_STRIKES: Final = 100
"""A handler that has swallowed its unwinding this often is bound to a task, and then abandoned."""
LONG_HANDLER_S: Final = 0.050
MAX_ABANDONED: Final = 1000
"""Coroutines that could not be unwound, kept from the garbage collector, which would try again."""
MAX_SPARE: Final = 256
"""Empty mailboxes kept for reuse."""


class Scheduler:
    """Run queue, tables and stepping of one system."""

    def __init__(
        self,
        name: str,
        run: RunState,
        context: contextvars.Context,
        now: Callable[[], float],
        stopwatch: Callable[[], float],
        *,
        counted: bool,
        debug: bool = False,
    ) -> None:
        self.name = name
        self.run = run
        self.context = context
        self.now = now
        self.stopwatch = stopwatch
        self.counted = counted
        self.ref_class: type[LocalRef] = CheckedRef if debug else LocalRef
        self.system: System
        self.leader: trio.lowlevel.Task
        self.base: CancelStatus
        self.nursery: trio.Nursery
        self.runq: deque[LocalRef | Wait] = deque()
        self.spare: list[deque[Any]] = []
        self.table: dict[LocalRef, None] = {}
        self.arrivals = Arrivals()
        self.names = Names(self.arrivals)
        self.numbers = itertools.count(1)
        self.reporter = Reporter(now, self._note_fatal)
        self.counters = self.reporter.counters
        self.thread = get_ident()
        self.token = trio.lowlevel.current_trio_token()
        self.wheel = Wheel(self, now)
        self.idle = False
        self.closed = False
        self.left = 0
        self.depth = 0
        self.slice_end = 0.0
        self.long_handler = LONG_HANDLER_S
        self.last: tuple[LocalRef, Any] | None = None
        self.unarmed: list[Call] = []
        self.alarms: dict[LocalRef, Alarm] = {}
        self.abandoned: deque[Any] = deque(maxlen=MAX_ABANDONED)
        self.binding: tuple[Turn, Any] | None = None
        self.fatal: BaseException | None = None

    # -- queueing (from any code in the system's thread) ------------------------------------------

    def wake(self) -> None:
        """Wake the idle leader. Raises RuntimeError in a thread that is not the system's."""
        try:
            self.check_thread()
            trio.lowlevel.reschedule(self.leader)
        except (RuntimeError, AssertionError):
            # What was queued is not to stay behind, nor all that comes after it.
            self.token.run_sync_soon(self._wake_late)
            raise stranger(self.name) from None
        self.idle = False

    def check_thread(self) -> None:
        """Raise RuntimeError in a thread that is not the system's."""
        if get_ident() != self.thread:
            raise stranger(self.name)

    def _wake_late(self) -> None:
        if self.idle and self.runq:
            self.wake()

    def enqueue(self, ref: LocalRef) -> None:
        """Put an actor that is idle or held into the run queue."""
        ref.status = QUEUED
        self.runq.append(ref)
        if self.idle or get_ident() != self.thread:
            self.wake()

    async def wait_as_child(self, owner: LocalRef, call: Call) -> None:
        """Wait in a task of a nursery that a handler of `owner` has opened."""
        tie(owner, "child_waits", call)
        try:
            await wait_in_task(call)
        finally:
            untie(owner, "child_waits", call)

    # -- the leader's slice -----------------------------------------------------------------------

    def run_slice(self, seconds: float) -> tuple[Turn, Any] | None:
        """Step runnable actors for one slice. Returns the turn to bind, if one needs the task."""
        runq, stopwatch, ref_class = self.runq, self.stopwatch, self.ref_class
        mark = stopwatch()
        self.slice_end = mark + seconds
        self.left = SLICE_MESSAGES
        while runq:
            entry = runq.popleft()
            if entry.__class__ is ref_class:
                self._run_actor(entry)
            else:
                self._resume(entry)  # type: ignore[arg-type]
            if self.binding is not None:
                break
            now = stopwatch()
            if now - mark > self.long_handler:
                self._report_long(now - mark)
            mark = now
            if now >= self.slice_end:
                break
            if self.left <= 0:
                if self.counted:
                    break
                self.left = SLICE_MESSAGES
        self.left = 0
        if self.unarmed:
            self._arm()
        binding, self.binding = self.binding, None
        return binding

    def _note_fatal(self, error: BaseException) -> None:
        self.system.note_fatal(error)

    def _arm(self) -> None:
        """Give the calls that the slice has left unanswered their deadlines."""
        now = self.now()
        for call in self.unarmed:
            if not call.done:
                try:
                    call.arm(call.final, now)
                except (TypeError, ValueError) as error:
                    # No number: the fault of this caller alone.
                    call.resolve(None, error)
        self.unarmed.clear()

    def _report_long(self, seconds: float) -> None:
        if self.last is not None:
            self.reporter.long_handler(*self.last, seconds)

    def _run_actor(self, ref: LocalRef) -> None:
        """Handle messages of `ref`: at most 64, as long as the slice lasts and no handler waits.

        The run is charged to the slice beforehand; what it has not used is given back.
        """
        if ref.status != QUEUED:
            return
        if ref.turn is not None:
            wake_receiver(ref)
            return
        run = self.run
        run.current = ref
        ref.status = RUNNING
        quota = unused = self.left if self.left < RUN_MESSAGES else RUN_MESSAGES  # noqa: FURB136 - a call
        self.left -= quota
        while ref.status == RUNNING:
            context = self.context.copy()
            unused = context.run(self._handle, ref, context, unused)
        if unused < 0:
            unused, self.left = ~unused, 0
        elif self.binding is None:
            self.left += unused
        run.current = None
        self.counters.messages += quota - unused

    def _handle(self, ref: LocalRef, context: contextvars.Context, quota: int) -> int:
        """Handle messages inside `context`, a copy of the node's, at most `quota`.

        Returns how many of these are left, inverted (``~``) if the slice has lasted long enough.
        `ref` is still RUNNING afterwards if a handler has changed the context, so that the next
        message needs a new copy; if nothing was set, two contexts are found equal at a glance. One
        long function, as is `direct.step_into`, with `is_clean` spelled out: what a message costs
        is mostly the calls of Python functions that are made for it.
        """
        leader, base, unchanged = self.leader, self.base, self.context
        behaviour, actor = ref.behaviour, ref.actor
        handlers = behaviour.handlers
        known: Any = None
        handler: Any = None
        message: Any = None
        left, pause_at = quota, quota - CLOCK_EVERY if quota > CLOCK_EVERY else 0
        while True:
            if left <= pause_at:
                if left > 0 and self.stopwatch() >= self.slice_end:
                    left = ~left
                if left <= 0:
                    release(self, ref)
                    break
                pause_at = left - CLOCK_EVERY if left > CLOCK_EVERY else 0
            if ref.control is not None:
                if not work_off(self, ref):
                    break
                behaviour, actor = ref.behaviour, ref.actor
                handlers, known = behaviour.handlers, None
            entry = ref.first
            if entry is not EMPTY:
                ref.first = EMPTY
            elif mailbox := ref.mailbox:
                entry = mailbox.popleft()
            else:
                self.rest(ref)
                break
            left -= 1
            ref.entry = message = entry
            kind = entry.__class__
            try:
                if kind is known:
                    result = handler(actor, entry)
                else:
                    if kind is Call or kind is RequestCall:
                        message = entry.request
                        kind = message.__class__
                    handler = handlers.get(kind)
                    known = None if handler is None or entry is not message else kind
                    if handler is not None:
                        result = handler(actor, message)
                    elif (coroutine := behaviour.coroutines.get(kind)) is not None:
                        result = coroutine(actor, message)
                    else:
                        result = run_unhandled(ref, message)
                if result is not None and result.__class__ is CoroutineType:
                    try:
                        trap = result.send(None)
                    except StopIteration as stop:
                        result = stop.value
                    else:
                        self.hold(Turn(ref, result, context, Phase.MESSAGE), trap)
                        break
            except BaseException as error:
                self.raised(ref, Phase.MESSAGE, error)
                break
            if (
                leader._cancel_status is not base
                or leader._child_nurseries
                or (LOCK_OWNERS and leader in LOCK_OWNERS)
            ):
                self.left_open(ref, Phase.MESSAGE)
                break
            if entry is not message:
                if result is NO_REPLY:
                    check_owed(ref, entry)
                else:
                    entry.resolve(result)
            if context != unchanged:
                break
        self.last = (ref, message)
        return left

    def rest(self, ref: LocalRef) -> None:
        """`ref` has nothing to do."""
        ref.entry = None
        ref.status = IDLE
        mailbox = ref.mailbox
        if mailbox is not None:
            ref.mailbox = None
            if mailbox.__class__ is not deque:
                ref.mailbox = mailbox.at_rest()  # type: ignore[attr-defined]
            elif len(self.spare) < MAX_SPARE:
                self.spare.append(mailbox)

    def _resume(self, wait: Wait) -> None:
        """Go on with the handler that waited for `wait`, unless it no longer does."""
        turn = wait.turn
        if turn is None or turn.wait is not wait:
            return
        ref = turn.ref
        turn.wait = wait.turn = None
        if ref.control is not None and is_exiting(ref):
            wait.error = Unwind()
        ref.status = RUNNING
        self.left -= 1
        self.last = (ref, ref.entry)
        run = self.run
        run.current = ref
        try:
            trap = turn.context.run(turn.coroutine.send, None)
        except StopIteration as stop:
            result = stop.value
        except BaseException as error:
            ref.turn = None
            self.raised(ref, turn.phase, error)
            run.current = None
            return
        else:
            self.hold(turn, trap)
            run.current = None
            return
        ref.turn = None
        if is_clean(self.leader, self.base):
            finished(self, ref, turn.phase, result)
        else:
            self.left_open(ref, turn.phase)
        run.current = None

    def hold(self, turn: Turn, trap: Any) -> None:
        """A handler waits: park it, or have the leader's task bound to it."""
        ref = turn.ref
        ref.turn = turn
        exiting = ref.control is not None and is_exiting(ref)
        if exiting:
            turn.strikes += 1
        if not isinstance(trap, Wait) or (
            self.binding is None
            and (turn.strikes > MAX_STRIKES or not is_clean(self.leader, self.base))
        ):
            ref.status = BOUND
            self.binding = (turn, trap)
            self.left = 0
            return
        ref.status = RECEIVING if trap.__class__ is Receive else PARKED
        turn.wait = trap
        trap.turn = turn
        if trap.done:
            self.runq.append(trap)
        elif exiting:
            trap.resolve(None, Unwind())

    can_step_directly = direct.can_step_directly
    catch_up = direct.catch_up
    step_into = direct.step_into
    start_directly = direct.start_directly

    def step_phase(
        self, ref: LocalRef, phase: Phase, function: Callable[..., Any], *args: Any
    ) -> None:
        """Run ``init``, ``terminate`` or ``run``."""
        self.run.current = ref
        ref.status = RUNNING
        context = self.context.copy()
        try:
            result = context.run(function, ref.actor, *args)
            if result.__class__ is CoroutineType:
                try:
                    trap = context.run(result.send, None)
                except StopIteration as stop:
                    result = stop.value
                else:
                    self.hold(Turn(ref, result, context, phase), trap)
                    return
        except BaseException as error:
            self.raised(ref, phase, error)
            return
        if is_clean(self.leader, self.base):
            finished(self, ref, phase, result)
        else:
            self.left_open(ref, phase)

    def is_clean(self) -> bool:
        """Whether nothing of the leader's task is held or open."""
        return is_clean(self.leader, self.base)

    def left_open(self, ref: LocalRef, phase: Phase) -> None:
        """The actor's code returned and left something of the leader's task open."""
        failed(self, ref, phase, LeftOpen(left_open_text(ref, self._close_leftovers())))

    def raised(self, ref: LocalRef, phase: Phase, error: BaseException) -> None:
        """The actor's code raised in the leader's task."""
        if not is_clean(self.leader, self.base):
            self._close_leftovers()
        failed(self, ref, phase, error)

    def _close_leftovers(self) -> str:
        leftovers = Leftovers(self.leader, self.base)
        what = leftovers.describe()
        self.counters.left_open += 1
        leftovers.detach(self.leader, self.base)
        if leftovers.nurseries:
            self.nursery.start_soon(leftovers.close, name="actors: close what a handler left open")
        return what


protect(Scheduler)
