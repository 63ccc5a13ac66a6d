"""Finds the actor of a user or conversation, and activates it on demand.

An actor is named `(kind, key)`. While it lives it is found by name; otherwise it is started under
the dynamic supervisor of its kind, and loads its stream before it handles anything. Starting one
that somebody else has just started gives that one. Actors leave memory when idle; whoever held
such a ref hears of it by a failed request and asks here again.
"""

from __future__ import annotations

from actors import AlreadyStarted, Ref, System
from beamish.messenger.environment import Environment
from supervision import ChildSpec, StartChild


class Directory:
    """The actors of a node by `(kind, key)`."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._kinds: dict[str, tuple[Ref, ChildSpec]] = {}
        self._environment: Environment | None = None

    def serve(self, environment: Environment, kinds: dict[str, tuple[Ref, ChildSpec]]) -> None:
        """Set, for each kind, the supervisor of its actors and the spec that they share."""
        self._environment = environment
        self._kinds = kinds

    def find(self, kind: str, key: str) -> Ref | None:
        """The living actor of this name, or None."""
        return self._system.whereis((kind, key))

    async def activate(self, kind: str, key: str) -> Ref:
        """The actor of this name, started if need be; raises CallError when it cannot be."""
        found = self.find(kind, key)
        if found is not None:
            return found
        supervisor, spec = self._kinds[kind]
        try:
            return await supervisor.call(StartChild(spec, (key, self._environment), (kind, key)))
        except AlreadyStarted as taken:
            return taken.ref
