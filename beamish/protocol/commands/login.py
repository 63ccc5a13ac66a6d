"""Opening a connection and ending it."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import Command, optional, required


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Command):
    """Opens the conversation with the node and settles the version."""

    name = "hello"
    versions: tuple[int, ...] = required(validators.versions)
    client: str | None = optional(validators.label(64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Command):
    """Makes a user and a first device, and logs in."""

    name = "register"
    user: str = required(validators.user)
    password: str = required(validators.password)
    display: str | None = optional(validators.display)
    device_name: str | None = optional(validators.label(64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Login(Command):
    """Makes a new device of a user and logs in."""

    name = "login"
    user: str = required(validators.user)
    password: str = required(validators.password)
    device_name: str | None = optional(validators.label(64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    """Logs a device in by its token."""

    name = "resume"
    token: str = required(validators.token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logout(Command):
    """Forgets the device and closes."""

    name = "logout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Command):
    """Asks for a sign of life."""

    name = "ping"
