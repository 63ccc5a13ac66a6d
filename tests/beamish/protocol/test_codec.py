"""Both encodings: what goes in comes out, and nothing outside the limits gets in."""

from __future__ import annotations

import json
import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamish.protocol import (
    JSON,
    MAX_INTEGER,
    MSGPACK,
    CloseCode,
    Codec,
    JsonCodec,
    Limits,
    MsgpackCodec,
    ProtocolError,
    codecs,
)
from tests.examples import examples

CODECS = [JSON, MSGPACK]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | st.integers(0, MAX_INTEGER) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
items = st.dictionaries(texts, values, max_size=6)
frames = st.lists(items, min_size=1, max_size=5)


def outcome(codec, frame):
    """What decoding gives: the items, or the error."""
    try:
        return codec.decode(frame)
    except ProtocolError as error:
        return error


def nesting(value):
    """How deep arrays and maps lie in one another."""
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(nesting, value), default=0)
    return 0


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@examples(50)
@given(frame=frames.filter(lambda frame: nesting(frame) <= 8))
def test_what_is_encoded_is_decoded_to_the_same(codec, frame):
    assert codec.decode(codec.to_wire(codec.encode(frame))) == frame


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@examples(50)
@given(frame=frames)
def test_a_frame_joined_of_fragments_is_the_frame_encoded_as_a_whole(codec, frame):
    joined = codec.array(
        [codec.map({key: codec.encode(value) for key, value in item.items()}) for item in frame]
    )
    assert joined == codec.encode(frame)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("count", [0, 1, 15, 16, 255, 256, 65_535, 65_536])
def test_fragments_are_joined_in_any_number(codec, count):
    assert codec.array([codec.encode(1)] * count) == codec.encode([1] * count)
    many = {f"field {n}": n for n in range(count)}
    parts = {key: codec.encode(value) for key, value in many.items()}
    assert codec.map(parts) == codec.encode(many)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@given(noise=st.binary(max_size=200))
def test_noise_is_refused_or_decoded_and_nothing_else(codec, noise):
    frame = noise if codec is MSGPACK else noise.decode("utf-8", "surrogateescape")
    decoded = outcome(codec, frame)
    if isinstance(decoded, ProtocolError):
        assert decoded.code is CloseCode.BAD_FRAME
        assert str(decoded)
    else:
        assert codec.decode(codec.to_wire(codec.encode(decoded))) == decoded


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@examples(50)
@given(frame=frames, data=st.data())
def test_a_damaged_frame_is_refused_or_decoded_and_nothing_else(codec, frame, data):
    encoded = bytearray(codec.encode(frame))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(encoded)
    decoded = outcome(codec, damaged if codec is MSGPACK else damaged.decode("utf-8", "replace"))
    if isinstance(decoded, ProtocolError):
        assert decoded.code is CloseCode.BAD_FRAME


def refused(codec, frame, code=CloseCode.BAD_FRAME, says="."):
    with pytest.raises(ProtocolError, match=says) as caught:
        codec.decode(frame)
    assert caught.value.code is code
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("value", [None, True, 0, "x", {}, {"a": 1}, [], [[]], [1], [{}, None]])
def test_a_frame_is_an_array_of_maps(codec, value):
    refused(codec, codec.to_wire(codec.encode(value)), says="a frame is an array")


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([{}] * 257, "at most 256 items"),
        ([{"a": [[[[[[[]]]]]]]}], "at most 8 deep"),
        ([{"a": {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}}], "at most 8 deep"),
        ([{"a": [0] * 1_025}], "1024|within the limits"),
        ([{str(n): n for n in range(33)}], "32|within the limits"),
        ([{"a": 2**53}], "2\\^53"),
        ([{"a": 2**63}], "2\\^53"),
        ([{"a": -1}], "from 0"),
        ([{"a": 0.5}], "no fractions"),
        ([{"a": 1e300}], "no fractions"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_lies_outside_the_limits_is_refused(codec, value, says):
    encoded = json.dumps(value) if codec is JSON else msgpack.packb(value)
    refused(codec, encoded, says=says)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize(
    "value",
    [[{}] * 256, [{"a": [[[[[[]]]]]]}], [{"a": [0] * 1_024}], [{str(n): n for n in range(32)}]],
    ids=["items", "depth", "array", "map"],
)
def test_what_lies_just_inside_the_limits_is_taken(codec, value):
    assert codec.decode(codec.to_wire(codec.encode(value))) == value


@pytest.mark.parametrize(
    "frame",
    [
        "",
        " ",
        "[{}",
        "[{}]]",
        '[{"a":01}]',
        '[{"a":+1}]',
        '[{"a":NaN}]',
        '[{"a":-Infinity}]',
        '[{"a":1.0}]',
        '[{"a":1e2}]',
        '[{"a":' + "9" * 5_000 + "}]",
        '[{"a":1,"a":2}]',
        '[{"b":{"a":1,"a":1}}]',
        '[{"a":"\x00"}]',
        '[{"a":"\\ud800"}]',
        '[{"a":"\\udc00\\ud800"}]',
        '[{"\\ud800":1}]',
        "[{'a':1}]",
        "[{a:1}]",
        "[{} {}]",
        "[" * 100_000,
        '{"a":' * 30_000,
        "\ufeff[{}]",
    ],
    ids=lambda frame: frame[:20],
)
def test_json_that_is_no_proper_json_is_refused(frame):
    refused(JSON, frame)


def test_json_minus_zero_is_zero():
    ((value,),) = [item.values() for item in JSON.decode('[{"n":-0}]')]
    assert (value, type(value)) == (0, int)


def test_json_escapes_of_whole_surrogate_pairs_are_characters():
    assert JSON.decode('[{"a":"\\ud83d\\ude00"}]') == [{"a": "😀"}]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x91",
        b"\x91\x80\x80",
        b"\xc1",
        b"\xdd\x00\x0f\x42\x40" + b"\xc0" * 1_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x91\x81\xa1a\xdb\xff\xff\xff\xff",
        b"\x91\x81\xa1a\xc6\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x81\xa1a" * 50_000,
        b"\x91\x81\xa1a\xa1\xff",
        b"\x91\x81\xa1a\xa3\xed\xa0\x80",
        b"\x91\x81\xa1\xff\x01",
        b"\x91\x81\x01\x02",
        b"\x91\x81\xc0\x02",
        b"\x91\x81\x90\x02",
        b"\x91\x81\xc4\x01a\x02",
        b"\x91\x82\xa1a\x01\xa1a\x01",
        b"\x91\x81\xa1a\xd4\x01\x00",
        b"\x91\x81\xa1a\xd6\xff\x00\x00\x00\x00",
        b"\x91\x81\xa1a\xc7\x00\x01",
        b"\x91\x81\xa1a\xff",
        b"\x91\x81\xa1a\xca\x00\x00\x00\x00",
        b"\x91\x81\xa1a\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
    ids=lambda frame: frame[:8].hex(),
)
def test_msgpack_outside_the_protocols_types_is_refused(frame):
    refused(MSGPACK, frame)


