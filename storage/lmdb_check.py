"""Checks a data directory, or a backup, against what the journal promises, and changes nothing.

`check` yields what it finds, in this order, and holds none of it: its memory does not grow with the
journal, but for two bytes a page of the file while pages are looked at, and a bit a stream.

1. The file: begins as it should and has not been cut; every page, as `lmdb.verify` knows them (key
   order, counters, each page reachable once or free). Of a backup also size and checksum. After a
   finding here the rest is left out: LMDB might crash on such a file.
2. The directory: format, number of slots and id, as journal.json has them; ids given out densely.
3. Each stream, by name: a valid name; a header that is whole, with an epoch in 1 .. 2**53 - 1,
   truncated up to no more than what is settled and in the snapshot, and neither above the version;
   obligations only above what is settled; records with numbers dense from ``first`` to ``version``,
   each batch whole; a snapshot of the size and checksum that the header says; an entry in the index
   of pending work, in the right slot and with the right time, if obligations are open, and none
   otherwise; no bytes of truncated records but those that a sweep still knows of.
4. What no stream owns: records, snapshots, index entries and sweeps without a name.

``error``: something is lost, unreadable, or would be done wrong. ``warning``: it takes room, and
does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zlib import crc32

import lmdb

from storage import host
from storage.backup_manifest import (
    DATA,
    MANIFEST,
    BackupError,
    Progress,
    read_manifest,
    verify_backup,
)
from storage.directory import DirectoryError, check_data_file, page_problems, read_marker
from storage.lmdb_store import DATABASES, MAP_BYTES
from storage.names import name_fault, slot_of
from storage.operations import EPOCH_LIMIT
from storage.rows import (
    CHUNK_BYTES,
    DamagedError,
    Row,
    batch_time,
    chunk_count,
    chunk_key,
    decode_batch,
    decode_id,
    decode_row,
    is_row_key,
    pending_key,
    record_key,
    row_key,
    split_key,
)
from storage.rules import Header

MAX_PAGE_FINDINGS = 100
PROGRESS_EVERY = 4096
KEY_BYTES = 16

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. ``stream`` is None for what is not one stream's."""

    stream: str | None
    what: str
    severity: Severity = "error"


def check(path: str | Path, *, progress: Progress | None = None) -> Iterator[Finding]:
    """What is wrong with a data directory that nobody has open, or with a backup.

    Nothing is written; the directory is locked until the iterator ends or is closed. ``progress``
    is told the entries looked at and those that there are. Raises `storage.DirectoryError`, a
    sentence, with the first step: the directory is in use (check a backup of it instead), is
    neither of the two, or of a newer format.
    """
    place = Path(path)
    if (place / MANIFEST).exists():
        yield from _check_backup(place, progress)
        return
    marker = read_marker(place)
    if marker is None:
        raise DirectoryError(f"{place} holds neither a journal nor a backup; name one that does")
    if not marker.complete:
        raise DirectoryError(f"{place} was never finished and holds nothing; open it once")
    with _locked(place):
        yield from _check_data(place, (marker.format, marker.id), progress)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    try:
        lock = host.lock_existing(place / "LOCK")
    except FileNotFoundError:  # whoever opens a directory makes it: nobody has
        yield
        return
    except OSError as error:
        raise DirectoryError(
            f"{place} cannot be locked: {error.strerror}; make it readable for this user"
        ) from error
    if lock is None:
        raise DirectoryError(
            f"{place} is in use by another process; stop that one, or check a backup of it"
        )
    try:
        yield
    finally:
        host.unlock(lock)


def _check_backup(place: Path, progress: Progress | None) -> Iterator[Finding]:
    try:
        backup = read_manifest(place)
    except BackupError as error:
        yield Finding(None, str(error))
        return
    try:
        verify_backup(place)
    except BackupError as error:
        yield Finding(None, str(error))
    yield from _check_data(place, (backup.format, backup.journal), progress)


