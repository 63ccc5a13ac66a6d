"""A user's account as a function of the user's stream: the part that is no inbox.

Pure, like `state`, of which it is a part. Records, in msgpack, by `t`:

    account      display, hash (of the password), at
    password     hash
    device       device, token (sha256 of the secret), name, at
    device_gone  device
    seen         device, at
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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


class Account:
    """Who a user is: name to show, password, devices."""

    def __init__(self) -> None:
        self.display = ""
        self.password = ""
        self.devices: dict[str, Device] = {}

    def apply(self, n: int, fields: Fields) -> None:
        """Take in record `n`, one of those above, after it was committed."""
        _APPLY[fields["t"]](self, n, fields)

    def dump(self) -> dict[str, Any]:
        """A msgpack-able form: the entries of a user's snapshot that concern the account."""
        return {
            "display": self.display,
            "hash": self.password,
            "devices": [[device, *known] for device, known in self.devices.items()],
        }

    def load(self, plain: dict[str, Any]) -> None:
        """Fill this new account with what `dump` gave."""
        self.display, self.password = plain["display"], plain["hash"]
        self.devices = {row[0]: Device(*row[1:]) for row in plain["devices"]}

    def _made(self, _n: int, fields: Fields) -> None:
        self.display, self.password = fields["display"], fields["hash"]

    def _password(self, _n: int, fields: Fields) -> None:
        self.password = fields["hash"]

    def _device(self, _n: int, fields: Fields) -> None:
        self.devices[fields["device"]] = Device(fields["token"], fields["name"], fields["at"])

    def _device_gone(self, _n: int, fields: Fields) -> None:
        self.devices.pop(fields["device"], None)

    def _seen(self, _n: int, fields: Fields) -> None:
        known = self.devices.get(fields["device"])
        if known is not None:
            self.devices[fields["device"]] = known._replace(seen=fields["at"])


_APPLY: dict[str, Callable[[Account, int, Fields], None]] = {
    "account": Account._made,
    "password": Account._password,
    "device": Account._device,
    "device_gone": Account._device_gone,
    "seen": Account._seen,
}
