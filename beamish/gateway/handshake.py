"""Whether a request may become a WebSocket, decided before trio-websocket sees it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from beamish.gateway.head import HeadRefused, RequestHead
from beamish.gateway.hosts import HOST
from beamish.protocol.codec import Codec

PATH = b"/ws"

_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def choose_codec(
    head: RequestHead,
    codecs: Mapping[str, Codec],
    allowed_origins: Collection[str],
    *,
    secure: bool = False,
) -> Codec:
    """The codec for a proper upgrade request; `secure`: it is known to have come by https.

    Raises:
        HeadRefused: 400, 403, 405 or 426, with a sentence for the client's author.
    """
    if head.method != b"GET":
        raise HeadRefused(405, "a WebSocket is opened by GET")
    if b"websocket" not in head.tokens(b"upgrade"):
        raise HeadRefused(426, "this path is a WebSocket: send Upgrade: websocket")
    if b"upgrade" not in head.tokens(b"connection"):
        raise HeadRefused(400, "Connection: Upgrade is missing")
    if head.fields.get(b"sec-websocket-version") != b"13":
        raise HeadRefused(426, "Sec-WebSocket-Version must be 13")
    if _KEY.fullmatch(head.fields.get(b"sec-websocket-key", b"")) is None:
        raise HeadRefused(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    if HOST.fullmatch(head.fields.get(b"host", b"")) is None:
        raise HeadRefused(400, "Host must be a host name or address, and a port")
    if b"content-length" in head.fields or b"transfer-encoding" in head.fields:
        raise HeadRefused(400, "an upgrade has no body")
    check_origin(head, allowed_origins, secure=secure)
    for name in head.fields.get(b"sec-websocket-protocol", b"").split(b","):
        codec = codecs.get(name.strip().decode("latin-1"))
        if codec is not None:
            return codec
    raise HeadRefused(400, f"offer one of the subprotocols {', '.join(sorted(codecs))}")


def check_origin(head: RequestHead, allowed: Collection[str], *, secure: bool = False) -> None:
    """Refuse pages of other hosts; programs, which send no Origin, pass.

    Where the request is known to have come by https, so must the page have: anybody on the way can
    write a page of the same host for http. Without TLS of our own, or the word of a trusted proxy,
    the node does not know, and the scheme is not compared.

    Raises:
        HeadRefused: 403.
    """
    given = head.fields.get(b"origin")
    if given is None:
        return
    origin = given.decode("latin-1").lower().rstrip("/")
    if origin in (one.lower().rstrip("/") for one in allowed):
        return
    host = head.fields.get(b"host", b"").decode("latin-1").lower()
    if not _same_host(origin, host) or (secure and not origin.startswith("https:")):
        raise HeadRefused(403, f"pages of {given.decode('latin-1')[:200]!r} may not connect here")


def _same_host(origin: str, host: str) -> bool:
    """Whether an origin is of this Host, its port included."""
    try:
        page, node = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(page.scheme)
        ports = page.port or default, node.port or default
    except ValueError:
        return False
    return default is not None and page.hostname == node.hostname and ports[0] == ports[1]
