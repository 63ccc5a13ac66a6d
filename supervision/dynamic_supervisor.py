"""`DynamicSupervisor`: any number of children, started one by one on request, named by their refs.

    sessions = await system.spawn(DynamicSupervisor, max_children=10_000, name="sessions")
    spec = ChildSpec("session", Session, restart="transient")    # one spec for all of them
    ref = await sessions.call(StartChild(spec, args=(user,), name=("session", user)))
    await sessions.call(TerminateChild(ref))

Contract (Elixir's `DynamicSupervisor`, OTP's `simple_one_for_one`):

* A child that ends is judged alone: the table of ``decision.py`` says whether it is started again.
  Its next incarnation has a new ref; whoever needs to find it again gives it a name. A child that
  is not restarted is forgotten. Ids mean nothing here and need not be unique.
* **Budget**: children without a budget of their own share `intensity` restarts in `period`
  seconds; one more, and the supervisor stops all children and ends with `Shutdown`. That is a
  sword over strangers: give each child its own, in the spec or by `child_budget`. Exceeding that
  removes the one child, with a report (`gave_up`).
* **A restart that fails** is tried again, at the cost of a restart each time, after the child's
  backoff. Between the tries, and while the ``init`` of a restart waits for something, the
  supervisor serves others and lists the child as `restarting`; `TerminateChild` ends also that.
* **Memory**: a child costs an entry in a dict whose value is the spec that it shares with others.
  Only arguments or a name given with `StartChild` need a small record; those of a temporary child
  are dropped when it has started, since it never starts again.
* **Stop**: all children stop concurrently, with one deadline for each distinct timeout.
  `TerminateChild` does not keep the supervisor: its reply comes when the child has ended.
* With `max_children`, whoever asks for more is refused (`TooManyChildren`). Children that are
  restarting or stopping count.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, ClassVar, Final

from actors import NO_REPLY, Actor, CallError, Down, Exit, ExitReason, Reject, TimerRef, on
from actors.calling.reply import ReplyTo
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
    shown,
)
from supervision.decision import decide
from supervision.flags import AUTO_SHUTDOWNS, FlagError, check_flag
from supervision.reports import ReportDesk
from supervision.requests import (
    ChildCounts,
    ChildInfo,
    ChildNotFound,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    InvalidChildSpec,
    RestartChild,
    StartChild,
    TerminateChild,
    TooManyChildren,
    UnsupportedRequest,
    WhichChildren,
    check_additions,
    named_child,
)
from supervision.restart_ledger import Exceeded, RestartLedger
from supervision.starting import IGNORED, reason_of_failure, start_again, start_child
from supervision.stopping import SHUTDOWN, ask_to_stop, is_shutdown_error, stop_together
from supervision.waiting import give_way

_MAX_SHARED: Final = 256
"""Specs of temporary children kept for sharing; beyond it they are made anew."""


@dataclass(frozen=True, slots=True)
class _Own:
    """A child that was started with arguments or a name of its own."""

    spec: ChildSpec
    args: tuple[Any, ...]
    name: Hashable | None


_Entry = ChildSpec | _Own


@dataclass(frozen=True, slots=True)
class _Retry:
    """To itself: start this child again. `allowed` if the restart has been paid for already."""

    ref: LocalRef
    allowed: bool


@dataclass(frozen=True, slots=True)
class _KillLate:
    """To itself: the time that this child had to stop is over."""

    ref: LocalRef


class _Stopping:
    """A child that was asked to stop, and who waits for that."""

    __slots__ = ("replies", "spec", "timer")

    def __init__(self, spec: ChildSpec, timer: TimerRef | None) -> None:
        self.spec = spec
        self.timer = timer
        self.replies: list[ReplyTo[None]] = []


class DynamicSupervisor(Actor):
    """A supervisor of children that come and go; see the top of this file.

    Args:
        intensity: restarts allowed within `period` seconds to all children without a budget.
        period: seconds above 0.
        max_children: children at most, or None for any number.
        child_budget: the budget of each child whose spec has none.
        auto_shutdown: "never", "any_significant" or "all_significant".
        extra_arguments: a tuple of arguments that come before those of each child.

    Raises:
        BudgetError, FlagError: an argument is wrong (as the reason of StartFailed).

    """

    trap_exit = True
    child_defaults: ClassVar[ChildDefaults] = ChildDefaults(type="supervisor")

    def __init__(
        self,
        *,
        intensity: int = 3,
        period: float = 5.0,
        max_children: int | None = None,
        child_budget: Budget | None = None,
        auto_shutdown: AutoShutdown = "never",
        extra_arguments: tuple[Any, ...] = (),
    ) -> None:
        if max_children is not None and (type(max_children) is not int or max_children < 1):
            raise FlagError(
                f"max_children={max_children!r} is no number of children. "
                "Write a whole number from 1 up, or None for any number."
            )
        if child_budget is not None and not isinstance(child_budget, Budget):
            raise FlagError(
                f"child_budget={child_budget!r} is no budget. Write child_budget=Budget(3, 5.0)."
            )
        if type(extra_arguments) is not tuple:
            raise FlagError(
                f"extra_arguments={extra_arguments!r} is no tuple. "
                "Write a tuple, as in extra_arguments=(store,)."
            )
        self._auto_shutdown: Final = check_flag("auto_shutdown", auto_shutdown, AUTO_SHUTDOWNS)
        self._extra: Final = extra_arguments
        self._budget: Final = Budget(intensity, period)
        self._child_budget: Final = child_budget
        self._max_children: Final = max_children
        self._children: dict[LocalRef, _Entry] = {}
        self._restarting: dict[LocalRef, _Entry] = {}
        self._starting: dict[LocalRef, LocalRef] = {}
        self._stopping: dict[LocalRef, _Stopping] = {}
        self._shared: dict[tuple[object, ...], ChildSpec] = {}
        self._supervisors = 0
        self._significant = 0

    def init(self) -> None:
        """There are no children yet."""
        self._desk = ReportDesk(self)
        self._ledger = RestartLedger(self._budget, self.system.random, self._child_budget)

    async def terminate(self, reason: ExitReason) -> None:  # noqa: ARG002 - same for every reason
        """Stop all children concurrently."""
        children = [(ref, _spec(entry)) for ref, entry in self._children.items()]
        children += [(ref, stopping.spec) for ref, stopping in self._stopping.items()]
        children += [(ref, _spec(self._restarting[old])) for ref, old in self._starting.items()]
        self._children.clear()
        await stop_together(self, children, self._tell_shutdown_error)

    # -- starting -----------------------------------------------------------------------------

    @on(StartChild)
    async def start_one(self, request: StartChild) -> LocalRef:
        """Start a child."""
        spec, children, most = request.spec, self._children, self._max_children
        if request.name is not None or request.args != ():
            check_additions(request)
        if type(spec) is not ChildSpec or spec.significant:
            spec = self._checked(spec)
        if most is not None and len(children) + len(self._restarting) + len(self._stopping) >= most:
            raise Reject(
                TooManyChildren(f"{self.ref!r} has max_children={most} already; stop one first.")
            )
        try:
            ref = await start_child(self, spec, request.args, request.name, self._extra)
        except CallError as error:
            raise Reject(error) from None
        if spec.restart == "temporary":
            children[ref] = self._share(spec)
        elif request.args or request.name is not None:
            children[ref] = _Own(spec, request.args, request.name)
        else:
            children[ref] = spec
        if spec.type == "supervisor":
            self._supervisors += 1
        if spec.significant:
            self._significant += 1
        return ref

    def _checked(self, child: object) -> ChildSpec:
        try:
            return check_child(child, self._auto_shutdown)
        except ChildSpecError as error:
            raise Reject(InvalidChildSpec(str(error))) from None

    def _share(self, spec: ChildSpec) -> ChildSpec:
        """The spec without what only a start needs, one object for all alike."""
        if spec.name is None and spec.kwargs is None and not spec.args:
            return spec
        key = (spec.actor, spec.shutdown, spec.type, spec.significant)
        shared = self._shared.get(key)
        if shared is None:
            shared = replace(spec, id=spec.actor.__qualname__, args=(), name=None, kwargs=None)
            if len(self._shared) < _MAX_SHARED:
                self._shared[key] = shared
        return shared

    # -- a child ends -------------------------------------------------------------------------

    @on(Exit)
    async def child_ended(self, message: Exit) -> None:
        """Restart the child, or forget it; an exit signal of anybody else means nothing here."""
        ref: Any = message.ref
        entry = self._children.pop(ref, None)
        if entry is None:
            return
        spec = _spec(entry)
        decision = decide(spec.restart, message.reason)
        if decision.told:
            self._desk.tell("child_terminated", message.reason, ref, spec)
        if not decision.restarts:
            self._forget(ref, spec)
        elif self._may_start_again(ref, entry, spec, was_up=True):
            self._start_again(ref, entry)
            if self.ref.scheduler.binding is not None:
                await give_way(self)

    @on(_Retry)
    async def retry(self, message: _Retry) -> None:
        """Try to start a child again, unless it was terminated meanwhile."""
        entry = self._restarting.pop(message.ref, None)
        if entry is None:
            return
        ref = message.ref
        if message.allowed or self._may_start_again(ref, entry, _spec(entry), was_up=False):
            self._start_again(ref, entry)
            if self.ref.scheduler.binding is not None:
                await give_way(self)

    def _may_start_again(
        self, ref: LocalRef, entry: _Entry, spec: ChildSpec, *, was_up: bool
    ) -> bool:
        """Pay for a restart; whether it is to be done now, and not later or never."""
        verdict = self._ledger.judge(ref, spec, self.ref.scheduler.now(), was_up=was_up)
        if verdict is Exceeded.SUPERVISOR:
            self._desk.tell("shutdown", "reached_max_restart_intensity", ref, spec)
            self.stop(SHUTDOWN)
        elif verdict is Exceeded.CHILD:
            self._desk.tell("gave_up", "reached_max_restart_intensity", ref, spec)
            self._forget(ref, spec)
        elif verdict > 0:
            self._schedule(ref, entry, verdict, allowed=True)
        else:
            return True
        return False

    def _start_again(self, old: LocalRef, entry: _Entry) -> None:
        """Start a child again, without waiting for its ``init``."""
        spec = _spec(entry)
        try:
            if type(entry) is _Own:
                ref, is_up = start_again(self, spec, entry.args, entry.name, self._extra)
            else:
                ref, is_up = start_again(self, spec, extra=self._extra)
        except CallError as error:
            self._not_started(old, entry, reason_of_failure(error))
            return
        if is_up:
            self._children[ref] = entry
            self._ledger.move(old, ref)
            self._desk.restarted(ref, spec)
        else:
            self._restarting[old] = entry
            self._starting[ref] = old

    @on(Started)
    def started(self, message: Started) -> None:
        """The ``init`` of a restarted child has ended, unless it was stopped meanwhile."""
        old = self._starting.pop(message.ref, None)
        if old is None:
            return
        entry = self._restarting.pop(old)
        if message.error is None:
            self._children[message.ref] = entry
            self._ledger.move(old, message.ref)
            self._desk.restarted(message.ref, _spec(entry))
        else:
            self._not_started(old, entry, reason_of_failure(message.error))

    def _not_started(self, old: LocalRef, entry: _Entry, reason: ExitReason) -> None:
        spec = _spec(entry)
        if reason == IGNORED:
            self._forget(old, spec)
        else:
            self._desk.tell("start_error", reason, old, spec)
            self._schedule(old, entry, 0, allowed=False)

    def _schedule(self, ref: LocalRef, entry: _Entry, seconds: float, *, allowed: bool) -> None:
        """Have the child started again later, leaving the supervisor free meanwhile."""
        self._restarting[ref] = entry
        self.send_after(seconds, _Retry(ref, allowed))

    def _forget(self, ref: LocalRef, spec: ChildSpec) -> None:
        """The child has ended by itself for good."""
        self._ledger.forget(ref)
        self._discount(spec)
        if spec.significant and (
            self._auto_shutdown == "any_significant" or self._significant == 0
        ):
            self.stop(SHUTDOWN)

    def _discount(self, spec: ChildSpec) -> None:
        if spec.type == "supervisor":
            self._supervisors -= 1
        if spec.significant:
            self._significant -= 1

    # -- stopping one child -------------------------------------------------------------------

    @on(TerminateChild)
    def terminate_one(self, request: TerminateChild) -> Any:
        """Ask a child to stop; the reply comes when it has ended."""
        ref = named_child(request.child)
        restarting = self._restarting.pop(ref, None)
        if restarting is not None:
            self._ledger.forget(ref)
            new = next((new for new, old in self._starting.items() if old is ref), None)
            if new is None:
                self._discount(_spec(restarting))
                return None
            del self._starting[new]
            ref = new
            self._stopping[ref] = self._ask_to_stop(ref, _spec(restarting))
        stopping = self._stopping.get(ref)
        if stopping is None:
            entry = self._children.pop(ref, None)
            if entry is None:
                raise Reject(ChildNotFound(f"{shown(ref)} is no child of {self.ref!r}."))
            stopping = self._stopping[ref] = self._ask_to_stop(ref, _spec(entry))
        stopping.replies.append(self.reply_to())
        return NO_REPLY

    def _ask_to_stop(self, ref: LocalRef, spec: ChildSpec) -> _Stopping:
        self._ledger.forget(ref)
        self.monitor(ref)
        seconds = ask_to_stop(self, ref, spec)
        late = self.send_after(seconds, _KillLate(ref)) if isfinite(seconds) else None
        return _Stopping(spec, late)

    @on(_KillLate)
    def kill_late(self, message: _KillLate) -> None:
        """Kill a child that did not stop in its time."""
        if message.ref in self._stopping:
            self.kill(message.ref)

    @on(Down)
    def stopped(self, message: Down) -> None:
        """A child that was asked to stop has ended."""
        ref: Any = message.ref
        stopping = self._stopping.pop(ref, None)
        if stopping is None:
            return
        if stopping.timer is not None:
            self.cancel_timer(stopping.timer)
        self._discount(stopping.spec)
        # A child that had ended before it was asked is reported with what it ended with.
        reason = ref.exit_reason or message.reason
        if is_shutdown_error(stopping.spec, reason):
            self._tell_shutdown_error(reason, ref, stopping.spec)
        for reply in stopping.replies:
            reply.reply(None)

    def _tell_shutdown_error(self, reason: ExitReason, ref: LocalRef, spec: ChildSpec) -> None:
        self._desk.tell("shutdown_error", reason, ref, spec)

    # -- other requests -----------------------------------------------------------------------

    @on(GetChildSpec)
    def get_spec(self, request: GetChildSpec) -> ChildSpec:
        """The spec of a child, with its own arguments and name; a temporary one's without."""
        ref = named_child(request.child)
        entry = self._children.get(ref) or self._restarting.get(ref)
        if entry is None:
            raise Reject(ChildNotFound(f"{shown(ref)} is no child of {self.ref!r}."))
        if type(entry) is not _Own:
            return _spec(entry)
        spec = entry.spec
        name = spec.name if entry.name is None else entry.name
        try:
            return replace(spec, args=spec.args + entry.args, name=name)
        except ChildSpecError as error:  # they fitted the class when the child was started
            raise Reject(InvalidChildSpec(str(error))) from None

    @on(WhichChildren)
    def which(self, request: WhichChildren) -> tuple[ChildInfo, ...]:  # noqa: ARG002
        """All children: those that run, are stopping, are restarting."""
        running = [(ref, _spec(entry)) for ref, entry in self._children.items()]
        running += [(ref, stopping.spec) for ref, stopping in self._stopping.items()]
        restarting = map(_spec, self._restarting.values())
        return (
            *(ChildInfo(None, ref, "running", spec.type, spec.actor) for ref, spec in running),
            *(ChildInfo(None, None, "restarting", spec.type, spec.actor) for spec in restarting),
        )

    @on(CountChildren)
    def count(self, request: CountChildren) -> ChildCounts:  # noqa: ARG002
        """Numbers of children; each counts as a spec."""
        active = len(self._children) + len(self._stopping)
        specs, supervisors = active + len(self._restarting), self._supervisors
        return ChildCounts(specs, active, supervisors, specs - supervisors)

    @on(RestartChild)
    def restart_one(self, request: RestartChild) -> LocalRef:
        """Refused: there are no ids and no children that have ended."""
        raise Reject(_unsupported(request))

    @on(DeleteChild)
    def delete_one(self, request: DeleteChild) -> None:
        """Refused: there are no ids and no children that have ended."""
        raise Reject(_unsupported(request))


# A Ctrl-C comes after a step of a supervisor, never between starting a child and noting it.
protect(DynamicSupervisor)


def _spec(entry: _Entry) -> ChildSpec:
    return entry.spec if type(entry) is _Own else entry  # type: ignore[return-value]


def _unsupported(request: object) -> UnsupportedRequest:
    return UnsupportedRequest(
        f"A DynamicSupervisor forgets children that have ended, so there is no "
        f"{type(request).__name__}. Send StartChild(spec) for a new one."
    )
