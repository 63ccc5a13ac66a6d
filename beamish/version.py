"""The version of this distribution. `pyproject.toml` states it; nothing else repeats it."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("beamish")
