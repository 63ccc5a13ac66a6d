"""What a node says, encoded: replies, refusals and events (section 3 of `docs/protocol.md`).

Bodies may be given as values or as fragments that are encoded already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beamish.protocol.codec import Codec
from beamish.protocol.errors import Refusal


def encode_reply(codec: Codec, number: int, result: Mapping[str, Any] | bytes) -> bytes:
    """`{"id", "ok"}`; `result` is a map, or the encoded fragment of one."""
    body = result if isinstance(result, bytes) else codec.encode(result)
    return codec.map({"id": codec.encode(number), "ok": body})


def encode_refusal(codec: Codec, number: int | None, refusal: Refusal) -> bytes:
    """`{"id", "error"}`; `number` None answers an item whose id was wrong."""
    return codec.encode({"id": number, "error": refusal.body()})


def encode_event(codec: Codec, event: str, parts: Mapping[str, bytes]) -> bytes:
    """`{"event", ...}` with fields that are encoded already."""
    return codec.map({"event": codec.encode(event), **parts})
