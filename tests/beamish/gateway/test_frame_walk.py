"""Control frames are found in whatever pieces a stream of frames comes."""

from __future__ import annotations

import struct

from hypothesis import example, given
from hypothesis import strategies as st

from beamish.gateway.frame_walk import FrameWalk


def frame(opcode, payload, masked):
    size, mask = len(payload), 0x80 if masked else 0
    if size < 126:
        length = bytes((mask | size,))
    elif size < 65_536:
        length = bytes((mask | 126,)) + struct.pack("!H", size)
    else:
        length = bytes((mask | 127,)) + struct.pack("!Q", size)
    return bytes((0x80 | opcode,)) + length + (bytes(4) if masked else b"") + payload


FRAMES = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2, 8, 9, 10]),
        st.sampled_from([0, 1, 125, 126, 400, 65_535, 65_536]).map(lambda size: b"\x89" * size),
        st.booleans(),
    ),
    max_size=8,
)


@example([(9, b"p" * 65_536, True)], [4], 5_000)
@example([(9, b"p" * 400, False), (2, b"", True)], [4], 5_000)
@given(FRAMES, st.lists(st.integers(0, 10_000), max_size=30), st.integers(1, 5_000))
def test_control_frames_and_their_bytes_are_counted_however_they_are_cut(frames, cuts, rest):
    whole = b"".join(frame(*one) for one in frames)
    walk, found, position = FrameWalk(), [], 0
    for cut in [*cuts, *[rest] * (len(whole) // rest + 1)]:
        found.append(walk.take(whole[position : position + cut]))
        position += cut
    control = [frame(*one) for one in frames if one[0] >= 8]
    assert sum(count for count, _ in found) == len(control)
    assert sum(size for _, size in found) == sum(map(len, control))


def test_what_is_kept_between_pieces_is_small_even_for_the_largest_length():
    walk = FrameWalk()
    for byte in b"\x82\xff" + b"\xff" * 8:
        assert len(walk._head) < 10
        assert walk.take(bytes((byte,))) == (0, 0)
    assert walk.take(b"\x89" * 100_000) == (0, 0)
