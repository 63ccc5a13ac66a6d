"""Reading a request head under bounds of size and time, before anybody parses it.

The whole head has to arrive within one deadline, however it is dripped; a connection costs at
most `head_bytes` of memory until then. What follows the head stays beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import trio

_END = b"\r\n\r\n"

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LINE = re.compile(rb"([A-Za-z]+) (/[\x21-\x7e]*) HTTP/1\.[0-9]")


class HeadRefused(Exception):
    """The head is not one that can be served; `status` is the HTTP answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request head, split but not judged further.

    Attributes:
        method, target: of the request line, as sent.
        fields: header fields; names in lower case, repeated ones joined by commas.
        raw: the head's bytes, its empty line included.
        rest: what was received behind it.
    """

    method: bytes
    target: bytes
    fields: dict[bytes, bytes]
    raw: bytes
    rest: bytes

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]

    def tokens(self, name: bytes) -> list[bytes]:
        """A header's comma-separated tokens in lower case."""
        values = self.fields.get(name, b"").split(b",")
        return [value.strip().lower() for value in values if value.strip()]


async def read_head(
    stream: trio.abc.ReceiveStream, received: bytes, *, head_bytes: int, line_bytes: int
) -> RequestHead | None:
    """The next request head of a connection; None at an orderly end before one began.

    The caller sets the deadline.

    Raises:
        HeadRefused: 414, 431 above the bounds; 400 for what is no head.
        trio.BrokenResourceError: the connection broke.
    """
    buffer = bytearray(received)
    searched = 0
    while True:
        end = buffer.find(_END, searched)
        if end >= 0:
            break
        if len(buffer) > line_bytes and b"\r\n" not in buffer[:line_bytes]:
            raise HeadRefused(414, f"the request line is longer than {line_bytes} bytes")
        if len(buffer) > head_bytes:
            raise HeadRefused(431, f"the request head is longer than {head_bytes} bytes")
        searched = max(0, len(buffer) - len(_END) + 1)
        data = await stream.receive_some(head_bytes)
        if not data:
            if buffer:
                raise HeadRefused(400, "the connection ended within a request head")
            return None
        buffer += data
    size = end + len(_END)
    if size > head_bytes:
        raise HeadRefused(431, f"the request head is longer than {head_bytes} bytes")
    return parse_head(bytes(buffer[:size]), bytes(buffer[size:]), line_bytes)


def parse_head(raw: bytes, rest: bytes, line_bytes: int) -> RequestHead:
    """Split a head; raises HeadRefused (400, 414).

    Whoever reads the same bytes after us must find the same fields. So lines end by CR LF alone,
    and a control character, a bare LF above all, makes the head malformed.
    """
    first, *lines = raw[: -len(_END)].split(b"\r\n")
    if len(first) > line_bytes:
        raise HeadRefused(414, f"the request line is longer than {line_bytes} bytes")
    request = _LINE.fullmatch(first)
    if request is None:
        raise HeadRefused(400, "the request line is not METHOD /path HTTP/1.1")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(name) is None:
            raise HeadRefused(400, "a header field is not Name: value")
        if _CONTROL.search(value) is not None:
            raise HeadRefused(400, "a header field holds a control character")
        key = name.lower()
        value = value.strip(b" \t")
        fields[key] = fields[key] + b"," + value if key in fields else value
    return RequestHead(request[1], request[2], fields, raw, rest)
