"""`beamish user ...` does the same to a running node and to a directory that nobody serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from beamish.client import ClientError, open_client
from tests.beamish.cli.process import beamish, served

GOOD = "correct horse"


@contextmanager
def directory(folder: Path, *, running: bool) -> Iterator[Path]:
    """A data directory with the account ada, served or not."""
    with served(folder) as node:
        assert (
            beamish("user", "add", "ada", "--data", node.data, "--password", GOOD).returncode == 0
        )
        if running:
            yield node.data
            return
        node.stop()
    yield folder / "data"


def logs_in(folder: Path, password: str) -> bool:
    """Whether ada gets in, on a node of its own if none runs."""

    async def log_in(url: str) -> bool:
        try:
            async with open_client(url, user="ada", password=password):
                return True
        except ClientError:
            return False

    with served(folder) as node:
        return trio.run(log_in, node.ws)


def done(data: Path, *arguments: str, input: str | None = None) -> str:  # noqa: A002
    ended = beamish("user", *arguments, "--data", data, input=input)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


@pytest.mark.parametrize("running", [True, False])
def test_accounts_are_changed_with_and_without_a_node(tmp_path: Path, running: bool) -> None:
    with directory(tmp_path, running=running) as data:
        done(data, "add", "bob", "--password", GOOD)
        assert done(data, "list").split() == ["ada", "bob"]
        assert "logged out" in done(data, "passwd", "ada", input="battery staple\n")
        assert done(data, "logout", "ada") == "ada is logged out everywhere.\n"
        assert done(data, "disable", "ada") == "ada is disabled.\n"
        assert done(data, "enable", "ada") == "ada is enabled.\n"
        assert done(data, "delete", "bob", "--yes") == "bob is deleted.\n"
        for command in ("disable", "passwd"):
            refused = beamish("user", command, "bob", "--data", data, input=f"{GOOD}\n")
            assert refused.returncode == 1
            assert refused.stderr == "Error: this account was deleted\n"
        refused = beamish("user", "logout", "nobody", "--data", data)
        assert refused.stderr == "Error: there is no user nobody\n"
        again = beamish("user", "add", "bob", "--data", data, "--password", GOOD)
        assert again.stderr == "Error: the user name bob is taken\n"
        asked = beamish("user", "delete", "ada", "--data", data, input="n\n")
        assert asked.returncode == 1
    assert logs_in(tmp_path, "battery staple")
    assert not logs_in(tmp_path, GOOD)


def test_a_disabled_account_stays_so_over_a_restart(tmp_path: Path) -> None:
    with directory(tmp_path, running=False) as data:
        done(data, "disable", "ada")
    assert not logs_in(tmp_path, GOOD)
    done(data, "enable", "ada")
    assert logs_in(tmp_path, GOOD)


def test_what_is_no_data_directory_is_not_made_one(tmp_path: Path) -> None:
    refused = beamish("user", "add", "ada", "--data", tmp_path, "--password", GOOD)
    assert refused.returncode == 1
    assert "No node answers" in refused.stderr
    assert list(tmp_path.iterdir()) == []
