"""Which names a listener answers to: the guard against DNS rebinding.

A page of a stranger can have its own name resolve to 127.0.0.1 and then talk to a node on the
visitor's machine as "its own host": Host and Origin agree with each other, and neither is the
node's. So a node that listens on loopback addresses alone answers to loopback names, and to the
hosts of the origins that the operator allowed (a reverse proxy hands on those). On other addresses
a node cannot know its names; what it serves there is public anyway.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from beamish.gateway.admission import is_loopback
from beamish.gateway.head import HeadRefused, RequestHead

HOST = re.compile(rb"([A-Za-z0-9._-]{1,253})(?::\d{1,5})?|\[([0-9A-Fa-f:.]{2,45})\](?::\d{1,5})?")
_NUMBERS = re.compile(r"[0-9a-f:.]+")


def names_answered_to(
    addresses: Collection[str], allowed_origins: Collection[str]
) -> frozenset[str] | None:
    """Host names besides loopback ones that listeners on `addresses` answer to; None: to any."""
    if not all(map(is_loopback, addresses)):
        return None
    hosts = map(_host_of, allowed_origins)
    return frozenset(host for host in hosts if host is not None)


def check_host(head: RequestHead, names: Collection[str] | None) -> None:
    """Refuse what was meant for another host; any port will do, for the sake of forwarded ones.

    Raises:
        HeadRefused: 400 for a malformed Host, 421 for one that is not ours.
    """
    given = head.fields.get(b"host")
    if given is None:
        return
    found = HOST.fullmatch(given)
    if found is None:
        raise HeadRefused(400, "Host must be a host name or address, and a port")
    name = (found[1] or found[2]).decode("ascii").lower()
    if names is None or name == "localhost" or name in names or _is_loopback_address(name):
        return
    raise HeadRefused(
        421,
        f"this node listens on loopback addresses and is not known as {name!r}: open it as"
        " localhost, or have its operator allow the origin of this name",
    )


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin.lower()).hostname
    except ValueError:
        return None


def _is_loopback_address(name: str) -> bool:
    try:
        return _NUMBERS.fullmatch(name) is not None and is_loopback(name)
    except ValueError:
        return False
