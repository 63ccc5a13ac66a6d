"""Local names: at most one living actor has a name, and it loses it when it ends.

A name is any hashable value, e.g. ``"router"`` or ``("user", "alice")``, or a `Via`, a name in
another table. It is taken before ``init`` runs and free again before anybody hears of the actor's
end. An actor has one name at most, as in OTP; for more there is `Registry`.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from actors.errors import ActorError, AlreadyStarted
from actors.naming.arrivals import wait_until_found
from actors.naming.registrations import AlreadyRegistered
from actors.naming.via import RegistryName, Via
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.naming.arrivals import Arrivals
    from actors.ref import LocalRef
    from actors.scheduling.scheduler import Scheduler

logger = logging.getLogger("actors")


class Names:
    """The names of one system."""

    __slots__ = ("_arrivals", "_refs")

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._refs: dict[Hashable, LocalRef] = {}

    def __len__(self) -> int:
        return len(self._refs)

    def check_free(self, name: object) -> None:
        """Raise AlreadyStarted if the name is taken, TypeError if it cannot be a name."""
        if not isinstance(name, Hashable):
            raise TypeError(f"a name must be hashable, such as a str or a tuple; got {name!r}")
        ref = self.whereis(name)
        if ref is not None:
            raise AlreadyStarted(name, ref)

    def take(self, name: Hashable, ref: LocalRef) -> None:
        """Give `ref` the name. Raises AlreadyStarted if it belongs to another one."""
        if isinstance(name, Via):
            try:
                name.register(ref)
            except AlreadyRegistered as error:
                raise AlreadyStarted(name, error.ref) from None
        elif self._refs.setdefault(name, ref) is not ref:
            raise AlreadyStarted(name, self._refs[name])
        elif self._arrivals.waits:
            self._arrivals.announce(self, name)

    def release(self, ref: LocalRef) -> None:
        """Free the name of `ref`, if it has one."""
        name: Any = ref.name
        if name is None:
            return
        try:
            if isinstance(name, Via):
                name.unregister(ref)
            elif self._refs.get(name) is ref:
                del self._refs[name]
        except Exception:
            # Somebody else's code, such as a ``__hash__``; the end of an actor must not fail of it.
            logger.exception("%s#%d: unregistering its name failed", ref.behaviour.name, ref.number)

    def whereis(self, name: Hashable) -> LocalRef | None:
        """The actor with this name."""
        return name.whereis() if isinstance(name, Via) else self._refs.get(name)

    async def wait_for(
        self,
        scheduler: Scheduler,
        name: Hashable,
        timeout: float | None,  # noqa: ASYNC109
    ) -> LocalRef:
        """The actor with this name, when there is one; see `System.wait_for`."""
        if isinstance(name, RegistryName):
            return await name.registry.wait_for(name.key, timeout)
        if name is None or isinstance(name, Via):
            raise TypeError(
                f"wait_for takes a name or a key of a Registry, as registry.via(key), not {name!r};"
                " a table of your own has to tell who waits by itself"
            )
        lacking = f"no actor has got the name {name!r}"
        return await wait_until_found(scheduler, self, name, timeout, lacking)

    def register(self, name: Hashable, ref: LocalRef) -> None:
        """Give a living actor without a name this one; see `System.register`."""
        if name is None:
            raise TypeError("None is no name; take a str, a tuple or any other hashable value")
        try:
            self.check_free(name)
        except AlreadyStarted as error:
            raise AlreadyRegistered(name, error.ref) from None
        if not ref.is_alive():
            raise ActorError(f"{ref!r} has ended ({ref.exit_reason}) and cannot get a name")
        if ref.name is not None:
            raise ActorError(f"{ref!r} has a name already; unregister that first")
        self.take(name, ref)
        ref.name = name

    def unregister(self, name: Hashable) -> None:
        """Take a name from its actor; see `System.unregister`."""
        ref = self.whereis(name)
        if ref is None or ref.name != name:
            raise ActorError(f"no actor has the name {name!r}")
        self.release(ref)
        ref.name = None


protect(Names)
