"""The plain HTTP side, with h11 on the trio stream: files, health checks, made documents.

Only GET and HEAD, no request bodies: a request that announces one is answered and the connection
closed. Requests on one connection are served one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

import h11
import trio

from beamish.gateway.config import Document
from beamish.gateway.head import RequestHead
from beamish.gateway.pages import SECURITY_HEADERS, PageFile

Headers = list[tuple[bytes, bytes]]


class HttpSide:
    """Answers requests for the page, the node's health, and documents made for each request."""

    def __init__(
        self,
        pages: Mapping[str, PageFile],
        ready: Callable[[], bool],
        documents: Mapping[str, Document],
    ) -> None:
        self._pages = pages
        self._documents = documents
        self._ready = ready

    async def serve(self, stream: trio.abc.SendStream, head: RequestHead) -> bool:
        """Answer one request; whether the connection may carry another."""
        connection = h11.Connection(h11.SERVER)
        try:
            connection.receive_data(head.raw)
            request = connection.next_event()
        except h11.RemoteProtocolError:
            await send_error(stream, 400, "this is no HTTP/1.1 request")
            return False
        assert isinstance(request, h11.Request)
        has_body = connection.next_event() is h11.NEED_DATA
        status, headers, body = await self._answer(head)
        if has_body:
            headers.append((b"connection", b"close"))
        await stream.send_all(_response(connection, status, headers, body, head.method == b"HEAD"))
        return not has_body and connection.our_state is h11.DONE

    async def _answer(self, head: RequestHead) -> tuple[int, Headers, bytes]:
        if head.method not in (b"GET", b"HEAD"):
            return _text(405, "only GET and HEAD are served here", (b"allow", b"GET, HEAD"))
        path = unquote_to_bytes(head.path).decode("utf-8", "replace")
        if path == "/health/live":
            return _json(200, b'{"status":"live"}\n')
        if path == "/health/ready":
            if self._ready():
                return _json(200, b'{"status":"ready"}\n')
            return _json(503, b'{"status":"not ready"}\n')
        document = self._documents.get(path)
        if document is not None:
            content_type, body = await document()
            return _made(content_type.encode("latin-1"), body)
        file = self._pages.get(path)
        if file is None:
            return _text(404, "there is nothing at this path")
        headers = [
            (b"content-type", file.content_type),
            (b"cache-control", b"no-cache"),
            (b"etag", file.etag),
        ]
        known = head.fields.get(b"if-none-match", b"")
        if known == b"*" or file.etag in [tag.strip() for tag in known.split(b",")]:
            return 304, headers, b""
        return 200, headers, file.body


def _text(status: int, message: str, *more: tuple[bytes, bytes]) -> tuple[int, Headers, bytes]:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *more]
    return status, headers, message.encode("utf-8") + b"\n"


def _json(status: int, body: bytes) -> tuple[int, Headers, bytes]:
    return status, _made(b"application/json", body)[1], body


def _made(content_type: bytes, body: bytes) -> tuple[int, Headers, bytes]:
    return 200, [(b"content-type", content_type), (b"cache-control", b"no-store")], body


def _response(
    connection: h11.Connection, status: int, headers: Headers, body: bytes, bodiless: bool
) -> bytes:
    """A whole response in one piece."""
    if status != HTTPStatus.NOT_MODIFIED:
        headers = [*headers, (b"content-length", str(len(body)).encode("ascii"))]
    response = h11.Response(
        status_code=status,
        reason=HTTPStatus(status).phrase.encode("ascii"),
        headers=[*headers, *SECURITY_HEADERS],
    )
    parts = [connection.send(response)]
    if body and not bodiless:
        parts.append(connection.send(h11.Data(data=body)))
    parts.append(connection.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part)


async def send_error(
    stream: trio.abc.SendStream, status: int, message: str, *, retry_after: int | None = None
) -> None:
    """Answer what cannot be served, whatever came, and say that the connection ends."""
    more: Headers = [(b"connection", b"close")]
    if retry_after is not None:
        more.append((b"retry-after", str(retry_after).encode("ascii")))
    if status == HTTPStatus.UPGRADE_REQUIRED:
        more.append((b"upgrade", b"websocket"))
    _, headers, body = _text(status, message, *more)
    headers += [(b"content-length", str(len(body)).encode("ascii")), *SECURITY_HEADERS]
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode("ascii")]
    lines += [name + b": " + value for name, value in headers]
    await stream.send_all(b"\r\n".join(lines) + b"\r\n\r\n" + body)
