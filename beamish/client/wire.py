"""Frames to items and back, in both encodings of the protocol.

A node is trusted further than a client is by a node: decoding is bounded by the transport's frame
size and otherwise left to the C decoders, since clients receive most of a system's records.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from beamish.client.transport import Codec

Item = dict[str, Any]
"""One item of a frame: a command, a reply, a refusal or an event."""


class Wire(NamedTuple):
    """An encoding: `encode` one item, `join` encoded items to a frame, `decode` a frame."""

    encode: Callable[[Item], bytes]
    join: Callable[[list[bytes]], bytes]
    decode: Callable[[bytes | str], list[Item]]


def _encode_json(item: Item) -> bytes:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()


def _join_json(items: list[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def _encode_msgpack(item: Item) -> bytes:
    return bytes(msgpack.packb(item))


def _join_msgpack(items: list[bytes]) -> bytes:
    count = len(items)
    head = bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return head + b"".join(items)


def _decode_json(frame: bytes | str) -> list[Item]:
    return _checked(json.loads(frame))


def _decode_msgpack(frame: bytes | str) -> list[Item]:
    return _checked(msgpack.unpackb(frame))


def _checked(items: Any) -> list[Item]:
    if not isinstance(items, list):
        raise ValueError("a frame is an array of items")  # noqa: TRY004  # one class for bad frames
    return items


_WIRES: dict[Codec, Wire] = {
    "msgpack": Wire(_encode_msgpack, _join_msgpack, _decode_msgpack),
    "json": Wire(_encode_json, _join_json, _decode_json),
}


def wire(codec: Codec) -> Wire:
    """The encoding of that name.

    Raises:
        ValueError: there is none of that name.
    """
    found = _WIRES.get(codec)
    if found is None:
        raise ValueError(f"there is no codec {codec!r}: write 'msgpack' or 'json'")
    return found
