"""TLS on the public port: the certificate as it is loaded, and the stream above the handshake.

A context is made of both files anew for each load, so a reload is nothing but another context for
the connections that come after it; open ones go on with theirs. Only HTTP/1.1 is offered (ALPN),
nothing below TLS 1.2, and no renegotiation.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import trio

HANDSHAKE = 0x16
"""The first byte of what a TLS client sends (RFC 8446 section 5.1)."""


class TlsError(Exception):
    """The certificate cannot be used; the text is a sentence that says why and what to do."""


def load_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """The context of a certificate chain and its private key, both PEM.

    Raises:
        TlsError: a file cannot be read or is no PEM, they do not fit, the key is locked.
    """
    for path in (certificate, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise TlsError(f"{path} cannot be read: {error.strerror or error}.") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])

    def no_password() -> str:
        raise TlsError(
            f"{key} is locked by a password: give the node one without, readable by it alone."
        )

    try:
        context.load_cert_chain(certificate, key, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsError(f"{key} is not the key of {certificate}.") from error
        what = error.reason or "unknown format"
        raise TlsError(
            f"{certificate} and {key} are not a PEM certificate and key ({what})."
        ) from error
    return context


class TlsStream(trio.abc.HalfCloseableStream):
    """A TLS connection that has shaken hands, as the gateway wants its streams.

    `send_eof` ends our side of the TCP connection below without a TLS goodbye: all that is said
    here tells its own end, by a length or a close frame, so nobody takes a cut for one.
    """

    def __init__(self, secured: trio.SSLStream[trio.SocketStream]) -> None:
        self._secured = secured

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See trio.abc.SendStream."""
        await self._secured.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See trio.abc.SendStream."""
        await self._secured.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See trio.abc.ReceiveStream."""
        return await self._secured.receive_some(max_bytes)

    async def send_eof(self) -> None:
        """See trio.abc.HalfCloseableStream, and the class."""
        await self._secured.transport_stream.send_eof()

    async def aclose(self) -> None:
        """See trio.abc.AsyncResource."""
        await self._secured.aclose()


async def shake_hands(tcp: trio.SocketStream, context: ssl.SSLContext) -> TlsStream:
    """TLS on an accepted connection, its handshake done. The caller sets the deadline.

    Raises:
        trio.BrokenResourceError: the client speaks TLS otherwise than we do, or has gone.
        NoTls: the client does not speak TLS at all.
    """
    first = await tcp.socket.recv(1, trio.socket.MSG_PEEK)
    if first and first[0] != HANDSHAKE:
        raise NoTls
    secured = trio.SSLStream(tcp, context, server_side=True, https_compatible=True)
    await secured.do_handshake()
    return TlsStream(secured)


class NoTls(Exception):
    """A client of a port with TLS began without it."""
