"""`Groups`: actors that are reached under a common name (after OTP's `pg`).

    rooms = Groups(system, "rooms")

    rooms.join("lobby")  # in a handler or init: the actor itself
    rooms.join("lobby", [one, two])  # anywhere: these, in one change
    for ref in rooms.members("lobby"):
        ref.cast(Said("hello"))
    monitor, members = rooms.monitor("lobby")  # and from now on `Joined` and `Left`

Contract:

* One `Groups` is one *scope*; scopes are independent of each other. A group is any hashable value,
  compared with ``==``. It is there while it has members and needs no creation; a group without
  members is the same as none.
* An actor may be in any number of groups, and in one several times: it is then listed as often, and
  has to leave as often. It leaves all of them exactly when it ends, however that ends; whoever
  hears of the end no longer finds it there. The next incarnation joins anew, in its ``init``; in
  ``__init__`` the current actor is still its parent.
* Only living actors of this system are joined and left here; others raise ActorError, and then
  nothing has changed. An actor that has ended is not joined, which is no error: as in OTP, where
  it would leave again at once, nobody can know that it will not end in the next moment.
* `monitor` returns the members of one group, `monitor_scope` all groups; every later change comes
  as one `Joined` or `Left` message, in order, none twice and none left out, until `demonitor`,
  which takes waiting ones back, or `FellBehind` (`actors.naming.subscriptions` has the rules).
  `refs` of a message lists an actor as often as it joined or left by this change. An actor that
  ends leaves by one message for each group.
* Order: groups by when they came into being, members by when they first joined, repeats together.
* Costs: joining and leaving are a few dict operations for each actor named; an ended actor costs in
  proportion to its own groups. The table holds living members and nothing else.

A plain object and no actor: OTP's scope is a process because something has to put the changes in
order. Here one thread runs everything of a system, so `join` has happened when it returns, a view
is never behind, and no crash loses the memberships. It belongs to one system and to its thread, and
hears of ends by a `Watch` for each member, the runtime's one mechanism for that.

Several nodes: `join` and `leave` stay local, and each node alone reports its own members. A node
that comes sends its local groups, which is what `monitor_scope` returns, then each change, which is
what it tells; when the connection is lost the others drop what it had reported. Nobody watches
actors of other nodes. The views converge, and between nodes no order holds. `members` then
adds the reported refs to `local_members`, and `which_groups` their groups; messages stay the same.
The scope's name says which `Groups` of two nodes belong together, so a node has one of each name.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.lifecycle.links import Watch
from actors.lifecycle.ties import tie, untie
from actors.naming.subscriptions import (
    EVERYTHING,
    Change,
    Subscribers,
    Subscription,
    actor_here,
    scheduler_of,
)
from actors.ref import LocalRef, Ref
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.reasons import ExitReason
    from actors.system import System


@dataclass(frozen=True, slots=True)
class Joined(Change):
    """Actors have joined a group, each as often as it is listed."""

    scope: str
    group: Any
    refs: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class Left(Change):
    """Actors have left a group, or ended, each as often as it is listed."""

    scope: str
    group: Any
    refs: tuple[Ref, ...]


class _Member(Watch):
    """One actor in a scope: its groups, the first joined first."""

    __slots__ = ("_groups", "groups")

    def __init__(self, groups: Groups, ref: LocalRef) -> None:
        self._groups = groups
        self.ref = ref
        self.groups: dict[Hashable, None] = {}

    def ended(self, _reason: ExitReason, /) -> None:
        """The actor has ended, and its memberships with it."""
        for group in tuple(self.groups):
            times = self._groups._counts[group][self.ref]
            self._groups._leave(group, self.ref, times)
            self._groups._tell(Left, group, (self.ref,) * times)


class Groups:
    """One scope of groups.

    Args:
        system: whose actors may join.
        scope: appears in texts and messages, and tells scopes apart between nodes.
    """

    __slots__ = ("_counts", "_members", "_scheduler", "_subscribers", "scope")

    def __init__(self, system: System, scope: str = "groups") -> None:
        self.scope = scope
        self._scheduler = scheduler_of(system, "Groups")
        self._counts: dict[Hashable, dict[LocalRef, int]] = {}
        self._members: dict[LocalRef, _Member] = {}
        self._subscribers = Subscribers()

    def __repr__(self) -> str:
        return f"<Groups {self.scope!r} of {self._scheduler.name!r}, {len(self._counts)} groups>"

    def join(self, group: Hashable, members: Ref | Iterable[Ref] | None = None) -> None:
        """Join the current actor, or `members`, to `group`, in one change.

        Raises:
            ActorError: one of them lives elsewhere, or none is current; nobody has joined then.
            TypeError: the group is not hashable.
        """
        if not isinstance(group, Hashable):
            raise TypeError(f"a group must be hashable, such as a str or a tuple; got {group!r}")
        joining = tuple(ref for ref in self._actors(members) if ref.is_alive())
        if not joining:
            return
        counts = self._counts.setdefault(group, {})
        for ref in joining:
            member = self._members.get(ref)
            if member is None:
                member = self._members[ref] = _Member(self, ref)
                tie(ref, "watchers", member)
            member.groups[group] = None
            counts[ref] = counts.get(ref, 0) + 1
        self._tell(Joined, group, joining)

    def leave(self, group: Hashable, members: Ref | Iterable[Ref] | None = None) -> bool:
        """Have the current actor, or `members`, leave `group`, each once for each time it is given.

        Those who are not in the group are passed over. False if that is so for all.

        Raises ActorError if one lives elsewhere, or none is current; nobody has left then.
        """
        leaving = []
        for ref in self._actors(members):
            if ref in self._counts.get(group, ()):
                self._leave(group, ref, 1)
                leaving.append(ref)
        if leaving:
            self._tell(Left, group, tuple(leaving))
        return bool(leaving)

    def _actors(self, members: Ref | Iterable[Ref] | None) -> list[LocalRef]:
        many = (members,) if members is None or isinstance(members, Ref) else members
        return [actor_here(self._scheduler, ref) for ref in many]

    def _leave(self, group: Hashable, ref: LocalRef, times: int) -> None:
        counts = self._counts[group]
        if counts[ref] > times:
            counts[ref] -= times
            return
        del counts[ref]
        if not counts:
            del self._counts[group]
        member = self._members[ref]
        del member.groups[group]
        if not member.groups:
            del self._members[ref]
            untie(ref, "watchers", member)

    def _tell(self, kind: type[Joined | Left], group: Hashable, refs: tuple[LocalRef, ...]) -> None:
        self._subscribers.tell(group, kind, self.scope, group, refs)

    def members(self, group: Hashable) -> tuple[Ref, ...]:
        """All members of `group`, wherever they live; today those of this system."""
        return self.local_members(group)

    def local_members(self, group: Hashable) -> tuple[LocalRef, ...]:
        """The members of `group` that live in this system."""
        counts = self._counts.get(group, {})
        if sum(counts.values()) == len(counts):
            return tuple(counts)
        return tuple(ref for ref, times in counts.items() for _ in range(times))

    def which_groups(self) -> tuple[Hashable, ...]:
        """All groups, that is all that have members."""
        return self.which_local_groups()

    def which_local_groups(self) -> tuple[Hashable, ...]:
        """The groups that have members in this system."""
        return tuple(self._counts)

    def groups_of(self, ref: Ref | None = None) -> tuple[Hashable, ...]:
        """The groups of the current actor, or of `ref`, the first joined first.

        Raises ActorError if the actor lives elsewhere, or none is current.
        """
        member = self._members.get(actor_here(self._scheduler, ref))
        return () if member is None else tuple(member.groups)

    def monitor(
        self, group: Hashable, watcher: Ref | None = None
    ) -> tuple[Subscription, tuple[Ref, ...]]:
        """Tell the current actor, or `watcher`, of changes of `group`; and its members now.

        Raises ActorError if it has ended or lives elsewhere, or none is current.
        """
        actor = actor_here(self._scheduler, watcher)
        return self._subscribers.add(actor, group), self.members(group)

    def monitor_scope(
        self, watcher: Ref | None = None
    ) -> tuple[Subscription, dict[Hashable, tuple[Ref, ...]]]:
        """Tell the current actor, or `watcher`, of changes of all groups; and their members now.

        Raises ActorError if it has ended or lives elsewhere, or none is current.
        """
        subscription = self._subscribers.add(actor_here(self._scheduler, watcher), EVERYTHING)
        return subscription, {group: self.members(group) for group in self.which_groups()}

    def demonitor(self, monitor: Subscription) -> bool:
        """End a monitor; its waiting messages are taken back. False if it was over."""
        return self._subscribers.remove(monitor)


protect(Groups, _Member)
