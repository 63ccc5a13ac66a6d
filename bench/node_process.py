"""A node in a process of its own, started through the command line as an operator would."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import cpu_seconds, rss_bytes

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
BEAMISH = str(Path(sys.executable).with_name("beamish"))


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """A running node: its process and the address of its WebSocket."""

    pid: int
    ws: str
    data: Path

    def sync_mean_ms(self) -> float:
        """What a commit takes at the moment, as the node's journal measures it."""
        command = [BEAMISH, "status", "--data", str(self.data), "--json"]
        told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return float(told["journal"]["sync_mean_ms"])

    def cpu_seconds(self) -> float:
        """CPU time used so far, all threads."""
        return cpu_seconds(self.pid)

    def rss_bytes(self) -> int:
        """Resident memory now."""
        return rss_bytes(self.pid)


def raise_file_limit() -> None:
    """Allow this process and its children as many open files as the system grants."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def running_node(data: Path, *options: str) -> Iterator[NodeProcess]:
    """Start `beamish serve` on a free port with its data in `data`; stop it in order at the end.

    Raises RuntimeError with what the node wrote when it does not get ready or does not stop.
    """
    ready, log = data.parent / "ready.json", data.parent / "node.log"
    command = [BEAMISH, "serve", "--data", str(data)]
    command += ["--port", "0", "--ready-file", str(ready), *options]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
    try:
        told = _wait_until_ready(process, ready, log)
        yield NodeProcess(process.pid, str(told["ws"]), data)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"The node did not stop within {STOP_TIMEOUT_S:.0f} s.") from None


def _wait_until_ready(
    process: subprocess.Popen[bytes], ready: Path, log: Path
) -> dict[str, object]:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The node did not get ready:\n{log.read_text()[-2000:]}")
        time.sleep(0.02)
    told: dict[str, object] = json.loads(ready.read_text(encoding="utf-8"))
    return told
