"""Mailboxes: first in, first out, and no memory while nothing waits.

An actor's waiting messages are ``ref.first``, the oldest, and ``ref.mailbox``, a deque of the rest.
Most actors have at most one message waiting most of the time, and an empty deque alone takes 620
bytes, so the deque is only made for a second message and is dropped when the actor comes to rest.

Invariant: while ``first`` is `EMPTY` and the deque exists, the deque is the whole mailbox (new
messages go there); ``first`` is filled only when nothing else waits.

The scheduler and `LocalRef.cast` spell these operations out; everything else uses the functions.
Some policies need a queue of their own (`actors.mailboxes.queues`). So the deque may be another
one after any code of an actor, or any message sent, than before.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.ref import LocalRef


class _Empty:
    __slots__ = ()

    def __repr__(self) -> str:
        return "EMPTY"


EMPTY: Final = _Empty()
"""No message, where None might be one."""


def append(ref: LocalRef, entry: Any) -> None:
    """Add `entry` at the end."""
    mailbox = ref.mailbox
    if mailbox is not None:
        mailbox.append(entry)
    elif ref.first is EMPTY:
        ref.first = entry
    else:
        spare = ref.scheduler.spare
        mailbox = ref.mailbox = spare.pop() if spare else deque()
        mailbox.append(entry)


def push_front(ref: LocalRef, entry: Any) -> None:
    """Add `entry` before all others."""
    oldest, ref.first = ref.first, entry
    if oldest is not EMPTY:
        if ref.mailbox is None:
            ref.mailbox = deque()
        ref.mailbox.appendleft(oldest)


def prepend(ref: LocalRef, entries: Sequence[Any]) -> None:
    """Add `entries` before all others, in their order: the first of them comes out first.

    They are the actor's own by now, so no bound applies. An actor that rests is not woken by it.
    """
    if len(entries) == 1:
        push_front(ref, entries[0])
    elif entries:
        mailbox = ref.mailbox
        if mailbox is None:
            mailbox = ref.mailbox = deque()
        if ref.first is not EMPTY:
            mailbox.appendleft(ref.first)
            ref.first = EMPTY
        mailbox.extendleft(reversed(entries))


def take(ref: LocalRef) -> Any:
    """Remove and return the oldest entry, `EMPTY` if there is none."""
    entry = ref.first
    if entry is not EMPTY:
        ref.first = EMPTY
    elif ref.mailbox:
        entry = ref.mailbox.popleft()
    return entry


def length(ref: LocalRef) -> int:
    """Entries that wait."""
    waiting = 0 if ref.first is EMPTY else 1
    return waiting if ref.mailbox is None else waiting + len(ref.mailbox)


def take_all(ref: LocalRef) -> list[Any]:
    """Remove and return all entries, the oldest first; only for an actor that has ended.

    Under the policy "block" those who wait for room come last; they are calls, too.
    """
    entries = [] if ref.first is EMPTY else [ref.first]
    mailbox = ref.mailbox
    if mailbox is not None:
        if mailbox.__class__ is deque:
            entries.extend(mailbox)
        else:
            entries.extend(mailbox.everything())  # type: ignore[attr-defined]
    ref.first = EMPTY
    ref.mailbox = None
    return entries


def discard(ref: LocalRef, unwanted: Callable[[Any], bool]) -> None:
    """Remove the entries for which `unwanted` is true."""
    if ref.first is not EMPTY and unwanted(ref.first):
        ref.first = EMPTY
    mailbox = ref.mailbox
    if mailbox is None:
        return
    if mailbox.__class__ is not deque:
        mailbox.discard(unwanted)  # type: ignore[attr-defined]
        return
    kept = [entry for entry in mailbox if not unwanted(entry)]
    if len(kept) != len(mailbox):
        mailbox.clear()
        mailbox.extend(kept)


protect(append, push_front, prepend, take, length, take_all, discard)
