"""An online backup is one moment of the journal, whole or not there, and disturbs nobody."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
import threading
from pathlib import Path

import lmdb
import pytest
import trio
from lmdb import verify

from storage import (
    Append,
    Appended,
    BackupError,
    Conflict,
    Done,
    Refused,
    backup,
    lmdb_backup,
    open_lmdb,
    open_memory,
    read_manifest,
    restore,
    verify_backup,
)
from storage.rows import record_key, row_key
from tests.storage.test_disk import ENVIRONMENT, user_namespaces_work
from tests.storage.test_lmdb_engine import FillingDisk, Told
from tests.storage.writer import amended, content, record

SECRET = b"what nobody should read any more"


def quiet(path, **options):
    return open_lmdb(path, **{"reserve_bytes": 0, "ballast_bytes": 0} | options)


async def fill(journal, megabytes=2) -> None:
    for number in range(megabytes):
        outcome = await journal.append(f"fill{number}", 0, os.urandom(1 << 20))
        assert isinstance(outcome, Appended)


class Gate:
    """Holds whatever calls it in a thread, until it is opened."""

    def __init__(self, wrapped) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self._wrapped = wrapped

    def __call__(self, *args):
        self.reached.set()
        assert self.open.wait(30)
        return self._wrapped(*args)

    async def wait_reached(self) -> None:
        assert await trio.to_thread.run_sync(self.reached.wait, 30)


@pytest.fixture
def gate(monkeypatch):
    """The target takes the first bytes of the backup when the gate is opened."""
    held = Gate(os.write)

    class Os:
        write = staticmethod(held)

        def __getattr__(self, name):
            return getattr(os, name)

    monkeypatch.setattr(lmdb_backup, "os", Os())
    yield held
    held.open.set()


class Writers:
    """Streams that grow, are amended, snapshotted, settled in part and truncated."""

    def __init__(self, journal) -> None:
        self.journal = journal
        self.versions = {}
        self.stop = False
        self.progress = trio.Event()

    async def write(self, stream) -> None:
        version = 0
        while not self.stop:
            records = [record(stream, version + 1 + i) for i in range(1 + version % 3)]
            outcome = await self.journal.append(
                stream, version, *records, pending=version % 2 == 0, amend=amended(stream, version)
            )
            self.versions[stream] = version = outcome.version
            self.progress.set()
            self.progress = trio.Event()
            if version % 20 == 0:
                await self.journal.snapshot(stream, version - 5, b"state at %d" % (version - 5))
                await self.journal.settle(stream, version - 7)
                await self.journal.truncate(stream, version - 10)

    async def reach(self, version) -> None:
        with trio.fail_after(60):
            while len(self.versions) < 12 or min(self.versions.values()) < version:
                await self.progress.wait()


async def streams_of(journal):
    return (await journal.describe(*(await journal.scan("s")).names)).streams


async def test_a_backup_under_load_is_all_acknowledged_before_and_no_half_of_what_came_later(
    tmp_path,
):
    place, copy, fresh = tmp_path / "journal", tmp_path / "backup", tmp_path / "fresh"
    async with quiet(place) as journal, trio.open_nursery() as nursery:
        writers = Writers(journal)
        for number in range(12):
            nursery.start_soon(writers.write, f"s{number}")
        await writers.reach(60)
        before = dict(writers.versions)
        await backup(journal, copy)
        after = dict(writers.versions)
        await writers.reach(max(after.values()) + 30)
        writers.stop = True
    async with quiet(place) as journal:
        originals = {info.stream: info for info in await streams_of(journal)}
    assert verify.verify(str(copy / "data.mdb")) == []
    restore(copy, fresh)
    assert verify.verify(str(fresh / "data.mdb")) == []
    async with quiet(fresh) as journal:
        pending = {entry.stream: entry for entry in (await journal.pending()).streams}
        infos = await streams_of(journal)
        assert {info.stream for info in infos} == set(before)
        for info in infos:
            assert before[info.stream] <= info.version <= originals[info.stream].version
            assert info.version <= after[info.stream] + 3
            kept = await journal.read(info.stream, 1, limit=10_000)
            assert kept.start == info.first > 1
            assert list(kept.records) == content(info.stream, info.version)[info.first - 1 :]
            loaded = await journal.load(info.stream)
            assert loaded.snapshot == b"state at %d" % info.snapshot_version
            assert 0 < info.epoch != originals[info.stream].epoch
            assert (info.stream in pending) == (info.settled < info.version)
        assert journal.statistics().pending_streams == len(pending) > 0
        for stream, entry in pending.items():
            assert entry.first_pending > 1
            assert isinstance(await journal.settle(stream, entry.version), Done)
        assert (await journal.pending()).streams == ()
        for info in infos:
            outcome = await journal.append(info.stream, info.version, b"goes on", epoch=info.epoch)
            assert isinstance(outcome, Appended)
    assert len({info.epoch for info in infos} | {i.epoch for i in originals.values()}) == 24


async def test_each_restore_of_one_backup_has_epochs_and_an_id_of_its_own(tmp_path):
    async with quiet(tmp_path / "journal") as journal:
        first = (await journal.append("s", 0, b"x")).epoch
        await backup(journal, tmp_path / "backup")
    epochs, ids = {first}, set()
    for number in range(3):
        path = tmp_path / f"fresh{number}"
        restore(tmp_path / "backup", path)
        ids.add(json.loads((path / "journal.json").read_text())["id"])
        async with quiet(path) as journal:
            epochs.add((await journal.describe("s")).streams[0].epoch)
            created = await journal.append("new", 0, b"x")
            epochs.add(created.epoch)
    assert len(epochs) == 7
    assert len(ids) == 3


async def test_writes_of_all_outcomes_and_reads_go_on_while_the_target_takes_nothing(
    tmp_path, gate
):
    async with quiet(tmp_path / "journal") as journal:
        await journal.append("bad", 0, b"x")
    environment = lmdb.open(str(tmp_path / "journal"), max_dbs=8)
    with environment.begin(write=True) as txn:
        txn.put(row_key(1), b"no row", db=environment.open_db(b"streams", txn=txn))
    environment.close()
    async with quiet(tmp_path / "journal") as journal:
        await fill(journal)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(backup, journal, tmp_path / "backup")
            await gate.wait_reached()
            for version in range(100):
                assert isinstance(await journal.append("s", version, b"later"), Appended)
            assert isinstance(await journal.append("s", 7, b"x"), Conflict)
            assert (await journal.append("bad", 1, b"x")).code == "damaged"
            assert isinstance(await journal.settle("s", 100), Done)
            assert (await journal.load("s")).info.version == 100
            assert journal._committer._borrower is not None
            gate.open.set()
    restore(tmp_path / "backup", tmp_path / "fresh")
    async with quiet(tmp_path / "fresh") as journal:
        assert (await journal.scan()).names == ("bad", "fill0", "fill1")
        assert (await journal.load("bad")).code == "damaged"


async def test_a_write_that_fails_half_way_does_not_wait_for_the_backup(tmp_path, gate):
    copy, sentences = tmp_path / "backup", []

    async def back_up(journal) -> None:
        sentences.append(await refusal(journal, copy))

    async with quiet(tmp_path / "journal") as journal:
        await journal.append("s", 0, SECRET)
    environment = lmdb.open(str(tmp_path / "journal"), max_dbs=8)
    with environment.begin(write=True) as txn:
        txn.put(record_key(1, 1), b"no batch", db=environment.open_db(b"streams", txn=txn))
    environment.close()
    async with quiet(tmp_path / "journal") as journal, trio.open_nursery() as nursery:
        await fill(journal)
        nursery.start_soon(back_up, journal)
        await gate.wait_reached()
        with trio.fail_after(10):
            assert (await journal.append("s", 1, b"x", amend=((1, b""),))).code == "damaged"
        gate.open.set()
    assert sentences == ["the journal was closed, or a write failed, during the backup"]


async def test_the_manifest_tells_size_checksum_moment_and_origin(tmp_path, monkeypatch):
    monkeypatch.setattr("storage.host.wall_ms", lambda: 1_700_000_000_123)
    told = []
    async with quiet(tmp_path / "journal") as journal:
        await fill(journal)
        found = await backup(
            journal, tmp_path / "a" / "backup", progress=lambda *told_: told.append(told_)
        )
    copy = tmp_path / "a" / "backup"
    data = (copy / "data.mdb").read_bytes()
    origin = json.loads((tmp_path / "journal" / "journal.json").read_text())
    assert found == read_manifest(copy) == verify_backup(copy)
    assert (found.size, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (found.journal, found.format) == (origin["id"], origin["format"])
    assert found.created_ms == 1_700_000_000_123
    assert told == sorted(told)
    assert told[-1] == (found.size, found.size)
    assert sorted(path.name for path in copy.iterdir()) == ["backup.json", "data.mdb"]
    assert stat.S_IMODE((copy / "data.mdb").stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700


async def test_a_backup_is_free_of_what_was_amended_truncated_and_replaced(tmp_path):
    def secrets(seed):
        return (SECRET * (1 + seed * 17 % 120), SECRET * (1 + seed % 7))

    copy, fresh = tmp_path / "backup", tmp_path / "fresh"
    async with quiet(tmp_path / "journal") as journal:
        for version in range(0, 400, 2):
            amend = ((version, bytes(2100 + version)), (version - 1, b"")) if version else ()
            for stream in ("s", "t"):
                await journal.append(stream, version, *secrets(version), amend=amend)
            await journal.snapshot("t", version + 1, SECRET * (version % 130))
        for stream in ("s", "t"):
            await journal.append(stream, 400, b"", amend=((399, b""), (400, bytes(2500))))
        await journal.snapshot("t", 401, bytes(6200))
        await journal.truncate("t", 300)
        with trio.fail_after(10):
            while journal._committer.store.must_sweep:  # noqa: ASYNC110 - another thread's state
                await trio.sleep(0.005)
        live = (tmp_path / "journal" / "data.mdb").read_bytes()
        await backup(journal, copy)
    assert SECRET[:8] in live, "the test shows nothing"
    assert SECRET[:8] not in (copy / "data.mdb").read_bytes()
    restore(copy, fresh)
    assert SECRET[:8] not in (fresh / "data.mdb").read_bytes()
    assert (fresh / "data.mdb").stat().st_size < len(live)


# -- what is refused, and what ends a backup -----------------------------------------------------


async def refusal(journal, target, **options):
    with pytest.raises(BackupError) as caught:
        await backup(journal, target, **options)
    return str(caught.value)


async def test_a_target_that_is_not_empty_is_refused_and_left_alone(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "photo.jpg").write_bytes(b"jpg")
    async with quiet(tmp_path / "journal") as journal:
        assert await refusal(journal, tmp_path / "b") == (
            f"{tmp_path}/b is not empty (photo.jpg); name an empty or a new directory"
        )
        (tmp_path / "empty").mkdir()
        await backup(journal, tmp_path / "empty")
        assert "is not empty (backup.json)" in await refusal(journal, tmp_path / "empty")
        sentence = await refusal(journal, tmp_path / "b" / "photo.jpg")
        assert "takes no backup: Not a directory" in sentence
    assert [entry.name for entry in (tmp_path / "b").iterdir()] == ["photo.jpg"]
    verify_backup(tmp_path / "empty")


async def test_a_target_in_the_journals_own_directory_is_refused(tmp_path):
    async with quiet(tmp_path / "journal") as journal:
        for target in (tmp_path / "journal", tmp_path / "journal" / "backups" / "1"):
            assert "is in the journal's own directory" in await refusal(journal, target)
    assert not (tmp_path / "journal" / "backups").exists()


async def test_a_journal_in_memory_has_nothing_to_copy(tmp_path):
    async with open_memory() as journal:
        assert "open one with open_lmdb" in await refusal(journal, tmp_path / "b")


async def test_a_second_backup_at_the_same_time_is_refused(tmp_path, gate):
    async with quiet(tmp_path / "journal") as journal:
        await fill(journal)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(backup, journal, tmp_path / "one")
            await gate.wait_reached()
            assert await refusal(journal, tmp_path / "two") == (
                "a backup of this journal is under way; wait for its end"
            )
            gate.open.set()
        await backup(journal, tmp_path / "two")
    assert verify_backup(tmp_path / "one").size == verify_backup(tmp_path / "two").size


async def test_a_cancelled_backup_leaves_nothing_and_the_next_one_works(tmp_path, gate):
    copy = tmp_path / "backup"
    async with quiet(tmp_path / "journal") as journal:
        await fill(journal)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(backup, journal, copy)
            await gate.wait_reached()
            assert (copy / "data.mdb").exists()
            gate.open.set()
            nursery.cancel_scope.cancel()
        assert not copy.exists()
        await backup(journal, copy)
        verify_backup(copy)


async def test_a_target_that_takes_nothing_any_more_ends_the_backup(tmp_path, gate, monkeypatch):
    monkeypatch.setattr(lmdb_backup, "END_S", 0.2)
    copy = tmp_path / "backup"
    async with quiet(tmp_path / "journal") as journal:
        await fill(journal)
        with trio.fail_after(60):
            assert await refusal(journal, copy, stall_s=0.2) == (
                f"{copy} has taken nothing for 0.2 s; check its disk"
            )
        assert journal._committer._borrower is None, "the read transaction is still open"
        gate.open.set()
        with trio.fail_after(10):
            while copy.exists():  # noqa: ASYNC110 - another thread removes it
                await trio.sleep(0.01)


async def test_closing_the_journal_ends_a_backup(tmp_path, gate):
    copy, sentences = tmp_path / "backup", []
    async with trio.open_nursery() as nursery:
        async with quiet(tmp_path / "journal") as journal:
            await fill(journal)

            async def back_up() -> None:
                sentences.append(await refusal(journal, copy))

            nursery.start_soon(back_up)
            await gate.wait_reached()
        gate.open.set()
    assert sentences == ["the journal was closed, or a write failed, during the backup"]
    assert not copy.exists()
    async with quiet(tmp_path / "journal") as journal:
        assert (await journal.load("fill1")).info.version == 1
    assert "the journal is closed" in await refusal(journal, copy)


async def test_a_journal_whose_disk_failed_takes_its_environment_back(tmp_path, gate):
    copy, sentences = tmp_path / "backup", []
    disk = FillingDisk()

    async def back_up(journal) -> None:
        sentences.append(await refusal(journal, copy))

    def sync(commit) -> None:
        if disk.full():
            raise OSError(5, "Input/output error")
        commit()

    async with (
        quiet(tmp_path / "journal", sync_hook=sync) as journal,
        trio.open_nursery() as nursery,
    ):
        await fill(journal)
        nursery.start_soon(back_up, journal)
        await gate.wait_reached()
        disk.full = lambda: True
        await journal.append("s", 0, b"x")
        disk.full = lambda: False
        gate.open.set()
        with trio.fail_after(10):
            while isinstance(await journal.append("s", 0, b"x"), Refused):  # noqa: ASYNC110
                await trio.sleep(0.01)
    assert sentences == ["the journal was closed, or a write failed, during the backup"]
    assert not copy.exists()


async def test_a_backup_that_finds_no_room_is_refused_before_it_writes(tmp_path, monkeypatch):
    free = {}
    monkeypatch.setattr("storage.host.free_bytes", lambda path: free.get(path.name, 1 << 40))
    copy = tmp_path / "backup"
    async with quiet(tmp_path / "journal", reserve_bytes=64 << 20) as journal:
        await fill(journal)
        free["backup"] = 1 << 20
        sentence = await refusal(journal, copy)
        assert sentence.startswith(f"the disk of {copy} is full: 1048576 bytes are free and 21")
        assert sentence.endswith("free some space, or name a directory elsewhere")
        assert not copy.exists()
        free |= {"backup": 65 << 20, "journal": 65 << 20}
        sentence = await refusal(journal, copy)
        assert sentence.startswith("the backup would leave 66")
        assert "less than its reserve of 67108864" in sentence
        assert not copy.exists()
        monkeypatch.setattr("storage.host.same_disk", lambda *_: False)
        await backup(journal, copy)
        verify_backup(copy)


@pytest.mark.parametrize("moment", ["data", "manifest"])
async def test_a_disk_that_fills_up_meanwhile_is_told_of_and_the_rest_is_removed(tmp_path, moment):
    if not user_namespaces_work():
        pytest.skip("util-linux's unshare cannot mount a tmpfs in a user namespace here")
    (tmp_path / "small").mkdir()
    script = Path(__file__).with_name("backup_scenario.py")
    size = {"data": "2m", "manifest": "12m"}[moment]
    mount = f'mount -t tmpfs -o size={size} none "{tmp_path}/small"'
    command = f'{mount} && "{sys.executable}" "{script}" "{tmp_path}" {moment}'
    done = await trio.run_process(
        ["unshare", "-Urm", "sh", "-c", command],
        capture_stdout=True,
        capture_stderr=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout)
    assert "takes no backup: No space left on device (after " in seen["sentence"]
    assert seen["sentence"].endswith(
        "free some space and make it writable, or name a directory elsewhere"
    )
    assert seen["left"] == []
    assert seen["appended after"] is True


async def test_a_backup_that_was_killed_is_none(tmp_path):
    script = (
        "import os, sys, trio, storage\n"
        "async def main():\n"
        "    async with storage.open_lmdb(sys.argv[1], reserve_bytes=0) as journal:\n"
        "        await journal.append('s', 0, bytes(1 << 20))\n"
        "        storage.lmdb_backup.write_manifest = lambda *_: os._exit(9)\n"
        "        await storage.backup(journal, sys.argv[2])\n"
        "trio.run(main)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "journal"), str(tmp_path / "b")]
    done = await trio.run_process(command, env=ENVIRONMENT, check=False)
    assert done.returncode == 9
    assert (tmp_path / "b" / "data.mdb").exists()
    with pytest.raises(BackupError, match="is no backup, or one that was never finished"):
        restore(tmp_path / "b", tmp_path / "fresh")
    shutil.rmtree(tmp_path / "b")
    async with quiet(tmp_path / "journal") as journal:
        await backup(journal, tmp_path / "b")
    verify_backup(tmp_path / "b")


async def test_a_backup_of_an_empty_journal_is_one(tmp_path):
    async with quiet(tmp_path / "journal") as journal:
        await backup(journal, tmp_path / "b")
    restore(tmp_path / "b", tmp_path / "fresh")
    async with quiet(tmp_path / "fresh") as journal:
        assert (await journal.scan()).names == ()
        told = Told()
        journal.submit(Append("s", 0, (b"x",)), told)
        assert isinstance((await told.wait(1))[0], Appended)
