"""The ready file: how a script learns that a node takes connections, and where.

One JSON object `{"pid", "http", "ws"}`, the last two full URLs. It appears whole, by a rename, once
connections are accepted; it is removed when a start begins and when an orderly stop begins, and
a start that fails writes none. After a `kill -9` it is stale until the next start.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


class ReadyFile:
    """The file at `path`, or none at all."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def remove(self) -> None:
        """Say that connections are not accepted (any more)."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def write(self, http: str, ws: str) -> None:
        """Say that connections are accepted at these addresses."""
        if self._path is None:
            return
        told = {"pid": os.getpid(), "http": http, "ws": ws}
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        fresh.write_text(json.dumps(told) + "\n", encoding="utf-8")
        fresh.replace(self._path)
