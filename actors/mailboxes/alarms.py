"""The mailbox alarm: who falls behind is named before messages are lost.

The message that finds ``mailbox_alarm`` others waiting (by default half of ``mailbox_limit``)
raises the alarm of its receiver, at once, whatever the receiver does: it may be parked, suspended,
or computing. The alarm is a `MailboxAlarm` for `System.on_report`, and a line in the log, of which
there are a few a second at most.

A raised alarm is looked at again every second, and is cleared, with a second `MailboxAlarm`, when
at most half of the mark wait then, or the actor has ended; so a mailbox whose length moves about
the mark alarms once. (OTP 27 has the two lengths in `erlang:system_monitor`, `long_message_queue`.)
An alarm costs one deadline per actor that has fallen behind, and nothing for all others: no
mailbox is polled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.mailboxes.mailbox import length
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.ref import LocalRef
    from actors.scheduling.scheduler import Scheduler
    from actors.scheduling.wheel import Deadline

RECHECK_S: Final = 1.0
"""Seconds between two looks at a mailbox whose alarm is raised."""


class Alarm:
    """A raised alarm; wheel item."""

    __slots__ = ("deadline", "mark", "ref", "slot")

    def __init__(self, ref: LocalRef, mark: int) -> None:
        self.ref = ref
        self.mark = mark
        self.deadline = 0.0
        self.slot: dict[Deadline, None] | None = None

    def fire(self, scheduler: Scheduler, /) -> None:
        """Clear the alarm, or look again later."""
        waiting = length(self.ref)
        if self.ref.is_alive() and waiting > self.mark // 2:
            scheduler.wheel.add(self, scheduler.now() + RECHECK_S)
        else:
            del scheduler.alarms[self.ref]
            scheduler.reporter.mailbox_alarm(self.ref, waiting, self.mark, raised=False)


def note_length(ref: LocalRef, waiting: int) -> None:
    """A message has found `waiting` others: raise the alarm if that is due."""
    scheduler, mark = ref.scheduler, ref.behaviour.alarm
    if waiting >= mark and ref not in scheduler.alarms:
        alarm = scheduler.alarms[ref] = Alarm(ref, int(mark))
        scheduler.wheel.add(alarm, scheduler.now() + RECHECK_S)
        scheduler.reporter.mailbox_alarm(ref, waiting, alarm.mark, raised=True)


protect(Alarm, note_length)
