"""`Registry`: living actors under keys, each registration with a value (after Elixir's Registry).

    registry = Registry(system, "sessions")  # unique keys; keys="duplicate": any number per key

    registry.register(("user", "alice"), value)  # in a handler or init: the actor itself
    registry.register(("user", "bob"), ref=ref)  # elsewhere: say who
    registry.lookup(("user", "alice"))  # (Entry(key, ref, value),), () if there is none

Contract:

* A registration is of one living actor of the registry's system under one key: a hashable value,
  compared with ``==`` as in a dict. An actor may have any number of keys, with duplicate keys also
  the same one several times. `register` raises `AlreadyRegistered` where a unique key is taken,
  also by the same actor, and ActorError for an actor that has ended or lives elsewhere.
* It ends with `unregister`, or exactly when its actor ends - however that ends, also in a failed
  start. Whoever hears of the end, by `Down`, `Exit`, `CalleeDied`, `StartFailed` or a join, finds
  the keys free; an actor being killed keeps them until it has unwound. The next incarnation
  registers anew, in ``init``; in ``__init__`` the current actor is still its parent.
* A value is replaced only through its actor: `update_value` acts for the current actor, or for the
  one named by `ref`.
* Order: keys and actors appear in the order in which they were first registered.
* Listeners get `Registered`, `Unregistered` and `ValueUpdated`, from a snapshot on and without gap;
  `actors.naming.subscriptions` has the rules.
* Costs: `register`, `lookup` of a unique key and `unregister` are a few dict operations; an ended
  actor costs in proportion to its own registrations. The table holds what living actors have
  registered and nothing else.

A plain object and no actor: one thread runs everything of a system, so nothing needs a process to
take turns in; every method answers at once, in handlers and in trio code, what it shows is never
behind, and it cannot crash and lose its content. It belongs to one system and to the thread of it.
It hears of ends by a `Watch` for each registered actor, the runtime's one mechanism for that.

Several nodes: a registry stays local, as in Elixir. What may travel is made of values - entries are
key, ref and value - and the messages to listeners are, after the snapshot, the complete stream of
changes to one node's actors; only that node tells them, no other watches its actors. The union
of these is duplicate keys across nodes. Unique keys across nodes need one node to decide for each
key, so asking it becomes a call that waits; that is a layer above, not this class.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Literal

from actors.errors import ActorError
from actors.lifecycle.links import Watch
from actors.lifecycle.ties import tie, untie
from actors.naming.arrivals import wait_until_found
from actors.naming.registrations import (
    AlreadyRegistered,
    Entry,
    NotRegistered,
    Registered,
    Unregistered,
    ValueUpdated,
)
from actors.naming.subscriptions import (
    EVERYTHING,
    Subscribers,
    Subscription,
    actor_here,
    check_alive,
    scheduler_of,
)
from actors.naming.via import RegistryName, Via
from actors.ref import CALL_TIMEOUT_S, LocalRef, Ref
from actors.scheduling.protection import expose, protect

if TYPE_CHECKING:
    from actors.reasons import ExitReason
    from actors.system import System


class _Holder(Watch):
    """What one actor has registered: the entries of each key, the oldest first."""

    __slots__ = ("_registry", "entries")

    def __init__(self, registry: Registry, ref: LocalRef) -> None:
        self._registry = registry
        self.ref = ref
        self.entries: dict[Hashable, list[Entry]] = {}

    def ended(self, _reason: ExitReason, /) -> None:
        """The actor has ended, and its registrations with it."""
        for key in tuple(self.entries):
            self._registry._remove(self, key, tuple(self.entries[key]))


class Registry:
    """Living actors of one system under keys.

    Args:
        system: whose actors may be registered.
        name: appears in texts and in what listeners get; tells registries apart between nodes.
        keys: whether a key has one actor at most, or any number.
    """

    __slots__ = ("_by_key", "_holders", "_length", "_scheduler", "_subscribers", "keys_are", "name")

    def __init__(
        self,
        system: System,
        name: str = "registry",
        *,
        keys: Literal["unique", "duplicate"] = "unique",
    ) -> None:
        if keys not in ("unique", "duplicate"):
            raise ValueError(f"keys is 'unique' or 'duplicate', not {keys!r}")
        self.name = name
        self.keys_are = keys
        self._scheduler = scheduler_of(system, "Registry")
        self._holders: dict[LocalRef, _Holder] = {}
        # A key's one holder, or its holders as an ordered set.
        self._by_key: dict[Hashable, _Holder | dict[_Holder, None]] = {}
        self._length = 0
        self._subscribers = Subscribers()

    def __repr__(self) -> str:
        return f"<Registry {self.name!r} of {self._scheduler.name!r}, {self._length} entries>"

    def __len__(self) -> int:
        """Registrations, in constant time."""
        return self._length

    def register(self, key: Hashable, value: object = None, *, ref: Ref | None = None) -> None:
        """Register the current actor, or `ref`, under `key`.

        Raises:
            AlreadyRegistered: keys are unique and this one is taken.
            ActorError: the actor has ended or lives elsewhere, or none is current.
            TypeError: the key is not hashable.
        """
        if not isinstance(key, Hashable):
            raise TypeError(f"a key must be hashable, such as a str or a tuple; got {key!r}")
        actor = actor_here(self._scheduler, ref)
        check_alive(actor, f"be registered in {self.name!r}")
        taken = self._by_key.get(key)
        if self.keys_are == "unique" and isinstance(taken, _Holder):
            raise AlreadyRegistered(key, taken.ref)
        holder = self._holders.get(actor)
        if holder is None:
            holder = self._holders[actor] = _Holder(self, actor)
            tie(actor, "watchers", holder)
        holder.entries.setdefault(key, []).append(Entry(key, actor, value))
        self._length += 1
        if taken is None:
            self._by_key[key] = holder
        elif isinstance(taken, dict):
            taken[holder] = None
        elif taken is not holder:
            self._by_key[key] = {taken: None, holder: None}
        self._subscribers.tell(EVERYTHING, Registered, self.name, key, actor, value)
        if self._scheduler.arrivals.waits:
            self._scheduler.arrivals.announce(self, key)

    def via(self, key: Hashable, value: object = None) -> Via:
        """`key` as a name for ``spawn`` and child specs: taken with the start, free at the end.

        Raises ActorError if keys are not unique, since a name is.
        """
        if self.keys_are != "unique":
            raise ActorError("via needs unique keys: a name belongs to one actor")
        return RegistryName(self, key, value)

    def unregister(self, key: Hashable, *, ref: Ref | None = None) -> int:
        """End the registrations of the current actor, or `ref`, under `key`; how many there were.

        Raises ActorError if the actor lives elsewhere, or none is current.
        """
        return self.unregister_match(key, lambda _: True, ref=ref)

    def unregister_match(
        self, key: Hashable, predicate: Callable[[Any], object], *, ref: Ref | None = None
    ) -> int:
        """The same, but only those for whose value `predicate` is true."""
        holder = self._holders.get(actor_here(self._scheduler, ref))
        mine = () if holder is None else holder.entries.get(key, ())
        found = tuple(entry for entry in mine if predicate(entry.value))
        return 0 if holder is None else self._remove(holder, key, found)

    def update_value(
        self, key: Hashable, function: Callable[[Any], Any], *, ref: Ref | None = None
    ) -> tuple[Any, Any]:
        """Replace the value of the current actor, or `ref`, by ``function(value)``; (new, old).

        Raises:
            NotRegistered: the actor does not have this key, or lost it while `function` ran.
            ActorError: keys are not unique; the actor lives elsewhere, or none is current.
        """
        if self.keys_are != "unique":
            raise ActorError("update_value needs unique keys: which of several values is not said")
        actor = actor_here(self._scheduler, ref)
        old = self._entry(actor, key)
        new = old._replace(value=function(old.value))
        if self._entry(actor, key) is not old:
            raise NotRegistered(f"{key!r} of {actor!r} was changed while its value was computed")
        self._replace(actor, new)
        return new.value, old.value

    def _entry(self, actor: LocalRef, key: Hashable) -> Entry:
        holder = self._holders.get(actor)
        entries = None if holder is None else holder.entries.get(key)
        if not entries:
            raise NotRegistered(f"{actor!r} is not registered under {key!r} in {self.name!r}")
        return entries[0]

    def _replace(self, actor: LocalRef, entry: Entry) -> None:
        self._holders[actor].entries[entry.key] = [entry]
        self._subscribers.tell(EVERYTHING, ValueUpdated, self.name, *entry)

    def _remove(self, holder: _Holder, key: Hashable, entries: tuple[Entry, ...]) -> int:
        wanted = {id(entry) for entry in entries}
        mine = holder.entries.get(key, ())
        gone = [entry for entry in mine if id(entry) in wanted]
        if not gone:
            return 0
        if len(gone) < len(mine):
            holder.entries[key] = [entry for entry in mine if id(entry) not in wanted]
        else:
            self._forget(holder, key)
        self._length -= len(gone)
        for entry in gone:
            self._subscribers.tell(EVERYTHING, Unregistered, self.name, *entry)
        return len(gone)

    def _forget(self, holder: _Holder, key: Hashable) -> None:
        del holder.entries[key]
        if not holder.entries:
            del self._holders[holder.ref]
            untie(holder.ref, "watchers", holder)
        holders = self._by_key[key]
        if isinstance(holders, dict):
            del holders[holder]
        if not isinstance(holders, dict) or not holders:
            del self._by_key[key]

    def lookup(self, key: Hashable) -> tuple[Entry, ...]:
        """The registrations under `key`: each actor's together, the first actor first."""
        holders = self._by_key.get(key)
        if isinstance(holders, _Holder):
            return tuple(holders.entries[key])
        found: list[Entry] = []
        for holder in holders or ():
            found += holder.entries[key]
        return tuple(found)

    def whereis(self, key: Hashable) -> LocalRef | None:
        """The actor under `key`, the first one where there are several."""
        holders = self._by_key.get(key)
        if holders is None:
            return None
        return (holders if isinstance(holders, _Holder) else next(iter(holders))).ref

    async def wait_for(
        self,
        key: Hashable,
        timeout: float | None = CALL_TIMEOUT_S,  # noqa: ASYNC109
    ) -> LocalRef:
        """The actor under `key`; waits until there is one. See `actors.naming.arrivals`.

        Raises:
            WaitTimeout: none has been registered within `timeout` seconds (None: wait for ever).
            SystemStopped: the system has stopped.
        """
        lacking = f"no actor has been registered under {key!r} in {self.name!r}"
        return await wait_until_found(self._scheduler, self, key, timeout, lacking)

    def match(self, key: Hashable, predicate: Callable[[Any], object]) -> tuple[Entry, ...]:
        """The registrations under `key` for whose value `predicate` is true."""
        return tuple(entry for entry in self.lookup(key) if predicate(entry.value))

    def count_match(self, key: Hashable, predicate: Callable[[Any], object]) -> int:
        """How many registrations under `key` have a value for which `predicate` is true."""
        return len(self.match(key, predicate))

    def keys(self, ref: Ref | None = None) -> tuple[Hashable, ...]:
        """The keys of the current actor, or of `ref`, each as often as it is registered.

        Raises ActorError if the actor lives elsewhere, or none is current.
        """
        holder = self._holders.get(actor_here(self._scheduler, ref))
        if holder is None:
            return ()
        return tuple(key for key, entries in holder.entries.items() for _ in entries)

    def values(self, key: Hashable, ref: Ref | None = None) -> tuple[Any, ...]:
        """The values of the current actor, or of `ref`, under `key`. Raises as `keys` does."""
        holder = self._holders.get(actor_here(self._scheduler, ref))
        entries = () if holder is None else holder.entries.get(key, ())
        return tuple(entry.value for entry in entries)

    def entries(self) -> tuple[Entry, ...]:
        """All registrations as they are now, by key, the first registered key first."""
        return tuple(entry for key in self._by_key for entry in self.lookup(key))

    def dispatch(self, key: Hashable, function: Callable[[tuple[Entry, ...]], object]) -> bool:
        """Call `function` once with the entries of `key`; not at all, and False, without any.

        It runs here and now, in the caller's turn; what it raises, this raises.
        """
        entries = self.lookup(key)
        if entries:
            function(entries)
        return bool(entries)

    def listen(self, listener: Ref | None = None) -> tuple[Subscription, tuple[Entry, ...]]:
        """Tell the current actor, or `listener`, of changes; the subscription and what is there.

        Raises ActorError if it has ended or lives elsewhere, or none is current.
        """
        subscription = self._subscribers.add(actor_here(self._scheduler, listener))
        return subscription, self.entries()

    def unlisten(self, subscription: Subscription) -> bool:
        """End a subscription; its waiting messages are taken back. False if it was over."""
        return self._subscribers.remove(subscription)


protect(Registry, _Holder)
# These call functions of the user's, which Ctrl-C must be able to interrupt, and change nothing.
expose(
    Registry.unregister_match,
    Registry.update_value,
    Registry.match,
    Registry.count_match,
    Registry.dispatch,
)
