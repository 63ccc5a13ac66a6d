"""Start an example as a program of its own and see to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Program:
    """A running example: what it prints, line by line, and how it ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def until(self, text: str) -> str:
        """The rest of the first line that contains `text`, read from its output."""
        assert self._process.stdout is not None
        seen = []
        for line in self._process.stdout:
            seen.append(line)
            if text in line:
                return line.partition(text)[2].strip()
        raise AssertionError(f"it ended without {text!r}: {''.join(seen)}")

    def end(self, number: int) -> tuple[str, int]:
        """Send a signal; the rest of its output, and its status."""
        self._process.send_signal(number)
        out, _ = self._process.communicate(timeout=30)
        return out, self._process.returncode


@contextmanager
def running(example: str, *args: str, **env: str) -> Iterator[Program]:
    """Run `examples/NAME` with warnings as errors; stdout and stderr are one stream."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(ROOT / "examples" / example), *args],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Program(process)
    finally:
        process.kill()
        process.communicate()
