"""Hibernation: the state of an idle actor packed away until its next message.

What OTP's ``hibernate`` saves, the stack and the slack of the heap, an idle actor does not have
here: it is an object without task, coroutine or queue. What is left is the object's state. A class
that knows a compact form of it says how to get there and back::

    class Visitor(Actor):
        hibernate_after = 60.0            # optional: seconds without a message

        def dehydrate(self) -> object:    # a compact form; None: not now
            return json.dumps(self.basket).encode()

        def rehydrate(self, packed: bytes) -> None:
            self.basket = json.loads(packed)

Protocol::

    hibernate()    in a handler: after the current message. As in OTP nothing is gained if messages
                   wait: they are handled, and the actor stays awake
    dehydrate      its result is kept; then all attributes of the object but ``ref`` and
                   ``trap_exit`` are dropped. None, or a message or anything else to do that came
                   meanwhile: the actor stays awake as it was
    asleep         links, monitors, timers, names and groups stay as they are. Exit signals that
                   are not trapped, and kills, end the actor without waking it
    rehydrate      before whatever needs the state: a message of any kind, ``terminate``,
                   `get_state`, `replace_state`, `suspend`, a code upgrade. For others a call that
                   wakes is like any other, except that it is not handled inside the caller's step

Both are plain ``def`` and run in a context of their own. One that raises is a crash of the actor;
after a crash of ``rehydrate``, ``terminate`` does not run, since there is no state.

``hibernate_after`` is the least time without a message after which an actor is packed away; it
happens at most half as much later. An actor of such a class has one deadline while it is awake,
which looks at it twice in that time; messages are not slowed down, except the first one after such
a look, which a call does not handle inside its caller's step. A class without it pays nothing.

Measured on CPython 3.11, bytes per actor by `tracemalloc`, over 5,000 with a state of 100 small
tuples in a dict: 16,190 awake; 1,070 asleep, of which 610 are the packed state (JSON in bytes), 300
what any idle actor takes, and 160 the control record that holds the packed state.
"""

from __future__ import annotations

from contextlib import suppress
from inspect import iscoroutinefunction
from math import isfinite
from types import MemberDescriptorType
from typing import TYPE_CHECKING

from actors.errors import ActorError
from actors.lifecycle.links import Watch
from actors.lifecycle.ties import drop_empty, tie, tied, untie
from actors.mailboxes.mailbox import EMPTY
from actors.ref import ASLEEP, DROWSY, IDLE
from actors.scheduling.control import Control, control_of
from actors.scheduling.protection import expose, protect
from actors.scheduling.turns import Phase

if TYPE_CHECKING:
    from actors.actor import Actor
    from actors.reasons import ExitReason
    from actors.ref import LocalRef
    from actors.scheduling.scheduler import Scheduler
    from actors.scheduling.wheel import Deadline

AWAKE = EMPTY
"""``Control.packed`` of an actor that is awake."""


class Hibernation:
    """How the actors of one class hibernate, compiled once."""

    __slots__ = ("after", "has_dict", "slots")

    def __init__(self, cls: type[Actor], after: float | None) -> None:
        self.after = after
        self.has_dict = cls.__dictoffset__ != 0
        self.slots = tuple(
            member
            for klass in cls.__mro__
            for name, member in vars(klass).items()
            if isinstance(member, MemberDescriptorType) and name not in ("ref", "trap_exit")
        )

    def strip(self, actor: Actor) -> None:
        """Drop the attributes of `actor`."""
        if self.has_dict:
            attributes = vars(actor)
            kept = {"trap_exit": attributes["trap_exit"]} if "trap_exit" in attributes else {}
            # Deleted and not cleared: smaller, and new attributes will share their keys again.
            del attributes, actor.__dict__
            if kept:
                vars(actor).update(kept)
        for slot in self.slots:
            with suppress(AttributeError):
                slot.__delete__(actor)


def hibernation_of(cls: type[Actor], base: type[Actor] | None) -> Hibernation | None:
    """How actors of `cls` hibernate, None if they cannot. Raises TypeError for what is wrong."""
    if base is None:
        return None
    name, after = cls.__qualname__, cls.hibernate_after
    own = {hook for hook in ("dehydrate", "rehydrate") if getattr(cls, hook) != getattr(base, hook)}
    if after is not None and not (_is_number(after) and after > 0):
        raise TypeError(f"{name}.hibernate_after is {after!r}; it must be seconds above 0, or None")
    if not own and after is None:
        return None
    if len(own) < 2 or any(iscoroutinefunction(getattr(cls, hook)) for hook in own):
        raise TypeError(
            f"{name} needs both hooks to hibernate, in plain def: "
            "def dehydrate(self) -> object, and def rehydrate(self, packed) -> None"
        )
    if hasattr(cls, "_run_as_task"):
        raise TypeError(f"{name} is a task actor; its coroutine is its state and cannot hibernate")
    expose(*(getattr(cls, hook) for hook in own))
    return Hibernation(cls, after)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def ask_to_hibernate(ref: LocalRef) -> None:
    """Have `ref` hibernate when it has nothing to do. Raises ActorError if its class cannot."""
    if ref.behaviour.hibernation is None:
        raise ActorError(
            f"{ref!r} cannot hibernate: give its class def dehydrate(self) -> object and "
            "def rehydrate(self, packed) -> None"
        )
    control_of(ref).hibernate = True
    ref.nudge()


