"""The two encodings of the protocol: bounded decoding of frames, encoding, joining of fragments.

`Codec.decode(frame)` turns a WebSocket message into a list of maps or raises `ProtocolError`;
it costs memory proportional to the frame at most, whatever the frame holds. What it lets through:
null, booleans, integers 0 <= i < 2^53, valid Unicode strings, arrays, maps with distinct string
keys, and bytes in msgpack; all within `Limits`.

`Codec.array` and `Codec.map` join values that are encoded already, so one record is encoded once
per codec and shared by all its recipients. Encoded values are `bytes` in both codecs; `to_wire`
makes of a frame what a WebSocket message of this codec is (text or binary).
"""

from __future__ import annotations

import base64
import json
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, ClassVar

import msgpack

from beamish.protocol.errors import CloseCode, ProtocolError
from beamish.protocol.limits import DEFAULT_LIMITS, MAX_INTEGER, Limits

Item = dict[str, Any]


class Codec(ABC):
    """One encoding under fixed limits. Stateless: one instance serves any number of connections.

    Attributes:
        name: "msgpack" or "json".
        subprotocol: its name in the WebSocket handshake.
        text: whether its WebSocket messages are text; else they are binary.
    """

    name: ClassVar[str]
    subprotocol: ClassVar[str]
    text: ClassVar[bool]

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits

    def decode(self, frame: bytes | str) -> list[Item]:
        """The items of a frame.

        Raises:
            ProtocolError: with the close code that says why; nothing was taken from the frame.
        """
        value = self._parse(frame)
        if type(value) is not list or not value:
            raise ProtocolError("a frame is an array of one or more maps")
        if len(value) > self.limits.items:
            raise ProtocolError(f"a frame holds at most {self.limits.items} items")
        depth = self.limits.depth - 1
        for item in value:
            if type(item) is not dict:
                raise ProtocolError("a frame is an array of maps, nothing else in it")
            self._check(item, depth)
        return value

    @abstractmethod
    def _parse(self, frame: bytes | str) -> Any:
        """The value of a frame, its size and text checked, its inner values not yet."""

    def _check(self, value: Any, depth: int) -> None:
        """Refuse what lies outside the protocol's types and limits.

        Recursion is bounded by `depth`; time by the size of the frame.
        """
        kind = type(value)
        if kind is int:
            if not 0 <= value <= MAX_INTEGER:
                raise ProtocolError("integers are from 0 to 2^53 - 1")
        elif kind is dict or kind is list:
            if depth <= 0:
                raise ProtocolError(f"frames are nested at most {self.limits.depth} deep")
            bound = self.limits.map if kind is dict else self.limits.array
            if len(value) > bound:
                raise ProtocolError(f"a {'map' if kind is dict else 'list'} holds at most {bound}")
            for inner in value.values() if kind is dict else value:
                if type(inner) is not str:
                    self._check(inner, depth - 1)
        elif kind is float:
            raise ProtocolError("there are no fractions in this protocol")

    @abstractmethod
    def encode(self, value: Any) -> bytes:
        """`value` encoded: None, bool, int, str, bytes, and lists, tuples and dicts of them."""

    @abstractmethod
    def array(self, parts: Sequence[bytes]) -> bytes:
        """An array of values that are encoded already."""

    @abstractmethod
    def map(self, parts: Mapping[str, bytes]) -> bytes:
        """A map whose values are encoded already."""

    @abstractmethod
    def to_wire(self, frame: bytes) -> bytes | str:
        """An encoded frame as a WebSocket message: bytes make a binary one, str a text one."""


def _unique(pairs: list[tuple[str, Any]]) -> Item:
    """A map from its pairs, none of whose keys may come twice."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ProtocolError("a map holds a key twice")
    return made


def _unique_strings(pairs: list[tuple[Any, Any]]) -> Item:
    """The same for msgpack, whose keys may be other things than strings."""
    for key, _value in pairs:
        if type(key) is not str:
            raise ProtocolError("keys of maps are strings")
    return _unique(pairs)


class MsgpackCodec(Codec):
    """Binary frames, for programs. Uses msgpack's own bounds, so nothing large is ever built."""

    name = "msgpack"
    subprotocol = "beamish.msgpack"
    text = False

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._packer = msgpack.Packer(autoreset=True)
        self._array_max = max(limits.array, limits.items)

    def _parse(self, frame: bytes | str) -> Any:
        if isinstance(frame, str):
            raise ProtocolError("beamish.msgpack has binary frames", CloseCode.WRONG_FRAME_KIND)
        size = len(frame)
        if size > self.limits.frame_bytes:
            raise _too_large(self.limits)
        try:
            return msgpack.unpackb(
                frame,
                raw=False,
                strict_map_key=True,
                object_pairs_hook=_unique_strings,
                max_str_len=size,
                max_bin_len=size,
                max_array_len=self._array_max,
                max_map_len=self.limits.map,
                max_ext_len=0,
                ext_hook=_no_extension,
            )
        except UnicodeDecodeError:
            raise ProtocolError("a string is not valid UTF-8") from None
        except (ValueError, TypeError, msgpack.UnpackException):
            raise ProtocolError("the frame is not msgpack within the limits") from None

    def encode(self, value: Any) -> bytes:
        """`value` in msgpack; bytes become bin."""
        return self._packer.pack(value)  # type: ignore[no-any-return]

    def array(self, parts: Sequence[bytes]) -> bytes:
        """An array header and the parts."""
        return _header(len(parts), 0x90, 0xDC) + b"".join(parts)

    def map(self, parts: Mapping[str, bytes]) -> bytes:
        """A map header, then keys and parts in turn."""
        pieces = [_header(len(parts), 0x80, 0xDE)]
        for key, part in parts.items():
            pieces.append(_msgpack_key(key))
            pieces.append(part)
        return b"".join(pieces)

    def to_wire(self, frame: bytes) -> bytes:
        """The frame itself."""
        return frame


