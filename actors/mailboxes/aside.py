"""Messages that an actor has put aside, to handle them later.

One mechanism under the stash, under selective receive and under a state machine's postponed events:
a call that is put aside stays unanswered and keeps its deadline, counts as owed, and fails with
`CalleeDied` if the actor ends; any other message becomes a dead letter then. How many messages one
actor may put aside is bounded by its class (``stash_limit``); beyond it a call fails with `Busy`, a
cast is dropped and counted, and the actor goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from actors.calling.reply import DIRECT
from actors.errors import ActorError, Busy
from actors.lifecycle.ties import Ties, tie, untie
from actors.scheduling.protection import protect
from actors.scheduling.waits import Call

if TYPE_CHECKING:
    from actors.ref import LocalRef


class Aside(Protocol):
    """What is put aside, in whatever order it is kept."""

    def take_all(self) -> list[Any]:
        """All entries, the oldest first; nothing is left."""
        raise NotImplementedError


def set_aside(ref: LocalRef, aside: Aside) -> None:
    """Tie `aside` to the actor, so that it ends with it."""
    ties = ref.ties
    if ties is None:
        ties = ref.ties = Ties()
    ties.aside = aside


def in_hand(ref: LocalRef, what: str) -> Any:
    """The entry that `ref` handles now; a call that is stepped directly gets its record.

    Raises:
        ActorError: there is none; `what` is the method to name.
    """
    entry = ref.entry
    if entry is DIRECT:
        entry = ref.entry = Call(None, ref, None)
    elif entry is None:
        raise ActorError(f"{what} is for handlers of messages; there is no message in hand here")
    return entry


def admit(ref: LocalRef, entry: Any, count: int) -> bool:
    """Whether `entry` may be put aside beside `count` others; else it is refused or dropped."""
    limit = ref.behaviour.stash_limit
    is_call = isinstance(entry, Call)
    if count < limit:
        if is_call:
            tie(ref, "owed", entry)
        return True
    if is_call:
        ref.scheduler.counters.busy += 1
        entry.resolve(
            None, Busy(f"{ref!r} has put aside {limit} messages, its stash_limit; try again later")
        )
    else:
        ref.scheduler.reporter.stash_full(ref, entry)
    return False


def release(ref: LocalRef, entry: Any) -> Any:
    """`entry` is put aside no longer."""
    if isinstance(entry, Call):
        untie(ref, "owed", entry)
    return entry


protect(set_aside, in_hand, admit, release)
