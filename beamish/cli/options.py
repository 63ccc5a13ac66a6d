"""What `beamish serve` was asked to do, with types, and what cannot be asked together."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from beamish.cli.configuration import Effective, resolve, values


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The effective settings; see their help in `beamish.cli.settings`."""

    data: Path
    host: str
    port: int
    ready_file: Path | None
    registration: str | None
    origin: tuple[str, ...]
    max_connections: int
    connections_per_address: int
    inbox: int
    disk_reserve: int
    argon2_memory: int
    argon2_time: int
    inject_crashes: float
    inject_into: tuple[str, ...]
    inject_seed: int
    inject_sync_delay: float

    @property
    def registration_open(self) -> bool:
        """As asked for, by default open where only this machine can connect."""
        if self.registration is not None:
            return self.registration == "open"
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether `host` can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Asked:
    """What one process was asked: the command line and environment, and a file that may change."""

    def __init__(
        self, given: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]
    ) -> None:
        self.file = file
        self._given = dict(given)
        self._environment = dict(environment)

    def effective(self) -> dict[str, Effective]:
        """Every setting with its source, the file read anew; raises ConfigError."""
        return resolve(self._given, self._environment, self.file)

    def options(self) -> ServeOptions:
        """The same as options; raises ConfigError."""
        return ServeOptions(**values(self.effective()))


def asked(context: click.Context) -> Asked:
    """What a command with `settings_options` was asked, in this process's environment."""
    given = {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    return Asked(given, context.params["config"], os.environ)
