"""Which peers of the benches are on this machine."""

from __future__ import annotations

import importlib.util
import shutil

OTP = "OTP"
PYKKA = "pykka"


def absent() -> dict[str, str]:
    """The peers that are not here, each with what would bring it."""
    missing: dict[str, str] = {}
    if shutil.which("erl") is None or shutil.which("erlc") is None:
        missing[OTP] = "erl and erlc: Debian's package erlang-base"
    if importlib.util.find_spec("pykka") is None:
        missing[PYKKA] = "pip install pykka"
    return missing
