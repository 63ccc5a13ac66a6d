"""A user's account as a function of the user's stream: the part that is no inbox.

Pure, like `state`, of which it is a part. Records, in msgpack, by `t`:

    account      display, hash (of the password), at
    password     hash
    device       device, token (sha256 of the secret), name, at
    device_gone  device
    seen         device, at
    profile      display, status
    subscription channel, on, since, read (record number), ordinal (of the newest post read)
    privacy      last_seen ("everyone" | "shared" | "nobody"), read_marks

A record that a numbered command made has besides `c`: [device, number, tag], and `at`; by these
each command of the account's lane is carried out once, as in a conversation (`command_numbers`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from beamish.messenger.conversations.command_numbers import CommandNumbers, Result

Fields = dict[str, Any]


class Device(NamedTuple):
    """One local store of a client: sha256 of its token's secret, name to show, ms UTC of birth.

    `seen` is when it was last known to be in use, to a day, in ms UTC.
    """

    token: bytes
    name: str
    at: int
    seen: int = 0

    @property
    def used(self) -> int:
        """When it was last known to be in use, ms UTC."""
        return max(self.at, self.seen)


class Privacy(NamedTuple):
    """What others may know: who sees the user's last_seen, whether anybody hears of read marks."""

    last_seen: str = "everyone"
    read_marks: bool = True


class Subscription(NamedTuple):
    """A channel that the user reads.

    `since` is the record at which that began, `read` the read mark, `ordinal` that of the newest
    post that was read.
    """

    since: int
    read: int
    ordinal: int


class Account:
    """Who a user is: name to show, password, devices, and what these have commanded."""

    def __init__(self) -> None:
        self.display = ""
        self.status = ""
        self.password = ""
        self.privacy = Privacy()
        self.subscriptions: dict[str, Subscription] = {}
        self.devices: dict[str, Device] = {}
        self.numbers: dict[str, CommandNumbers] = {}
        """By device, as long as it exists."""

    def apply(self, n: int, fields: Fields) -> None:
        """Take in record `n`, one of those above, after it was committed."""
        _APPLY[fields["t"]](self, n, fields)
        self.note_command(n, fields)

    def note_command(self, n: int, fields: Fields) -> None:
        """Remember the command that made record `n`, if one did."""
        caused = fields.get("c")
        if caused is not None:
            device, number, tag = caused
            numbers = self.numbers.get(device)
            if numbers is None:
                numbers = self.numbers[device] = CommandNumbers()
            numbers.use(number, tag, Result(n, 0, fields["at"]))

    def dump(self) -> dict[str, Any]:
        """A msgpack-able form: the entries of a user's snapshot that concern the account."""
        return {
            "display": self.display,
            "status": self.status,
            "hash": self.password,
            "privacy": list(self.privacy),
            "subscriptions": [[channel, *known] for channel, known in self.subscriptions.items()],
            "devices": [[device, *known] for device, known in self.devices.items()],
            "numbers": [[device, *numbers.dump()] for device, numbers in self.numbers.items()],
        }

    def load(self, plain: dict[str, Any]) -> None:
        """Fill this new account with what `dump` gave, now or in an older version."""
        self.display, self.password = plain["display"], plain["hash"]
        self.devices = {row[0]: Device(*row[1:]) for row in plain["devices"]}
        self.status = plain.get("status", "")
        self.privacy = Privacy(*plain.get("privacy", ()))
        self.subscriptions = {
            row[0]: Subscription(*row[1:]) for row in plain.get("subscriptions", ())
        }
        self.numbers = {row[0]: CommandNumbers.load(row[1:]) for row in plain.get("numbers", ())}

    def _made(self, _n: int, fields: Fields) -> None:
        self.display, self.password = fields["display"], fields["hash"]

    def _password(self, _n: int, fields: Fields) -> None:
        self.password = fields["hash"]

    def _device(self, _n: int, fields: Fields) -> None:
        self.devices[fields["device"]] = Device(fields["token"], fields["name"], fields["at"])

    def _device_gone(self, _n: int, fields: Fields) -> None:
        self.devices.pop(fields["device"], None)
        self.numbers.pop(fields["device"], None)

    def _seen(self, _n: int, fields: Fields) -> None:
        known = self.devices.get(fields["device"])
        if known is not None:
            self.devices[fields["device"]] = known._replace(seen=fields["at"])

    def _profile(self, _n: int, fields: Fields) -> None:
        self.display, self.status = fields["display"], fields["status"]

    def _privacy(self, _n: int, fields: Fields) -> None:
        self.privacy = Privacy(fields["last_seen"], fields["read_marks"])

    def _subscription(self, _n: int, fields: Fields) -> None:
        if fields["on"]:
            known = Subscription(fields["since"], fields["read"], fields["ordinal"])
            self.subscriptions[fields["channel"]] = known
        else:
            self.subscriptions.pop(fields["channel"], None)


_APPLY: dict[str, Callable[[Account, int, Fields], None]] = {
    "account": Account._made,
    "password": Account._password,
    "device": Account._device,
    "device_gone": Account._device_gone,
    "seen": Account._seen,
    "profile": Account._profile,
    "privacy": Account._privacy,
    "subscription": Account._subscription,
}