class JsonCodec(Codec):
    """Text frames, for browsers. Encodes without blanks and without escaping beyond need."""

    name = "json"
    subprotocol = "beamish.json"
    text = True

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._decode = json.JSONDecoder(
            object_pairs_hook=_unique,
            parse_float=_no_fraction,
            parse_constant=_no_constant,
        ).decode
        self._encode = json.JSONEncoder(
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
            check_circular=False,
            default=_base64_of_bytes,
        ).encode

    def _parse(self, frame: bytes | str) -> Any:
        if isinstance(frame, bytes):
            raise ProtocolError("beamish.json has text frames", CloseCode.WRONG_FRAME_KIND)
        limit = self.limits.frame_bytes
        if 4 * len(frame) > limit and len(frame.encode("utf-8", "surrogatepass")) > limit:
            raise _too_large(self.limits)
        try:
            value = self._decode(frame)
            if "\\u" in frame:
                # Only escapes can smuggle half a surrogate pair past the UTF-8 of the frame.
                json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise ProtocolError("a string holds half a surrogate pair") from None
        except (ValueError, RecursionError):
            raise ProtocolError("the frame is not JSON within the limits") from None
        return value

    def encode(self, value: Any) -> bytes:
        """`value` in JSON, UTF-8; bytes become base64."""
        # The small fragments that replies and events are joined of need no encoder's set-up.
        if type(value) is int:
            return b"%d" % value
        if type(value) is str:
            return encode_basestring(value).encode("utf-8")
        return self._encode(value).encode("utf-8")

    def array(self, parts: Sequence[bytes]) -> bytes:
        """The parts between brackets."""
        return b"[" + b",".join(parts) + b"]"

    def map(self, parts: Mapping[str, bytes]) -> bytes:
        """Keys and parts between braces."""
        return b"{" + b",".join([_json_key(k) + part for k, part in parts.items()]) + b"}"

    def to_wire(self, frame: bytes) -> str:
        """The frame as text."""
        return frame.decode("utf-8")


def _too_large(limits: Limits) -> ProtocolError:
    return ProtocolError(
        f"a frame has at most {limits.frame_bytes} bytes", CloseCode.FRAME_TOO_LARGE
    )


def _no_extension(_code: int, _data: bytes) -> Any:
    raise ProtocolError("there are no msgpack extensions in this protocol")


def _no_fraction(_text: str) -> Any:
    raise ProtocolError("there are no fractions and no exponents in this protocol")


def _no_constant(name: str) -> Any:
    raise ProtocolError(f"{name} is no JSON")


def _base64_of_bytes(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} cannot be encoded: use the protocol's types")


def _header(count: int, small: int, large: int) -> bytes:
    """The msgpack header of an array or map: fix form below 16, then 16 and 32 bits."""
    if count < 16:
        return bytes((small | count,))
    if count < 0x10000:
        return struct.pack(">BH", large, count)
    return struct.pack(">BI", large + 1, count)


_msgpack_keys: dict[str, bytes] = {}
_json_keys: dict[str, bytes] = {}
_KEY_CACHE = 1_024
"""Field names are few and fixed; the bound only guards against a caller that invents them."""


def _msgpack_key(key: str) -> bytes:
    found = _msgpack_keys.get(key)
    if found is None:
        found = msgpack.packb(key)
        if len(_msgpack_keys) < _KEY_CACHE:
            _msgpack_keys[key] = found
    return found


def _json_key(key: str) -> bytes:
    found = _json_keys.get(key)
    if found is None:
        found = json.dumps(key, ensure_ascii=False).encode("utf-8") + b":"
        if len(_json_keys) < _KEY_CACHE:
            _json_keys[key] = found
    return found


def codecs(limits: Limits = DEFAULT_LIMITS) -> dict[str, Codec]:
    """The codecs by subprotocol name."""
    return {codec.subprotocol: codec for codec in (MsgpackCodec(limits), JsonCodec(limits))}


MSGPACK = MsgpackCodec()
"""The msgpack codec under the default limits."""

JSON = JsonCodec()
"""The JSON codec under the default limits."""
