"""Hot code upgrade: `System.upgrade` brings the actors of a module over to its new source.

The protocol, all or none:

1.  The new source is compiled and executed next to the running module, by
    `actors.upgrading.code_loading`.
2.  The actors whose classes the module defines are *frozen*: each leaves its user messages waiting
    from the end of the one in hand on. Parked handlers run to their end, on the old code. Whom an
    unfinished handler waits for, directly or through calls and requests of others, is let go on, on
    the old code, until that handler has its reply; so the freezing cannot deadlock.
3.  When all are at rest, each object gets the class of the same qualified name in the new module,
    and ``code_change(old_version, state)`` is called. It stays the same object, with all that
    refers to it, as long as Python can change its class in place; if the slots differ it is a new
    one.
4.  Actors that were started meanwhile are taken in too. When nobody is left, and without anybody
    having run in between: the new module is what imports find, old classes get their successors,
    and everybody goes on.

If anything fails before that last moment - the source, a class that is gone, a ``code_change`` that
raises, an actor that comes to no rest in time, a cancellation - every object gets its old class and
attributes back, and everybody goes on as if nothing had been. What the attributes refer to is not
copied: a ``code_change`` must put new objects into place instead of changing old ones.

Meanwhile nothing is lost: messages wait in mailboxes, calls wait with the deadlines that they have,
actors of other classes run. Actors still end when they are told to, and those who supervise them
start them again, with what is the class then.

Module code is the process's: after an upgrade every system in it starts the new classes. Living
actors are moved in this system and in those named in `also`; others keep the old class until they
end or their system is upgraded, too. One upgrade at a time.

Left out are task actors (their ``run`` cannot be exchanged; upgrading their module is refused while
one lives), the runtime itself, and living actors of subclasses that other modules have derived:
name these modules in the same upgrade, after this one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import trio

from actors.actor import Actor
from actors.errors import UpgradeFailed
from actors.observing.observation import plain_behaviour, set_behaviour
from actors.observing.reports import logger
from actors.observing.summaries import slots_of
from actors.reasons import bounded
from actors.scheduling.clocks import deadline_after
from actors.scheduling.protection import protect
from actors.upgrading.code_loading import Staged, defined_in, find_class, install, stage
from actors.upgrading.freezing import Freezer
from actors.upgrading.versions import set_attributes, succeed

if TYPE_CHECKING:
    from actors.ref import LocalRef
    from actors.scheduling.scheduler import Scheduler

UPGRADE_TIMEOUT_S: Final = 30.0
BATCH: Final = 5_000
"""Actors that are moved before others may run for a moment."""


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """A successful upgrade.

    ``moved`` counts the actors by the qualified names of their classes; ``seconds`` is how long the
    first of them was frozen; ``outdated`` are classes of other modules, without living actors, that
    still derive from an old class.
    """

    modules: tuple[str, ...]
    moved: Mapping[str, int]
    seconds: float
    outdated: tuple[str, ...]


async def upgrade(
    schedulers: list[Scheduler],
    modules: Iterable[str | ModuleType],
    sources: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109
) -> UpgradeReport:
    """Upgrade modules under the actors of these systems; see the module's docstring."""
    for one in modules:
        if not isinstance(one, (str, ModuleType)):
            raise TypeError(f"upgrade takes names of modules, or modules, not {one!r}")
    if deadline_after(0.0, timeout) == inf:
        raise ValueError(
            "an upgrade's timeout is finite, since all actors that have come to rest wait for the "
            "last; give a number of seconds"
        )
    names = tuple(one if isinstance(one, str) else one.__name__ for one in modules)
    await trio.lowlevel.checkpoint()
    with _alone():
        staged = stage(modules, sources)
        change = _Change(schedulers, staged, timeout)
        try:
            await change.bring_over()
            report = change.commit()
        except BaseException:
            change.go_back()
            raise
        finally:
            change.freezer.thaw_all()
    logger.info("upgrade: %s, %d actors moved", ", ".join(names), sum(report.moved.values()))
    return report


_running: dict[str, object] = {}


@contextmanager
def _alone() -> Iterator[None]:
    mine = object()
    if _running.setdefault("upgrade", mine) is not mine:
        raise UpgradeFailed("another upgrade is under way in this process; try again after it")
    try:
        yield
    finally:
        _running.clear()


