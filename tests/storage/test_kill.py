"""``kill -9`` of a writing process at random moments loses nothing that it acknowledged."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

import storage
from storage import open_lmdb
from tests.storage.writer import content

ROOT = Path(__file__).parents[2]
STREAMS = 12
KILLS = 12


def start(path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("writer.py")), str(path), str(STREAMS)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    )


def killed_after(process, seconds):
    """Kill, and give back all that it printed."""
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    lines = output.split("\n")
    return lines[:-1]  # a line cut short was not acknowledged to anybody


def acknowledged(lines):
    versions = {}
    for line in lines:
        if line != "open":
            assert not line.startswith("!"), line
            stream, version = line.split()
            versions[stream] = int(version)
    return versions


async def check(path, versions):
    """Everything acknowledged is there, whole, dense, and pending where it should be."""
    async with open_lmdb(path, reserve_bytes=0, ballast_bytes=0) as journal:
        pending = {entry.stream: entry for entry in (await journal.pending()).streams}
        for stream, version in versions.items():
            loaded = await journal.load(stream, max_records=10_000)
            info = loaded.info
            assert info.version >= version
            assert not loaded.more
            kept = await journal.read(stream, 1, limit=10_000)
            assert kept.start == info.first
            assert list(kept.records) == content(stream, info.version)[info.first - 1 :]
            if info.snapshot_version:
                assert loaded.snapshot == b"state at %d" % info.snapshot_version
            if info.settled < info.version:
                assert pending[stream].first_pending == info.settled + 1
            else:
                assert stream not in pending
    assert list(storage.check(path)) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_a_writer_killed_again_and_again_loses_nothing_acknowledged(tmp_path, seed):
    chance = random.Random(seed)
    path = tmp_path / "journal"
    versions = {}
    killed_while_writing = 0
    for _ in range(KILLS // 2):
        process = start(path)
        assert process.stdout.readline() == "open\n"
        lines = killed_after(process, chance.uniform(0.01, 0.15))
        fresh = acknowledged(lines)
        killed_while_writing += bool(fresh)
        versions |= fresh
        trio.run(check, path, versions)
    assert len(versions) == STREAMS
    assert killed_while_writing >= KILLS // 4


def test_a_process_killed_while_it_starts_leaves_a_directory_that_opens(tmp_path):
    chance = random.Random(3)
    opened = 0
    for turn in range(KILLS):
        path = tmp_path / f"journal{turn % 4}"
        process = start(path)
        while not path.exists():
            time.sleep(0.001)
        lines = killed_after(process, chance.uniform(0, 0.02))
        opened += "open" in lines
        trio.run(check, path, {})
    assert opened < KILLS
