"""A backup on disk: a directory with a copy of a journal and what tells whether it is whole.

::

    data.mdb      the LMDB environment of one moment, compacted
    backup.json   {"kind": "beamish backup", "format": 2, "journal": "...", "created_ms": ...,
                   "size": ..., "sha256": "..."}

``backup.json`` is written last, when the copy is on the disk: a directory without it is no backup,
whatever else it holds. ``format`` is the journal's, ``journal`` the id of the directory that was
copied, ``created_ms`` the moment (ms UTC) that the copy shows, ``size`` and ``sha256`` are those of
``data.mdb``, as ``sha256sum`` prints it. All refusals are `BackupError`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage import host
from storage.directory import FORMAT

KIND = "beamish backup"
MANIFEST = "backup.json"
DATA = "data.mdb"
CHUNK_BYTES = 1 << 20

Progress = Callable[[int, int], object]
"""Told how many bytes of how many are done."""


class BackupError(Exception):
    """A backup or a restore cannot be done; the message says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What ``backup.json`` says."""

    format: int
    journal: str
    created_ms: int
    size: int
    sha256: str


def write_manifest(path: Path, backup: Backup) -> None:
    """Declare the backup in this directory whole, durably."""
    content = {"kind": KIND} | asdict(backup)
    host.replace_file(path / MANIFEST, json.dumps(content).encode() + b"\n")


def read_manifest(path: str | Path) -> Backup:
    """What the backup in this directory says it is; raises `BackupError`."""
    place = Path(path)
    try:
        text = (place / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BackupError(
            f"{place} is no backup, or one that was never finished: it has no {MANIFEST}; "
            "name the directory of a finished one"
        ) from error
    except OSError as error:
        raise BackupError(
            f"{place / MANIFEST} cannot be read: {error.strerror}; make it readable"
        ) from error
    return _parse(place, text)


def _parse(place: Path, text: bytes) -> Backup:
    try:
        content: Any = json.loads(text)
        kind = str(content["kind"])
        backup = Backup(
            int(content["format"]),
            str(content["journal"]),
            int(content["created_ms"]),
            int(content["size"]),
            str(content["sha256"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{place / MANIFEST} is damaged; use another backup") from error
    if kind != KIND:
        raise BackupError(f"{place} is something else ({kind}); name the directory of a backup")
    if backup.format > FORMAT:
        raise BackupError(
            f"{place} has format {backup.format}, this version knows formats up to {FORMAT}; "
            "use the newer version that wrote it"
        )
    return backup


def verify_backup(path: str | Path, *, progress: Progress | None = None) -> Backup:
    """The manifest of a backup whose copy is byte by byte what it was; raises `BackupError`."""
    place = Path(path)
    backup = read_manifest(place)
    data = place / DATA
    digest = hashlib.sha256()
    done = 0
    try:
        with data.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(min(done, backup.size), backup.size)
    except OSError as error:
        raise BackupError(
            f"{data} cannot be read: {error.strerror}; make it readable, or use another backup"
        ) from error
    if done != backup.size:
        raise BackupError(
            f"{data} is damaged: it has {done} bytes, its manifest says {backup.size}; "
            "use another backup"
        )
    if digest.hexdigest() != backup.sha256:
        raise BackupError(
            f"{data} is damaged: its checksum is not the one in the manifest; use another backup"
        )
    return backup
