"""A restore makes a journal of a whole backup or nothing; a compaction changes nothing but size."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import lmdb
import pytest
import trio
from lmdb import verify

from storage import (
    Appended,
    BackupError,
    DirectoryError,
    backup,
    compact,
    open_lmdb,
    restore,
    verify_backup,
)
from storage.directory import FORMAT
from storage.lmdb_store import DATABASES
from storage.rows import decode_row, is_row_key, row_key
from tests.storage.test_disk import ENVIRONMENT

SECRET = b"what nobody should read any more"


def quiet(path):
    return open_lmdb(path, reserve_bytes=0, ballast_bytes=0)


@pytest.fixture
def copy(tmp_path):
    """A backup of a journal with two streams, of which one is pending."""
    trio.run(make_backup, tmp_path)
    return tmp_path / "backup"


async def make_backup(tmp_path) -> None:
    async with quiet(tmp_path / "journal") as journal:
        await journal.append("s", 0, b"1", b"2" * 5000, b"3", pending=True)
        await journal.append("t", 0, *(b"%d" % number for number in range(3000)))
        await journal.settle("s", 1)
        await journal.snapshot("t", 2500, b"state" * 3000)
        await journal.truncate("t", 1000)
        await backup(journal, tmp_path / "backup")


def items(path):
    """All that an environment holds, by database."""
    environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False, max_dbs=8)
    with environment.begin() as txn:
        found = {
            name: list(txn.cursor(environment.open_db(name, txn=txn, create=False)))
            for name in DATABASES
        }
    environment.close()
    return found


def test_all_but_epochs_and_id_is_value_by_value_what_was_copied(copy, tmp_path):
    told = []
    found = restore(copy, tmp_path / "a" / "fresh", progress=lambda *told_: told.append(told_))
    assert found == verify_backup(copy)
    assert told == sorted(told)
    assert told[-1] == (2 * found.size, 2 * found.size)
    before, after = items(copy / "data.mdb"), items(tmp_path / "a" / "fresh" / "data.mdb")
    for name in (b"names", b"snapshots", b"pending", b"sweep"):
        assert before[name] == after[name]
    assert [item for item in before[b"meta"] if item[0] != b"id"] == [
        item for item in after[b"meta"] if item[0] != b"id"
    ]
    assert len(before[b"streams"]) == len(after[b"streams"]) > 10
    for (key, old), (same, new) in zip(before[b"streams"], after[b"streams"], strict=True):
        assert key == same
        if is_row_key(key):
            rows = decode_row(b"", old), decode_row(b"", new)
            assert rows[0].header.epoch != rows[1].header.epoch
            assert rows[0].header._replace(epoch=0) == rows[1].header._replace(epoch=0)
            assert rows[0]._replace(header=None) == rows[1]._replace(header=None)
        else:
            assert old == new


async def test_an_epoch_is_new_even_if_chance_gives_the_old_one_again(copy, tmp_path, monkeypatch):
    rows = [
        decode_row(b"", value)
        for key, value in items(copy / "data.mdb")[b"streams"]
        if is_row_key(key)
    ]
    old = [row.header.epoch for row in rows]
    drawn = [old[0], old[0], 5, old[1], 6]

    class Chance:
        def randrange(self, *_):
            return drawn.pop(0)

        def getrandbits(self, _):
            return 1

    monkeypatch.setattr("storage.host.RANDOM", Chance())
    restore(copy, tmp_path / "fresh")
    async with quiet(tmp_path / "fresh") as journal:
        infos = (await journal.describe("s", "t")).streams
        assert [info.epoch for info in infos] == [5, 6]


async def test_a_stream_with_a_damaged_header_is_carried_over_as_damaged(copy, tmp_path):
    async with quiet(tmp_path / "journal") as journal:
        pass
    environment = lmdb.open(str(tmp_path / "journal"), max_dbs=8)
    with environment.begin(write=True) as txn:
        txn.put(row_key(1), b"no row", db=environment.open_db(b"streams", txn=txn))
    environment.close()
    async with quiet(tmp_path / "journal") as journal:
        await backup(journal, tmp_path / "b2")
    restore(tmp_path / "b2", tmp_path / "fresh")
    async with quiet(tmp_path / "fresh") as journal:
        assert (await journal.load("s")).code == "damaged"
        assert (await journal.load("t")).info.version == 3000


def refusal(*arguments, **options):
    with pytest.raises(BackupError) as caught:
        restore(*arguments, **options)
    return str(caught.value)


def test_a_directory_that_is_not_empty_is_refused_and_left_alone(copy, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "photo.jpg").write_bytes(b"jpg")
    assert refusal(copy, tmp_path / "x") == (
        f"{tmp_path}/x is not empty (photo.jpg); name an empty or a new directory"
    )
    assert "is not empty (LOCK)" in refusal(copy, tmp_path / "journal")
    assert "cannot be made a data directory: Not a directory" in refusal(
        copy, tmp_path / "x" / "photo.jpg"
    )
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["photo.jpg"]
    (tmp_path / "empty").mkdir()
    restore(copy, tmp_path / "empty")


def damage_byte(copy):
    data = bytearray((copy / "data.mdb").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "data.mdb").write_bytes(data)


def cut(copy):
    os.truncate(copy / "data.mdb", (copy / "data.mdb").stat().st_size - 4096)


def edit(**changes):
    def apply(copy) -> None:
        manifest = copy / "backup.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))

    return apply


DAMAGES = {
    "its checksum is not the one in the manifest; use another backup": damage_byte,
    "bytes, its manifest says": cut,
    "is no backup, or one that was never finished": lambda copy: (copy / "backup.json").unlink(),
    "data.mdb cannot be read: No such file": lambda copy: (copy / "data.mdb").unlink(),
    "backup.json is damaged; use another backup": lambda copy: (copy / "backup.json").write_text(
        "{"
    ),
    "is something else (diary)": edit(kind="diary"),
    f"has format {FORMAT + 1}, this version knows formats up to {FORMAT}": edit(format=FORMAT + 1),
    "backup.json is damaged": edit(size=None),
}


@pytest.mark.parametrize("sentence", DAMAGES)
def test_a_backup_that_is_not_whole_is_refused_and_nothing_is_made(copy, tmp_path, sentence):
    DAMAGES[sentence](copy)
    assert sentence in refusal(copy, tmp_path / "fresh")
    assert not (tmp_path / "fresh").exists()


def test_a_disk_without_room_is_told_of_and_nothing_is_left(copy, tmp_path, monkeypatch):
    monkeypatch.setattr("storage.host.free_bytes", lambda _: 4096)
    sentence = refusal(copy, tmp_path / "fresh")
    assert sentence.startswith(f"the disk of {tmp_path}/fresh is full: 4096 bytes are free and ")
    assert not (tmp_path / "fresh").exists()
    (tmp_path / "made").mkdir()
    refusal(copy, tmp_path / "made")
    assert list((tmp_path / "made").iterdir()) == []


def test_what_progress_raises_ends_the_restore_and_nothing_is_left(copy, tmp_path):
    for last in (1, 2, 3, 6):
        calls = []

        def stop(done, _, calls=calls, last=last):
            calls.append(done)
            if len(calls) == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            restore(copy, tmp_path / "fresh", progress=stop)
        assert not (tmp_path / "fresh").exists()


def test_a_restore_that_was_killed_leaves_nothing_that_passes_for_a_journal(copy, tmp_path):
    script = (
        "import os, sys, storage\n"
        "from storage.directory import Directory\n"
        "Directory.write_marker = lambda *_: os._exit(9)\n"
        "storage.restore(sys.argv[1], sys.argv[2])\n"
    )
    fresh = tmp_path / "fresh"
    done = subprocess.run(
        [sys.executable, "-c", script, str(copy), str(fresh)], env=ENVIRONMENT, check=False
    )
    assert done.returncode == 9
    assert (fresh / "data.mdb").exists()

    async def opened() -> None:
        async with quiet(fresh):
            pass

    with pytest.raises(DirectoryError, match=r"holds something else .* and no journal"):
        trio.run(opened)
    assert "is not empty" in refusal(copy, fresh)


# -- compaction ----------------------------------------------------------------------------------


@pytest.fixture
async def grown(tmp_path):
    """A journal most of which was truncated or amended; what it holds is read back from it."""
    path = tmp_path / "grown"
    async with quiet(path) as journal:
        for version in range(0, 600, 3):
            await journal.append(
                "s", version, SECRET * 40, SECRET * 100, b"%d" % version, pending=True
            )
        for version in range(600, 1000, 2):
            amend = ((version - 500, b""), (version - 501, b"short"))
            await journal.append("s", version, SECRET, b"", amend=amend)
        await journal.snapshot("s", 900, b"state" * 1000)
        await journal.settle("s", 900)
        await journal.truncate("s", 850)
        numbers = range(851, 1001)
        await journal.append("s", 1000, b"end", amend=tuple((n, b"%d" % n) for n in numbers))
        assert isinstance(await journal.append("t", 0, b"x"), Appended)
    return path


async def everything(path):
    async with quiet(path) as journal:
        return (
            await journal.describe("s", "t"),
            await journal.load("s"),
            await journal.read("s", 1),
            await journal.pending(),
            await journal.scan(),
        )


async def test_a_compaction_keeps_everything_epochs_too_and_frees_what_is_unused(grown):
    before = await everything(grown)
    marker = (grown / "journal.json").read_bytes()
    size = (grown / "data.mdb").stat().st_size
    told = []
    assert SECRET[:8] in (grown / "data.mdb").read_bytes()
    assert compact(grown, progress=lambda *told_: told.append(told_)) == (
        size,
        (grown / "data.mdb").stat().st_size,
    )
    assert SECRET[:8] not in (grown / "data.mdb").read_bytes()
    assert (grown / "data.mdb").stat().st_size < size // 10
    assert told[-1] == (size, size)
    assert verify.verify(str(grown / "data.mdb")) == []
    assert (grown / "journal.json").read_bytes() == marker
    assert await everything(grown) == before
    async with quiet(grown) as journal:
        epoch = before[0].streams[0].epoch
        assert isinstance(await journal.append("s", 1001, b"on", epoch=epoch), Appended)


async def test_a_journal_that_is_open_is_not_compacted(grown, tmp_path):
    async with quiet(grown):
        with pytest.raises(DirectoryError, match="is in use by another process"):
            compact(grown)
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DirectoryError, match="holds no journal; name a data directory"):
            compact(path)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("moment", ["replace", "sync_directory"])
async def test_a_compaction_that_was_killed_leaves_the_journal_as_it_was_or_done(grown, moment):
    before = await everything(grown)
    script = (
        "import os, sys, pathlib, storage\n"
        "from storage import host, lmdb_restore\n"
        "end = lambda *_: os._exit(9)\n"
        + {
            "replace": "pathlib.PosixPath.replace = end\n",
            "sync_directory": "host.sync_directory = end\n",
        }[moment]
        + "storage.compact(sys.argv[1])\n"
    )
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs
        [sys.executable, "-c", script, str(grown)], env=ENVIRONMENT, check=False
    )
    assert done.returncode == 9
    assert (grown / "data.mdb.new").exists()
    assert await everything(grown) == before
    assert not (grown / "data.mdb.new").exists()
    compact(grown)
    assert await everything(grown) == before
