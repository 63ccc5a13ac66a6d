"""The runtime's peer on triotp: runs `triotp_peer.py` in an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.harness import SAMPLE_TIMEOUT_S
from bench.peers import TRIOTP_PYTHON

PROGRAM = Path(__file__).with_name("triotp_peer.py")


def measure(kind: str, count: int) -> float:
    """The rate. Raises RuntimeError with what the program wrote when it fails."""
    done = subprocess.run(
        [str(TRIOTP_PYTHON), "-I", str(PROGRAM), kind, str(count)],
        capture_output=True,
        text=True,
        timeout=SAMPLE_TIMEOUT_S - 10,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{PROGRAM.name} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout)


def casts(count: int) -> dict[str, float]:
    """`gen_server.cast`, confirmed by a call each 1,000."""
    return {"casts_per_s": measure("casts", count)}


def calls(count: int) -> dict[str, float]:
    """`gen_server.call` with a deadline."""
    return {"calls_per_s": measure("calls", count)}
