"""Accounts and devices come and go: what is written about it, decided against the user's state.

Each function gives what is to be written, or why nothing is. It is asked again when the state
turns out to have been behind, so it looks at nothing but its arguments.
"""

from __future__ import annotations

from collections.abc import Collection

from beamish.messenger import messages as m
from beamish.messenger.accounts.tokens import same
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.users.account import Account, Fields
from beamish.messenger.users.account_actions import Written
from beamish.messenger.users.state import UserState


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
    if account.password != message.password:
        return Refusal("bad_credentials", "the password was changed meanwhile: log in again")
    if message.device in account.devices:
        return Written([])
    return Written([*_without_room(account, connected, most), _device(message, now)])


def without(account: Account, device: str) -> Written:
    """The end of one device."""
    known = device in account.devices
    return Written([{"t": "device_gone", "device": device}] if known else [])


def _without_room(account: Account, connected: Collection[str], most: int) -> list[Fields]:
    """The end of as many devices as one more leaves no room for: first who is away for longest.

    A device that is connected goes only when all are.
    """
    over = len(account.devices) + 1 - most
    if over <= 0:
        return []
    devices = account.devices
    order = sorted(devices, key=lambda device: (device in connected, devices[device].used))
    return [{"t": "device_gone", "device": device} for device in order[:over]]


def _device(message: m.Register | m.AddDevice, now: int) -> Fields:
    return {
        "t": "device",
        "device": message.device,
        "token": message.token,
        "name": message.device_name,
        "at": now,
    }
