"""Opening the environment of a data directory: made new, finished, upgraded, or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import lmdb

from storage import host
from storage.directory import FORMAT, Directory, DirectoryError, Marker, check_data_file
from storage.lmdb_store import LmdbStore
from storage.names import SLOTS
from storage.rows import DamagedError

DAMAGE = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.VersionMismatchError,
    DamagedError,
    ValueError,
)

Upgrade = Callable[[LmdbStore], None]

UPGRADES: Mapping[int, Upgrade] = {1: lambda store: store.set_format(2)}
"""From a format to the next: each writes the new format number in its own last transaction."""


def open_store(directory: Directory, new_epoch: Callable[[], int]) -> LmdbStore:
    """The open environment, of the current format; raises `DirectoryError`."""
    try:
        return _open_store(directory, new_epoch)
    except DAMAGE as error:
        raise DirectoryError(
            f"{directory.path} is damaged: {error}; restore it from a backup"
        ) from error
    except (lmdb.Error, OSError) as error:
        raise DirectoryError(
            f"{directory.path} cannot be opened: {error}; make room and make it writable, "
            "or name another directory"
        ) from error


def _open_store(directory: Directory, new_epoch: Callable[[], int]) -> LmdbStore:
    marker = directory.read_marker()
    if marker is None:
        marker = Marker(FORMAT, f"{host.RANDOM.getrandbits(128):032x}", complete=False)
        directory.write_marker(marker)
    if marker.complete:
        check_data_file(directory.path)
    else:
        directory.forget_data()
    directory.forget_compaction()
    store = LmdbStore(directory.path, new_epoch)
    try:
        _bring_up(directory, marker, store)
    except BaseException:
        store.close()
        raise
    return store


def _bring_up(directory: Directory, marker: Marker, store: LmdbStore) -> None:
    if not marker.complete:
        store.initialize(format=FORMAT, slots=SLOTS, directory_id=marker.id)
        marker.complete = True
        directory.write_marker(marker)
    if store.id != marker.id or not 1 <= store.slots <= 1 << 16 or not store.format:
        raise DirectoryError(
            f"{directory.path}/data.mdb is not the one that journal.json describes; "
            "restore the directory as a whole from a backup"
        )
    if store.format > FORMAT:
        raise DirectoryError(
            f"{directory.path} has format {store.format}, this version knows formats up to "
            f"{FORMAT}; use the newer version that wrote it"
        )
    while store.format < FORMAT:
        upgrade = UPGRADES.get(store.format)
        if upgrade is None:
            raise DirectoryError(
                f"{directory.path} has format {store.format}, which this version can no longer "
                "upgrade; open it once with an older version"
            )
        upgrade(store)
    if marker.format != FORMAT:
        marker.format = FORMAT
        directory.write_marker(marker)