def _check_data(place: Path, told: tuple[int, str], progress: Progress | None) -> Iterator[Finding]:
    pages = list(_page_findings(place))
    yield from pages
    if pages:
        return
    environment = lmdb.open(
        str(place / DATA),
        map_size=MAP_BYTES,
        max_dbs=len(DATABASES) + 2,
        readonly=True,
        subdir=False,
        lock=False,
        lib_version=0,
    )
    try:
        with environment.begin() as txn:
            yield from _Check(environment, txn, progress).findings(told)
    except lmdb.Error as error:
        yield Finding(None, f"{place / DATA} cannot be read: {error}; restore it from a backup")
    finally:
        environment.close()


def _page_findings(place: Path) -> Iterator[Finding]:
    try:
        check_data_file(place)
        problems = page_problems(place / DATA)
    except DirectoryError as error:
        problems = [str(error)]
    for problem in problems[:MAX_PAGE_FINDINGS]:
        yield Finding(None, f"{place / DATA}: {problem}")
    left = len(problems) - MAX_PAGE_FINDINGS
    if left > 0:
        yield Finding(None, f"{place / DATA} has {left} more such faults; restore it from a backup")


class _Ids:
    """A set of stream ids: a bit for each that was given out."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._bits = bytearray((count >> 3) + 1)
        self._beyond: set[int] = set()

    def add(self, number: int) -> bool:
        """Whether it is new."""
        if not 1 <= number <= self._count:
            new = number not in self._beyond
            self._beyond.add(number)
            return new
        mask = 1 << (number & 7)
        new = not self._bits[number >> 3] & mask
        self._bits[number >> 3] |= mask
        return new

    def __contains__(self, number: int) -> bool:
        if not 1 <= number <= self._count:
            return number in self._beyond
        return bool(self._bits[number >> 3] & 1 << (number & 7))


class _Stream(NamedTuple):
    name: bytes
    shown: str
    id: int
    row: Row


class _Check:
    def __init__(self, environment: lmdb.Environment, txn: Any, progress: Progress | None) -> None:
        self._environment = environment
        self._txn = txn
        self._progress = progress
        self._done = 0
        self._total = 0
        self._databases: dict[bytes, Any] = {}
        self._slots = 1

    def findings(self, told: tuple[int, str]) -> Iterator[Finding]:
        yield from self._open_databases()
        if len(self._databases) < len(DATABASES):
            return
        counts = {name: self._txn.stat(db)["entries"] for name, db in self._databases.items()}
        self._total = sum(counts.values()) - counts[b"meta"]
        self._ids = _Ids(counts[b"names"])
        yield from self._check_meta(told, counts[b"names"])
        for name, value in self._cursor(b"names"):
            yield from self._check_name(name, value)
        yield from self._orphans(b"streams")
        yield from self._orphans(b"snapshots")
        yield from self._check_index()
        yield from self._check_sweeps()
        if self._progress is not None:
            self._progress(self._total, self._total)

    def _cursor(self, name: bytes) -> Any:
        return self._txn.cursor(self._databases[name])

    def _step(self) -> None:
        self._done += 1
        if self._progress is not None and self._done % PROGRESS_EVERY == 0:
            self._progress(min(self._done, self._total), self._total)

    def _open_databases(self) -> Iterator[Finding]:
        main = self._environment.open_db(None, txn=self._txn)
        found = {bytes(key) for key, _ in self._txn.cursor(main)}
        for name in DATABASES:
            if name in found:
                self._databases[name] = self._environment.open_db(name, txn=self._txn, create=False)
            else:
                yield Finding(None, f"there is no database {name.decode()!r}")
        for name in sorted(found.difference(DATABASES)):
            shown = name.decode(errors="replace")
            yield Finding(None, f"there is a database {shown!r} that nobody knows", "warning")

    def _check_meta(self, told: tuple[int, str], names: int) -> Iterator[Finding]:
        meta = dict(self._cursor(b"meta"))
        numbers = {}
        for key in (b"format", b"slots", b"next_id"):
            text = meta.get(key, b"1" if key == b"next_id" else b"")
            if not text.isdigit():
                yield Finding(None, f"{key.decode()!r} of the directory is no number: {text!r}")
            numbers[key] = int(text) if text.isdigit() else 0
        if (numbers[b"format"], meta.get(b"id", b"").decode(errors="replace")) != told:
            yield Finding(None, "format or id in the data are not those told beside it")
        self._slots = numbers[b"slots"]
        if not 1 <= self._slots <= 1 << 16:
            yield Finding(None, f"a journal has 1 to 65536 slots, this one has {self._slots}")
            self._slots = 1
        if numbers[b"next_id"] != names + 1:
            yield Finding(
                None,
                f"the next stream would get id {numbers[b'next_id']}, with {names} streams there",
            )

    # -- one stream -------------------------------------------------------------------------------

    def _check_name(self, name: bytes, value: bytes) -> Iterator[Finding]:
        self._step()
        shown = name.decode(errors="backslashreplace")
        fault = name_fault(shown) if shown.encode() == name else "a stream's name is not UTF-8"
        if fault is not None:
            yield Finding(shown, fault)
        stream_id = decode_id(value)
        if len(value) != 8 or not stream_id:
            yield Finding(shown, f"its id is no number: {value!r}")
            return
        if not self._ids.add(stream_id):
            yield Finding(shown, f"its id {stream_id} is another stream's too")
            return
        try:
            row = decode_row(
                name, self._txn.get(row_key(stream_id), db=self._databases[b"streams"])
            )
        except DamagedError:
            yield Finding(shown, "its header is damaged or missing")
            return
        stream = _Stream(name, shown, stream_id, row)
        for what in header_faults(row.header):
            yield Finding(shown, what)
        if row.id != stream_id:
            yield Finding(shown, f"its header is that of stream id {row.id}, not of {stream_id}")
        yield from self._check_records(stream)
        yield from self._check_snapshot(stream)
        yield from self._check_pending(stream)
        yield from self._check_swept(stream)

    def _check_records(self, stream: _Stream) -> Iterator[Finding]:
        """Batches in order; ``expected`` is the number that has to come next."""
        header = stream.row.header
        expected = header.first
        for key, value in self._values(b"streams", stream.id):
            last = split_key(key)[1]
            if is_row_key(key):
                break
            try:
                begin, records = decode_batch(key, value)
            except DamagedError:
                yield Finding(stream.shown, f"records up to {last} are damaged")
                expected = max(expected, last + 1)
                continue
            if last < header.first:
                yield from self._below(stream, last)
                continue
            if begin > expected:
                yield Finding(stream.shown, f"records {expected} to {begin - 1} are missing")
            elif begin < expected and expected > header.first:
                yield Finding(stream.shown, f"records {begin} to {expected - 1} are there twice")
            if len(records) != last - begin + 1:
                yield Finding(stream.shown, f"records up to {last} are cut short")
            yield from self._check_time(stream, begin, last, batch_time(value))
            expected = last + 1
        if expected <= header.version:
            yield Finding(stream.shown, f"records {expected} to {header.version} are missing")
        elif expected > header.version + 1:
            yield Finding(
                stream.shown, f"there are records up to {expected - 1}, above its {header.version}"
            )

    def _below(self, stream: _Stream, last: int) -> Iterator[Finding]:
        if last < stream.row.swept:
            yield Finding(
                stream.shown, f"truncated records up to {last} still take room", "warning"
            )

    def _check_time(
        self, stream: _Stream, begin: int, last: int, time_ms: int
    ) -> Iterator[Finding]:
        header = stream.row.header
        if header.obliged and begin <= header.settled + 1 <= last and header.since_ms != time_ms:
            yield Finding(
                stream.shown, "it is pending since another time than its oldest open record"
            )

    def _check_snapshot(self, stream: _Stream) -> Iterator[Finding]:
        size = stream.row.snapshot_size if stream.row.header.snapshot_version else 0
        count = chunk_count(size)
        crc = index = extra = 0
        for key, value in self._values(b"snapshots", stream.id):
            if index < count and key == chunk_key(stream.id, index):
                crc = crc32(value[: size - index * CHUNK_BYTES], crc)
                index += 1
            else:
                extra += 1
        if index < count or (count and crc != stream.row.snapshot_crc):
            yield Finding(stream.shown, "its snapshot is damaged or cut short")
        if extra:
            yield Finding(
                stream.shown, f"{extra} parts of an older snapshot still take room", "warning"
            )

    def _check_pending(self, stream: _Stream) -> Iterator[Finding]:
        header = stream.row.header
        key = pending_key(slot_of(stream.shown, self._slots), stream.name)
        since = self._txn.get(key, db=self._databases[b"pending"])
        if header.obliged and since is None:
            yield Finding(
                stream.shown, "it is pending, and not in the index by which its work is found"
            )
        elif since is not None and not header.obliged:
            yield Finding(stream.shown, "nothing of it is open, and yet it is in the pending index")
        elif since is not None and decode_id(since) != header.since_ms:
            yield Finding(stream.shown, "the pending index has another time than its header")

    def _check_swept(self, stream: _Stream) -> Iterator[Finding]:
        row = stream.row
        known = self._txn.get(row_key(stream.id)[:8], db=self._databases[b"sweep"])
        if not 1 <= row.swept <= row.header.first:
            yield Finding(stream.shown, f"it is swept up to {row.swept}, above what is truncated")
        elif row.swept < row.header.first and known is None:
            yield Finding(stream.shown, "its truncated records will never be removed", "warning")

    def _values(self, name: bytes, stream_id: int) -> Iterator[tuple[bytes, bytes]]:
        cursor = self._cursor(name)
        found = cursor.set_range(record_key(stream_id, 0))
        while found:
            key, value = cursor.item()
            if key[:8] != row_key(stream_id)[:8]:
                return
            self._step()
            if len(key) == KEY_BYTES:
                yield key, value
            found = cursor.next()

    # -- what no stream owns ----------------------------------------------------------------------

    def _orphans(self, name: bytes) -> Iterator[Finding]:
        """One look a stream: from each id straight to the next."""
        cursor = self._cursor(name)
        found = cursor.first()
        while found:
            key = cursor.key()
            if len(key) != KEY_BYTES:
                yield Finding(None, f"{name.decode()} has a key that is none: {key!r}")
                found = cursor.next()
                continue
            stream_id, _ = split_key(key)
            if stream_id not in self._ids:
                yield Finding(None, f"{name.decode()} of id {stream_id} belong to no stream")
            found = cursor.set_range(record_key(stream_id + 1, 0))

    def _check_index(self) -> Iterator[Finding]:
        for key, _ in self._cursor(b"pending"):
            self._step()
            slot, name = int.from_bytes(key[:2], "big"), key[2:]
            shown = name.decode(errors="backslashreplace")
            if self._txn.get(name or b"\0", db=self._databases[b"names"]) is None:
                yield Finding(shown, "the pending index names it, and there is no such stream")
            elif slot != slot_of(shown, self._slots):
                yield Finding(
                    shown,
                    f"the pending index has it in slot {slot}, its slot is "
                    f"{slot_of(shown, self._slots)}",
                )

    def _check_sweeps(self) -> Iterator[Finding]:
        for key, name in self._cursor(b"sweep"):
            self._step()
            shown = name.decode(errors="backslashreplace")
            known = self._txn.get(name or b"\0", db=self._databases[b"names"])
            if known != key:
                yield Finding(shown, "a sweep names it by an id that is not its", "warning")


def header_faults(header: Header) -> Iterator[str]:
    """What cannot be true of one stream, as sentences."""
    epoch, version, first, settled, obliged, since_ms, snapshot_version = header
    if not 1 <= epoch < EPOCH_LIMIT:
        yield f"its epoch {epoch} is not in 1 to 2**53 - 1"
    if version < 1:
        yield "it has a header and never had a record"
    if not 1 <= first <= version + 1:
        yield f"its oldest record is said to be {first}, with {version} its last"
    if settled > version:
        yield f"it is settled up to {settled}, above its version {version}"
    if snapshot_version > version:
        yield f"its snapshot is of {snapshot_version}, above its version {version}"
    if first - 1 > snapshot_version:
        yield f"it is truncated up to {first - 1}, above its snapshot of {snapshot_version}"
    if first - 1 > settled:
        yield f"it is truncated up to {first - 1}, above {settled}, up to where it is settled"
    if obliged:
        if not settled < obliged <= version:
            yield f"obligations are open up to {obliged}, outside of {settled + 1} to {version}"
        if not since_ms:
            yield "it is pending since no time"
    elif settled < version:
        yield f"nothing is open, and yet it is settled up to {settled} only, not {version}"
