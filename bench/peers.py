"""Which peers of the benches are on this machine."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

OTP = "OTP"
PYKKA = "pykka"
TRIOTP = "triotp"
TRIOTP_PYTHON = Path(__file__).parents[1] / "build" / "triotp" / "bin" / "python"
"""It pins an old trio, so it has an environment of its own."""


def absent() -> dict[str, str]:
    """The peers that are not here, each with what would bring it."""
    missing: dict[str, str] = {}
    if shutil.which("erl") is None or shutil.which("erlc") is None:
        missing[OTP] = "erl and erlc: Debian's package erlang-base"
    if importlib.util.find_spec("pykka") is None:
        missing[PYKKA] = ".venv/bin/pip install -c requirements.txt -e '.[bench]'"
    if not TRIOTP_PYTHON.exists():
        missing[TRIOTP] = "python3 -m venv build/triotp; build/triotp/bin/pip install triotp"
    return missing
