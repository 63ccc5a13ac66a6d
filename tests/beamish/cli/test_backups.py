"""Backups of a node that runs and of one that does not, and directories made of them."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from beamish import replay as player
from tests.beamish.cli.process import beamish, served

SAMPLE = Path(player.__file__).parent / "sample.log"
ACCOUNT = ("--password", "correct horse")


def users(data):
    return beamish("user", "list", "--data", data).stdout.split()


def test_a_running_node_is_backed_up_and_restored_as_of_then(tmp_path):
    copy, again = tmp_path / "copy", tmp_path / "again"
    with served(tmp_path) as node:
        beamish("user", "add", "ada", "--data", node.data, *ACCOUNT)
        done = beamish("backup", copy, "--data", node.data)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{copy} holds the journal as of 20")
        beamish("user", "add", "bob", "--data", node.data, *ACCOUNT)
        assert users(node.data) == ["ada", "bob"]
        assert node.stop() == 0
    restored = beamish("restore", copy, again)
    assert (restored.returncode, restored.stderr) == (0, "")
    assert f"`beamish serve --data {again}`" in restored.stdout
    (tmp_path / "two").mkdir()
    again.rename(tmp_path / "two" / "data")
    with served(tmp_path / "two") as node:
        assert users(node.data) == ["ada"]


def test_a_directory_that_nobody_serves_is_backed_up_all_the_same(tmp_path):
    with served(tmp_path) as node:
        beamish("user", "add", "ada", "--data", node.data, *ACCOUNT)
        node.stop(signal.SIGKILL)
    done = beamish("backup", tmp_path / "copy", "--data", node.data)
    assert (done.returncode, done.stderr) == (0, "")
    assert beamish("restore", tmp_path / "copy", tmp_path / "again").returncode == 0


def refused(*arguments):
    """The one sentence of a command that does not work."""
    ended = beamish(*arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    return line


def test_what_cannot_be_backed_up_or_restored_is_one_sentence(tmp_path):
    full, empty = tmp_path / "full", tmp_path / "empty"
    for folder in (full, empty):
        folder.mkdir()
    (full / "thesis.txt").write_text("chapter 1")
    assert "holds no journal" in refused("backup", tmp_path / "copy", "--data", empty)
    assert not (tmp_path / "copy").exists()
    with served(tmp_path) as node:
        assert "not empty (thesis.txt)" in refused("backup", full, "--data", node.data)
        assert beamish("backup", tmp_path / "copy", "--data", node.data).returncode == 0
        assert "not empty" in refused("restore", tmp_path / "copy", node.data)
    assert "not empty (thesis.txt)" in refused("restore", tmp_path / "copy", full)
    assert "Error: " in refused("restore", empty, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_backup_that_was_changed_is_refused(tmp_path):
    with served(tmp_path) as node:
        beamish("backup", tmp_path / "copy", "--data", node.data)
    damaged = tmp_path / "copy" / "data.mdb"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    refused("restore", tmp_path / "copy", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_doctor_finds_nothing_wrong_with_a_stopped_node_and_its_backup(tmp_path):
    with served(tmp_path) as node:
        played = beamish("replay", SAMPLE, "--now", "--direct", "--url", node.ws)
        assert played.returncode == 0, played.stdout
        assert beamish("backup", tmp_path / "copy", "--data", node.data).returncode == 0
        running = beamish("doctor", node.data)
        assert running.returncode == 2
        assert "is in use by another process" in running.stderr
        node.stop(signal.SIGKILL)
    for directory in (node.data, tmp_path / "copy"):
        examined = beamish("doctor", directory)
        assert (examined.returncode, examined.stderr) == (0, ""), examined.stdout
        assert examined.stdout.startswith("0 errors, 0 warnings. Looked at 13 users, ")
    told = beamish("doctor", node.data, "--json")
    summary = json.loads(told.stdout)
    assert (summary["users"], summary["error"], summary["warning"]) == (13, 0, 0)
    assert summary["records"] > 100


def test_a_doctor_tells_what_is_wrong_with_a_damaged_file(tmp_path):
    with served(tmp_path) as node:
        assert beamish("backup", tmp_path / "copy", "--data", node.data).returncode == 0
    damaged = tmp_path / "copy" / "data.mdb"
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    examined = beamish("doctor", tmp_path / "copy")
    assert (examined.returncode, examined.stderr) == (1, "")
    assert examined.stdout.startswith("error: ")
    assert "The messenger's part was left out." in examined.stdout


def test_a_directory_of_something_else_cannot_be_examined(tmp_path):
    (tmp_path / "thesis.txt").write_text("chapter 1")
    examined = beamish("doctor", tmp_path)
    assert (examined.returncode, examined.stdout) == (2, "")
    assert len(examined.stderr.splitlines()) == 1
