"""Nodes and commands as an operator starts them, for the tests of the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0
CHEAP = ("--argon2-memory", "64", "--argon2-time", "1")
COMMAND = (sys.executable, "-W", "error", "-m", "beamish")


@dataclass(slots=True)
class Served:
    """A `beamish serve` that is ready."""

    process: subprocess.Popen[str]
    data: Path
    ready: Path
    http: str
    ws: str

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


def beamish(*arguments: object, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002
    """One command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=input,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def begin(data: Path, ready: Path, *options: str) -> subprocess.Popen[str]:
    """A `beamish serve` that may not be ready yet."""
    command = [*COMMAND, "serve", "--data", str(data), "--ready-file", str(ready), "--port", "0"]
    return subprocess.Popen(
        [*command, *CHEAP, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """A running node with its files in `folder`; killed at the end if it still runs."""
    data, ready = folder / "data", folder / "ready.json"
    process = begin(data, ready, *options)
    try:
        told = wait_until_ready(process, ready)
        yield Served(process, data, ready, str(told["http"]), str(told["ws"]))
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(process: subprocess.Popen[str], ready: Path) -> dict[str, object]:
    """What the ready file says once it is this process that says it."""
    deadline = time.monotonic() + PATIENCE
    while (told := read_ready(ready)).get("pid") != process.pid:
        assert process.poll() is None, f"the node ended: {process.communicate()}"
        assert time.monotonic() < deadline, f"not ready after {PATIENCE:g} s"
        time.sleep(0.02)
    return told


def read_ready(ready: Path) -> dict[str, object]:
    try:
        told: dict[str, object] = json.loads(ready.read_text())
    except FileNotFoundError:
        return {}
    return told
