"""`Supervisor`: starts a fixed list of children in order, restarts them, stops them in reverse.

    specs = [ChildSpec("store", Store), ChildSpec("cache", Cache, (100,)), Janitor]
    ref = await system.spawn(Supervisor, specs, strategy="rest_for_one", intensity=3, period=5.0)

Contract (OTP's `supervisor`, word for word where not said otherwise):

* **Start** is in order. If a child fails, those already started are stopped in reverse, and the
  supervisor fails with `Shutdown(FailedToStartChild(id, reason))`. A child that ignores its start
  stays as one that has ended.
* **A child ends**: the table of ``decision.py`` says whether it is started again. If so, by
  strategy: `one_for_one` that child alone; `one_for_all` all others are stopped in reverse order,
  then all are started in order; `rest_for_one` the same with those after it in start order. A
  temporary child that is stopped so is not started again.
* **Budget**: more than `intensity` restarts in `period` seconds and the supervisor stops its
  children and ends with `Shutdown`. A child with a budget of its own spends that instead; if it is
  exceeded, this child stays down, is reported (`gave_up`), and nobody else is touched. [Ours.]
* **A restart that fails** is tried again, each time at the cost of a restart. Between the tries
  and during a backoff the child is `restarting` and the supervisor serves other requests: it
  never waits, it sends itself a message. So it does under `one_for_one` while the ``init`` of a
  restarted child waits for something [ours; `TerminateChild` ends also that]. Under the other two
  strategies the children that share the child's fate are stopped before a backoff, and wait with
  it; those of a group start one after the other, each when the one before has started.
* **Stop**: children stop in reverse order, each within its `shutdown` time (``stopping.py``).
* **auto_shutdown**: "any_significant" / "all_significant": when a significant child ends by itself
  and is not restarted (or is given up), the supervisor ends with `Shutdown` - if it was the first,
  or the last that was running.
* **Requests** are those of ``requests.py``. They are answered one after the other; stopping a
  child makes the others wait, at most the child's `shutdown` time.

The supervisor is an actor: it traps exits, links its children and answers system messages. A
cascade of exits is a loop of the runtime's run queue, never a recursion.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar, Final, Literal

from actors import Actor, CallError, Exit, ExitReason, Reject, Stop, on
from actors.behaviours.timers import TimerRef
from actors.errors import AlreadyStarted
from actors.lifecycle.starting import Started
from actors.ref import LocalRef
from actors.scheduling.protection import protect
from supervision.budget import Budget
from supervision.child_spec import (
    AutoShutdown,
    ChildDefaults,
    ChildSpec,
    ChildSpecError,
    check_child,
    check_children,
    check_complete,
    shown,
)
from supervision.decision import decide
from supervision.flags import AUTO_SHUTDOWNS, STRATEGIES, Strategy, check_flag
from supervision.reports import ReportDesk
from supervision.requests import (
    ChildAlreadyPresent,
    ChildCounts,
    ChildInfo,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    InvalidChildSpec,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChildren,
    check_additions,
    named_child,
)
from supervision.restart_ledger import Exceeded, RestartLedger
from supervision.starting import (
    IGNORED,
    failed_to_start_child,
    reason_of_failure,
    start_again,
    start_child,
)
from supervision.stopping import SHUTDOWN, stop_in_turn
from supervision.waiting import give_way

State = Literal["running", "restarting", "ended"]


class _Child:
    """One child: its spec, and its incarnation or the retry that is due."""

    __slots__ = ("ref", "retry", "spec", "starting", "state", "timer")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.ref: LocalRef | None = None
        self.starting: LocalRef | None = None
        self.state: State = "ended"
        self.retry: object = None
        self.timer: TimerRef | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Retry:
    """To itself: start this child again. `allowed` if the restart has been paid for already."""

    child: _Child
    allowed: bool


class Supervisor(Actor):
    """A supervisor of a list of children; see the top of this file.

    Args:
        children: specs, or actor classes that stand for their own spec, in start order.
        strategy: "one_for_one", "one_for_all" or "rest_for_one".
        intensity: restarts allowed within `period` seconds, from 0 up.
        period: seconds above 0.
        auto_shutdown: "never", "any_significant" or "all_significant".

    Raises:
        ChildSpecError, BudgetError, FlagError: an argument is wrong (as the reason of StartFailed).

    """

    trap_exit = True
    child_defaults: ClassVar[ChildDefaults] = ChildDefaults(type="supervisor")

    def __init__(
        self,
        children: Iterable[ChildSpec | type[Actor]] = (),
        *,
        strategy: Strategy = "one_for_one",
        intensity: int = 3,
        period: float = 5.0,
        auto_shutdown: AutoShutdown = "never",
    ) -> None:
        self._strategy: Final = check_flag("strategy", strategy, STRATEGIES)
        self._auto_shutdown: Final = check_flag("auto_shutdown", auto_shutdown, AUTO_SHUTDOWNS)
        self._budget: Final = Budget(intensity, period)
        specs = check_children(children, auto_shutdown)
        self._children: dict[Hashable, _Child] = {spec.id: _Child(spec) for spec in specs}
        self._running: dict[LocalRef, _Child] = {}
        self._starting: dict[LocalRef, _Child] = {}

    async def init(self) -> None:
        """Start the children in order, all or none."""
        self._desk = ReportDesk(self)
        self._ledger = RestartLedger(self._budget, self.system.random)
        for child in tuple(self._children.values()):
            reason = await self._start(child)
            if reason is not None:
                await self._stop(reversed(self._children.values()))
                raise Stop(failed_to_start_child(child.spec, reason))

    async def terminate(self, reason: ExitReason) -> None:  # noqa: ARG002 - same for every reason
        """Stop the children in reverse order."""
        await self._stop(reversed(self._children.values()))

    # -- a child ends -------------------------------------------------------------------------

    @on(Exit)
    async def child_ended(self, message: Exit) -> None:
        """Restart the child, or forget it; an exit signal of anybody else means nothing here."""
        ref: Any = message.ref
        child = self._running.pop(ref, None)
        if child is None:
            return
        decision = decide(child.spec.restart, message.reason)
        if decision.told:
            self._desk.tell("child_terminated", message.reason, child.ref, child.spec)
        if decision.restarts:
            await self._restart(child, was_up=True)
        else:
            self._end(child)
            self._consider_shutdown(child)

    @on(_Retry)
    async def retry(self, message: _Retry) -> None:
        """Try to start a child again, unless that has been overtaken by something."""
        child = message.child
        if child.retry is not message:
            return
        if message.allowed:
            await self._start_again(child)
        else:
            await self._restart(child, was_up=False)

    async def _restart(self, child: _Child, *, was_up: bool) -> None:
        """Pay for a restart and do it, now or later."""
        spec, now = child.spec, self.ref.scheduler.now()
        verdict = self._ledger.judge(spec.id, spec, now, was_up=was_up)
        if verdict is Exceeded.SUPERVISOR:
            self._desk.tell("shutdown", "reached_max_restart_intensity", child.ref, spec)
            self._end(child)
            self.stop(SHUTDOWN)
        elif verdict is Exceeded.CHILD:
            self._desk.tell("gave_up", "reached_max_restart_intensity", child.ref, spec)
            self._end(child)
            self._consider_shutdown(child)
        elif verdict > 0:
            self._schedule(child, verdict, allowed=True)
            await self._stop(reversed(self._others(child)))
        else:
            await self._start_again(child)

    async def _start_again(self, child: _Child) -> None:
        """Start a child, and by strategy those that share its fate."""
        if self._strategy == "one_for_one":
            await self._start_alone(child)
            return
        others = self._others(child)
        if others:
            await self._stop(reversed(others))
        self._end(child)
        for member in self._group(child):
            reason = await self._start(member)
            if reason is not None:
                self._schedule(member, 0, allowed=False)
                return
            if member.ref is not None:
                self._desk.restarted(member.ref, member.spec)

    async def _start_alone(self, child: _Child) -> None:
        """Start a child again without waiting for its ``init``."""
        self._end(child)
        try:
            ref, is_up = start_again(self, child.spec)
        except CallError as error:
            self._not_started(child, reason_of_failure(error))
            return
        if is_up:
            self._is_up(child, ref)
        else:
            child.starting, child.state = ref, "restarting"
            self._starting[ref] = child
            if self.ref.scheduler.binding is not None:
                await give_way(self)

    @on(Started)
    def started(self, message: Started) -> None:
        """The ``init`` of a restarted child has ended, unless it was stopped meanwhile."""
        child = self._starting.pop(message.ref, None)
        if child is None:
            return
        self._end(child)
        if message.error is None:
            self._is_up(child, message.ref)
        else:
            self._not_started(child, reason_of_failure(message.error))

    def _is_up(self, child: _Child, ref: LocalRef) -> None:
        child.ref, child.state = ref, "running"
        self._running[ref] = child
        self._desk.restarted(ref, child.spec)

    def _not_started(self, child: _Child, reason: ExitReason) -> None:
        if reason != IGNORED:
            self._desk.tell("start_error", reason, None, child.spec)
            self._schedule(child, 0, allowed=False)

    def _group(self, child: _Child) -> list[_Child]:
        """The children restarted together with `child`, itself included, in start order."""
        if self._strategy == "one_for_one":
            return [child]
        children = list(self._children.values())
        return children if self._strategy == "one_for_all" else children[children.index(child) :]

    def _others(self, child: _Child) -> list[_Child]:
        return [other for other in self._group(child) if other is not child]

    def _schedule(self, child: _Child, seconds: float, *, allowed: bool) -> None:
        """Have the child started again later, leaving the supervisor free meanwhile."""
        self._end(child)
        child.state = "restarting"
        retry = child.retry = _Retry(child, allowed)
        child.timer = self.send_after(seconds, retry)

    def _consider_shutdown(self, child: _Child) -> None:
        """End the supervisor if the end of this significant child says so."""
        if not child.spec.significant or self._auto_shutdown == "never":
            return
        left = (other for other in self._children.values() if other.state != "ended")
        if self._auto_shutdown == "any_significant" or not any(c.spec.significant for c in left):
            self.stop(SHUTDOWN)

    # -- starting and stopping one child ------------------------------------------------------

    async def _start(self, child: _Child) -> ExitReason | None:
        """Start a child; returns why it failed, having reported that. Ignoring is no failure."""
        try:
            ref = await start_child(self, child.spec)
        except CallError as error:
            reason = reason_of_failure(error)
            if reason == IGNORED:
                self._forget_if_temporary(child)
                return None
            self._desk.tell("start_error", reason, None, child.spec)
            return reason
        child.ref, child.state = ref, "running"
        self._running[ref] = child
        return None

    async def _stop(self, children: Iterable[_Child]) -> None:
        """Stop children in this order; temporary ones are forgotten."""
        running = []
        for child in tuple(children):
            ref = child.ref or child.starting
            if ref is not None:
                running.append((ref, child.spec))
            self._end(child)
        await stop_in_turn(self, running, self._tell_shutdown_error)

    def _tell_shutdown_error(self, reason: ExitReason, ref: LocalRef, spec: ChildSpec) -> None:
        self._desk.tell("shutdown_error", reason, ref, spec)

    def _end(self, child: _Child) -> None:
        """The child neither runs nor is about to."""
        if child.ref is not None:
            self._running.pop(child.ref, None)
        if child.starting is not None:
            self._starting.pop(child.starting, None)
        if child.timer is not None:
            self.cancel_timer(child.timer)
        child.ref = child.starting = child.timer = child.retry = None
        child.state = "ended"
        self._forget_if_temporary(child)

    def _forget_if_temporary(self, child: _Child) -> None:
        if child.spec.restart == "temporary":
            self._children.pop(child.spec.id, None)

    # -- requests -----------------------------------------------------------------------------

    @on(StartChild)
    async def start_one(self, request: StartChild) -> LocalRef:
        """Add a child after the others and start it."""
        try:
            spec = check_child(request.spec, self._auto_shutdown)
            check_additions(request)
            if request.args or request.name is not None:
                name = spec.name if request.name is None else request.name
                spec = dataclasses.replace(spec, args=(*spec.args, *request.args), name=name)
            check_complete(spec)
        except ChildSpecError as error:
            raise Reject(InvalidChildSpec(str(error))) from None
        present = self._children.get(spec.id)
        if present is not None:
            if present.ref is not None:
                raise Reject(AlreadyStarted(spec.id, present.ref))
            raise Reject(
                ChildAlreadyPresent(
                    f"A child {spec.id!r} is kept but does not run; "
                    "send RestartChild or DeleteChild."
                )
            )
        return await self._run(_Child(spec))

    @on(RestartChild)
    async def restart_one(self, request: RestartChild) -> LocalRef:
        """Start a child that has ended."""
        return await self._run(self._ended_child(named_child(request.id)))

    async def _run(self, child: _Child) -> LocalRef:
        spec = child.spec
        try:
            ref = await start_child(self, spec)
        except CallError as error:
            if reason_of_failure(error) == IGNORED and spec.restart != "temporary":
                self._children[spec.id] = child
            raise Reject(error) from None
        child.ref, child.state = ref, "running"
        self._running[ref] = self._children[spec.id] = child
        return ref

    @on(TerminateChild)
    async def terminate_one(self, request: TerminateChild) -> None:
        """Stop a child in order, or give up on restarting it."""
        child = self._child(named_child(request.child))
        self._ledger.forget(child.spec.id)
        await self._stop([child])

    @on(DeleteChild)
    def delete_one(self, request: DeleteChild) -> None:
        """Forget a child that has ended."""
        child = self._ended_child(named_child(request.id))
        self._ledger.forget(child.spec.id)
        del self._children[child.spec.id]

    @on(GetChildSpec)
    def get_spec(self, request: GetChildSpec) -> ChildSpec:
        """The spec of a child."""
        return self._child(named_child(request.child)).spec

    @on(WhichChildren)
    def which(self, request: WhichChildren) -> tuple[ChildInfo, ...]:  # noqa: ARG002
        """All children in start order."""
        return tuple(
            ChildInfo(child.spec.id, child.ref, child.state, child.spec.type, child.spec.actor)
            for child in self._children.values()
        )

    @on(CountChildren)
    def count(self, request: CountChildren) -> ChildCounts:  # noqa: ARG002
        """Numbers of children; active are those alive at this moment."""
        children = self._children.values()
        active = sum(child.ref is not None and child.ref.is_alive() for child in children)
        supervisors = sum(child.spec.type == "supervisor" for child in children)
        return ChildCounts(len(children), active, supervisors, len(children) - supervisors)

    def _child(self, child_id: Any) -> _Child:
        child = self._children.get(child_id)
        if child is None:
            known = ", ".join(repr(known) for known in list(self._children)[:8]) or "none"
            raise Reject(
                ChildNotFound(f"There is no child {shown(child_id)}; the children are {known}.")
            )
        return child

    def _ended_child(self, child_id: Any) -> _Child:
        child = self._child(child_id)
        if child.state == "running":
            text = f"The child {shown(child_id)} runs; send TerminateChild first."
            raise Reject(ChildRunning(text))
        if child.state == "restarting":
            raise Reject(
                ChildRestarting(
                    f"The child {shown(child_id)} is restarting; send TerminateChild first."
                )
            )
        return child


# A Ctrl-C comes after a step of a supervisor, never between starting a child and noting it.
protect(Supervisor)
