"""The checker finds nothing in a sound journal, and names each thing that was damaged by hand."""

from __future__ import annotations

import json
import subprocess
import sys

import hypothesis.strategies as st
import lmdb
import pytest
import trio
from hypothesis import given

from storage import Append, DirectoryError, Finding, backup, check, open_lmdb, restore, slot_of
from storage.lmdb_check import header_faults
from storage.rows import (
    NO_ROW,
    batch_time,
    chunk_key,
    decode_row,
    encode_batches,
    encode_id,
    encode_row,
    pending_key,
    record_key,
    row_key,
)
from storage.rules import Header
from tests.storage.test_backup import Writers
from tests.storage.test_disk import ENVIRONMENT

STATE = b"state" * 2000  # three chunks


def quiet(path):
    return open_lmdb(path, reserve_bytes=0, ballast_bytes=0)


async def make(path) -> None:
    """Ids 1 and 2: "s" (records 3 to 8, snapshot 4, pending from 6) and "t" (nothing open)."""
    async with quiet(path) as journal:
        await journal.append("s", 0, b"1", b"2")
        await journal.append("s", 2, b"3" * 1500, b"4" * 1500, b"5")
        await journal.append("s", 5, b"6", pending=True)
        await journal.append("s", 6, b"7", b"8" * 3000, pending=True)
        await journal.snapshot("s", 4, STATE)
        await journal.truncate("s", 2)
        await journal.append("t", 0, b"1", b"2")


@pytest.fixture
def path(tmp_path):
    trio.run(make, tmp_path / "journal")
    return tmp_path / "journal"


class Damage:
    """Changes an environment by hand."""

    def __init__(self, txn, databases) -> None:
        self.txn = txn
        self.databases = databases

    def put(self, name, key, value) -> None:
        self.txn.put(key, value, db=self.databases[name])

    def delete(self, name, key) -> None:
        assert self.txn.delete(key, db=self.databases[name]), "nothing was damaged"

    def get(self, name, key):
        return self.txn.get(key, db=self.databases[name])

    def row(self, stream_id, **changes) -> None:
        key = row_key(stream_id)
        row = decode_row(b"", self.get("streams", key))
        own = {
            field: changes.pop(field)
            for field in ("id", "swept", "snapshot_size")
            if field in changes
        }
        row = row._replace(header=row.header._replace(**changes), **own)
        self.put("streams", key, encode_row(row))

    def batch(self, stream_id, last, records, time_ms=None) -> None:
        first = last - len(records) + 1
        for key, value in encode_batches(stream_id, first, records, time_ms or 1):
            self.put("streams", key, value)


def damage(path, change) -> None:
    environment = lmdb.open(str(path), max_dbs=9)
    with environment.begin(write=True) as txn:
        names = ("meta", "names", "streams", "snapshots", "pending", "sweep")
        change(Damage(txn, {name: environment.open_db(name.encode(), txn=txn) for name in names}))
    environment.close()


def found(path):
    return [(finding.stream, finding.what, finding.severity) for finding in check(path)]


# -- what is sound -------------------------------------------------------------------------------


async def test_nothing_is_found_in_a_journal_of_any_history_its_backup_and_its_restore(tmp_path):
    async with quiet(tmp_path / "journal") as journal, trio.open_nursery() as nursery:
        writers = Writers(journal)
        for number in range(12):
            nursery.start_soon(writers.write, f"s{number}")
        await writers.reach(80)
        writers.stop = True
        await backup(journal, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "fresh")
    for name in ("journal", "backup", "fresh"):
        before = sorted((p.name, p.stat().st_mtime_ns) for p in (tmp_path / name).iterdir())
        assert found(tmp_path / name) == []
        assert before == sorted((p.name, p.stat().st_mtime_ns) for p in (tmp_path / name).iterdir())


def test_nothing_is_found_in_the_journal_that_the_damages_are_done_to(path):
    assert found(path) == []


async def test_truncated_records_that_a_sweep_still_knows_of_are_no_finding(tmp_path):
    count = 600
    async with quiet(tmp_path) as journal:
        for number in range(count):
            journal.submit(Append("s", number, (b"x",)), lambda _: None)
        await journal.snapshot("s", count, b"")
        journal._committer.tidy = lambda: False
        await journal.truncate("s", count)
        assert journal._committer.store.must_sweep
    assert found(tmp_path) == []
    damage(tmp_path, lambda d: d.delete("sweep", encode_id(1)))
    assert found(tmp_path) == [("s", "its truncated records will never be removed", "warning")]


