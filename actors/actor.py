"""`Actor`: the class to derive from, and what code inside an actor may do.

An actor is an object that handles one message at a time. Its life::

    __init__(*args)        plain construction: arguments only, the runtime is not attached yet
    init()                 optional; runs before `spawn` returns. If it raises, spawn raises
                           StartFailed and the name is free again
    @on(...) handlers      one message after the other; `def` or `async def`, `def` is faster
    terminate(reason)      optional; runs when a handler crashed, raised Stop or called
                           self.stop, and, if the actor traps exits, when its parent ends it.
                           Not when it is killed or ended by a signal that it does not trap

A handler may wait (`await ref.call(...)`, `self.sleep`, a `Signal`): the actor handles no other
message meanwhile, other actors go on. It may also use all of trio: sockets, nurseries, threads; it
is then driven by a trio task of its own until it returns. What it opens, it must close before it
returns: entering a scope or nursery in one message and leaving it in another is an error.

A handler that computes for long stalls its whole system; ``trio.to_thread.run_sync`` is the place
for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, ParamSpec, overload

from actors.behaviours import timers as _timers
from actors.calling.reply import ReplyTo, reply_to
from actors.errors import ActorError
from actors.handlers import Behaviour
from actors.lifecycle import links as _links
from actors.lifecycle.hibernation import ask_to_hibernate
from actors.lifecycle.start_and_end import send_exit, send_kill, start, stop_self
from actors.mailboxes import stash as _stash
from actors.mailboxes.mailbox import push_front
from actors.messages import Timeout
from actors.naming.aliases import Alias
from actors.observing.summaries import attributes
from actors.reasons import ExitReason, NoProc, Normal
from actors.ref import QUEUED, LocalRef, Ref
from actors.scheduling.clocks import deadline_after
from actors.scheduling.protection import protect
from actors.scheduling.waits import Sleep, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from actors.behaviours.timers import TimerRef
    from actors.lifecycle.links import MonitorRef
    from actors.mailboxes.rules import MailboxPolicy
    from actors.messages import NoReply
    from actors.system import System

P = ParamSpec("P")

_TIMEOUT: Final = Timeout()


class Actor:
    """Base of all actors."""

    __slots__ = ("ref",)

    ref: LocalRef
    """This actor's own reference; there from ``init`` on."""

    mailbox_limit: ClassVar[int] = 100_000
    """Messages that may wait; what happens to more of them is said by ``mailbox_policy``."""

    mailbox_policy: ClassVar[MailboxPolicy] = "drop_new"
    """What a full mailbox does: "block", "drop_new", "drop_old", "reject";
    see `actors.mailboxes.overflow`. With the default casts are dropped and counted, and calls fail
    with `Busy`."""

    mailbox_alarm: ClassVar[int | Literal["half"] | None] = "half"
    """The message that finds so many others waiting raises the mailbox alarm, see
    `actors.mailboxes.alarms`.
    "half": half of ``mailbox_limit``. None: there is no alarm."""

    stash_limit: ClassVar[int] = 1_000
    """Messages that may be put aside; above it as with ``mailbox_limit``."""

    trap_exit: bool = False
    """Whether exit signals of linked actors become `Exit` messages instead of ending this actor."""

    hibernate_after: ClassVar[float | None] = None
    """Seconds without a message after which the state is packed away; see
    `actors.lifecycle.hibernation`."""

    _behaviour: ClassVar[Behaviour]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._behaviour = Behaviour(cls, Actor)

    def init(self) -> Any:
        """Override for work that needs the runtime; ``def`` or ``async def``."""

    def terminate(self, reason: ExitReason) -> Any:
        """Override to clean up; ``def`` or ``async def``."""

    def dehydrate(self) -> Any:
        """Override, with `rehydrate`, to hibernate: the state in a compact form; None: not now."""

    def rehydrate(self, packed: Any) -> None:
        """Override to take over the state that `dehydrate` has packed."""

    def hibernate(self) -> None:
        """Pack the state away after this message, until the next.

        See `actors.lifecycle.hibernation`.

        Raises:
            ActorError: the class does not say how, by ``dehydrate`` and ``rehydrate``.
        """
        ask_to_hibernate(self.ref)

    def handle_info(self, message: Any) -> Any:
        """Override to handle messages without a handler; by default they are counted and logged."""
        self.ref.scheduler.reporter.unhandled(self.ref, message)

    def code_change(self, old_version: object, state: dict[str, Any]) -> None:
        """Override to adapt the object when an upgrade has given it this class.

        `self` has all its attributes already, as far as the class has a place for them; `state`
        holds all that there were, by name. `old_version` is the attribute ``version`` of the old
        class or of its module, None without one. If this raises, the whole upgrade is undone: so
        replace what attributes refer to, and do not change it. See `System.upgrade`.
        """

    def format_status(self) -> Any:
        """What `System.get_status` and crash reports show of the state; override to hide secrets.

        Any value; only a bounded summary of it is made. By default all attributes, by name.
        """
        return {name: value for name, value in attributes(self).items() if name != "ref"}

    @property
    def system(self) -> System:
        """The system in which this actor lives."""
        return self.ref.scheduler.system

    def stop(self, reason: ExitReason | None = None) -> None:
        """End after the current message, with ``terminate``. Default reason: `Normal`."""
        stop_self(self.ref, Normal() if reason is None else reason)

    def continue_with(self, message: object) -> None:
        """Handle `message` next, before everything in the mailbox (OTP: ``{continue, _}``)."""
        push_front(self.ref, message)
        if self.ref.status < QUEUED:
            self.ref.scheduler.enqueue(self.ref)

    @overload
    async def spawn(
        self, cls: Callable[P, Actor], *args: P.args, **kwargs: P.kwargs
    ) -> LocalRef: ...
    @overload
    async def spawn(
        self, cls: type[Actor], *args: Any, name: object, link: bool = True, **kwargs: Any
    ) -> LocalRef: ...
    @overload
    async def spawn(
        self, cls: type[Actor], *args: Any, link: bool, name: object = None, **kwargs: Any
    ) -> LocalRef: ...
    async def spawn(
        self,
        cls: Any,
        *args: Any,
        name: Any = None,
        link: Any = True,
        **kwargs: Any,
    ) -> LocalRef:
        """Start a child, linked; returns when its ``init`` has run.

        Without `link` it is nobody's child: like an actor that the system has started. Type
        checkers compare the arguments with the class's own ``__init__``, but not beside ``name=``
        or ``link=``: Python's types have no way to say both.

        Raises:
            StartFailed: its construction or ``init`` failed.
            AlreadyStarted: the name is taken.
        """
        return await start(
            self.ref.scheduler, cls, args, kwargs, name=name, parent=self.ref, link=link
        )

    @overload
    async def spawn_monitor(
        self, cls: Callable[P, Actor], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[LocalRef, MonitorRef]: ...
    @overload
    async def spawn_monitor(
        self, cls: type[Actor], *args: Any, name: object, **kwargs: Any
    ) -> tuple[LocalRef, MonitorRef]: ...
    async def spawn_monitor(
        self, cls: Any, *args: Any, name: object = None, **kwargs: Any
    ) -> tuple[LocalRef, MonitorRef]:
        """Start an actor that is not linked, and monitor it from its first moment on.

        Its `Down` has the reason of its end also if it ended before this returns. Raises as `spawn`
        does; there is then no `Down`.
        """
        ref = await start(self.ref.scheduler, cls, args, kwargs, name=name, parent=self.ref)
        return ref, _links.monitor(self.ref, ref, reason=ref.exit_reason)

    def alias(self, *, once: bool = False) -> Alias:
        """A reference to this actor that it can take back; with `once` good for one message."""
        return Alias(self.ref, once=once)

    def link(self, ref: Ref) -> None:
        """Link with `ref`: when one of the two ends abnormally, so does the other."""
        other = local(ref)
        if other is self.ref:
            return
        if not other.is_alive():
            send_exit(self.ref, NoProc(), other)
            return
        _links.add_link(self.ref, other)
        _links.add_link(other, self.ref)

    def unlink(self, ref: Ref) -> None:
        """Remove the link with `ref`, if there is one."""
        other = local(ref)
        _links.remove_link(self.ref, other)
        _links.remove_link(other, self.ref)

    def monitor(self, ref: Ref) -> MonitorRef:
        """Get one `Down` when `ref` ends; at once, with reason `NoProc`, if it has ended."""
        return _links.monitor(self.ref, local(ref))

    def demonitor(self, monitor: MonitorRef, *, flush: bool = True) -> None:
        """Take a monitor back; with `flush`, its `Down` will not be seen even if it was sent."""
        _links.demonitor(monitor, flush=flush)

    def exit(self, ref: Ref, reason: ExitReason) -> None:
        """Send an exit signal, as a link would. `Normal` is ignored unless trapped."""
        send_exit(local(ref), reason, self.ref)

    def kill(self, ref: Ref) -> None:
        """End `ref` whatever it does; it ends with `Killed` and cannot trap that."""
        send_kill(local(ref))

    def send_after(
        self, seconds: float, message: object, *, to: Ref | None = None, absolute: bool = False
    ) -> TimerRef:
        """Send `message` in `seconds`, to this actor or to another; see `actors.behaviours.timers`.

        It belongs to the actor that gets the message, and is dropped when that one ends first. With
        `absolute`, `seconds` is a time of trio's clock.

        Raises:
            ValueError: the time is negative or not finite.
        """
        receiver = self.ref if to is None else local(to)
        return _timers.send_after(self.ref, receiver, seconds, message, absolute=absolute)

    def start_timer(
        self, key: Hashable, seconds: float, message: object, *, absolute: bool = False
    ) -> TimerRef:
        """Send this actor `message` in `seconds`, instead of what the timer `key` had to send.

        Raises:
            ValueError: the time is negative or not finite, or `key` is None or a `TimerRef`.
        """
        return _timers.start_timer(self.ref, key, seconds, message, absolute=absolute)

    def send_interval(self, seconds: float, message: object) -> TimerRef:
        """Send this actor `message` again and again, `seconds` after it took up the last one."""
        return _timers.start_interval(self.ref, None, seconds, message)

    def start_interval(self, key: Hashable, seconds: float, message: object) -> TimerRef:
        """The same under a key: it replaces the timer or interval that has this key."""
        _timers.check_key(key)
        return _timers.start_interval(self.ref, key, seconds, message)

    def cancel_timer(self, timer: TimerRef | Hashable) -> float | None:
        """Take back a timer, given itself or by its key; the seconds that were left.

        None if it was over, or there is none with this key. The message of a timer with a key, or
        of an interval, is not handled any more after this, even if it waits in the mailbox.
        """
        return _timers.cancel_timer(self.ref, timer)

    @property
    def timers(self) -> dict[Hashable, TimerRef]:
        """The pending timers that have keys, in the order of their setting."""
        return _timers.keyed_timers(self.ref)

    def set_idle_timeout(self, seconds: float | None, message: object = _TIMEOUT) -> None:
        """Get `message` whenever nothing has been handled for `seconds`; None: no longer.

        Raises:
            ValueError: `seconds` is not above 0, or not finite.
            ActorError: this is a `TaskActor`, which receives by itself.
        """
        _timers.set_idle_timeout(self.ref, seconds, message)

    def stash(self) -> NoReply:
        """Put the message in hand aside until `unstash_all`; see `actors.mailboxes.stash`.

        The handler of a call returns what this returns. With ``stash_limit`` messages put aside, a
        call fails with `Busy` and any other message is dropped and counted.

        Raises:
            ActorError: there is no message in hand.
        """
        return _stash.stash(self.ref)

    def unstash_all(self) -> int:
        """Put all that is stashed before everything that waits, in order. How many these were."""
        return _stash.unstash(self.ref, None)

    def unstash(self, count: int = 1) -> int:
        """Do so with the oldest `count` only."""
        return _stash.unstash(self.ref, count)

    @property
    def stashed(self) -> int:
        """How many messages are stashed."""
        return _stash.stashed(self.ref)

    async def sleep(self, seconds: float) -> None:
        """Wait without trio. The actor handles no message meanwhile."""
        scheduler = self.ref.scheduler
        due = deadline_after(scheduler.now(), seconds, "sleep takes")
        wait = Sleep(self.ref)
        scheduler.wheel.add(wait, due)
        await wait_for(wait, scheduler.run.current)

    def reply_to(self) -> ReplyTo[Any]:
        """The reply owed to the current call; the handler then returns `NO_REPLY`.

        Raises:
            ActorError: the current message is not a call.
        """
        return reply_to(self.ref)

    def request(self, ref: Ref, message: object, tag: object, timeout: float | None = None) -> None:
        """Call `ref` without waiting; the outcome arrives as ``Answer(tag, value, error)``.

        If `ref` dies first, the answer comes at once with `CalleeDied`; after `timeout` seconds
        (None: never) with `CallTimeout`. Exactly one answer comes for each request.
        """
        local(ref).request(self.ref, message, tag, timeout)


def local(ref: Ref) -> LocalRef:
    """`ref` as an actor of this process. Raises ActorError if it is none."""
    if not isinstance(ref, LocalRef):
        raise ActorError(f"{ref!r} is not an actor of this process")
    return ref


protect(Actor, local)
