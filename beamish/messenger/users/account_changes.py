"""Changes of an account that no numbered command makes: each may be repeated and changes nothing.

Like numbered ones they are decided against committed state, with no look at anything else. The
device that asks, if it is not the operator, has to exist when they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass

from actors import Ref, Request
from beamish.messenger.accounts.passwords import SYSTEM_USER
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.leases import GONE
from beamish.messenger.users.account import DELETED, DISABLED, Account, Fields
from beamish.messenger.users.account_actions import Written
from beamish.messenger.users.devices import ended, expired
from beamish.messenger.users.state import UserState

SEEN_STEP_MS = 24 * 3_600_000
"""Milliseconds after which it is written down again that a device is in use."""

CHANGED_MEANWHILE = Refusal("bad_credentials", "the password was changed meanwhile: try again")


@dataclass(frozen=True, slots=True)
class Now:
    """What a change may know besides the account.

    `at` is the time in ms UTC, `connected` are the devices that have a connection, and one that is
    not among them and was not used for `device_ms` milliseconds is logged out.
    """

    at: int
    connected: Collection[str]
    device_ms: int


class AccountChange(ABC):
    """One thing to be done to an account."""

    __slots__ = ()

    @abstractmethod
    def written(self, state: UserState, now: Now) -> Written | Refusal:
        """What is to be written, with the answer; or why nothing is."""


@dataclass(frozen=True, slots=True)
class ChangeAccount(Request[object]):
    """Do this for `device`, whose `session` will end itself if it has to; None: the operator.

    Answered with the change's answer or a refusal, after it is on disk, no command of a device that
    is gone by it will be carried out any more, and the connections of these devices are closed.
    """

    change: AccountChange
    device: str | None = None
    session: Ref | None = None

    def written(self, state: UserState, now: Now) -> Written | Refusal:
        """What the change comes to."""
        if not state.exists:
            return Refusal("not_found", f"there is no user {state.user}")
        if self.device is not None and self.device not in state.account.devices:
            return GONE
        return self.change.written(state, now)


@dataclass(frozen=True, slots=True)
class ListDevices(AccountChange):
    """Log out devices that were not used for long; answered with the others as `Seen`."""

    def written(self, state: UserState, now: Now) -> Written:
        """The end of the expired, and that the connected are in use."""
        account = state.account
        gone = expired(account, now.connected, now.at - now.device_ms)
        left = tuple(
            Seen(device, known.name, known.at, known.used, device in now.connected)
            for device, known in account.devices.items()
            if device not in gone
        )
        stale = now.at - SEEN_STEP_MS
        in_use = [seen.device for seen in left if seen.connected and seen.seen <= stale]
        rows = [{"t": "seen", "device": device, "at": now.at} for device in in_use]
        return Written([*ended(gone), *rows], left)


@dataclass(frozen=True, slots=True)
class Seen:
    """One device as its user may see it; times in ms UTC."""

    device: str
    name: str
    at: int
    seen: int
    connected: bool


@dataclass(frozen=True, slots=True)
class NameDevice(AccountChange):
    """Another name for a device."""

    device: str
    name: str

    def written(self, state: UserState, now: Now) -> Written | Refusal:  # noqa: ARG002
        """Its name, if it has another."""
        known = state.account.devices.get(self.device)
        if known is None:
            return Refusal("not_found", "you have no such device")
        row = {"t": "device_name", "device": self.device, "name": self.name}
        return Written([] if known.name == self.name else [row])


@dataclass(frozen=True, slots=True)
class RevokeDevice(AccountChange):
    """Log one device out."""

    device: str

    def written(self, state: UserState, now: Now) -> Written:  # noqa: ARG002
        """Its end, if it exists."""
        return Written(ended([self.device] if self.device in state.account.devices else []))


@dataclass(frozen=True, slots=True)
class RevokeOthers(AccountChange):
    """Log all devices out but `kept`; None: all."""

    kept: str | None

    def written(self, state: UserState, now: Now) -> Written:  # noqa: ARG002
        """The end of the others."""
        return Written(ended(others(state.account, self.kept)))


@dataclass(frozen=True, slots=True)
class SetPassword(AccountChange):
    """Another password's hash in place of `old`, None standing for any.

    All devices but `kept` are logged out, unless `kept` is None, which leaves all.
    """

    old: str | None
    new: str
    kept: str | None

    def written(self, state: UserState, now: Now) -> Written | Refusal:  # noqa: ARG002
        """The new hash, and the end of the others."""
        account = state.account
        if account.standing == DELETED:
            return Refusal("not_found", "this account was deleted")
        if account.password == SYSTEM_USER:
            return Refusal("forbidden", "nobody logs in as a system user: it has no password")
        if account.password == self.new:
            return Written([])
        if self.old is not None and account.password != self.old:
            return CHANGED_MEANWHILE
        gone = [] if self.kept is None else others(account, self.kept)
        return Written([{"t": "password", "hash": self.new}, *ended(gone)])


@dataclass(frozen=True, slots=True)
class Delete(AccountChange):
    """The end of the account, whose password has the hash `password`; None standing for any."""

    password: str | None

    def written(self, state: UserState, now: Now) -> Written | Refusal:
        """The end, which all groups have to be told of."""
        if state.account.standing == DELETED:
            return Written([])
        if self.password is not None and state.account.password != self.password:
            return CHANGED_MEANWHILE
        return Written([{"t": "deleted", "at": now.at}], owes=True)


@dataclass(frozen=True, slots=True)
class Disable(AccountChange):
    """Nobody gets in any more; or, with `on` false, again. Devices and tokens stay."""

    on: bool

    def written(self, state: UserState, now: Now) -> Written | Refusal:  # noqa: ARG002
        """The other standing, if it is another."""
        if state.account.standing == DELETED:
            return Refusal("not_found", "this account was deleted")
        if (state.account.standing == DISABLED) == self.on:
            return Written([])
        return Written([{"t": "disabled", "on": self.on}])


def others(account: Account, kept: str | None) -> list[str]:
    """All devices but one."""
    return [device for device in account.devices if device != kept]


def ending(account: Account, records: list[Fields]) -> Collection[str]:
    """The devices that none may speak for once these records are written."""
    kinds = {record["t"] for record in records}
    if "deleted" in kinds or "disabled" in kinds:
        return account.devices.keys()
    return [record["device"] for record in records if record["t"] == "device_gone"]
