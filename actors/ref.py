"""References: how everybody else sees an actor.

A `Ref` is the only handle on an actor. It names one incarnation: after a restart the old ref is
dead and stays so. `LocalRef` is at the same time the actor's entry in the process table, small
because there may be a million: its mailbox exists only while messages wait, its control record and
its ties only when needed.

Order: messages from one sender to one actor arrive in the order in which they were sent, each at
most once. Between different senders no order is promised.

All methods belong to the thread of the actor's system; other threads use `System.portal`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from actors.errors import Busy, CallCycle, CalleeDied
from actors.mailboxes import overflow
from actors.mailboxes.alarms import note_length
from actors.mailboxes.mailbox import EMPTY, append, length
from actors.messages import Answer, Request
from actors.reasons import ExitReason, NoProc, bounded, one_line
from actors.scheduling._trio_internals import LOCK_OWNERS
from actors.scheduling.clocks import deadline_after
from actors.scheduling.control import Control
from actors.scheduling.cycles import MAX_FOLLOWED, find_cycle
from actors.scheduling.protection import protect
from actors.scheduling.threads import get_ident
from actors.scheduling.waits import Call, RequestCall, give_way, park, wait_in_task

if TYPE_CHECKING:
    from actors.actor import Actor
    from actors.errors import CallError
    from actors.handlers import Behaviour
    from actors.lifecycle.ties import Ties
    from actors.scheduling.scheduler import Scheduler
    from actors.scheduling.turns import Turn

R = TypeVar("R")

CALL_TIMEOUT_S: Final = 5.0
"""Default patience of a call, as in OTP."""
MAX_NAME: Final = 100
"""Characters of a name shown in texts."""
MAX_DEPTH: Final = 16
"""Calls stepped directly inside each other; a deeper one goes through the run queue."""
MAX_ANCESTORS: Final = 32

IDLE: Final = 0
RECEIVING: Final = 1
DROWSY: Final = 2
ASLEEP: Final = 3
QUEUED: Final = 4
RUNNING: Final = 5
PARKED: Final = 6
BOUND: Final = 7
HELD: Final = 8
DEAD: Final = 9
STATUS_NAMES: Final = (
    "idle",
    "receiving",
    "idle",
    "hibernated",
    "runnable",
    "running",
    "waiting",
    "waiting in trio",
    "suspended",
    "dead",
)


class Ref:
    """A reference to one incarnation of an actor, wherever it lives."""

    __slots__ = ()

    @abstractmethod
    def cast(self, message: object) -> None:
        """Send `message` and forget it. Never blocks and never raises for a dead or full actor."""

    @abstractmethod
    async def send(self, message: object, timeout: float | None = CALL_TIMEOUT_S) -> None:  # noqa: ASYNC109
        """Send `message`; returns when it is in the mailbox, or dropped as the policy says.

        If the receiver's ``mailbox_policy`` is "block" it waits for room, at most `timeout` seconds
        (None: for ever). So a sender goes no faster than its receiver.

        Raises:
            CallTimeout: there was no room in time; the message will not be delivered.
            CalleeDied: the receiver was dead, or ended before there was room.
            Busy: the mailbox is full and the policy is "reject", or too many wait for room.
            CallCycle: the receiver waits, directly or through others, for the sender.
        """
        raise NotImplementedError

    @abstractmethod
    async def call(self, request: Request[R], timeout: float | None = CALL_TIMEOUT_S) -> R:  # noqa: ASYNC109
        """Send `request` and wait for its reply, at most `timeout` seconds (None: for ever).

        Raises:
            CallTimeout: no reply in time; it is dropped if it comes later.
            CalleeDied: the actor was dead, or ended before it replied.
            Busy: its mailbox is full (under the policy "block": too many wait for room).
            Unhandled: it has no handler for this request.
            CallCycle: it waits, directly or through others, for the caller.
            CallError: what the handler rejected the request with.
        """
        raise NotImplementedError

    @abstractmethod
    def is_alive(self) -> bool:
        """Whether the actor may still handle messages."""
        raise NotImplementedError


class LocalRef(Ref):
    """A reference to an actor of this process."""

    __slots__ = (
        "actor",
        "behaviour",
        "control",
        "entry",
        "first",
        "links",
        "mailbox",
        "name",
        "number",
        "parent",
        "scheduler",
        "status",
        "ties",
        "turn",
        "waiting",
    )

    def __init__(
        self, scheduler: Scheduler, number: int, behaviour: Behaviour, name: object
    ) -> None:
        self.scheduler = scheduler
        self.number = number
        self.behaviour = behaviour
        self.name = name
        self.actor: Actor | None = None
        self.parent: LocalRef | None = None
        self.status = IDLE
        self.first: Any = EMPTY
        self.mailbox: deque[Any] | None = None
        self.entry: Any = None
        self.turn: Turn | None = None
        self.control: Control | None = None
        self.links: LocalRef | dict[LocalRef, None] | None = None
        self.ties: Ties | None = None
        self.waiting: LocalRef | None = None

    def __repr__(self) -> str:
        try:
            name = "" if self.name is None else f" {one_line(bounded(repr(self.name), MAX_NAME))}"
        except Exception:
            name = f" <a {type(self.name).__qualname__} that has no text>"
        return f"<{self.behaviour.name}{name} {self.scheduler.name}#{self.number}>"

    def is_alive(self) -> bool:
        """Whether the actor may still handle messages."""
        return self.status != DEAD

    @property
    def exit_reason(self) -> ExitReason | None:
        """Why the actor ended; None while it lives."""
        reason = self.entry
        return reason if self.status == DEAD and isinstance(reason, ExitReason) else None

    @property
    def ancestors(self) -> tuple[LocalRef, ...]:
        """Its parent, the parent's parent and so on, as far as they live; at most 32."""
        found: list[LocalRef] = []
        parent = self.parent
        while parent is not None and len(found) < MAX_ANCESTORS:
            found.append(parent)
            parent = parent.parent
        return tuple(found)

    @property
    def queue_length(self) -> int:
        """User messages that wait."""
        return length(self)

    def cast(self, message: object) -> None:
        """Send `message` and forget it; see `Ref.cast`."""
        status = self.status
        mailbox = self.mailbox
        if mailbox is not None:
            if len(mailbox) < self.behaviour.rest_limit:
                mailbox.append(message)
            elif overflow.cast(self, message):
                status = self.status
            else:
                return
        elif self.first is EMPTY:
            if status == DEAD:
                self.scheduler.reporter.dead_letter(self, message)
                return
            self.first = message
        elif self.behaviour.rest_limit == 0:
            if not overflow.cast(self, message):
                return
            status = self.status
        else:
            spare = self.scheduler.spare
            mailbox = self.mailbox = spare.pop() if spare else deque()
            mailbox.append(message)
        if status < QUEUED:
            self.status = QUEUED
            scheduler = self.scheduler
            scheduler.runq.append(self)
            if scheduler.idle or get_ident() != scheduler.thread:
                scheduler.wake()

    def put(self, entry: object) -> None:
        """Deliver a message that the actor has asked for, so that no bound applies."""
        if self.status == DEAD:
            return
        mailbox = self.mailbox
        if mailbox is None and self.first is EMPTY:
            self.first = entry
        else:
            if (0 if mailbox is None else len(mailbox)) >= self.behaviour.rest_limit:
                note_length(self, length(self))
            append(self, entry)
        if self.status < QUEUED:
            self.scheduler.enqueue(self)

    def wake(self) -> None:
        """Have the scheduler look at the mailbox, if it need be told."""
        if self.status < QUEUED:
            self.scheduler.enqueue(self)

    async def send(self, message: object, timeout: float | None = CALL_TIMEOUT_S) -> None:  # noqa: ASYNC109
        """Send `message` with backpressure; see `Ref.send`."""
        if self.scheduler.run.current is None:
            self.scheduler.check_thread()
            try:
                await trio.lowlevel.checkpoint_if_cancelled()
            except RuntimeError:
                raise _outside_of_trio("send") from None
        if self.status == DEAD:
            raise CalleeDied(self, NoProc())
        if length(self) < self.behaviour.rest_limit:
            self.cast(message)
        else:
            await overflow.send(self, message, timeout)

    def answer(self, tag: object, value: object, error: BaseException | None) -> None:
        """Deliver the outcome of a request that this actor made."""
        failure: Any = error
        self.put(Answer(tag, value, failure))

    def nudge(self) -> None:
        """Have the scheduler look at the actor's control record."""
        if self.status < QUEUED or self.status == HELD:
            self.scheduler.enqueue(self)

    async def call(self, request: Request[R], timeout: float | None = CALL_TIMEOUT_S) -> R:  # noqa: ASYNC109
        """Send `request` and wait for its reply; see `Ref.call`."""
        scheduler = self.scheduler
        caller = scheduler.run.current
        if caller is None:
            return await self._call_in_task(request, timeout)
        if (
            self.status <= QUEUED
            and scheduler.left > 0
            and scheduler.depth < MAX_DEPTH
            and (leader := scheduler.leader)._cancel_status is scheduler.base
            and not leader._child_nurseries
            and (not LOCK_OWNERS or leader not in LOCK_OWNERS)
            and (self.status == IDLE or scheduler.catch_up(self, caller))
        ):
            result: Any = scheduler.step_into(self, request, caller)
            if result.__class__ is not Call:
                return result  # type: ignore[no-any-return]
            call: Call = result
        else:
            if scheduler.binding is not None:
                await give_way(caller)
            if self.waiting is not None or self.ties is not None or self is caller:
                self._check_cycle(caller)
            call = Call(caller, self, request)
            self._put_call(call)
        if not call.done or scheduler.binding is not None:
            if call.done:
                pass
            elif scheduler.left > 0:
                # Most calls are answered before the slice ends and never enter the wheel.
                call.final = inf if timeout is None else timeout
                scheduler.unarmed.append(call)
            else:
                call.arm(timeout, scheduler.now())
            caller.waiting = self
            await park(call)
        caller.waiting = None
        if call.error is not None:
            overflow.forget(self, call)
            raise call.take_error()
        return call.value  # type: ignore[no-any-return]

    def _put_call(self, call: Call) -> None:
        if self.status == DEAD:
            raise CalleeDied(self, NoProc())
        if length(self) >= self.behaviour.rest_limit:
            overflow.call(self, call)
            return
        append(self, call)
        if self.status < QUEUED:
            self.scheduler.enqueue(self)

    def _check_cycle(self, caller: LocalRef) -> None:
        cycle = find_cycle(caller, self, MAX_FOLLOWED)
        if cycle is not None:
            raise CallCycle(cycle)

    async def _call_in_task(self, request: Request[R], timeout: float | None) -> R:  # noqa: ASYNC109
        scheduler = self.scheduler
        scheduler.check_thread()
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
        except RuntimeError:
            raise _outside_of_trio("call") from None
        owner = scheduler.run.owner_of_current_task()
        if owner is not None:
            self._check_cycle(owner)
        call = Call(owner, self, request)
        self._put_call(call)
        if timeout is not None or owner is not None:
            call.arm(timeout, scheduler.now())
        try:
            if owner is None:
                await wait_in_task(call)
            else:
                await scheduler.wait_as_child(owner, call)
        except BaseException:
            overflow.forget(self, call)
            raise
        if call.error is not None:
            raise call.take_error()
        return call.value  # type: ignore[no-any-return]

    def request(self, asker: LocalRef, request: object, tag: object, timeout: float | None) -> None:
        """Send `request` for `asker`, which gets the outcome as an `Answer` with this `tag`."""
        call = RequestCall(asker, self, request, tag, asker)
        if timeout is not None:
            call.final = deadline_after(self.scheduler.now(), timeout)
        try:
            self._put_call(call)
        except (CalleeDied, Busy) as error:
            call.resolve(None, _bare(error))
            return
        if timeout is not None:
            self.scheduler.wheel.add(call, call.final)


def _outside_of_trio(what: str) -> RuntimeError:
    return RuntimeError(
        f"await ref.{what}(...) is for actors and other trio code; in asyncio use the bridge, "
        "as in await bridge.call(ref, request), in other threads a portal"
    )


def _bare(error: CallError) -> CallError:
    error.__traceback__ = error.__context__ = None
    return error


protect(LocalRef)
