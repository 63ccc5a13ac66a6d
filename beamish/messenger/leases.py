"""What commands of a device stand on, so that none is carried out once the device was logged out.

A device's session is not the only place where its commands are: some wait in the mailboxes of
conversations, sent before anybody knew. So every session of a device, and every command that it
sent, holds the device's one *lease*, and whoever is about to carry out a command looks at it. The
user's actor ends leases, in this order:

    the end is decided      the lease refuses what is looked at from here on, to be tried again
    the end is committed    the lease refuses for good; or, if nothing could be written, no longer
    the end is answered

What was decided before the first step had been handed to the journal before the device's end was,
and the journal takes new work first, in its order; so it stands in its log when the end is
answered. What is looked at later is refused.

That is strict up to 16 MiB of new work in one commit of the journal, which takes no more.

A lease lives as long as somebody holds it; the table holds none. Whether it holds is a level, set
from the state of the account: one of an account that is enabled again holds again.
"""

from __future__ import annotations

from collections.abc import Container
from weakref import WeakValueDictionary

from beamish.messenger.conversations.refusal import Refusal

GONE = Refusal("unauthenticated", "this device was logged out: log in again")
GOING = Refusal("overloaded", "this device is being logged out", None, 500)


class Lease:
    """One device's right to have commands carried out; `refusal` is None while it holds."""

    __slots__ = ("__weakref__", "refusal")

    def __init__(self) -> None:
        self.refusal: Refusal | None = None


class Leases:
    """The leases of a node, by user and device."""

    def __init__(self) -> None:
        self._leases: dict[str, WeakValueDictionary[str, Lease]] = {}

    def take(self, user: str, device: str) -> Lease:
        """The lease of this device, shared by all who take it at the same time."""
        of_user = self._leases.setdefault(user, WeakValueDictionary())
        lease = of_user.get(device)
        if lease is None:
            lease = of_user[device] = Lease()
        return lease

    def suspend(self, user: str, devices: Container[str]) -> None:
        """The end of these devices is decided, and not yet written."""
        for device, lease in self._of(user):
            if device in devices and lease.refusal is None:
                lease.refusal = GOING

    def settle(self, user: str, admitted: Container[str]) -> None:
        """These devices, and no others of the user, may have commands carried out."""
        for device, lease in self._of(user):
            lease.refusal = None if device in admitted else GONE

    def _of(self, user: str) -> list[tuple[str, Lease]]:
        of_user = self._leases.get(user)
        if of_user is None:
            return []
        if not of_user:
            del self._leases[user]
        return list(of_user.items())

    def prune(self) -> None:
        """Forget users of whom nothing is left."""
        for user in [user for user, of_user in self._leases.items() if not of_user]:
            del self._leases[user]
