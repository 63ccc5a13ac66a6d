"""Accounts and devices come and go: what is written about it, decided against the user's state.

Each function gives what is to be written, or why nothing is. It is asked again when the state
turns out to have been behind, so it looks at nothing but its arguments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from beamish.messenger import messages as m
from beamish.messenger.accounts.tokens import same
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.users.account import DELETED, DISABLED, Account, Fields
from beamish.messenger.users.account_actions import Written
from beamish.messenger.users.state import UserState

NOT_NOW = Refusal("forbidden", "this account is disabled: ask whoever runs this node")


def registration(state: UserState, message: m.Register, now: int) -> Written | Refusal:
    """A new account with its first device; nothing when this very one is there already."""
    if state.exists:
        known = state.account.devices.get(message.device)
        if known is not None and same(known.token, message.token):
            return Written([])
        return Refusal("exists", f"the user name {state.user} is taken")
    account = {"t": "account", "display": message.display, "hash": message.password, "at": now}
    return Written([account, _device(message, now)])


def new_device(
    account: Account, message: m.AddDevice, connected: Collection[str], most: int, now: int
) -> Written | Refusal:
    """One more device after a login; beyond `most` others go, those `connected` last."""
    if account.standing == DISABLED:
        return NOT_NOW
    if account.standing == DELETED or account.password != message.password:
        return Refusal("bad_credentials", "the password was changed meanwhile: log in again")
    if message.device in account.devices:
        return Written([])
    return Written([*_without_room(account, connected, most), _device(message, now)])


def expired(account: Account, connected: Collection[str], since: int) -> list[str]:
    """Devices that were not used since `since`, ms UTC, and are not connected."""
    return [
        device
        for device, known in account.devices.items()
        if known.used < since and device not in connected
    ]


def ended(devices: Iterable[str]) -> list[Fields]:
    """The end of these devices."""
    return [{"t": "device_gone", "device": device} for device in devices]


def _without_room(account: Account, connected: Collection[str], most: int) -> list[Fields]:
    """The end of as many devices as one more leaves no room for: first who is away for longest.

    A device that is connected goes only when all are.
    """
    over = len(account.devices) + 1 - most
    if over <= 0:
        return []
    devices = account.devices
    order = sorted(devices, key=lambda device: (device in connected, devices[device].used))
    return ended(order[:over])


def _device(message: m.Register | m.AddDevice, now: int) -> Fields:
    return {
        "t": "device",
        "device": message.device,
        "token": message.token,
        "name": message.device_name,
        "at": now,
    }
