"""Local names: at most one living actor has a name, and it loses it when it ends.

A name is any hashable value, e.g. ``"router"`` or ``("user", "alice")``. It is taken before
``init`` runs and free again before anybody hears of the actor's end.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from actors.errors import AlreadyStarted
from actors.protection import protect

if TYPE_CHECKING:
    from actors.ref import LocalRef


class Names:
    """The names of one system."""

    __slots__ = ("_refs",)

    def __init__(self) -> None:
        self._refs: dict[Hashable, LocalRef] = {}

    def __len__(self) -> int:
        return len(self._refs)

    def check_free(self, name: object) -> None:
        """Raise AlreadyStarted if the name is taken, TypeError if it cannot be a name."""
        if not isinstance(name, Hashable):
            raise TypeError(f"a name must be hashable, such as a str or a tuple; got {name!r}")
        ref = self._refs.get(name)
        if ref is not None:
            raise AlreadyStarted(name, ref)

    def take(self, name: Hashable, ref: LocalRef) -> None:
        """Give `ref` the name."""
        self._refs[name] = ref

    def release(self, ref: LocalRef) -> None:
        """Free the name of `ref`, if it has one."""
        if ref.name is not None and self._refs.get(ref.name) is ref:
            del self._refs[ref.name]

    def find(self, name: Hashable) -> LocalRef | None:
        """The actor with this name."""
        return self._refs.get(name)


protect(Names)
