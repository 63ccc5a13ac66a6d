"""Request heads: however they arrive, one outcome; nothing but a head or a refusal."""

from __future__ import annotations

from itertools import pairwise

import h11
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from beamish.gateway.handshake import choose_codec
from beamish.gateway.head import HeadRefused, RequestHead, parse_head, read_head
from beamish.protocol import codecs
from tests.examples import examples

HEAD = b"GET /path?x=1 HTTP/1.1\r\nHost: a\r\nAccept: b\r\naccept:  c \r\n\r\n"


class Pieces(trio.abc.ReceiveStream):
    """Gives bytes in the pieces that were asked for."""

    def __init__(self, data, cuts):
        edges = [0, *sorted(cuts), len(data)]
        self.pieces = [data[a:b] for a, b in pairwise(edges) if a < b]
        self.given = 0

    async def receive_some(self, max_bytes=None):
        await trio.lowlevel.checkpoint()
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        self.given += len(piece)
        return piece

    async def aclose(self):
        pass


async def read(data, cuts=(), received=b""):
    return await read_head(Pieces(data, cuts), received, head_bytes=8_192, line_bytes=2_048)


def outcome(data, cuts=()):
    """The head, or the status that refuses it."""
    try:
        return trio.run(read, data, cuts)
    except HeadRefused as refusal:
        return refusal.status


@examples(50)
@given(st.sets(st.integers(0, len(HEAD)), max_size=10), st.binary(max_size=20))
def test_a_head_is_the_same_in_whatever_pieces_it_arrives(cuts, rest):
    head = outcome(HEAD + rest, cuts)
    assert isinstance(head, RequestHead)
    assert (head.method, head.target, head.path) == (b"GET", b"/path?x=1", b"/path")
    assert head.fields == {b"host": b"a", b"accept": b"b,c"}
    assert head.raw == HEAD
    assert rest.startswith(head.rest)


async def test_what_was_received_with_the_request_before_counts():
    head = await read(HEAD[30:], received=HEAD[:30])
    assert head is not None
    assert head.raw == HEAD
    assert (await read(b"", received=HEAD + b"more")).rest == b"more"


async def test_the_end_before_a_head_is_no_error_and_within_one_is():
    assert await read(b"") is None
    with pytest.raises(HeadRefused) as caught:
        await read(HEAD[:20])
    assert caught.value.status == 400


async def test_no_more_is_read_than_the_bounds_allow():
    endless = Pieces(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100_000, range(0, 600_000, 100))
    with pytest.raises(HeadRefused) as caught:
        await read_head(endless, b"", head_bytes=8_192, line_bytes=2_048)
    assert caught.value.status == 431
    assert endless.given <= 8_192 + 100


@examples(100)
@given(st.binary(max_size=200))
def test_noise_is_refused_or_a_head(noise):
    for data in (noise, noise + b"\r\n\r\n", b"GET / HTTP/1.1\r\n" + noise + b"\r\n\r\n"):
        found = outcome(data)
        assert found is None or isinstance(found, RequestHead) or found in (400, 414, 431)


def upgrade_outcome(raw):
    """The codec chosen for an upgrade, or the status that refuses it."""
    try:
        return choose_codec(parse_head(raw, b"", 2_048), codecs(), ())
    except HeadRefused as refusal:
        return refusal.status


@examples(100)
@given(
    st.lists(st.sampled_from([
        b"Host: a", b"Host: [::1", b"Host: \xff", b"Upgrade: websocket", b"Upgrade: \x00",
        b"Connection: upgrade", b"Connection: ,", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Key: =",
        b"Sec-WebSocket-Protocol: beamish.json", b"Sec-WebSocket-Protocol: \xe4,,",
        b"Origin: http://a", b"Origin: http://[", b"Origin: //", b"Origin: http://a:x",
        b"Content-Length: 0",
    ]), max_size=10),
)  # fmt: skip
def test_any_upgrade_request_is_taken_or_refused_with_a_status(lines):
    raw = b"\r\n".join([b"GET /ws HTTP/1.1", *lines]) + b"\r\n\r\n"
    chosen = upgrade_outcome(raw)
    assert chosen in (400, 403, 405, 426) or chosen.name == "json"


LINES = st.lists(
    st.sampled_from([
        b"GET /x HTTP/1.1", b"X: y", b"x:z", b"A:  b \t", b"Accept:", b"Nul: \x00",
        b"Latin: \xe4", b"Ctl: \x1f", b"Del: \x7f", b" folded", b"\ttab", b"Sp ace: x", b"Co : x",
        b"Vt: \x0b", b"Form: x\x0c", b": none", b"nothing", b"Connection: upgrade", b"H\xe4: x",
    ]),
    max_size=6,
)  # fmt: skip
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\n\n", b"\r\r\n"])


def by_h11(raw):
    """Method, target and fields of a head as h11 reads it; None for what it refuses."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    try:
        request = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    if not isinstance(request, h11.Request):
        return None
    fields: dict[bytes, bytes] = {}
    for name, value in request.headers:
        fields[name] = fields[name] + b"," + value if name in fields else value
    return request.method, request.target, fields


@examples(150)
@given(LINES, st.lists(ENDS, min_size=6, max_size=6))
def test_a_head_that_we_read_is_refused_by_h11_or_read_as_the_same(lines, ends):
    pieces = zip([b"GET / HTTP/1.1", *lines], [b"\r\nHost: a\r\n", *ends], strict=False)
    raw = b"".join(line + end for line, end in pieces) + b"\r\n\r\n"
    raw = raw[: raw.index(b"\r\n\r\n") + 4]
    ours, theirs = outcome(raw), by_h11(raw)
    if isinstance(ours, RequestHead):
        assert theirs in (None, (ours.method, ours.target, ours.fields))
    else:
        assert ours == 400


@pytest.mark.parametrize(
    "line",
    [b"X: y\nTransfer-Encoding: chunked", b"X: y\rZ: z", b"X: \x00", b"X\n: y", b"X: y\x7f"],
)
def test_control_characters_in_a_field_are_refused(line):
    assert upgrade_outcome(b"GET /ws HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n") == 400


@pytest.mark.parametrize(
    "line", [b"GET /\n HTTP/1.1", b"GET /ws\x00 HTTP/1.1", b"GET /a HTTP/1.1\n"]
)
def test_control_characters_in_the_request_line_are_refused(line):
    assert outcome(line + b"\r\nHost: a\r\n\r\n") == 400


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z-]{1,9}", fullmatch=True),
                          st.from_regex(r"[ -~]{0,20}", fullmatch=True)), max_size=5))  # fmt: skip
def test_our_reading_of_a_head_is_that_of_h11(fields):
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    raw = f"GET /x HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode("ascii")
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    try:
        request = connection.next_event()
    except h11.RemoteProtocolError:
        return
    ours = parse_head(raw, b"", 2_048).fields
    theirs: dict[bytes, bytes] = {}
    for name, value in request.headers:
        theirs[name] = theirs[name] + b"," + value if name in theirs else value
    if b"content-length" not in theirs and b"transfer-encoding" not in theirs:
        assert ours == theirs
