"""The gateway's settings, with their bounds."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from beamish.protocol.limits import DEFAULT_LIMITS, Limits

Document = Callable[[], Awaitable[tuple[str, bytes]]]


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """How one public port behaves. Times in seconds, sizes in bytes.

    Attributes:
        limits: the protocol's limits; they bound frames, rates, logins, pings and writes.
        documents: what is made anew for each request, by path: content type and body.
        page: the folder whose files are served under `/`; None serves none.
        allowed_origins: origins of pages besides the node's own host, as "https://chat.example";
            on loopback addresses their hosts are also the only names that the node answers to
            besides loopback ones (`hosts`).
        max_connections: open at once, of any kind.
        max_per_address: open at once from one address.
        max_turned_away: connections above these bounds that hear why at the same time, before they
            are closed; more of them are closed at once.
        trusted_proxies: networks (CIDR) whose `X-Forwarded-For` and `-Proto` are believed.
        tls: the certificate; None serves without TLS.
        max_handshakes: TLS handshakes under way at once; more connections are closed.
        loopback_exempt: whether addresses of the same machine are free of that bound.
        head_timeout: for a request head to arrive as a whole, and for a TLS handshake.
        head_bytes, line_bytes: bounds of a request head and of its first line.
        idle_timeout: for the next request on an open HTTP connection.
        close_timeout: for the other side to answer a close.
        retry_after: what a 429 or 503 tells the client to wait.
        receive_bytes: read from a socket at a time.
    """

    limits: Limits = field(default=DEFAULT_LIMITS)
    documents: Mapping[str, Document] = field(default_factory=dict)
    page: Path | None = None
    allowed_origins: tuple[str, ...] = ()
    max_connections: int = 20_000
    max_per_address: int = 64
    max_turned_away: int = 128
    trusted_proxies: tuple[str, ...] = ()
    tls: ssl.SSLContext | None = None
    max_handshakes: int = 1_000
    loopback_exempt: bool = True
    head_timeout: float = 10.0
    head_bytes: int = 8_192
    line_bytes: int = 2_048
    idle_timeout: float = 15.0
    close_timeout: float = 3.0
    retry_after: int = 5
    receive_bytes: int = 4_096
