"""Telling control frames from data in what a client sends, without looking at what they carry.

RFC 6455 section 5.2: a frame is two bytes, for lengths from 126 on two or eight more, a mask key of
four bytes where the mask bit is set, and the payload. Opcodes from 8 on are control frames (close,
ping, pong); they may stand between the fragments of a message and are no part of it.
"""

from __future__ import annotations

NO_CONTROL = (0, 0)


class FrameWalk:
    """Walks over a stream of frames in whatever pieces it comes; keeps at most 9 bytes."""

    __slots__ = ("_control", "_head", "_skip")

    def __init__(self) -> None:
        self._head = b""
        self._skip = 0
        self._control = False

    def take(self, data: bytes) -> tuple[int, int]:
        """How many control frames begin in the next bytes, and how many bytes belong to such.

        A header that came in part is counted when it is complete.
        """
        # Nearly always one whole frame comes at a time: that costs a quarter of the walk.
        if not self._skip and not self._head and len(data) > 3:
            second = data[1]
            size = second & 127
            if size < 126:
                size += 2
            else:
                size = 4 + (data[2] << 8) + data[3] if size == 126 else -4
            if size + (second & 128) // 32 == len(data):
                return (1, len(data)) if data[0] & 8 else NO_CONTROL
        return self._walk(data)

    def _walk(self, data: bytes) -> tuple[int, int]:
        if self._head:
            data, self._head = self._head + data, b""
        frames = size = position = 0
        end = len(data)
        while True:
            if self._skip:
                step = min(self._skip, end - position)
                self._skip -= step
                position += step
                size += step if self._control else 0
            header = 2
            if end - position < header:
                break
            length = data[position + 1] & 127
            if length >= 126:
                header = 4 if length == 126 else 10
                if end - position < header:
                    break
                length = int.from_bytes(data[position + 2 : position + header], "big")
            self._skip = length + (4 if data[position + 1] & 128 else 0)
            self._control = data[position] & 8 != 0
            if self._control:
                frames += 1
                size += header
            position += header
        self._head = data[position:]
        return frames, size
