"""Devices, passwords, the end of an account."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import Command, optional, required


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices(Command):
    """Asks for the user's devices."""

    name = "devices"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameDevice(Command):
    """Gives a device another name; the command `name_device`, its name under `name`."""

    name = "name_device"
    device: str = required(validators.tag)
    shown: str = required(validators.label(64), wire="name")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeDevice(Command):
    """Logs a device out."""

    name = "revoke_device"
    device: str = required(validators.tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutEverywhere(Command):
    """Logs all devices out, or all others."""

    name = "logout_everywhere"
    except_this: bool = optional(validators.boolean, default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPassword(Command):
    """Changes the password."""

    name = "set_password"
    old: str = required(validators.password)
    new: str = required(validators.password)
    logout_others: bool = optional(validators.boolean, default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAccount(Command):
    """Ends the account."""

    name = "delete_account"
    password: str = required(validators.password)
