"""A user's account as a function of the user's stream: the part that is no inbox.

Pure, like `state`, of which it is a part. Records, in msgpack, by `t`:

    account      display, hash (of the password), at
    password     hash
    device       device, token (sha256 of the secret), name, at
    device_name  device, name
    device_gone  device
    seen         device, at
    profile      display, status
    subscription channel, on, since, read (record number), ordinal (of the newest post read)
    privacy      last_seen ("everyone" | "shared" | "nobody"), read_marks
    block        user, on: nobody hears of the other any more, which their conversation is told
    disabled     on: nobody gets in until it is off
    deleted      at: nobody ever gets in again; name, status, devices and settings are forgotten
    declined     conversation, record: an invitation that its group has to be told is not taken

A record that a numbered command made has besides `c`: [device, number, tag], and `at`; by these
each command of the account's lane is carried out once, as in a conversation (`command_numbers`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from beamish.messenger.conversations.command_numbers import CommandNumbers, Result

Fields = dict[str, Any]

LIVE, DISABLED, DELETED = "live", "disabled", "deleted"

MAX_BLOCKS = 1_000
MAX_ENDED_BLOCKS = 1_000
"""Blocks that ended and are remembered, until conversations surely know; the oldest go first."""

MAX_DECLINED = 1_024
"""Conversations whose last declined invitation is remembered; the oldest goes first."""


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


class Declined(NamedTuple):
    """An invitation that is not taken: its record, and the inbox number at which that was said."""

    record: int
    at: int


class Block(NamedTuple):
    """Whether somebody is blocked, as of which inbox number."""

    on: bool
    at: int


class Account:
    """Who a user is: name to show, password, devices, and what these have commanded."""

    def __init__(self) -> None:
        self.display = ""
        self.status = ""
        self.password = ""
        self.seen_at = 0
        """When any device was last known to be in use, ms UTC."""
        self.wrote_to: dict[str, None] = {}
        """With whom there is a direct conversation in which the user has written."""
        self.standing = LIVE
        self.deleted_at = 0
        """The record that ended the account."""
        self.obliges_at = 0
        """The newest record of which conversations have to be told."""
        self.privacy = Privacy()
        self.read_caps: dict[str, int] = {}
        """While read marks are private: by conversation, what others may know of them at most."""
        self.subscriptions: dict[str, Subscription] = {}
        self.declined: dict[str, Declined] = {}
        self.blocks: dict[str, Block] = {}
        """In the order in which they were said; those that ended are kept for a while."""
        self.devices: dict[str, Device] = {}
        self.numbers: dict[str, CommandNumbers] = {}
        """By device, as long as it exists."""

    @property
    def admitted(self) -> Collection[str]:
        """The devices that may have commands carried out."""
        return self.devices.keys() if self.standing == LIVE else ()

    def declines(self, conversation: str, fields: Fields) -> bool:
        """Whether the user does not take the membership that this record of a log gives."""
        if fields.get("kind") == "direct":
            return False  # it is no invitation, and two members are in it for good
        known = self.declined.get(conversation)
        if self.standing == DELETED or (known is not None and fields["n"] <= known.record):
            return True
        return fields["type"] in ("invite", "create") and self.has_blocked(fields["by"])

    def has_blocked(self, user: str) -> bool:
        """Whether this account wants to hear nothing of `user`."""
        known = self.blocks.get(user)
        return known is not None and known.on

    @property
    def blocked(self) -> list[str]:
        """Those who are blocked, in order of name."""
        return sorted(user for user, known in self.blocks.items() if known.on)

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
            "read_caps": self.read_caps,
            "subscriptions": [[channel, *known] for channel, known in self.subscriptions.items()],
            "seen": self.seen_at,
            "wrote": list(self.wrote_to),
            "standing": self.standing,
            "deleted": self.deleted_at,
            "obliges": self.obliges_at,
            "blocks": [[user, *known] for user, known in self.blocks.items()],
            "declined": [[c, *known] for c, known in self.declined.items()],
            "devices": [[device, *known] for device, known in self.devices.items()],
            "numbers": [[device, *numbers.dump()] for device, numbers in self.numbers.items()],
        }

    def load(self, plain: dict[str, Any]) -> None:
        """Fill this new account with what `dump` gave, now or in an older version."""
        self.display, self.password = plain["display"], plain["hash"]
        self.devices = {row[0]: Device(*row[1:]) for row in plain["devices"]}
        self.status = plain.get("status", "")
        self.privacy = Privacy(*plain.get("privacy", ()))
        self.read_caps = plain.get("read_caps", {})
        self.subscriptions = {
            row[0]: Subscription(*row[1:]) for row in plain.get("subscriptions", ())
        }
        self.seen_at = plain.get("seen", 0)
        self.wrote_to = dict.fromkeys(plain.get("wrote", ()))
        self.standing = plain.get("standing", LIVE)
        self.deleted_at = plain.get("deleted", 0)
        self.obliges_at = plain.get("obliges", 0)
        self.blocks = {row[0]: Block(*row[1:]) for row in plain.get("blocks", ())}
        self.declined = {row[0]: Declined(*row[1:]) for row in plain.get("declined", ())}
        self.numbers = {row[0]: CommandNumbers.load(row[1:]) for row in plain.get("numbers", ())}

    def _made(self, _n: int, fields: Fields) -> None:
        self.display, self.password = fields["display"], fields["hash"]

    def _password(self, _n: int, fields: Fields) -> None:
        self.password = fields["hash"]

    def _device(self, _n: int, fields: Fields) -> None:
        self.devices[fields["device"]] = Device(fields["token"], fields["name"], fields["at"])
        self.seen_at = max(self.seen_at, fields["at"])

    def _device_name(self, _n: int, fields: Fields) -> None:
        known = self.devices.get(fields["device"])
        if known is not None:
            self.devices[fields["device"]] = known._replace(name=fields["name"])

    def _device_gone(self, _n: int, fields: Fields) -> None:
        self.devices.pop(fields["device"], None)
        self.numbers.pop(fields["device"], None)

    def _seen(self, _n: int, fields: Fields) -> None:
        self.seen_at = max(self.seen_at, fields["at"])
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

    def _block(self, n: int, fields: Fields) -> None:
        self.obliges_at = n
        self.blocks.pop(fields["user"], None)
        self.blocks[fields["user"]] = Block(fields["on"], n)
        ended = [user for user, known in self.blocks.items() if not known.on]
        if len(ended) > MAX_ENDED_BLOCKS:
            del self.blocks[ended[0]]

    def _disabled(self, _n: int, fields: Fields) -> None:
        self.standing = DISABLED if fields["on"] else LIVE

    def _deleted(self, n: int, _fields: Fields) -> None:
        self.standing, self.deleted_at, self.obliges_at = DELETED, n, n
        self.display = self.status = self.password = ""
        self.privacy = Privacy()
        self.seen_at = 0
        self.devices, self.numbers, self.subscriptions = {}, {}, {}

    def _declined(self, n: int, fields: Fields) -> None:
        self.obliges_at = n
        self.declined.pop(fields["conversation"], None)
        self.declined[fields["conversation"]] = Declined(fields["record"], n)
        if len(self.declined) > MAX_DECLINED:
            del self.declined[next(iter(self.declined))]


_APPLY: dict[str, Callable[[Account, int, Fields], None]] = {
    "account": Account._made,
    "password": Account._password,
    "device": Account._device,
    "device_name": Account._device_name,
    "device_gone": Account._device_gone,
    "seen": Account._seen,
    "profile": Account._profile,
    "privacy": Account._privacy,
    "subscription": Account._subscription,
    "block": Account._block,
    "disabled": Account._disabled,
    "deleted": Account._deleted,
    "declined": Account._declined,
}
