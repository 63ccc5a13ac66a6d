"""A disk that is full, nearly full, or fails: real ENOSPC on a tmpfs, real EIO by RLIMIT_FSIZE."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from storage import check, open_lmdb
from tests.storage.writer import content

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def user_namespaces_work() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    if not user_namespaces_work():
        pytest.skip("util-linux's unshare cannot mount a tmpfs in a user namespace here")
    place = tmp_path_factory.mktemp("small")
    script = Path(__file__).with_name("disk_scenario.py")
    command = (
        f'mount -t tmpfs -o size=16m none "{place}" && "{sys.executable}" "{script}" "{place}"'
    )
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_below_the_reserve_only_commands_are_refused(seen):
    assert seen["at the reserve"] == "full"
    assert seen["low"] is True
    upkeep = [seen[name] for name in ("settle", "snapshot", "truncate", "obligation")]
    assert upkeep == ["Done", "Done", "Done", "Appended"]
    assert seen["ballast at the reserve"] is True


def test_on_a_truly_full_disk_the_ballast_is_given_up_for_obligations(seen):
    assert seen["filler"] == 28
    assert seen["ballast when full"] is False
    assert seen["obligations on the ballast"] >= 5


def test_without_any_room_left_writes_are_refused_as_full_and_never_unknown(seen):
    assert seen["truly full"] == "full"
    assert seen["command when full"] == "full"
    assert set(seen["outcomes when full"]) <= {"full", "Done", "Appended"}
    assert seen["failing when full"] is False


def test_a_new_journal_on_a_full_disk_is_refused_with_a_sentence(seen):
    sentence = seen["new directory when full"]
    assert "No space left on device; make room and make it writable" in sentence


def test_after_space_was_freed_everything_goes_on_and_nothing_is_missing(seen):
    assert seen["command when freed"] == "Appended"
    assert seen["c"] == [1, True]
    assert seen["o"] == 0
    assert seen["c after reopening"] == [1, "after"]
    assert seen["o after reopening"] == 0


class Writer:
    """The writer process, read line by line."""

    def __init__(self, path) -> None:
        script = Path(__file__).with_name("writer.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(path), "6"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
            text=True,
        )
        assert self.process.stdout.readline() == "open\n"

    def lines_until(self, wanted, seconds=20.0):
        """Lines up to the first that is wanted."""
        lines = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            lines.append(self.process.stdout.readline().strip())
            if wanted(lines[-1]):
                return lines
        raise AssertionError(f"never came; last: {lines[-3:]}")

    def limit_file_size(self, size) -> None:
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def stop(self):
        output, _ = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        return output.splitlines()


async def stored(path):
    async with open_lmdb(path, reserve_bytes=0, ballast_bytes=0) as journal:
        found = {}
        for stream in (await journal.scan("s")).names:
            loaded = await journal.load(stream, max_records=10_000)
            version = loaded.info.version
            assert list(loaded.records) == content(stream, version)[loaded.start - 1 :]
            found[stream] = loaded.info.version
        return found


def test_a_failing_disk_is_told_from_a_full_one_and_heals_without_a_restart(tmp_path):
    path = tmp_path / "journal"
    writer = Writer(path)
    lines = writer.lines_until(lambda line: line.endswith(" 60"))
    writer.limit_file_size((path / "data.mdb").stat().st_size)
    lines += writer.lines_until(lambda line: line.startswith("!") and "OutcomeUnknown" in line)
    bad = writer.lines_until(lambda line: line.startswith("!") and "Refused" in line)
    lines += bad
    assert "code='io'" in bad[-1]
    assert "the disk fails: mdb_txn_commit: " in bad[-1]
    writer.limit_file_size(resource.RLIM_INFINITY)
    lines += writer.lines_until(lambda line: line and not line.startswith("!"))
    lines += writer.stop()
    good = [line.split() for line in lines if not line.startswith("!")]
    found = trio.run(stored, path)
    for stream, version in good:
        assert found[stream] >= int(version)
    assert list(check(path)) == []
