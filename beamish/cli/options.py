"""What `beamish serve` was asked to do, with types, and what cannot be asked together."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from beamish.cli.configuration import ConfigError, Effective, resolve, values
from beamish.cli.settings import BY_NAME


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
    tls_cert: Path | None
    tls_key: Path | None
    trusted_proxy: tuple[str, ...]
    admin: str | None
    admin_public: bool
    log_format: str
    inbox: int
    disk_reserve: int
    user_rate: int
    conversation_rate: int
    overload_wait: int
    argon2_memory: int
    argon2_time: int
    inject_crashes: float
    inject_into: tuple[str, ...]
    inject_seed: int
    inject_sync_delay: float

    def tls(self) -> ssl.SSLContext | None:
        """The certificate, loaded now; raises TlsError."""
        from beamish.gateway import load_tls

        if self.tls_cert is None or self.tls_key is None:
            return None
        return load_tls(self.tls_cert, self.tls_key)

    @property
    def admin_address(self) -> tuple[str, int] | None:
        """Host and port of the admin port, if there shall be one."""
        return None if self.admin is None else split_endpoint(self.admin)

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


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Host and port of what `settings.ENDPOINT` has judged."""
    parts = urlsplit(f"//{endpoint}")
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


class Asked:
    """What one process was asked: the command line and environment, and a file that may change."""

    def __init__(
        self, given: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]
    ) -> None:
        self.file = file
        self._given = dict(given)
        self._environment = dict(environment)

    @property
    def can_change(self) -> bool:
        """Whether reading the settings again can come to something else."""
        found = resolve(self._given, self._environment, None)
        return self.file is not None or found["tls-cert"].value is not None

    def effective(self) -> dict[str, Effective]:
        """Every setting with its source, the file read anew; raises ConfigError."""
        found = resolve(self._given, self._environment, self.file)
        problems = list(_contradictions(found))
        if problems:
            raise ConfigError(problems)
        return found

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


def _contradictions(effective: Mapping[str, Effective]) -> Iterator[str]:
    """A sentence for each setting that cannot hold beside the others, or with what is on disk."""
    admin = effective["admin"]
    if admin.value is not None and not effective["admin-public"].value:
        host, _ = split_endpoint(admin.value)
        if not is_loopback(host):
            yield (
                f"admin ({admin.source}): others than this machine reach {host}, and whoever does"
                " reads all of it. Write a loopback address, or admin-public = true"
            )
    certificate, key = effective["tls-cert"], effective["tls-key"]
    if (certificate.value is None) != (key.value is None):
        there, missing = ("tls-cert", "tls-key") if key.value is None else ("tls-key", "tls-cert")
        source = effective[there].source
        yield (
            f"{there} ({source}) is there without {missing}: a node speaks TLS with both."
            f" Write for example {BY_NAME[missing].right}"
        )
    elif certificate.value is not None:
        from beamish.gateway import TlsError, load_tls

        try:
            load_tls(certificate.value, key.value)
        except TlsError as error:
            yield f"tls-cert ({certificate.source}) and tls-key ({key.source}): {error}"
