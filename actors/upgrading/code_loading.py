"""Loading a module a second time, next to the one that runs.

The new source is executed in a fresh module object. For that moment, in which no actor runs, the
fresh one stands in ``sys.modules``, so that dataclasses, later modules of the same upgrade and
imports in a circle find it; afterwards the old one is back, until `install`. What the code of the
module itself changes elsewhere while it is executed is not undone.

The source is compiled anew and never taken from a cached ``.pyc``, whose time stamp has a
resolution of one second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from actors.errors import UpgradeFailed
from actors.reasons import bounded
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

RUNTIME: Final = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Staged:
    """A module that runs, and its next version."""

    name: str
    old: ModuleType
    new: ModuleType

    def pairs(self) -> Iterator[tuple[type, type]]:
        """The classes defined in the old module, each with the new one of its qualified name."""
        for old in defined_in(self.old, self.name):
            new = find_class(self.new, old.__qualname__)
            if new is not None and new is not old:
                yield old, new


def stage(modules: Iterable[str | ModuleType], sources: Mapping[str, str]) -> list[Staged]:
    """Load the next versions of these modules, in this order. Nothing is visible afterwards.

    Raises:
        UpgradeFailed: one cannot be found, compiled or executed.
    """
    staged: list[Staged] = []
    try:
        for module in modules:
            name = module if isinstance(module, str) else module.__name__
            old = _running(name)
            if any(other.name == name for other in staged):
                raise UpgradeFailed(f"{name} is named twice; name each module once")
            given = module if isinstance(module, ModuleType) and module is not old else None
            new = _load(name, old, sources.get(name)) if given is None else given
            sys.modules[name] = new
            staged.append(Staged(name, old, new))
    finally:
        for one in staged:
            sys.modules[one.name] = one.old
    if not staged:
        raise UpgradeFailed("name at least one module to upgrade")
    return staged


def install(staged: Iterable[Staged]) -> None:
    """Have imports find the new versions from now on."""
    for one in staged:
        sys.modules[one.name] = one.new
        package, _, leaf = one.name.rpartition(".")
        if package in sys.modules:
            setattr(sys.modules[package], leaf, one.new)


def _running(name: str) -> ModuleType:
    if name == RUNTIME or name.startswith(f"{RUNTIME}."):
        raise UpgradeFailed(f"{name} is the runtime, which cannot replace itself; restart for that")
    old = sys.modules.get(name)
    if old is None:
        raise UpgradeFailed(
            f"no module {name!r} is loaded; give the full name of one that is, "
            "as in 'import package.module'"
        )
    return old


def _load(name: str, old: ModuleType, source: str | None) -> ModuleType:
    spec = _spec(name, old)
    module = ModuleType(name) if spec is None else module_from_spec(spec)
    origin = None if spec is None else spec.origin
    try:
        if source is None:
            source = _source(name, spec)
        code = compile(source, origin or f"<{name}>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OSError, ImportError) as error:
        raise UpgradeFailed(f"{name} was not compiled: {_text(error)}") from None
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - this is what loading a module is
    except (Exception, SystemExit) as error:
        raise UpgradeFailed(f"{name} failed while it was executed: {_text(error)}") from error
    finally:
        sys.modules[name] = old
    return module


def _spec(name: str, old: ModuleType) -> ModuleSpec | None:
    if old.__spec__ is None:
        return None
    try:
        return find_spec(name) or old.__spec__
    except (ImportError, ValueError, AttributeError) as error:
        raise UpgradeFailed(f"{name} was not found: {_text(error)}") from None


def _source(name: str, spec: ModuleSpec | None) -> str:
    loader: Any = None if spec is None else spec.loader
    source = loader.get_source(name) if hasattr(loader, "get_source") else None
    if source is None:
        raise UpgradeFailed(f"{name} has no source that could be loaded again")
    return str(source)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {bounded(error, 300)}"


def defined_in(module: ModuleType, name: str) -> Iterator[type]:
    """The classes that a module defines, those inside classes included."""
    todo = [vars(module)]
    seen: dict[type, None] = {}
    while todo:
        for value in tuple(todo.pop().values()):
            if isinstance(value, type) and value.__module__ == name and value not in seen:
                seen[value] = None
                todo.append(dict(vars(value)))
    yield from seen


def find_class(module: ModuleType, qualname: str) -> type | None:
    """The class of this qualified name in a module."""
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


protect(stage, install, _running, _load, _spec, _source)
