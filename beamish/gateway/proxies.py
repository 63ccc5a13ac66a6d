"""Who a connection's client is when a proxy stands between, and whether it came by https.

`X-Forwarded-For` is a list to which every proxy adds the address that it was called from, at the
end; whatever a client wrote itself stands before. So the list is read from its end, as long as the
one who added an entry is trusted: the first address that is no trusted proxy's is the client. From
anybody else both headers are only what a stranger claims, and are ignored.

`Forwarded` (RFC 7239) says the same in another syntax and is ignored: a proxy that adds to one of
them hands the other on as the client wrote it, so whoever believes both believes the client.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from beamish.gateway.head import RequestHead

MOST_HOPS = 32
"""Proxies in a row that are followed."""

Network = IPv4Network | IPv6Network


class TrustedProxies:
    """The networks whose word about their clients is believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        """`networks` in CIDR notation. Raises ValueError for anything else."""
        self._networks: tuple[Network, ...] = tuple(map(ip_network, networks))

    def trusts(self, address: str) -> bool:
        """Whether a connection from this address is one of a trusted proxy."""
        return bool(self._networks) and self._trusted(_parse(address))

    def client_of(self, address: str, head: RequestHead) -> str:
        """The client's address for a request that came from `address`."""
        if not self.trusts(address):
            return address
        client = address
        entries = head.fields.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        for entry in entries[: -MOST_HOPS - 1 : -1]:
            found = _parse(entry)
            if found is None:
                break  # Whoever added this did not tell: what stands before it is anybody's word.
            client = str(found)
            if not self._trusted(found):
                break
        return client

    def by_https(self, address: str, head: RequestHead) -> bool:
        """Whether a trusted proxy says that its client came by https."""
        told = head.tokens(b"x-forwarded-proto")
        return bool(told) and told[-1] == b"https" and self.trusts(address)

    def _trusted(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address, with a port or scope perhaps; IPv4 mapped into IPv6 is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
