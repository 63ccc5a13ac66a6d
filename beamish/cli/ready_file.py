"""The ready file: how a script learns that a node takes connections, and where.

One JSON object `{"pid", "http", "ws"}`, the last two full URLs, and `"admin"` where there is an
admin port. It appears whole, by a rename, once
connections are accepted, and is removed when an orderly stop begins; a start that fails writes
none. After a `kill -9` it is stale until the next start.

Whoever names a file must not take it from a running node by accident, so

* a start touches the file only when the lock of the data directory is its own: then no other node
  runs on it, and what the file says is stale;
* unless it names a process that lives: that node runs on another directory, and its file is
  replaced once this one is ready, not before;
* a stop removes the file only while it names this process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path


class ReadyFile:
    """The file at `path`, or none at all."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def remove_stale(self) -> None:
        """Remove what a node that is gone has left; the data directory's lock must be ours."""
        if self._path is not None and not _lives(self._pid()):
            self._path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Say that connections are not accepted any more, unless the file is not ours."""
        if self._path is not None and self._pid() == os.getpid():
            self._path.unlink(missing_ok=True)

    def write(self, addresses: Mapping[str, str]) -> None:
        """Say that connections are accepted at these addresses, by their names."""
        if self._path is None:
            return
        told = {"pid": os.getpid(), **addresses}
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        fresh.write_text(json.dumps(told) + "\n", encoding="utf-8")
        fresh.replace(self._path)

    def _pid(self) -> int | None:
        """The process that the file names; None: there is no file, or no ready file."""
        assert self._path is not None
        try:
            pid = json.loads(self._path.read_text(encoding="utf-8"))["pid"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return pid if type(pid) is int else None


def _lives(pid: int | None) -> bool:
    """Whether `pid` is another process that runs; one that nobody has waited for does not."""
    if pid is None or pid == os.getpid():
        return False
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    state = told.rpartition(")")[2].split()[0]
    return state not in ("Z", "X")
