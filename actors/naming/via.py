"""Names that live in a table of somebody's: OTP's ``{via, Module, Name}``.

Wherever a name is taken (``spawn``, `System.register`, a child spec) a `Via` may stand. The runtime
uses it as it uses its own table of names::

    whereis()          before the start: who has the name, so that the start is refused
    register(ref)      when the actor has been constructed, before its ``init``; raises
                       `AlreadyRegistered` if the name has been taken meanwhile
    unregister(ref)    once, when the actor has ended or failed to start, before anybody hears of
                       that; the name may belong to another actor by then and must be left to it

So taking the name and starting are one: nobody sees the name without the actor being started, and
who hears of a failed start finds the name free. All three are plain functions in the system's
thread; `unregister` must not raise (what it raises is logged).

`Registry.via` makes one for a key of a registry (Elixir's ``{:via, Registry, {registry, key}}``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Hashable

    from actors.naming.registry import Registry
    from actors.ref import LocalRef


class Via:
    """Base of names in other tables. Immutable and hashable; its ``repr`` appears in refs."""

    __slots__ = ()

    def whereis(self) -> LocalRef | None:
        """The living actor that has the name."""
        raise NotImplementedError

    def register(self, ref: LocalRef) -> None:
        """Give `ref` the name. Raises `AlreadyRegistered` if it is taken."""
        raise NotImplementedError

    def unregister(self, ref: LocalRef) -> None:
        """Take the name from `ref`, if it has it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class RegistryName(Via):
    """A unique key of a `Registry` as a name; `value` is what it is registered with."""

    registry: Registry
    key: Hashable
    value: object = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"{self.registry.name}:{self.key!r}"

    def whereis(self) -> LocalRef | None:
        """The actor under the key."""
        return self.registry.whereis(self.key)

    def register(self, ref: LocalRef) -> None:
        """Register `ref` under the key."""
        self.registry.register(self.key, self.value, ref=ref)

    def unregister(self, ref: LocalRef) -> None:
        """End the registration, unless the actor has done so itself."""
        self.registry.unregister(self.key, ref=ref)


protect(Via, RegistryName)
