"""How many connections may be open, in all and from one address."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, ip_address


class Admission:
    """Counts open connections and says no above the bounds. Memory: one entry per open address."""

    def __init__(self, most: int, most_per_address: int, *, loopback_exempt: bool) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._loopback_exempt = loopback_exempt
        self._by_address: Counter[str] = Counter()
        self.open = 0

    def rebound(self, most: int, most_per_address: int) -> None:
        """Other bounds from now on; what is open already stays."""
        self._most = most
        self._most_per_address = most_per_address

    def enter(self, address: str | None) -> int | None:
        """Count a connection from `address`; or the HTTP status that refuses it, uncounted.

        None: a proxy's, whose client is not known yet and is claimed later.
        """
        if self.open >= self._most:
            return 503
        if address is not None and (refused := self.claim(address)) is not None:
            return refused
        self.open += 1
        return None

    def leave(self, address: str | None) -> None:
        """A connection that entered is gone."""
        self.open -= 1
        if address is not None:
            self.release(address)

    def claim(self, address: str) -> int | None:
        """Count one open connection for `address`; or the status that refuses it, uncounted."""
        key = address_group(address)
        if self._by_address[key] >= self._most_per_address and not self._exempt(address):
            return 429
        self._by_address[key] += 1
        return None

    def release(self, address: str) -> None:
        """What was claimed is gone."""
        key = address_group(address)
        self._by_address[key] -= 1
        if self._by_address[key] <= 0:
            del self._by_address[key]

    def _exempt(self, address: str) -> bool:
        return self._loopback_exempt and is_loopback(address)


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine's own (also when IPv4 is mapped into IPv6)."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def address_group(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 host gets as a whole."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return parsed.exploded[:19]
    return str(parsed)