def is_asleep(control: Control) -> bool:
    """Whether the state is packed away."""
    return control.packed is not AWAKE


def fall_asleep(scheduler: Scheduler, ref: LocalRef) -> bool:
    """Pack the state of an actor that has nothing to do. False if its status has been seen to.

    True if it shall go on: it does not want to hibernate now, or something has come up.
    """
    control, actor, hibernation = ref.control, ref.actor, ref.behaviour.hibernation
    assert control is not None
    assert actor is not None
    if hibernation is None or has_mail(ref):
        control.hibernate = False
        return True
    try:
        packed = scheduler.context.copy().run(actor.dehydrate)
    except BaseException as error:
        control.hibernate = False
        scheduler.raised(ref, Phase.DEHYDRATE, error)
        return False
    if not scheduler.is_clean():
        scheduler.left_open(ref, Phase.DEHYDRATE)
        return False
    control.hibernate = False
    if packed is None or has_mail(ref) or control.has_work:
        if hibernation.after is not None:
            start_drowsing(ref)
        return True
    hibernation.strip(actor)
    scheduler.rest(ref)
    control.packed = packed
    ref.status = ASLEEP
    return False


def wake(scheduler: Scheduler, ref: LocalRef) -> bool:
    """Unpack the state. False if that has failed; the actor's end has been seen to then."""
    control, actor, hibernation = ref.control, ref.actor, ref.behaviour.hibernation
    assert control is not None
    assert actor is not None
    packed, control.packed = control.packed, AWAKE
    try:
        scheduler.context.copy().run(actor.rehydrate, packed)
    except BaseException as error:
        scheduler.raised(ref, Phase.REHYDRATE, error)
        return False
    if not scheduler.is_clean():
        scheduler.left_open(ref, Phase.REHYDRATE)
        return False
    if hibernation is not None and hibernation.after is not None:
        start_drowsing(ref)
    return True


def has_mail(ref: LocalRef) -> bool:
    """Whether messages wait."""
    return ref.first is not EMPTY or bool(ref.mailbox)


class Drowsing(Watch):
    """The deadline of an actor whose class has ``hibernate_after``; wheel item.

    Each look finds the actor idle and marks it (its status is DROWSY until its next message), or
    finds the mark of the last look, and has it hibernate at the third.
    """

    __slots__ = ("deadline", "looks", "slot")

    def __init__(self, ref: LocalRef) -> None:
        self.ref = ref
        self.looks = 0
        self.deadline = 0.0
        self.slot: dict[Deadline, None] | None = None

    def fire(self, scheduler: Scheduler, /) -> None:
        """Look at the actor."""
        ref = self.ref
        hibernation = ref.behaviour.hibernation
        if ref.status == ASLEEP or hibernation is None or hibernation.after is None:
            self._end()
            return
        if ref.status == IDLE and not control_of(ref).has_work:
            ref.status = DROWSY
            self.looks = 1
        elif ref.status == DROWSY and self.looks:
            self.looks += 1
        else:
            self.looks = 0
        if self.looks > 2:
            self._end()
            ask_to_hibernate(ref)
        else:
            scheduler.wheel.add(self, scheduler.now() + hibernation.after / 2)

    def _end(self) -> None:
        untie(self.ref, "watchers", self)
        drop_empty(self.ref)

    def ended(self, _reason: ExitReason, /) -> None:
        """The actor has ended."""
        self.ref.scheduler.wheel.remove(self)


def start_drowsing(ref: LocalRef) -> None:
    """Have an actor looked at, unless it is already."""
    hibernation = ref.behaviour.hibernation
    if hibernation is None or hibernation.after is None:
        return
    if any(isinstance(watch, Drowsing) for watch in tied(ref, "watchers")):
        return
    drowsing = Drowsing(ref)
    tie(ref, "watchers", drowsing)
    scheduler = ref.scheduler
    scheduler.wheel.add(drowsing, scheduler.now() + hibernation.after / 2)


protect(
    Hibernation,
    ask_to_hibernate,
    is_asleep,
    fall_asleep,
    wake,
    has_mail,
    Drowsing,
    start_drowsing,
)
