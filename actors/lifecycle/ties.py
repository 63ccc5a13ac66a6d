"""What few actors have: monitors, timers, replies that are owed, others who wait for their end.

All are ordered sets that belong to one actor and end with it. Both the record and each set in it
are made on first use, since a million idle actors have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.behaviours.timers import TimerRef
    from actors.lifecycle.links import MonitorRef, Watch
    from actors.mailboxes.aside import Aside
    from actors.ref import LocalRef
    from actors.scheduling.waits import Call, Wait

Kind = Literal["watchers", "monitors", "owed", "joins", "child_waits"]


class Ties:
    """The sets of one actor: dicts with the members as keys, None while there are none.

    ===============  ======================================================================
    ``watchers``     monitors of this actor, held by others, and other watches of its end
    ``monitors``     monitors that this actor holds
    ``timers``       its timers: by their keys, those without a key by themselves
    ``owed``         calls whose replies it has deferred
    ``joins``        waits for its end
    ``child_waits``  calls made by tasks of nurseries in its handler
    ``aside``        messages that it has put aside: stash, selective receive, postponed events
    ===============  ======================================================================
    """

    __slots__ = ("aside", "child_waits", "joins", "monitors", "owed", "timers", "watchers")

    def __init__(self) -> None:
        self.watchers: dict[Watch, None] | None = None
        self.monitors: dict[MonitorRef, None] | None = None
        self.timers: dict[Any, TimerRef] | None = None
        self.owed: dict[Call, None] | None = None
        self.joins: dict[Wait, None] | None = None
        self.child_waits: dict[Call, None] | None = None
        self.aside: Aside | None = None


def tie(ref: LocalRef, kind: Kind, member: Any) -> None:
    """Add `member` to one of the sets of `ref`."""
    ties = ref.ties
    if ties is None:
        ties = ref.ties = Ties()
    members = getattr(ties, kind)
    if members is None:
        setattr(ties, kind, {member: None})
    else:
        members[member] = None


def untie(ref: LocalRef, kind: Kind, member: Any) -> None:
    """Remove `member`, if it is there."""
    ties = ref.ties
    if ties is not None:
        members = getattr(ties, kind)
        if members is not None:
            members.pop(member, None)
            if not members:
                setattr(ties, kind, None)


def drop_empty(ref: LocalRef) -> None:
    """Drop the record if it holds nothing any more."""
    ties = ref.ties
    if ties is not None and all(getattr(ties, kind) is None for kind in Ties.__slots__):
        ref.ties = None


def is_tied(ref: LocalRef, kind: Kind, member: Any) -> bool:
    """Whether `member` is in one set of `ref`."""
    members = None if ref.ties is None else getattr(ref.ties, kind)
    return members is not None and member in members


def tied(ref: LocalRef, kind: Kind) -> tuple[Any, ...]:
    """The members of one set, the oldest first."""
    if ref.ties is None:
        return ()
    members = getattr(ref.ties, kind)
    return () if members is None else tuple(members)


protect(tie, untie, drop_empty, is_tied, tied)
