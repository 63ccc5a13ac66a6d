"""Versions of classes: what a code upgrade leaves in the process beside the new module.

Classes of a module that is loaded again are new objects, while old instances wait in mailboxes and
timers, other modules still hold the old classes, and child specs name them. So, when an upgrade has
succeeded:

* an old actor class has a *successor*: whoever starts the old class starts the newest one;
* old and new classes of one qualified name have the same *lineage*: a message of a class that an
  actor has no handler for, but of the lineage of one that it has, is handed to that handler as an
  instance of the class that the handler was written for. Both ways round: an old sender to a new
  actor, and a new sender to an actor elsewhere that still knows the old class.

Translated are the message itself, not what it holds: `isinstance` and patterns on the message work,
on values of upgraded classes inside it they need not. A dataclass gets the fields that the other
has, and its defaults for the rest; a message class may say otherwise in a classmethod
``code_change(message)``. Without a default for a new field the message is refused as unhandled.

This is the process's, as modules are, and shared by all systems in it. It holds old classes weakly:
they go when nothing else refers to them.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakSet

from actors.calling.reply import DIRECT
from actors.errors import Reject, Unhandled
from actors.observing.summaries import attributes, slots_of
from actors.scheduling.protection import protect
from actors.scheduling.waits import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.actor import Actor
    from actors.handlers import Behaviour
    from actors.ref import LocalRef

MAX_ADOPTED: Final = 64
"""Other versions of message classes that one actor class remembers a handler for."""


class _Lineage:
    """The versions of one class that are still in use."""

    __slots__ = ("versions",)

    def __init__(self) -> None:
        self.versions: WeakSet[type] = WeakSet()


_lineages: WeakKeyDictionary[type, _Lineage] = WeakKeyDictionary()


def succeed(old: type, new: type) -> None:
    """`new` is the next version of the class `old`, and of all that `old` has succeeded."""
    lineage = _lineages.get(old) or _lineages.get(new) or _Lineage()
    for kind in (old, new):
        _lineages[kind] = lineage
        lineage.versions.add(kind)
    for kind in lineage.versions:
        behaviour = vars(kind).get("_behaviour")
        if behaviour is not None:
            behaviour.successor = None if kind is new else new


def newest(cls: type[Actor]) -> type[Actor]:
    """The newest version of an actor class."""
    return cls._behaviour.successor or cls


def adopt(behaviour: Behaviour, kind: type) -> Callable[[Any, Any], Any] | None:
    """A handler for messages of `kind`, if it is another version of a class that is handled."""
    lineage = _lineages.get(kind)
    if lineage is None:
        return None
    adopted = behaviour.adopted
    for table in (behaviour.handlers, behaviour.coroutines):
        for known, handler in table.items():
            if known not in adopted and _lineages.get(known) is lineage:
                if len(adopted) >= MAX_ADOPTED:
                    for old in adopted:
                        del behaviour.handlers[old]
                    adopted.clear()
                adopted[kind] = None
                adapter = behaviour.handlers[kind] = partial(
                    _handle_as, handler, translator(kind, known)
                )
                return adapter
    return None


def _handle_as(
    handler: Callable[[Any, Any], Any],
    translate: Callable[[Any], Any],
    actor: Actor,
    message: object,
) -> Any:
    try:
        translated = translate(message)
    except TypeError as error:
        return _refuse(actor.ref, message, str(error))
    return handler(actor, translated)


def _refuse(ref: LocalRef, message: object, why: str) -> None:
    ref.scheduler.reporter.unhandled(ref, message)
    if ref.entry is DIRECT or isinstance(ref.entry, Call):
        raise Reject(Unhandled(f"{ref!r} cannot handle a message from before an upgrade: {why}"))


def translator(kind: type, target: type) -> Callable[[Any], Any]:
    """A function from messages of `kind` to instances of `target`, another version of that class.

    It raises TypeError if `target` has a field that `kind` has not, and no default for it.
    """
    convert: Callable[[Any], Any] | None = getattr(target, "code_change", None)
    if convert is not None:
        return convert
    if issubclass(target, tuple):
        return lambda message: target(*message)
    if is_dataclass(kind) and is_dataclass(target):
        known = {field.name for field in fields(kind)}
        copied = tuple(field.name for field in fields(target) if field.name in known)
        return partial(_copy, target, copied, [f for f in fields(target) if f.name not in known])
    return partial(_copy_all, target)


def _copy(target: type, copied: tuple[str, ...], added: list[Any], message: Any) -> Any:
    translated: Any = object.__new__(target)
    put = object.__setattr__
    for name in copied:
        put(translated, name, getattr(message, name))
    for field in added:
        put(translated, field.name, _default(field, target))
    return translated


def _copy_all(target: type, message: Any) -> Any:
    translated: Any = object.__new__(target)
    set_attributes(translated, attributes(message), slots_of(target))
    return translated


def _default(field: Any, target: type) -> Any:
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()
    raise TypeError(
        f"{target.__qualname__} has a new field {field.name!r}; give it a default, or the class a "
        "classmethod code_change(message)"
    )


def set_attributes(target: object, values: dict[str, Any], slots: dict[str, Any]) -> None:
    """Set attributes whatever the class thinks of that; those that it has no place for are left."""
    others = getattr(target, "__dict__", None)
    for name, value in values.items():
        if name in slots:
            slots[name].__set__(target, value)
        elif others is not None:
            others[name] = value


protect(succeed, newest, adopt, _handle_as, _refuse, _copy, _copy_all, set_attributes)
