"""Full mailboxes: what becomes of a message for which there is no room.

A class says how many messages may wait, ``mailbox_limit``, and what happens beyond, its
``mailbox_policy``. A full receiver never crashes who sends to it with `cast`, whatever the policy:
overload must not travel against the flow of the messages (pathosDev/actor-ts#919).

==========  ======================  ======================  ===================================
policy      ``cast``                ``await call``,         ``await send``
                                    ``request``
==========  ======================  ======================  ===================================
drop_new    the new one is dropped  `Busy` at once          the new one is dropped
drop_old    the oldest is dropped   the oldest is dropped   the oldest is dropped
reject      the new one is dropped  `Busy` at once          `Busy` at once
block       the new one is dropped  waits for room within   waits for room, at most `timeout`
                                    its own deadline        seconds, then `CallTimeout`
==========  ======================  ======================  ===================================

* ``cast`` cannot wait and does not raise: what it cannot deliver is dropped, counted, and logged a
  few times a second. Who must know whether a message was delivered uses ``send``.
* A call that "drop_old" drops fails with `Busy`, as does a request, in its `Answer`.
* Under "block" those who wait come in first come, first served, each when a message is taken out;
  nobody overtakes them. At most ``mailbox_limit`` wait for room, a further one gets `Busy`. When
  the receiver ends, all get `CalleeDied`; who is cancelled, killed, or out of time is forgotten,
  and its message is not delivered. Who waits for room counts as waiting for the receiver: a ring of
  actors in which each waits for the next, for room or for a reply, is raised as `CallCycle`.

**The actor's own** is never dropped because others have filled its mailbox: what it casts or sends
to itself (also from the tasks of a nursery in its handler), and what it has asked for: timers,
answers, `Down`, `Exit`, changes of a group. It takes room like any message, so that others find the
mailbox full earlier, but it is let in beyond the bound. What it asked for is bounded by what it
asks for; of its casts to itself those are dropped, and counted, which find twice ``mailbox_limit``
messages waiting - of which at least half are its own, or asked for, then. "drop_old" only drops
what others sent.

Each outcome has a counter in ``system.statistics()``:

=================  =================================================================================
``dropped``        messages dropped for want of room: the sum of the six that follow
``dropped_new``    new ones, policy drop_new (and drop_old, if all that waits is the actor's own)
``dropped_old``    old ones that were not calls, policy drop_old
``rejected``       casts, policy reject
``dropped_block``  casts, policy block
``dropped_own``    casts of actors to themselves, any policy
``dropped_aside``  messages that their handlers would have put aside, above ``stash_limit``
``busy``           calls, requests and sends that failed with `Busy`, any policy
``waited``         calls, requests and sends that had to wait for room, policy block
=================  =================================================================================

The length of a mailbox is compared with one number only, ``Behaviour.rest_limit``, which is the
lower of the bound and of the mark of the mailbox alarm (`actors.mailboxes.alarms`); above it the
functions of this module are called. A cast above the mark takes about twice as long as one below it
(measured on CPython 3.11: 271 against 123 ns), whatever the length. "drop_old" has to
know who has sent what, so each cast to such a class takes about 1.4 µs, and taking a message 0.7
instead of 0.25 µs; its idle actors keep their queue, 1.5 kB. Others pay nothing for the policy.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from actors.errors import Busy, CallCycle
from actors.mailboxes.alarms import note_length
from actors.mailboxes.mailbox import EMPTY, append, length
from actors.mailboxes.queues import NOTHING, GatedQueue, Sending, SlidingQueue
from actors.scheduling.cycles import MAX_FOLLOWED, find_cycle
from actors.scheduling.protection import protect
from actors.scheduling.waits import Call, park, wait_in_task

if TYPE_CHECKING:
    from actors.ref import LocalRef

_COUNTERS: Final = {"drop_new": "dropped_new", "reject": "rejected", "block": "dropped_block"}


def cast(ref: LocalRef, message: object) -> bool:
    """Put a cast that found many messages waiting into the mailbox, or drop it.

    False if it was dropped; else the actor is still to be told.
    """
    behaviour, mailbox = ref.behaviour, ref.mailbox
    if (
        mailbox.__class__ is deque
        and len(mailbox) < behaviour.mailbox_limit - 1
        and ref in ref.scheduler.alarms
    ):
        # Above the mark, as is known, and below the bound, whether `first` is there or not.
        mailbox.append(message)
        return True
    waiting = length(ref)
    if waiting >= behaviour.alarm:
        note_length(ref, waiting)
    if behaviour.mailbox_policy == "drop_old":
        return _slide(ref, waiting, message)
    if waiting >= behaviour.mailbox_limit:
        own = is_own(ref)
        if not own or waiting >= 2 * behaviour.mailbox_limit:
            counter = "dropped_own" if own else _COUNTERS[behaviour.mailbox_policy]
            ref.scheduler.reporter.dropped(ref, message, counter)
            return False
    append(ref, message)
    return True


def call(ref: LocalRef, entry: Call) -> None:
    """Deliver a call that found many messages waiting, or have it wait for room.

    Raises:
        Busy: there is no room, and none to wait for.
    """
    behaviour = ref.behaviour
    waiting = length(ref)
    if waiting >= behaviour.alarm:
        note_length(ref, waiting)
    if behaviour.mailbox_policy == "drop_old":
        if not _slide(ref, waiting, entry):
            raise busy(ref, waiting)
        ref.wake()
    elif waiting < behaviour.mailbox_limit:
        append(ref, entry)
        ref.wake()
    elif behaviour.mailbox_policy != "block" or not _gate(ref).wait(entry):
        raise busy(ref, waiting)
    else:
        ref.scheduler.counters.waited += 1


async def send(ref: LocalRef, message: object, timeout: float | None) -> None:  # noqa: ASYNC109
    """Deliver a message that found many waiting, as the policy says."""
    behaviour = ref.behaviour
    waiting = length(ref)
    if (
        waiting < behaviour.mailbox_limit
        or behaviour.mailbox_policy in ("drop_new", "drop_old")
        or is_own(ref)
    ):
        if cast(ref, message):
            ref.wake()
        return
    note_length(ref, waiting)
    if behaviour.mailbox_policy == "reject":
        raise busy(ref, waiting)
    await _wait_for_room(ref, message, timeout)


async def _wait_for_room(ref: LocalRef, message: object, timeout: float | None) -> None:  # noqa: ASYNC109
    run = ref.scheduler.run
    current, owner = run.current, None
    if current is None:
        owner = run.owner_of_current_task()
    waiter = current or owner
    cycle = None if waiter is None else find_cycle(waiter, ref, MAX_FOLLOWED)
    if cycle is not None:
        raise CallCycle(cycle)
    sending = Sending(waiter, ref, message)
    gate = _gate(ref)
    if not gate.wait(sending):
        raise busy(ref, length(ref))
    ref.scheduler.counters.waited += 1
    sending.arm(timeout, ref.scheduler.now())
    try:
        if current is not None:
            current.waiting = ref
            await park(sending)
            current.waiting = None
        elif owner is not None:
            await ref.scheduler.wait_as_child(owner, sending)
        else:
            await wait_in_task(sending)
    finally:
        gate.forget(sending)
    if sending.error is not None:
        raise sending.take_error()


def forget(ref: LocalRef, entry: Call) -> None:
    """The caller has given up; if `entry` waits for room still, it shall not come in."""
    mailbox = ref.mailbox
    if mailbox.__class__ is GatedQueue:
        mailbox.forget(entry)


def is_own(ref: LocalRef) -> bool:
    """Whether it is the actor itself, or a task of its handler, that runs now."""
    run = ref.scheduler.run
    return run.current is ref or (run.current is None and run.owner_of_current_task() is ref)


def busy(ref: LocalRef, waiting: int) -> Busy:
    """The error of a full mailbox, counted."""
    ref.scheduler.counters.busy += 1
    return Busy(f"the mailbox of {ref!r} is full ({waiting} messages); try again later")


def senders_waiting(ref: LocalRef) -> int:
    """Calls and sends that wait for room in the mailbox of `ref`."""
    mailbox = ref.mailbox
    return len(mailbox.senders()) if isinstance(mailbox, GatedQueue) else 0


def _gate(ref: LocalRef) -> GatedQueue:
    mailbox = ref.mailbox
    if isinstance(mailbox, GatedQueue):
        return mailbox
    gate = GatedQueue(mailbox or (), ref.behaviour.mailbox_limit)
    if ref.first is not EMPTY:
        gate.appendleft(ref.first)
        ref.first = EMPTY
    ref.mailbox = gate
    return gate


def _make_sliding(ref: LocalRef, waiting: int) -> SlidingQueue:
    """The actor has got another class than it began with: what waits counts as its own."""
    mailbox, sliding = ref.mailbox, SlidingQueue()
    if isinstance(mailbox, GatedQueue):
        for sender in mailbox.senders():
            sender.resolve(None, busy(ref, waiting))
    sliding.extend(mailbox or ())
    ref.mailbox = sliding
    return sliding


def _slide(ref: LocalRef, waiting: int, entry: Any) -> bool:
    """Deliver under drop_old. False if the new one had to be dropped."""
    behaviour, mailbox = ref.behaviour, ref.mailbox
    if not isinstance(mailbox, SlidingQueue):
        mailbox = _make_sliding(ref, waiting)
    if not isinstance(entry, Call) and is_own(ref):
        if waiting >= 2 * behaviour.mailbox_limit:
            ref.scheduler.reporter.dropped(ref, entry, "dropped_own")
            return False
        mailbox.append(entry)
        return True
    if waiting >= behaviour.mailbox_limit:
        oldest = mailbox.give_up()
        if oldest is NOTHING:
            if not isinstance(entry, Call):
                ref.scheduler.reporter.dropped(ref, entry, "dropped_new")
            return False
        if isinstance(oldest, Call):
            oldest.resolve(None, busy(ref, waiting))
        else:
            ref.scheduler.reporter.dropped(ref, oldest, "dropped_old")
    mailbox.push(entry)
    return True


protect(
    cast,
    call,
    send,
    _wait_for_room,
    forget,
    is_own,
    busy,
    senders_waiting,
    _gate,
    _make_sliding,
    _slide,
)
