"""Subscriptions: an actor follows the changes of a table of actors, a registry or groups.

Protocol::

    subscribe      returns a `Subscription` and what the table holds at that moment
    each change    one message, a subclass of `Change`, in the order of the changes; what the
                   snapshot shows is not told again, what comes after it is told exactly once
    unsubscribe    takes also those messages back that wait in the mailbox (flush)
    the end        of the subscriber ends its subscriptions

A change must not be lost unnoticed, and nothing may grow without bound. So a change is delivered
beyond no limit: when as many messages wait as the subscriber's ``mailbox_limit`` allows, the
subscription ends, and `FellBehind` is the last message of it, the only one above the limit. The
actor subscribes again then, and has a new snapshot.

Between nodes the same messages, in the same order, are what one node would tell another.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from actors.errors import ActorError
from actors.lifecycle.links import Watch
from actors.lifecycle.ties import tie, untie
from actors.mailboxes.mailbox import discard, length
from actors.observing.summaries import summary
from actors.ref import LocalRef
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.reasons import ExitReason
    from actors.ref import Ref
    from actors.scheduling.scheduler import Scheduler
    from actors.system import System


class _Everything:
    __slots__ = ()


EVERYTHING: Final = _Everything()
"""The topic of those who follow the whole table."""


class Subscription(Watch):
    """One subscription. Compare by identity; every message of it carries it."""

    __slots__ = ("_subscribers", "active", "topic")

    def __init__(self, subscribers: Subscribers, ref: LocalRef, topic: Hashable) -> None:
        self._subscribers = subscribers
        self.ref = ref
        self.topic = topic
        self.active = True

    def __repr__(self) -> str:
        state = "" if self.active else ", over"
        return f"<subscription of {self.ref!r}{state}>"

    def ended(self, _reason: ExitReason, /) -> None:
        """The subscriber has ended."""
        self._subscribers.discard(self)

    def deliver(self, change: Change) -> None:
        """Put `change` into the mailbox, or end the subscription if that is full."""
        ref = self.ref
        if length(ref) >= ref.behaviour.mailbox_limit:
            self._subscribers.discard(self)
            ref.put(FellBehind(self))
        else:
            ref.put(change)


@dataclass(frozen=True, slots=True)
class Change:
    """Base of what subscribers are told."""

    monitor: Subscription


@dataclass(frozen=True, slots=True)
class FellBehind(Change):
    """The subscriber's mailbox was full and a change was lost; this subscription is over."""


class Subscribers:
    """The subscriptions to one table: to the whole of it and to single topics."""

    __slots__ = ("_by_topic",)

    def __init__(self) -> None:
        self._by_topic: dict[Hashable, dict[Subscription, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_topic.values()))

    def add(self, ref: LocalRef, topic: Hashable = EVERYTHING) -> Subscription:
        """Subscribe `ref`. Raises ActorError if it has ended."""
        check_alive(ref, "follow changes")
        subscription = Subscription(self, ref, topic)
        self._by_topic.setdefault(topic, {})[subscription] = None
        tie(ref, "watchers", subscription)
        return subscription

    def discard(self, subscription: Subscription) -> bool:
        """End a subscription. False if it is over or belongs to another table."""
        members = self._by_topic.get(subscription.topic)
        if members is None or subscription not in members:
            return False
        del members[subscription]
        if not members:
            del self._by_topic[subscription.topic]
        subscription.active = False
        untie(subscription.ref, "watchers", subscription)
        return True

    def remove(self, subscription: Subscription) -> bool:
        """End a subscription and take its waiting messages back. False if it was over."""
        was_active = self.discard(subscription)
        if subscription._subscribers is self:
            discard(
                subscription.ref,
                lambda entry: isinstance(entry, Change) and entry.monitor is subscription,
            )
        return was_active

    def tell(self, topic: Hashable, kind: Callable[..., Change], *fields: Any) -> None:
        """Tell a change: first to those who follow everything, the oldest subscription first."""
        if self._by_topic:
            for one in (EVERYTHING, topic) if topic is not EVERYTHING else (EVERYTHING,):
                for subscription in tuple(self._by_topic.get(one, ())):
                    subscription.deliver(kind(subscription, *fields))


def scheduler_of(system: System, what: str) -> Scheduler:
    """The scheduler of the system that a table is made for. Raises TypeError if it is none."""
    scheduler: Scheduler | None = getattr(system, "_scheduler", None)
    if scheduler is None:
        raise TypeError(f"{what} takes the system whose actors it holds, not {summary(system)}")
    return scheduler


def actor_here(scheduler: Scheduler, ref: Ref | None) -> LocalRef:
    """`ref` as an actor of this system; None stands for the actor whose code runs.

    Raises:
        ActorError: it lives elsewhere, or no actor's code runs.
    """
    if ref is None:
        ref = scheduler.run.current or scheduler.run.owner_of_current_task()
        if ref is None:
            raise ActorError(
                "outside of actors there is no current one; pass the ref that is meant"
            )
    if not isinstance(ref, LocalRef) or ref.scheduler is not scheduler:
        raise ActorError(f"{ref!r} is not an actor of the system {scheduler.name!r}")
    return ref


def check_alive(ref: LocalRef, purpose: str) -> None:
    """Raise ActorError if `ref` has ended."""
    if not ref.is_alive():
        raise ActorError(f"{ref!r} has ended ({ref.exit_reason}) and cannot {purpose}")


protect(Subscription, Subscribers, scheduler_of, actor_here, check_alive)
