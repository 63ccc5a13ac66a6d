"""Addresses that one can open, of a node that listens on every address of its machine.

`0.0.0.0` and `::` are good to listen on and no place to connect to. Where one of them was asked
for, the node tells its loopback address, which is right for programs on the same machine, and
beside it the address that other machines see.
"""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

_FAR_AWAY = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Addresses for documentation: asking for the way there sends nothing."""


def with_host(url: str, host: str) -> str:
    """`url` with another host, its port kept."""
    parts = urlsplit(url)
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if parts.port is None else f"{shown}:{parts.port}"
    return urlunsplit(parts._replace(netloc=netloc))


def openable(url: str) -> str:
    """`url`, with the loopback address instead of one that stands for all addresses."""
    version = _wildcard(url)
    return url if version is None else with_host(url, {4: "127.0.0.1", 6: "::1"}[version])


def from_elsewhere(url: str) -> list[str]:
    """What other machines may open for a `url` of all addresses, by address and by name.

    Empty for any other `url`.
    """
    version = _wildcard(url)
    if version is None:
        return []
    hosts = [*_own_address(version), socket.gethostname()]
    return [with_host(url, host) for host in hosts if host]


def _wildcard(url: str) -> int | None:
    """The IP version of a host that stands for all addresses."""
    try:
        address = ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return None
    return address.version if address.is_unspecified else None


def _own_address(version: int) -> list[str]:
    """The address from which this machine would reach another; none without a network."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((_FAR_AWAY[version], 9))
        return [str(probe.getsockname()[0])]
    return []
