"""A backup becomes a data directory again, and a data directory is rewritten without what is free.

Both copy value by value into a fresh environment, with no journal open on either side. The result
is as small as it can be, and holds no byte of anything that was replaced, amended or truncated.

**Restoring** gives every stream a new random epoch. The stream that was backed up may go on living
somewhere, and clients may have seen more of it than the backup holds; so the same version can stand
for other records, and the epoch is what tells. The new one differs from the stream's old one, and
from any that it had or will ever be given elsewhere but for one chance in 2**53 each. Everything
else is as of the backup: records with their numbers and times, snapshots, what is pending, what was
truncated. The directory gets a new id.

What is damaged inside of a backup that is whole was so in the journal when it was copied: it is
carried over as it is, and is refused when somebody reads it, as before. `storage.check` names it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import lmdb

from storage import host
from storage.backup_manifest import DATA, Backup, BackupError, Progress, verify_backup
from storage.directory import FRESH, Directory, DirectoryError, Marker, check_data_file
from storage.lmdb_store import DATABASES, MAP_BYTES
from storage.operations import EPOCH_LIMIT
from storage.rows import DamagedError, decode_row, encode_row, is_row_key

GROUP_BYTES = 4 << 20
GROUP_COUNT = 4096
COMMIT_GROUPS = 8

Item = tuple[bytes, bytes]
Change = Callable[[bytes, Item], Item | None]
"""What becomes of an item of a database."""


def restore(
    backup: str | Path, directory: str | Path, *, progress: Progress | None = None
) -> Backup:
    """Make a new data directory of a backup, and say what it was.

    The directory must be new or empty. The copy is compared with its checksum first. When this
    returns, all is synced and `storage.open_lmdb` opens the directory; until then nothing does, and
    a restore that was killed leaves a directory to remove. ``progress`` is told the bytes done and
    the bytes there are; what it raises ends the restore. Raises `BackupError`, a sentence; whatever
    is raised, what was written is removed.
    """
    place, target = Path(backup), Path(directory)
    _refuse_occupied(target)
    total = [0]

    def verified(done: int, size: int) -> None:
        total[0] = 2 * size
        if progress is not None:
            progress(done, 2 * size)

    found = verify_backup(place, progress=verified)
    fresh = not target.exists()
    try:
        held = Directory(target)
    except DirectoryError as error:
        raise BackupError(str(error)) from error
    try:
        marker = Marker(found.format, f"{host.RANDOM.getrandbits(128):032x}", complete=True)
        with _sentences(target):
            _need_room(target, found.size)
            told = None if progress is None else _Told(progress, found.size, 2 * found.size)
            _rewrite(place / DATA, target / DATA, _renewed(marker.id), told)
            held.write_marker(marker)
    except BaseException:
        _remove(target, fresh=fresh)
        raise
    finally:
        held.close()
    return found


def compact(directory: str | Path, *, progress: Progress | None = None) -> tuple[int, int]:
    """Rewrite a data directory that nobody has open; bytes of its data before and after.

    For giving back space, which LMDB itself never does, and for being rid of old bytes: they are in
    the blocks of the file system only that the former file gave back. Epochs and all else stay as
    they are. It needs room for the result beside the present file; killed at any moment it leaves a
    directory that is as it was or done. Raises `DirectoryError`, or `BackupError` when there is no
    room.
    """
    path = Path(directory)
    if not (path / "journal.json").exists():
        raise DirectoryError(f"{path} holds no journal; name a data directory")
    held = Directory(path)
    fresh = path / FRESH
    try:
        marker = held.read_marker()
        if marker is None or not marker.complete:
            raise DirectoryError(f"{path} was never finished; open it once, then compact it")
        check_data_file(path)
        before = (path / DATA).stat().st_size
        with _sentences(path):
            fresh.unlink(missing_ok=True)
            told = None if progress is None else _Told(progress, 0, before)
            _rewrite(path / DATA, fresh, _kept, told)
            fresh.replace(path / DATA)
            host.sync_directory(path)
        return before, (path / DATA).stat().st_size
    finally:
        fresh.unlink(missing_ok=True)
        held.close()


class _Told:
    """Turns entries into the bytes that a caller is told of."""

    def __init__(self, progress: Progress, done: int, total: int) -> None:
        self._progress = progress
        self._done = done
        self._total = total

    def __call__(self, entries: int, of: int) -> None:
        share = (self._total - self._done) * entries // max(1, of)
        self._progress(self._done + share, self._total)


def _refuse_occupied(target: Path) -> None:
    try:
        found = next(iter(sorted(target.iterdir())), None)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BackupError(
            f"{target} cannot be made a data directory: {error.strerror}; name another one"
        ) from error
    if found is not None:
        raise BackupError(f"{target} is not empty ({found.name}); name an empty or a new directory")


def _need_room(target: Path, size: int) -> None:
    free = host.free_bytes(target)
    if free < size:
        raise BackupError(
            f"the disk of {target} is full: {free} bytes are free and {size} are needed; "
            "free some space, or name a directory elsewhere"
        )


@contextmanager
def _sentences(target: Path) -> Iterator[None]:
    try:
        yield
    except (lmdb.Error, OSError) as error:
        with suppress(OSError):
            _need_room(target, 16 << 20)  # LMDB tells a short write on a full disk as an I/O error
        raise BackupError(
            f"{target} cannot be written: {error}; check its disk, or name a directory elsewhere"
        ) from error


def _remove(target: Path, *, fresh: bool) -> None:
    for name in (DATA, "lock.mdb", "journal.json", "journal.json.new", "LOCK"):
        with suppress(OSError):
            (target / name).unlink(missing_ok=True)
    if fresh:
        with suppress(OSError):
            target.rmdir()


# -- value by value ------------------------------------------------------------------------------


def _kept(database: bytes, item: Item) -> Item | None:
    return None if database == b"meta" and item[0] == b"probe" else item


def _renewed(directory_id: str) -> Change:
    def change(database: bytes, item: Item) -> Item | None:
        key, value = item
        if database == b"meta" and key == b"id":
            return key, directory_id.encode()
        if database == b"streams" and is_row_key(key):
            return key, _with_new_epoch(value)
        return _kept(database, item)

    return change


def _with_new_epoch(value: bytes) -> bytes:
    try:
        row = decode_row(b"", value)
    except DamagedError:
        return value
    epoch = row.header.epoch
    while epoch == row.header.epoch:
        epoch = host.RANDOM.randrange(1, EPOCH_LIMIT)
    return encode_row(row._replace(header=row.header._replace(epoch=epoch)))


def _rewrite(source: Path, target: Path, change: Change, progress: _Told | None) -> None:
    """Write what an environment holds into a new one, synced."""
    options: dict[str, Any] = {
        "map_size": MAP_BYTES,
        "max_dbs": len(DATABASES) + 2,
        "subdir": False,
        "lock": False,
        "lib_version": 0,
    }
    old = lmdb.open(str(source), readonly=True, **options)
    try:
        new = lmdb.open(str(target), sync=False, mode=0o600, **options)
        try:
            _copy_all(old, new, change, progress)
            new.sync(True)
        finally:
            new.close()
    finally:
        old.close()
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    host.sync_directory(target.parent)


def _copy_all(
    old: lmdb.Environment, new: lmdb.Environment, change: Change, progress: _Told | None
) -> None:
    with old.begin() as txn:
        sources = {name: old.open_db(name, txn=txn, create=False) for name in DATABASES}
        total = sum(txn.stat(database)["entries"] for database in sources.values())
        done = 0
        for name, source in sources.items():
            target = new.open_db(name)
            writing = new.begin(write=True)
            try:
                for number, group in enumerate(_groups(name, txn.cursor(source), change)):
                    writing.cursor(target).putmulti(group, append=True)
                    done += len(group)
                    if progress is not None:
                        progress(done, total)
                    if number % COMMIT_GROUPS == COMMIT_GROUPS - 1:
                        writing.commit()
                        writing = new.begin(write=True)
                writing.commit()
            except BaseException:
                writing.abort()
                raise


def _groups(name: bytes, cursor: Any, change: Change) -> Iterator[list[Item]]:
    group: list[Item] = []
    volume = 0
    for item in cursor:
        changed = change(name, item)
        if changed is None:
            continue
        group.append(changed)
        volume += len(changed[0]) + len(changed[1])
        if volume > GROUP_BYTES or len(group) == GROUP_COUNT:
            yield group
            group, volume = [], 0
    yield group
