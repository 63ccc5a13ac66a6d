"""A directory that is not ours to open is refused with a sentence that says what to do."""

from __future__ import annotations

import json
import sys
from zlib import crc32

import lmdb
import pytest
import trio
from lmdb import verify

from storage import Appended, DirectoryError, directory, lmdb_open, open_lmdb
from storage.directory import FORMAT
from storage.rows import CHUNK_BYTES, chunk_key, record_key


def quiet(path):
    return open_lmdb(path, reserve_bytes=0, ballast_bytes=0)


async def make(path, records=3) -> None:
    async with quiet(path) as journal:
        for number in range(records):
            assert isinstance(await journal.append(f"s{number}", 0, b"x" * 50_000, b"y"), Appended)


async def refusal(path) -> str:
    with pytest.raises(DirectoryError) as caught:
        async with quiet(path):
            pass
    return str(caught.value).replace(str(path), "DIR")


async def test_a_new_directory_is_made_and_opened_again(tmp_path):
    path = tmp_path / "deep" / "er"
    await make(path)
    async with quiet(path) as journal:
        assert (await journal.scan()).names == ("s0", "s1", "s2")
        assert journal.slots == 4096


async def test_a_second_opener_is_refused_in_this_process_and_in_another(tmp_path):
    path = tmp_path / "j"
    sentence = "DIR is in use by another process; stop that one, or name another directory"
    async with quiet(path) as journal:
        assert await refusal(path) == sentence
        script = (
            "import sys, trio, storage\n"
            "async def main():\n"
            "    async with storage.open_lmdb(sys.argv[1]): pass\n"
            "try: trio.run(main)\n"
            "except storage.DirectoryError as error: print(error, end='')\n"
        )
        command = [sys.executable, "-c", script, str(path)]
        other = await trio.run_process(command, capture_stdout=True)
        assert other.stdout.decode().replace(str(path), "DIR") == sentence
        assert isinstance(await journal.append("s", 0, b"x"), Appended)
    await make(path, 1)


