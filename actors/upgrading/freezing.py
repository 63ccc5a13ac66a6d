"""Bringing chosen actors to rest, all at one moment, without a deadlock.

Frozen actors handle no user messages; those with a message in hand finish it first. If such a
handler waits for a frozen actor, it never would: then that one goes on, until nobody who is still
busy needs it any more. Who needs whom is seen from what is there: whom a handler waits for, whose
calls and requests wait in a frozen mailbox, whose replies a frozen actor owes; and so on through
those found. (A handler that waits for an answer by cast is not seen; there the deadline helps.)

Since frozen actors begin nothing new, the busy ones become fewer. Looked at is every few
milliseconds; while nobody is busy nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import trio

from actors.errors import UpgradeFailed
from actors.lifecycle.hibernation import is_asleep
from actors.lifecycle.ties import tied
from actors.mailboxes.mailbox import EMPTY
from actors.observing.summaries import summary
from actors.ref import ASLEEP, DROWSY, HELD, IDLE, QUEUED, STATUS_NAMES
from actors.scheduling.control import control_of
from actors.scheduling.protection import protect
from actors.scheduling.waits import Call

if TYPE_CHECKING:
    from actors.ref import LocalRef
    from actors.scheduling.scheduler import Scheduler

FIRST_LOOK_S: Final = 0.001
PATIENCE_S: Final = 0.003
LAST_LOOK_S: Final = 0.020
MAX_NAMED: Final = 3


class Freezer:
    """Freezes the actors that `chosen` names, and those that start meanwhile."""

    def __init__(
        self,
        schedulers: list[Scheduler],
        chosen: Callable[[LocalRef], bool],
        timeout: float,
    ) -> None:
        self._schedulers = schedulers
        self._chosen = chosen
        self._timeout = timeout
        self._deadline = schedulers[0].now() + timeout
        self._frozen: dict[LocalRef, None] = {}
        self._busy: dict[LocalRef, None] = {}
        self._let_go: dict[LocalRef, None] = {}
        self._seen = [0] * len(schedulers)

    def frozen(self) -> Iterator[LocalRef]:
        """Those that are frozen and alive."""
        return (ref for ref in self._frozen if ref.is_alive())

    async def come_to_rest(self) -> None:
        """Return at a moment when all chosen actors, also the newest, are at rest.

        Raises:
            UpgradeFailed: not in time, or the current actor is one of them.
        """
        pause = FIRST_LOOK_S
        while True:
            self._take_in()
            self._busy = {ref: None for ref in self._busy if not is_at_rest(ref)}
            if not self._busy and not self._let_go:
                return
            self._check()
            if pause > PATIENCE_S or not self._busy:
                self._let_go_on()
            await trio.sleep(pause)
            pause = min(2 * pause, LAST_LOOK_S)

    def thaw_all(self) -> None:
        """Everybody goes on."""
        for ref in self._frozen:
            thaw(ref)
        self._frozen.clear()
        self._busy.clear()
        self._let_go.clear()

    def _take_in(self) -> None:
        """Freeze the chosen ones among the actors that have been started since the last time."""
        for index, scheduler in enumerate(self._schedulers):
            seen, newest = self._seen[index], 0
            for ref in reversed(scheduler.table):
                if ref.number <= seen:
                    break
                newest = newest or ref.number
                if self._chosen(ref):
                    self._freeze(ref)
            self._seen[index] = newest or seen

    def _freeze(self, ref: LocalRef) -> None:
        self._frozen[ref] = self._busy[ref] = None
        freeze(ref)

    def _check(self) -> None:
        run = self._schedulers[0].run
        current = run.current or run.owner_of_current_task()
        if current in self._frozen:
            raise UpgradeFailed(
                f"{current!r} cannot upgrade itself; have another actor or a task do it"
            )
        if self._schedulers[0].now() >= self._deadline:
            late = [*self._busy, *self._let_go]
            named = "; ".join(_described(ref) for ref in late[:MAX_NAMED])
            raise UpgradeFailed(
                f"{len(late)} actors did not come to rest within {self._timeout:g} s: {named}"
            )

    def _let_go_on(self) -> None:
        """Let those go on whom the busy ones need, freeze those again whom nobody needs."""
        needed = self._needed() if self._busy else {}
        for ref in self._let_go:
            if ref not in needed:
                self._freeze(ref)
        for ref in needed:
            if ref not in self._let_go:
                thaw(ref)
        self._let_go = needed

    def _needed(self) -> dict[LocalRef, None]:
        askers = self._askers()
        found: dict[LocalRef, None] = {}
        todo = list(self._busy)
        while todo:
            ref = todo.pop()
            for other in (*askers.get(ref, ()), *waits_of(ref)):
                if other not in found:
                    found[other] = None
                    todo.append(other)
        return {ref: None for ref in found if ref in self._frozen and ref not in self._busy}

    def _askers(self) -> dict[LocalRef, list[LocalRef]]:
        """For each actor that has asked frozen ones something: which."""
        askers: dict[LocalRef, list[LocalRef]] = {}
        for ref in self._frozen:
            for entry in (ref.first, *(ref.mailbox or ()), *tied(ref, "owed")):
                if isinstance(entry, Call) and entry.ref is not None:
                    askers.setdefault(entry.ref, []).append(ref)
        return askers


def waits_of(ref: LocalRef) -> list[LocalRef]:
    """Whom the handler of `ref`, and tasks in it, wait for."""
    waits = [] if ref.waiting is None else [ref.waiting]
    return [*waits, *(call.callee for call in tied(ref, "child_waits"))]


def is_at_rest(ref: LocalRef) -> bool:
    """Whether `ref` is between two messages, neither starting nor ending, or has ended."""
    if not ref.is_alive():
        return True
    control = ref.control
    return (
        ref.turn is None
        and ref.status in (IDLE, QUEUED, HELD)
        and (
            control is None
            or not (
                control.starting
                or control.exit
                or control.stop
                or control.final
                or is_asleep(control)
            )
        )
    )


def freeze(ref: LocalRef) -> None:
    """Have `ref` leave its user messages waiting, from the end of the current one on."""
    if ref.is_alive():
        control_of(ref).frozen = True
        if ref.status in (IDLE, DROWSY):
            ref.status = HELD
        elif ref.status == ASLEEP:
            ref.nudge()


def thaw(ref: LocalRef) -> None:
    """Undo `freeze`."""
    control = ref.control
    if control is None or not control.frozen:
        return
    control.frozen = False
    if ref.status != HELD:
        return
    if control.is_idle:
        ref.control = None
    if ref.control is not None or ref.first is not EMPTY or ref.mailbox:
        ref.scheduler.enqueue(ref)
    else:
        ref.scheduler.rest(ref)


def _described(ref: LocalRef) -> str:
    entry = ref.entry
    what = summary(getattr(entry, "request", entry))
    waits = f", for {ref.waiting!r}" if ref.waiting is not None else ""
    return f"{ref!r} is {STATUS_NAMES[ref.status]}{waits}, in hand is {what}"


protect(Freezer, waits_of, is_at_rest, freeze, thaw)
