"""System messages: what goes ahead of an actor's user messages.

An actor normally has no control record. Exit signals, stops, suspension and inspection put one on
it; the scheduler looks at it before each message and removes it when it is worked off.

===========  ======================================================================================
field        meaning
===========  ======================================================================================
``starting`` the wait for the outcome of ``init``, which has not run to its end yet
``run``      the ``run`` of a task actor is to be started
``exit``     the actor must end with this reason: every wait of its code raises, level-triggered
``stop``     the actor ends with this reason after the current message, with ``terminate``
``final``    ``terminate`` runs; this will be the reason
``held``     suspended: user messages wait
``frozen``   the same, for the time of a code upgrade
``hibernate`` the state is to be packed when there is nothing else to do
``packed``   the packed state of an actor that hibernates
``requests`` inspections that wait for the end of the current message
``idle``     the inactivity timeout: stays while it is set, and hears of each message
``zombie``   the deadline after which an actor that does not unwind is reported
===========  ======================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.mailboxes.mailbox import EMPTY
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.behaviours.timers import IdleTimer
    from actors.observing.reports import Zombie
    from actors.reasons import ExitReason
    from actors.ref import LocalRef
    from actors.scheduling.waits import Wait


class Control:
    """System messages of one actor that are not worked off."""

    __slots__ = (
        "exit",
        "final",
        "frozen",
        "held",
        "hibernate",
        "idle",
        "packed",
        "requests",
        "run",
        "starting",
        "stop",
        "zombie",
    )

    def __init__(self) -> None:
        self.starting: Wait | None = None
        self.run = False
        self.exit: ExitReason | None = None
        self.stop: ExitReason | None = None
        self.final: ExitReason | None = None
        self.held = False
        self.frozen = False
        self.hibernate = False
        self.packed: Any = EMPTY
        # A list, though it is a queue: an empty deque takes 620 bytes.
        self.requests: list[tuple[Wait, Callable[[LocalRef], object]]] = []
        self.zombie: Zombie | None = None
        self.idle: IdleTimer | None = None

    @property
    def has_work(self) -> bool:
        """Whether there is something to work off."""
        return bool(
            self.starting
            or self.run
            or self.exit
            or self.stop
            or self.final
            or self.held
            or self.frozen
            or self.hibernate
            or self.requests
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do or to keep, so that the record can go."""
        return not (self.has_work or self.packed is not EMPTY or self.idle)


def control_of(ref: LocalRef) -> Control:
    """The actor's control record, made if need be."""
    control = ref.control
    if control is None:
        control = ref.control = Control()
    return control


def is_exiting(ref: LocalRef) -> bool:
    """Whether every further wait of the actor's code must raise."""
    return ref.control is not None and ref.control.exit is not None


protect(control_of, is_exiting)
