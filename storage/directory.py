"""A data directory: who may open it, whether it is ours, of which format, and its ballast.

::

    LOCK            held exclusively by the one process that has the directory open
    journal.json    {"kind": "beamish journal", "format": 2, "id": "...", "complete": true}
    data.mdb        the LMDB environment (lock.mdb beside it is LMDB's own)
    ballast         bytes to give up when the disk is truly full
    data.mdb.new    a compaction under way, or one that was killed: the next opening removes it

``journal.json`` is written before the environment with ``complete`` false and again after its
first commit, so a process killed while it makes a directory leaves one that the next can finish,
and a directory that lost its data is never taken for a new one. All refusals are `DirectoryError`.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage import host

FORMAT = 2
KIND = "beamish journal"
FRESH = "data.mdb.new"

_META = struct.Struct("<IIQQ")
_META_AT = 16
_MAGIC = 0xBEEFC0DE
_LAST_PAGE_AT = _META_AT + 24 + 2 * 48
_PAGE_SIZE_AT = _META_AT + 24


class DirectoryError(Exception):
    """A data directory cannot be opened; the message says why and what to do instead."""


@dataclass(slots=True)
class Marker:
    """What ``journal.json`` says."""

    format: int
    id: str
    complete: bool


def read_marker(path: Path) -> Marker | None:
    """What a directory says it is, None if it says nothing; raises `DirectoryError`."""
    try:
        text = (path / "journal.json").read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DirectoryError(
            f"{path}/journal.json cannot be read: {error.strerror}; make it readable"
        ) from error
    try:
        content: Any = json.loads(text)
        marker = Marker(int(content["format"]), str(content["id"]), bool(content["complete"]))
        kind = content["kind"]
    except (ValueError, KeyError, TypeError) as error:
        raise DirectoryError(
            f"{path}/journal.json is damaged; restore the directory from a backup"
        ) from error
    if kind != KIND:
        raise DirectoryError(f"{path} belongs to something else ({kind}); name another directory")
    if marker.format > FORMAT:
        raise DirectoryError(
            f"{path} has format {marker.format}, this version knows formats up to "
            f"{FORMAT}; use the newer version that wrote it"
        )
    return marker


class Directory:
    """A locked data directory. `close` gives up the lock."""

    def __init__(self, path: Path) -> None:
        """Make the directory if need be, and lock it; raises `DirectoryError`."""
        self.path = path
        try:
            fresh = not path.exists()
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if fresh:
                host.sync_directory(path.parent)
        except OSError as error:
            raise DirectoryError(
                f"{path} cannot be made a data directory: {error.strerror}; name another one"
            ) from error
        if not (path / "journal.json").exists():
            self._refuse_foreign()
        try:
            descriptor = host.lock_file(path / "LOCK")
        except OSError as error:
            raise DirectoryError(
                f"{path} cannot be locked: {error.strerror}; make it writable for this user"
            ) from error
        if descriptor is None:
            raise DirectoryError(
                f"{path} is in use by another process; stop that one, or name another directory"
            )
        self._lock = descriptor

    def close(self) -> None:
        """Give up the lock."""
        host.unlock(self._lock)

    def read_marker(self) -> Marker | None:
        """What the directory says it is, None if it is new; raises `DirectoryError`."""
        return read_marker(self.path)

    def write_marker(self, marker: Marker) -> None:
        """Replace the marker, durably."""
        content = {
            "kind": KIND,
            "format": marker.format,
            "id": marker.id,
            "complete": marker.complete,
        }
        host.replace_file(self.path / "journal.json", json.dumps(content).encode() + b"\n")

    def forget_data(self) -> None:
        """Remove what a start that was killed left of an environment."""
        for name in ("data.mdb", "lock.mdb"):
            (self.path / name).unlink(missing_ok=True)

    def forget_compaction(self) -> None:
        """Remove what a compaction that was killed left."""
        (self.path / FRESH).unlink(missing_ok=True)

    def _refuse_foreign(self) -> None:
        try:
            entries = sorted(entry.name for entry in self.path.iterdir())
        except OSError as error:
            raise DirectoryError(
                f"{self.path} is no directory to keep data in: {error.strerror}; name another one"
            ) from error
        foreign = [name for name in entries if name not in {"LOCK", "journal.json.new"}]
        if foreign:
            raise DirectoryError(
                f"{self.path} holds something else ({foreign[0]}) and no journal; "
                "name an empty or a new directory"
            )


def check_data_file(path: Path) -> None:
    """Refuse an environment that LMDB would crash on: no meta page, or cut short.

    LMDB maps the file and dies of SIGBUS when a page that its tree names lies behind the end. A
    file may end early without harm, when its last pages were given back before they were ever
    written, so a short file gets the slow check of every page.
    """
    data = path / "data.mdb"
    try:
        size = data.stat().st_size
        with data.open("rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise DirectoryError(
            f"{data} cannot be read: {error.strerror}; restore the directory from a backup"
        ) from error
    end = 0
    for page_size, last in _meta_pages(head):
        end = max(end, (last + 1) * page_size)
    if not end:
        raise DirectoryError(
            f"{data} is damaged, it does not begin as it should; "
            "restore the directory from a backup"
        )
    if size < end:
        _check_every_page(data, size, end)


def _meta_pages(head: bytes) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for size in (4096, 8192, 16384, 32768, 2048, 1024, 512):
        for at in (0, size):
            if len(head) < at + _LAST_PAGE_AT + 8:
                continue
            magic, version, _, _ = _META.unpack_from(head, at + _META_AT)
            page_size = int.from_bytes(head[at + _PAGE_SIZE_AT : at + _PAGE_SIZE_AT + 4], "little")
            if magic == _MAGIC and version == 1 and page_size == size:
                last = int.from_bytes(head[at + _LAST_PAGE_AT : at + _LAST_PAGE_AT + 8], "little")
                found.append((size, last))
        if found:
            break
    return found


_ROOMY = re.compile(r"overflow page \d+ header mp_pages (\d+) != OVPAGES\(\d+\)=(\d+)")
_WALKED = re.compile(r"walked (\d+) overflow pages, record says (\d+)")
_UNREACHED = re.compile(r"^(\d+) page\(s\) are neither reachable")


def page_problems(data: Path) -> list[str]:
    """What `lmdb.verify` finds in the pages of a data file, none if all is well.

    A value that became shorter stays in the overflow pages that it had, which LMDB does on purpose
    (`mdb_cursor_put`) and the verifier takes for a fault.
    """
    from lmdb import verify

    try:
        problems: list[str] = verify.verify(str(data), subdir=False)  # type: ignore[no-untyped-call]
    except verify.VerifyError as error:
        problems = [str(error)]
    spare = sum(int(m[1]) - int(m[2]) for m in map(_ROOMY.search, problems) if m is not None)
    return [problem for problem in problems if not _is_room(problem, spare)]


def _is_room(problem: str, spare: int) -> bool:
    """Whether a problem only tells of values with `spare` pages more than they need in all."""
    if (found := _ROOMY.search(problem)) is not None:
        return int(found[1]) > int(found[2])
    if (found := _WALKED.search(problem)) is not None:
        return 0 < int(found[2]) - int(found[1]) <= spare
    found = _UNREACHED.search(problem)
    return found is not None and int(found[1]) == spare


def _check_every_page(data: Path, size: int, end: int) -> None:
    problems = page_problems(data)
    if problems:
        raise DirectoryError(
            f"{data} has {size} of {end} bytes, it was cut short; "
            "restore the directory from a backup"
        )


class Ballast:
    """A file that is there to be deleted: room for obligations on a disk that is truly full."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path / "ballast"
        self.size = size

    def present(self) -> bool:
        """Whether there is something to give up."""
        return self._path.exists()

    def release(self) -> bool:
        """Give it up; whether there was anything."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True

    def restore(self) -> None:
        """Take it again; a disk without room for it is no error."""
        if not self.size:
            return
        try:
            if self._path.exists() and self._path.stat().st_size == self.size:
                return
            host.allocate(self._path, self.size)
        except OSError:
            self._path.unlink(missing_ok=True)