async def test_a_foreign_directory_is_refused_and_left_alone(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"jpg")
    assert await refusal(tmp_path) == (
        "DIR holds something else (photo.jpg) and no journal; name an empty or a new directory"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["photo.jpg"]


async def test_a_foreign_environment_is_refused(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"lmdb of somebody else")
    assert "holds something else (data.mdb)" in await refusal(tmp_path)


async def test_a_file_is_no_directory(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    assert await refusal(path) == (
        "DIR cannot be made a data directory: File exists; name another one"
    )


async def test_a_directory_of_another_kind_is_refused(tmp_path):
    await make(tmp_path, 1)
    marker = tmp_path / "journal.json"
    marker.write_text(json.dumps({"kind": "diary", "format": 1, "id": "x", "complete": True}))
    assert (
        await refusal(tmp_path) == "DIR belongs to something else (diary); name another directory"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "beamish journal"}', "\xff"])
async def test_a_damaged_marker_is_refused(tmp_path, text):
    await make(tmp_path, 1)
    (tmp_path / "journal.json").write_bytes(text.encode("latin-1"))
    assert await refusal(tmp_path) == (
        "DIR/journal.json is damaged; restore the directory from a backup"
    )


async def test_a_newer_format_is_refused(tmp_path):
    await make(tmp_path, 1)
    marker = tmp_path / "journal.json"
    content = json.loads(marker.read_text())
    marker.write_text(json.dumps(content | {"format": FORMAT + 1}))
    assert await refusal(tmp_path) == (
        f"DIR has format {FORMAT + 1}, this version knows formats up to {FORMAT}; "
        "use the newer version that wrote it"
    )


async def test_a_newer_format_that_only_the_environment_tells_of_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(lmdb_open, "FORMAT", FORMAT + 1)
    await make(tmp_path, 1)
    monkeypatch.undo()
    marker = tmp_path / "journal.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"format": FORMAT}))
    assert f"has format {FORMAT + 1}" in await refusal(tmp_path)


async def test_an_older_format_is_upgraded_once_step_by_step(tmp_path, monkeypatch):
    await make(tmp_path, 1)
    steps = []

    def upgrade(store) -> None:
        steps.append(store.format)
        store.set_format(store.format + 1)

    monkeypatch.setattr(directory, "FORMAT", FORMAT + 2)
    monkeypatch.setattr(lmdb_open, "FORMAT", FORMAT + 2)
    monkeypatch.setattr(lmdb_open, "UPGRADES", {FORMAT: upgrade, FORMAT + 1: upgrade})
    for _ in range(2):
        async with quiet(tmp_path) as journal:
            assert len((await journal.load("s0")).records) == 2
    assert steps == [FORMAT, FORMAT + 1]
    assert json.loads((tmp_path / "journal.json").read_text())["format"] == FORMAT + 2


async def test_a_directory_of_format_1_is_read_and_goes_on(tmp_path):
    long, state = b"r" * 3000, b"s" * 7000
    await make(tmp_path, 1)
    async with quiet(tmp_path) as journal:
        await journal.append("s", 0, long)
        await journal.snapshot("s", 1, state)
    environment = lmdb.open(str(tmp_path), max_dbs=8)
    with environment.begin(write=True) as txn:
        streams, snapshots, meta = (
            environment.open_db(name, txn=txn) for name in (b"streams", b"snapshots", b"meta")
        )
        key = record_key(2, 1)
        head = txn.get(key, db=streams)[4:12] + b"\0\x01"
        body = head + long
        txn.put(key, crc32(body, crc32(key)).to_bytes(4, "big") + body, db=streams)
        txn.put(chunk_key(2, 1), state[CHUNK_BYTES:], db=snapshots)
        txn.put(b"format", b"1", db=meta)
    environment.close()
    marker = tmp_path / "journal.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"format": 1}))
    async with quiet(tmp_path) as journal:
        assert (await journal.load("s")).snapshot == state
        assert (await journal.read("s", 1)).records == (long,)
        await journal.append("s", 1, b"2", amend=((1, b"x"),))
        assert (await journal.read("s", 1)).records == (b"x", b"2")
    assert json.loads(marker.read_text())["format"] == FORMAT


async def test_a_format_that_can_no_longer_be_upgraded_is_refused(tmp_path, monkeypatch):
    await make(tmp_path, 1)
    monkeypatch.setattr(lmdb_open, "FORMAT", FORMAT + 1)
    assert await refusal(tmp_path) == (
        f"DIR has format {FORMAT}, which this version can no longer upgrade; "
        "open it once with an older version"
    )


async def test_a_directory_that_lost_its_data_is_never_taken_for_a_new_one(tmp_path):
    await make(tmp_path, 1)
    (tmp_path / "data.mdb").unlink()
    assert await refusal(tmp_path) == (
        "DIR/data.mdb cannot be read: No such file or directory; "
        "restore the directory from a backup"
    )


async def test_data_of_another_directory_is_refused(tmp_path):
    for name in "ab":
        await make(tmp_path / name, 1)
    (tmp_path / "b" / "data.mdb").replace(tmp_path / "a" / "data.mdb")
    assert await refusal(tmp_path / "a") == (
        "DIR/data.mdb is not the one that journal.json describes; "
        "restore the directory as a whole from a backup"
    )


@pytest.mark.parametrize("damage", ["empty", "garbage", "zeros", "text"])
async def test_an_environment_that_does_not_begin_as_it_should_is_refused(tmp_path, damage):
    await make(tmp_path, 1)
    data = tmp_path / "data.mdb"
    content = data.read_bytes()
    head = {"empty": b"", "garbage": b"\xa5" * 8192, "zeros": bytes(8192), "text": b"hello"}[damage]
    data.write_bytes(head + content[8192:] if len(head) == 8192 else head)
    assert await refusal(tmp_path) == (
        "DIR/data.mdb is damaged, it does not begin as it should; "
        "restore the directory from a backup"
    )


@pytest.mark.parametrize("percent", [5, 30, 60, 90])
async def test_an_environment_that_was_cut_short_is_refused(tmp_path, percent):
    await make(tmp_path, 10)
    data = tmp_path / "data.mdb"
    size = data.stat().st_size
    with data.open("r+b") as file:
        file.truncate(size * percent // 100)
    sentence = await refusal(tmp_path)
    assert sentence.startswith("DIR/data.mdb has ")
    assert sentence.endswith("it was cut short; restore the directory from a backup")


async def test_an_environment_that_misses_only_free_pages_is_opened(tmp_path):
    async with quiet(tmp_path) as journal:
        await journal.append("s", 0, b"x")
        await journal.append("s", 1, b"y" * 500_000)
        await journal.snapshot("s", 2, b"")
        await journal.truncate("s", 2)
        for version in range(2, 12):
            await journal.append("s", version, b"z")
    data = tmp_path / "data.mdb"
    with data.open("r+b") as file:
        file.truncate(data.stat().st_size - 20 * 4096)
    assert verify.verify(str(data)) == []
    async with quiet(tmp_path) as journal:
        assert (await journal.load("s")).records == (b"z",) * 10
        await journal.append("s", 12, b"w" * 500_000)
        assert (await journal.read("s", 13)).records == (b"w" * 500_000,)


@pytest.mark.parametrize("left", ["nothing", "marker", "marker and data"])
async def test_a_start_that_was_killed_half_way_is_finished_by_the_next(tmp_path, left):
    await make(tmp_path, 1)
    marker = tmp_path / "journal.json"
    content = json.loads(marker.read_text())
    if left == "nothing":
        for name in ("journal.json", "data.mdb", "lock.mdb"):
            (tmp_path / name).unlink()
        (tmp_path / "journal.json.new").write_text("{")
    else:
        marker.write_text(json.dumps(content | {"complete": False}))
        if left == "marker":
            (tmp_path / "data.mdb").unlink()
    async with quiet(tmp_path) as journal:
        assert (await journal.scan()).names == ()
        assert isinstance(await journal.append("s", 0, b"x"), Appended)
    async with quiet(tmp_path) as journal:
        assert (await journal.scan()).names == ("s",)


def test_a_value_that_became_shorter_is_no_fault_of_its_pages(tmp_path):
    environment = lmdb.open(str(tmp_path), map_size=1 << 20, max_dbs=1)
    with environment, environment.begin(write=True) as txn:
        for size in (9_000, 14):
            txn.put(b"amended", b"x" * size)
    data = tmp_path / "data.mdb"
    assert verify.verify(str(data), subdir=False)
    assert directory.page_problems(data) == []