@pytest.mark.parametrize(
    ("codec", "frame"), [(JSON, b"[{}]"), (MSGPACK, "[{}]")], ids=["json", "msgpack"]
)
def test_the_wrong_kind_of_frame_has_a_code_of_its_own(codec, frame):
    refused(codec, frame, CloseCode.WRONG_FRAME_KIND)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("character", ["x", "é", "€", "😀"])
def test_the_size_of_a_frame_is_counted_in_bytes(codec, character):
    limit = codec.limits.frame_bytes
    room = limit - len(codec.encode([{"a": "x" * 65_536}])) + 65_536
    fits = character * (room // len(character.encode()))
    assert codec.decode(codec.to_wire(codec.encode([{"a": fits}])))
    larger = codec.to_wire(codec.encode([{"a": fits + character}]))
    refused(codec, larger, CloseCode.FRAME_TOO_LARGE)


def hostile_frames():
    """The worst frames of the allowed size, by codec."""
    size = Limits().frame_bytes
    return [
        (JSON, "[" * size),
        (JSON, "[" + "{}," * (size // 3 - 1) + "{}]"),
        (JSON, "[" + '{"":[' * (size // 8)),
        (JSON, '["' + "\\u0000" * (size // 6 - 2) + '"]'),
        (MSGPACK, b"\x91" * size),
        (MSGPACK, b"\xdc\xff\xff" + b"\x80" * (size - 3)),
        (MSGPACK, (b"\xdd\x00\x00\x04\x00" * size)[:size]),
        (MSGPACK, b"\xdf\x00\x00\x00\x20" + b"\xa1a\x90" * (size // 4)),
    ]


@pytest.mark.parametrize(("codec", "frame"), hostile_frames(), ids=lambda value: str(value)[:16])
def test_no_frame_costs_more_than_a_bounded_amount_of_memory(codec, frame):
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            codec.decode(frame)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000


def test_limits_are_those_that_were_given():
    small = codecs(Limits(items=2, frame_bytes=100, text_bytes=50))
    for codec in small.values():
        assert codec.decode(codec.to_wire(codec.encode([{}, {}]))) == [{}, {}]
        refused(codec, codec.to_wire(codec.encode([{}] * 3)), says="at most 2 items")
        large = codec.to_wire(codec.encode([{"a": "x" * 100}]))
        refused(codec, large, CloseCode.FRAME_TOO_LARGE)


def test_codecs_are_found_by_subprotocol():
    found = codecs()
    assert sorted(found) == ["beamish.json", "beamish.msgpack"]
    assert isinstance(found["beamish.json"], JsonCodec)
    assert isinstance(found["beamish.msgpack"], MsgpackCodec)
    assert all(isinstance(codec, Codec) for codec in found.values())


def test_bytes_are_bin_in_msgpack_and_base64_in_json():
    assert MSGPACK.encode(b"\x00\xff") == b"\xc4\x02\x00\xff"
    assert JSON.encode(b"\x00\xff") == b'"AP8="'
    assert MSGPACK.decode(b"\x91\x81\xa1a\xc4\x02\x00\xff") == [{"a": b"\x00\xff"}]


def test_json_is_written_compactly_and_without_needless_escapes():
    assert JSON.encode([{"a": "é<\u2028"}, None]) == '[{"a":"é<\u2028"},null]'.encode()


def test_a_value_that_has_no_encoding_is_an_error_of_the_caller():
    with pytest.raises(TypeError, match="set"):
        JSON.encode({"a": {1}})
    with pytest.raises(TypeError):
        MSGPACK.encode({"a": {1}})


@pytest.mark.parametrize(
    "settings", [{"items": 0}, {"burst": -1}, {"inbox": 2**53}, {"text_bytes": 200_000}]
)
def test_limits_that_could_not_work_are_refused(settings):
    with pytest.raises(ValueError, match="must be"):
        Limits(**settings)
