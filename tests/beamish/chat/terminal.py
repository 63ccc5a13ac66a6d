"""A program on a terminal of its own: keys go in, its screen is read as people see it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte

PATIENCE = 30.0


class Terminal:
    """A process in a pty with an emulated screen of `columns` by `rows`; `raw` is all it wrote."""

    def __init__(
        self,
        command: Sequence[object],
        *,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._master, slave = os.openpty()
        self._size(columns, rows)
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "", **(env or {})},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        os.set_blocking(self._master, False)

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        """What a window manager does; the kernel tells the program by SIGWINCH."""
        self.screen.resize(rows, columns)
        self._size(columns, rows)

    def keys(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def line(self, text: str) -> None:
        """Write a line and press Enter."""
        self.keys(text)
        self.keys("\r")

    @property
    def lines(self) -> list[str]:
        """What is on the screen, without blanks at the ends of lines."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines)

    def _read(self, wait: float) -> bool:
        """Take what was written; whether the terminal is still open."""
        ready, _, _ = select.select([self._master], [], [], wait)
        if ready:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the other end is closed
                return False
            self.raw += data
            self._stream.feed(data)
        return True

    def until(self, shown: str | Callable[[Terminal], object], patience: float = PATIENCE) -> None:
        """Wait until the screen shows a text, or a condition on it holds."""
        deadline = time.monotonic() + patience
        while not (shown in self.text if isinstance(shown, str) else shown(self)):
            left = deadline - time.monotonic()
            assert left > 0, f"not seen: {shown!r}\n{self.text}"
            assert self._read(min(left, 0.5)), f"ended without {shown!r}\n{self.text}"

    def ended(self, patience: float = PATIENCE) -> int:
        """Wait for the end of the program; its exit status."""
        deadline = time.monotonic() + patience
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.1)
        while self._read(0) and select.select([self._master], [], [], 0)[0]:
            pass
        return self.process.wait(timeout=1)

    def close(self) -> None:
        """End it, however it is."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._master)
