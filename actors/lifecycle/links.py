"""Links and monitors.

A link is symmetric and exists at most once between two actors; when one ends, the other gets an
exit signal. A monitor is one-way and counted: each `MonitorRef` brings its watcher exactly one
`Down`, after the last act of the monitored actor, or at once (reason `NoProc`) if there is none.

Most actors have one link, to the supervisor, so an actor's links are None, one ref, or a dict used
as an ordered set; the functions here hide which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.lifecycle.ties import tie, tied, untie
from actors.mailboxes.mailbox import discard
from actors.messages import Down
from actors.reasons import ExitReason, NoProc
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.ref import LocalRef


class Watch:
    """Something of the runtime's that is told when `ref` ends, once, unless it was untied before.

    Made active by ``tie(ref, "watchers", watch)``. Compare by identity.
    """

    __slots__ = ("ref",)

    ref: LocalRef

    def ended(self, reason: ExitReason, /) -> None:
        """`ref` has ended. Runs inside its finalization: no user code, must not raise."""
        raise NotImplementedError


class MonitorRef(Watch):
    """One monitor. Compare by identity."""

    __slots__ = ("active", "watcher")

    def __init__(self, watcher: LocalRef, ref: LocalRef) -> None:
        self.watcher = watcher
        self.ref = ref
        self.active = True

    def ended(self, reason: ExitReason, /) -> None:
        """Send the watcher its `Down`."""
        self.active = False
        untie(self.watcher, "monitors", self)
        self.watcher.put(Down(self, self.ref, reason))

    def __repr__(self) -> str:
        return f"<monitor of {self.ref!r} by {self.watcher!r}>"


def add_link(ref: LocalRef, other: LocalRef) -> None:
    """Add one direction of a link."""
    links = ref.links
    if links is None:
        ref.links = other
    elif isinstance(links, dict):
        links[other] = None
    elif links is not other:
        ref.links = {links: None, other: None}


def remove_link(ref: LocalRef, other: LocalRef) -> None:
    """Remove one direction of a link, if it is there."""
    links = ref.links
    if links is other:
        ref.links = None
    elif isinstance(links, dict):
        links.pop(other, None)


def links_of(ref: LocalRef) -> tuple[LocalRef, ...]:
    """The linked actors, oldest link first."""
    links = ref.links
    if links is None:
        return ()
    return tuple(links) if isinstance(links, dict) else (links,)


def monitor(watcher: LocalRef, ref: LocalRef, *, reason: ExitReason | None = None) -> MonitorRef:
    """Have `watcher` told once when `ref` ends; at once, with `reason` (`NoProc`), if it has."""
    record = MonitorRef(watcher, ref)
    if ref.is_alive():
        tie(ref, "watchers", record)
        tie(watcher, "monitors", record)
    else:
        record.active = False
        watcher.put(Down(record, ref, NoProc() if reason is None else reason))
    return record


def demonitor(record: MonitorRef, *, flush: bool) -> None:
    """Take a monitor back; with `flush` also its `Down`, if that waits in the mailbox."""
    if not isinstance(record, MonitorRef):
        raise TypeError(f"demonitor takes what monitor() has returned, not {record!r}")
    if record.active:
        record.active = False
        untie(record.ref, "watchers", record)
        untie(record.watcher, "monitors", record)
    elif flush:
        discard(record.watcher, lambda entry: type(entry) is Down and entry.monitor is record)


def announce_end(ref: LocalRef, reason: ExitReason) -> None:
    """Tell every watch, and withdraw the monitors that `ref` held itself."""
    for record in tied(ref, "monitors"):
        record.active = False
        untie(record.ref, "watchers", record)
    for watch in tied(ref, "watchers"):
        watch.ended(reason)


protect(Watch, MonitorRef, add_link, remove_link, links_of, monitor, demonitor, announce_end)
