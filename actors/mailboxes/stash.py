"""The stash: messages that an actor puts aside and takes up again later (after Akka's StashBuffer).

    @on(Query)
    def query(self, request: Query) -> Row | NoReply:
        if self.connection is None:
            return self.stash()
        ...

    @on(Connected)
    def connected(self, message: Connected) -> None:
        self.connection = message.connection
        self.unstash_all()

``stash`` puts the message in hand aside, ``unstash_all`` puts what is aside before everything that
waits in the mailbox, in the order in which it was put aside, at a cost that depends on the number
of these messages and never on the backlog. See ``aside`` for what becomes of calls, of the bound
and of the stash when the actor ends; an incarnation begins with an empty one.

A message whose handler stashes it has had its turn: what else the handler does, stands.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from actors.errors import ActorError
from actors.mailboxes.aside import admit, in_hand, release, set_aside
from actors.mailboxes.mailbox import prepend
from actors.messages import NO_REPLY, NoReply
from actors.ref import QUEUED
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.ref import LocalRef


class Stash:
    """The stashed entries of one actor, the oldest first."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: deque[Any] = deque()

    def take_all(self) -> list[Any]:
        """All entries; nothing is left."""
        entries = list(self.entries)
        self.entries.clear()
        return entries


def stash(ref: LocalRef) -> NoReply:
    """Put the message in hand aside. Raises ActorError if there is none."""
    entry = in_hand(ref, "stash()")
    found = _find(ref)
    if admit(ref, entry, 0 if found is None else len(found.entries)):
        if found is None:
            found = Stash()
            set_aside(ref, found)
        found.entries.append(entry)
    return NO_REPLY


def unstash(ref: LocalRef, count: int | None) -> int:
    """Put the oldest `count` messages (None: all) before all that wait; how many these were."""
    found = _find(ref)
    if found is None:
        return 0
    entries = found.entries
    if count is None or count >= len(entries):
        taken = list(entries)
        assert ref.ties is not None
        ref.ties.aside = None
    else:
        taken = [entries.popleft() for _ in range(count)]
    for entry in taken:
        release(ref, entry)
    prepend(ref, taken)
    if taken and ref.status < QUEUED:
        ref.scheduler.enqueue(ref)
    return len(taken)


def stashed(ref: LocalRef) -> int:
    """How many messages are stashed."""
    found = _find(ref)
    return 0 if found is None else len(found.entries)


def _find(ref: LocalRef) -> Stash | None:
    aside = None if ref.ties is None else ref.ties.aside
    if aside is None or isinstance(aside, Stash):
        return aside
    raise ActorError(
        f"{ref!r} keeps what it puts aside in another way: "
        "postpone() in a state machine, receive(Type) in a task actor"
    )


protect(Stash, stash, unstash, stashed, _find)