def test_progress_counts_up_to_all_entries(path):
    told = []
    list(check(path, progress=lambda *told_: told.append(told_)))
    assert told[-1][0] == told[-1][1] > 8


def time_of(d, stream_id, last):
    return batch_time(d.get("streams", record_key(stream_id, last)))


# -- what is damaged -----------------------------------------------------------------------------

PENDING = pending_key(slot_of("s"), b"s")
OTHER_SLOT = (slot_of("s") + 1) % 4096

DAMAGES = {
    "a row": (
        lambda d: d.put("streams", row_key(1), b"no row"),
        ("s", "its header is damaged or missing", "error"),
    ),
    "no row": (
        lambda d: d.delete("streams", row_key(1)),
        ("s", "its header is damaged or missing", "error"),
    ),
    "another's row": (
        lambda d: d.row(2, id=7),
        ("t", "its header is that of stream id 7, not of 2", "error"),
    ),
    "a batch": (
        lambda d: d.put(
            "streams", record_key(1, 5), d.get("streams", record_key(1, 5))[:-1] + b"?"
        ),
        ("s", "records up to 5 are damaged", "error"),
    ),
    "a batch less": (
        lambda d: d.delete("streams", record_key(1, 5)),
        ("s", "records 4 to 5 are missing", "error"),
    ),
    "the first batch less": (
        lambda d: d.delete("streams", record_key(1, 3)),
        ("s", "records 3 to 3 are missing", "error"),
    ),
    "the last batch less": (
        lambda d: d.delete("streams", record_key(2, 2)),
        ("t", "records 1 to 2 are missing", "error"),
    ),
    "a batch more": (
        lambda d: d.batch(2, 4, [b"3", b"4"]),
        ("t", "there are records up to 4, above its 2", "error"),
    ),
    "a batch twice": (
        lambda d: d.batch(1, 6, [b"4", b"5", b"6"], time_of(d, 1, 6)),
        ("s", "records 4 to 5 are there twice", "error"),
    ),
    "a truncated batch": (
        lambda d: d.batch(1, 2, [b"1", b"2"]),
        ("s", "truncated records up to 2 still take room", "warning"),
    ),
    "the time of the oldest open record": (
        lambda d: d.batch(1, 6, [b"6"], 77),
        ("s", "it is pending since another time than its oldest open record", "error"),
    ),
    "a chunk": (
        lambda d: d.put("snapshots", chunk_key(1, 1), b"?" * 4080),
        ("s", "its snapshot is damaged or cut short", "error"),
    ),
    "a chunk less": (
        lambda d: d.delete("snapshots", chunk_key(1, 2)),
        ("s", "its snapshot is damaged or cut short", "error"),
    ),
    "a chunk more": (
        lambda d: d.put("snapshots", chunk_key(1, 3), b"old"),
        ("s", "1 parts of an older snapshot still take room", "warning"),
    ),
    "a chunk of none": (
        lambda d: d.put("snapshots", chunk_key(2, 0), b"old"),
        ("t", "1 parts of an older snapshot still take room", "warning"),
    ),
    "the index less": (
        lambda d: d.delete("pending", PENDING),
        ("s", "it is pending, and not in the index by which its work is found", "error"),
    ),
    "the index's time": (
        lambda d: d.put("pending", PENDING, encode_id(9)),
        ("s", "the pending index has another time than its header", "error"),
    ),
    "the index more": (
        lambda d: d.put("pending", pending_key(slot_of("t"), b"t"), encode_id(9)),
        ("t", "nothing of it is open, and yet it is in the pending index", "error"),
    ),
    "the index in another slot": (
        lambda d: d.put("pending", pending_key(OTHER_SLOT, b"s"), encode_id(9)),
        (
            "s",
            f"the pending index has it in slot {OTHER_SLOT}, its slot is {slot_of('s')}",
            "error",
        ),
    ),
    "the index of no stream": (
        lambda d: d.put("pending", pending_key(5, b"nobody"), encode_id(9)),
        ("nobody", "the pending index names it, and there is no such stream", "error"),
    ),
    "a name": (
        lambda d: (d.delete("names", b"t"), d.put("names", b"\xff", encode_id(2))),
        ("\\xff", "a stream's name is not UTF-8", "error"),
    ),
    "a name with NUL": (
        lambda d: (d.delete("names", b"t"), d.put("names", b"a\0", encode_id(2))),
        ("a\0", "a stream's name holds a NUL character; leave it out", "error"),
    ),
    "an id": (
        lambda d: d.put("names", b"t", b"x"),
        ("t", "its id is no number: b'x'", "error"),
    ),
    "a name less": (
        lambda d: (d.delete("names", b"t"), d.put("meta", b"next_id", b"2")),
        (None, "streams of id 2 belong to no stream", "error"),
    ),
    "a snapshot of no stream": (
        lambda d: d.put("snapshots", chunk_key(9, 0), b"x"),
        (None, "snapshots of id 9 belong to no stream", "error"),
    ),
    "a key": (
        lambda d: d.put("streams", b"odd", b"x"),
        (None, "streams has a key that is none: b'odd'", "error"),
    ),
    "a sweep": (
        lambda d: d.put("sweep", encode_id(5), b"t"),
        ("t", "a sweep names it by an id that is not its", "warning"),
    ),
    "swept": (
        lambda d: d.row(2, swept=4),
        ("t", "it is swept up to 4, above what is truncated", "error"),
    ),
    "the next id": (
        lambda d: d.put("meta", b"next_id", b"2"),
        (None, "the next stream would get id 2, with 2 streams there", "error"),
    ),
    "the number of slots": (
        lambda d: d.put("meta", b"slots", b"x"),
        (None, "'slots' of the directory is no number: b'x'", "error"),
    ),
    "the id of the directory": (
        lambda d: d.put("meta", b"id", b"another"),
        (None, "format or id in the data are not those told beside it", "error"),
    ),
    "epoch": (
        lambda d: d.row(2, epoch=0),
        ("t", "its epoch 0 is not in 1 to 2**53 - 1", "error"),
    ),
    "epoch too high": (
        lambda d: d.row(2, epoch=1 << 53),
        ("t", f"its epoch {1 << 53} is not in 1 to 2**53 - 1", "error"),
    ),
    "settled": (
        lambda d: d.row(2, settled=3),
        ("t", "it is settled up to 3, above its version 2", "error"),
    ),
    "settled below": (
        lambda d: d.row(2, settled=1),
        ("t", "nothing is open, and yet it is settled up to 1 only, not 2", "error"),
    ),
    "the snapshot's version": (
        lambda d: d.row(1, snapshot_version=9),
        ("s", "its snapshot is of 9, above its version 8", "error"),
    ),
    "the truncation": (
        lambda d: d.row(1, snapshot_version=1),
        ("s", "it is truncated up to 2, above its snapshot of 1", "error"),
    ),
    "the snapshot's size": (
        lambda d: d.row(1, snapshot_size=20_000),
        ("s", "its snapshot is damaged or cut short", "error"),
    ),
    "obligations": (
        lambda d: d.row(1, obliged=9),
        ("s", "obligations are open up to 9, outside of 6 to 8", "error"),
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_each_damage_is_named(path, what):
    change, finding = DAMAGES[what]
    damage(path, change)
    assert finding in found(path)


def test_a_damage_of_one_stream_is_no_finding_about_another(path):
    damage(path, DAMAGES["a batch"][0])
    assert found(path) == [DAMAGES["a batch"][1]]


def test_two_names_of_one_id_are_named_once(path):
    damage(path, lambda d: (d.put("names", b"u", encode_id(2)), d.put("meta", b"next_id", b"4")))
    assert found(path) == [("u", "its id 2 is another stream's too", "error")]


def test_a_missing_database_and_an_unknown_one_are_named(path):
    environment = lmdb.open(str(path), max_dbs=9)
    with environment.begin(write=True) as txn:
        txn.drop(environment.open_db(b"sweep", txn=txn))
        environment.open_db(b"diary", txn=txn)
    environment.close()
    assert found(path) == [
        (None, "there is no database 'sweep'", "error"),
        (None, "there is a database 'diary' that nobody knows", "warning"),
    ]


headers = st.builds(Header, *[st.integers(0, 3)] * 7)


@given(headers)
def test_a_header_of_which_no_fault_is_told_fits_together(header):
    epoch, version, first, settled, obliged, since_ms, snapshot_version = header
    if not list(header_faults(header)):
        assert 1 <= first <= version + 1
        assert first - 1 <= min(settled, snapshot_version)
        assert max(settled, snapshot_version, obliged) <= version
        assert bool(obliged) == (settled < version)
        assert epoch
        assert since_ms or not obliged


def test_headers_that_writes_make_have_no_fault_and_an_absent_one_has():
    assert not list(header_faults(Header(5, 3, 1, 3, 0, 0, 0)))
    assert not list(header_faults(Header(5, 3, 4, 3, 0, 0, 3)))
    assert not list(header_faults(Header(5, 3, 2, 1, 2, 99, 1)))
    assert list(header_faults(NO_ROW.header))


# -- the file, the directory, a backup -----------------------------------------------------------


def pages(path, change) -> None:
    data = bytearray((path / "data.mdb").read_bytes())
    change(data)
    (path / "data.mdb").write_bytes(data)


def spoil_pages(data) -> None:
    for page in range(2, len(data) // 4096):
        data[page * 4096 + 10] ^= 0xFF


@pytest.mark.parametrize("how", ["cut", "head", "pages"])
def test_a_file_that_lmdb_would_crash_on_is_named_and_never_opened(path, how, monkeypatch):
    if how == "cut":
        pages(path, lambda data: data.__delitem__(slice(len(data) * 6 // 10, None)))
    elif how == "head":
        pages(path, lambda data: data.__setitem__(slice(0, 8192), bytes(8192)))
    else:
        pages(path, spoil_pages)
    monkeypatch.setattr("lmdb.open", None)
    findings = list(check(path))
    assert {finding.severity for finding in findings} == {"error"}
    assert all(finding.what.startswith(f"{path}/data.mdb") for finding in findings)
    assert 1 <= len(findings) <= 101


def refusal(path):
    with pytest.raises(DirectoryError) as caught:
        list(check(path))
    return str(caught.value).replace(str(path), "DIR")


async def test_a_directory_in_use_is_refused_and_its_backup_is_not(path, tmp_path):
    async with quiet(path) as journal:
        assert refusal(path) == (
            "DIR is in use by another process; stop that one, or check a backup of it"
        )
        await backup(journal, tmp_path / "backup")
        assert found(tmp_path / "backup") == []


def test_a_directory_is_locked_while_it_is_checked(path):
    async def opened() -> None:
        async with quiet(path):
            pass

    damage(path, DAMAGES["a batch"][0])
    findings = check(path)
    assert isinstance(next(findings), Finding)
    with pytest.raises(DirectoryError, match="is in use by another process"):
        trio.run(opened)
    findings.close()
    trio.run(opened)


def test_what_is_no_journal_is_refused_and_nothing_is_made(path, tmp_path):
    for other in (tmp_path, tmp_path / "absent"):
        assert refusal(other) == "DIR holds neither a journal nor a backup; name one that does"
    assert not (tmp_path / "absent").exists()
    marker = path / "journal.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"complete": False}))
    assert "was never finished and holds nothing" in refusal(path)


CHECKSUM = "its checksum is not the one in the manifest"


async def test_a_damaged_backup_is_named_as_one(path, tmp_path):
    copy = tmp_path / "backup"
    async with quiet(path) as journal:
        await backup(journal, copy)
    pages(
        copy,
        lambda data: data.__setitem__(
            slice(data.index(b"3" * 99), data.index(b"3" * 99) + 1), b"?"
        ),
    )
    assert found(copy) == [
        (
            None,
            f"{copy}/data.mdb is damaged: {CHECKSUM}; use another backup",
            "error",
        ),
        ("s", "records up to 3 are damaged", "error"),
    ]
    (copy / "backup.json").write_text("{")
    assert found(copy) == [(None, f"{copy}/backup.json is damaged; use another backup", "error")]


def test_memory_does_not_grow_with_the_number_of_records(tmp_path):
    script = (
        "import re, sys, storage\n"
        "def anonymous():\n"
        "    with open('/proc/self/status') as file:\n"
        "        return int(re.search(r'RssAnon:\\s+(\\d+)', file.read())[1])\n"
        "list(storage.check(sys.argv[1]))\n"
        "before = anonymous()\n"
        "most = 0\n"
        "def progress(*_):\n"
        "    global most\n"
        "    most = max(most, anonymous())\n"
        "assert list(storage.check(sys.argv[2], progress=progress)) == []\n"
        "print(most - before)\n"
    )

    async def fill(path, count) -> None:
        async with quiet(path) as journal:
            for version in range(0, count, 4000):
                await journal.append("s", version, *(b"r" * 20,) * 4000)

    trio.run(fill, tmp_path / "small", 4000)
    trio.run(fill, tmp_path / "large", 400_000)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "small"), str(tmp_path / "large")],
        env=ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) < 2000, "kB of its own for 400,000 records more"