class _Change:
    """One upgrade under way."""

    def __init__(self, schedulers: list[Scheduler], staged: list[Staged], timeout: float) -> None:
        self._schedulers = schedulers
        self._staged = {one.name: one for one in staged}
        self._targets: dict[type, type[Actor]] = {}
        self._others: set[type] = set()
        self._slots: dict[type, dict[str, Any]] = {}
        self._moves: dict[LocalRef, Move] = {}
        self._began = schedulers[0].now()
        self.freezer = Freezer(schedulers, self._is_concerned, timeout)

    def _slots_of(self, kind: type) -> dict[str, Any]:
        found = self._slots.get(kind)
        if found is None:
            found = self._slots[kind] = slots_of(kind)
        return found

    def _is_concerned(self, ref: LocalRef) -> bool:
        """Whether `ref` has to move. Raises UpgradeFailed if it has to and cannot."""
        kind = type(ref.actor)
        if kind in self._targets:
            return True
        if kind in self._others:
            return False
        if kind.__module__ not in self._staged:
            for base in kind.__mro__[1:]:
                if base.__module__ in self._staged:
                    raise UpgradeFailed(
                        f"{ref!r} is of the class {_full(kind)}, which derives from {_full(base)}; "
                        f"name {kind.__module__} after {base.__module__} in the same upgrade"
                    )
            self._others.add(kind)
            return False
        self._targets[kind] = self._target_of(kind, ref)
        return True

    def _target_of(self, kind: type, ref: LocalRef) -> type[Actor]:
        new: Any = find_class(self._staged[kind.__module__].new, kind.__qualname__)
        behaviour = getattr(new, "_behaviour", None)
        if behaviour is None:
            raise UpgradeFailed(
                f"{ref!r} lives, and the new {kind.__module__} has no actor class "
                f"{kind.__qualname__}; keep the class, or stop its actors first"
            )
        if behaviour.run is not None or ref.behaviour.run is not None:
            raise UpgradeFailed(
                f"{ref!r} is or becomes a task actor, whose run() cannot be exchanged while it "
                "runs; stop it first"
            )
        return new  # type: ignore[no-any-return]

    async def bring_over(self) -> None:
        """Freeze and move everybody. When it returns, nobody has run since the last was moved."""
        while True:
            await self.freezer.come_to_rest()
            todo = [ref for ref in self.freezer.frozen() if ref not in self._moves]
            if not todo:
                return
            for count, ref in enumerate(todo, 1):
                if ref.actor is not None:
                    self._moves[ref] = self._move(ref)
                if count % BATCH == 0:
                    await trio.lowlevel.checkpoint()

    def _move(self, ref: LocalRef) -> Move:
        try:
            return Move(ref, self._targets[type(ref.actor)], self._slots_of)
        except Exception as error:
            text = f"{type(error).__name__}: {bounded(error, 300)}"
            raise UpgradeFailed(f"code_change of {ref!r} raised {text}") from error

    def commit(self) -> UpgradeReport:
        """Make the new modules those of the process."""
        outdated = tuple(sorted(map(_full, self._left_behind())))
        install(self._staged.values())
        for old, new in self._targets.items():
            succeed(old, new)
        for one in self._staged.values():
            for old_class, new_class in one.pairs():
                if hasattr(old_class, "_behaviour") == hasattr(new_class, "_behaviour"):
                    succeed(old_class, new_class)
        moved = Counter(type(move.new).__qualname__ for move in self._moves.values())
        seconds = self._schedulers[0].now() - self._began
        return UpgradeReport(tuple(self._staged), dict(moved), seconds, outdated)

    def _left_behind(self) -> Iterator[type]:
        for one in self._staged.values():
            for old in defined_in(one.old, one.name):
                below: list[type] = type.__subclasses__(old)
                for kind in below:
                    if hasattr(old, "_behaviour") and kind.__module__ not in self._staged:
                        yield kind

    def go_back(self) -> None:
        """Give everybody back what it had."""
        for move in reversed(self._moves.values()):
            move.undo()


Slots = Callable[[type], dict[str, Any]]


class Move:
    """One actor that has been given another class, and what it takes to undo that.

    `slots` gives the slots of a class; whoever moves many remembers them.
    """

    __slots__ = ("_behaviour", "_class", "_dict", "_slots", "_values", "new", "old", "ref")

    def __init__(self, ref: LocalRef, target: type[Actor], slots: Slots = slots_of) -> None:
        old: Any = ref.actor
        self.ref = ref
        self.old = self.new = old
        self._class = type(old)
        self._behaviour = plain_behaviour(ref)
        self._slots = slots(self._class)
        self._values: dict[str, Any] = {}
        for name, slot in self._slots.items():
            with suppress(AttributeError):
                self._values[name] = slot.__get__(old)
        own = getattr(old, "__dict__", None)
        self._dict = None if own is None else dict(own)
        state = {**self._values, **(self._dict or {})}
        try:
            try:
                object.__setattr__(old, "__class__", target)
            except TypeError:
                self.new = ref.actor = object.__new__(target)
                set_attributes(self.new, state, slots(target))
            set_behaviour(ref, target._behaviour)
            if target.code_change is not Actor.code_change:
                del state["ref"]
                self._call(version_of(self._class), state)
        except BaseException:
            self.undo()
            raise

    def _call(self, version: object, state: dict[str, Any]) -> None:
        result: Any = self.new.code_change(version, state)
        if result is not None:
            if hasattr(result, "close"):
                result.close()
            raise TypeError("code_change is a plain 'def' that changes self and returns None")

    def undo(self) -> None:
        """The old class and the old attributes, unless the actor has ended since."""
        old: Any = self.old
        if self.ref.actor is None:
            return
        if self.new is old:
            object.__setattr__(old, "__class__", self._class)
            for name, slot in self._slots.items():
                if name in self._values:
                    slot.__set__(old, self._values[name])
                elif hasattr(old, name):
                    slot.__delete__(old)
            if self._dict is not None:
                old.__dict__.clear()
                old.__dict__.update(self._dict)
        self.ref.actor = old
        set_behaviour(self.ref, self._behaviour)


def change_code(ref: LocalRef, target: type[Actor]) -> None:
    """Give one actor that is at rest another class; see `System.change_code`."""
    if getattr(target, "_behaviour", None) is None or not isinstance(target, type):
        raise TypeError(f"change_code takes a subclass of Actor, not {target!r}")
    if ref.behaviour.run is not None or target._behaviour.run is not None:
        raise UpgradeFailed(f"{ref!r} is or becomes a task actor, whose run() cannot be exchanged")
    with _alone():
        Move(ref, target)


def version_of(cls: type) -> object:
    """The version of a class: its attribute ``version``, else its module's, else None."""
    version = getattr(cls, "version", None)
    if isinstance(version, (str, int, tuple)):
        return version
    for member in vars(cls).values():
        names = getattr(member, "__globals__", {})
        if names.get("__name__") == cls.__module__:
            return names.get("version")
    return None


def _full(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


protect(upgrade, _Change, Move, change_code)
