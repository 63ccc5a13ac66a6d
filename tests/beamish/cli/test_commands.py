from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import click
import pytest

import beamish.replay
from beamish.cli.replay_command import websocket_url, write_json
from beamish.cli.status import flatten, size, span
from tests.beamish.cli.process import COMMAND, Served, served
from tests.beamish.cli.process import beamish as run

SAMPLE = Path(beamish.replay.__file__).parent / "sample.log"
CROWD = SAMPLE.with_name("crowd.log")
NOBODY = "ws://127.0.0.1:9/ws"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("node")) as node:
        yield node


def test_the_command_explains_itself() -> None:
    helped = run("--help")
    assert helped.returncode == 0
    for command in ("serve", "user", "status", "replay"):
        assert command in helped.stdout


def test_users_are_added_and_listed(node: Served) -> None:
    typed = run("user", "add", "zoe", "--data", node.data, input="secret horse\n")
    assert (typed.returncode, typed.stderr) == (0, "")
    given = run("user", "add", "abe", "--data", node.data, "--password", "secret horse")
    assert given.stdout == "Added abe.\n"
    names = run("user", "list", "--data", node.data).stdout.split()
    assert [name for name in names if name in ("abe", "zoe")] == ["abe", "zoe"]


def test_a_user_that_cannot_be_added_is_one_sentence(node: Served) -> None:
    for name, password in (("Capital", "secret horse"), ("short", "horse")):
        refused = run("user", "add", name, "--data", node.data, "--password", password)
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
        assert refused.stderr.startswith("Error: a")


@pytest.mark.parametrize("display", ["", "two\nlines", "\x1b[31mred", " ada", "a" * 65, b"\xff"])
def test_a_display_name_from_the_command_line_obeys_the_protocols_rule(
    node: Served, display: str | bytes
) -> None:
    shown = os.fsdecode(display)
    ended = run(
        "user", "add", "eve", "--data", node.data, "--password", "secret horse", "--display", shown
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: a display name must ")
    assert len(ended.stderr.splitlines()) == 1
    assert "eve" not in run("user", "list", "--data", node.data).stdout.split()


def test_a_display_name_of_64_characters_will_do(node: Served) -> None:
    added = run(
        "user",
        "add",
        "ann",
        "--data",
        node.data,
        "--password",
        "secret horse",
        "--display",
        "ä" * 64,
    )
    assert added.stdout == "Added ann.\n"


def test_status_has_a_table_and_json(node: Served) -> None:
    table = run("status", "--all", "--data", node.data)
    assert "journal.commits" in table.stdout
    figures = json.loads(run("status", "--data", node.data, "--json").stdout)
    assert figures["pid"] == node.process.pid
    assert figures["journal"]["commits"] >= 0
    assert figures["gateway"]["sessions"] >= 0


def test_status_counts_refused_connections_by_their_status(node: Served) -> None:
    address = urlsplit(node.http)
    assert address.hostname is not None
    assert address.port is not None
    for _ in range(3):
        with socket.create_connection((address.hostname, address.port), timeout=10) as opened:
            opened.sendall(b"nonsense\r\n\r\n")
            assert b" 400 " in opened.recv(4_096)
    figures = json.loads(run("status", "--data", node.data, "--json").stdout)
    assert figures["gateway"]["refused"] == {"400": 3}
    assert "gateway.refused.400" in run("status", "--all", "--data", node.data).stdout


def test_commands_without_a_node_say_how_to_start_one(tmp_path: Path) -> None:
    for command in (("status",), ("user", "list")):
        ended = run(*command, "--data", tmp_path)
        assert ended.returncode == 1
        assert "beamish serve --data" in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ((), (121 + 186, 990 + 3_482)),
        (("--connections", "4"), (121 + 186, 990 + 3_482)),
        (("--direct",), (31 + 46, 31 + 46)),
    ],
)
def test_the_samples_played_on_a_real_node_comes_to_the_zeros(
    node: Served, tmp_path: Path, way: tuple[str, ...], expected: tuple[int, int]
) -> None:
    account = tmp_path / "account.json"
    played = run("replay", SAMPLE, CROWD, "--now", "--url", node.ws, "--json", account, *way)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "nothing lost" in played.stdout
    figures = json.loads(account.read_text())
    assert (figures["acknowledged"], figures["delivered"]) == expected
    assert figures["history_mismatches"] == 0


def test_connections_go_elsewhere_when_one_of_the_nodes_is_gone(node: Served) -> None:
    played = run("replay", SAMPLE, "--now", "--url", NOBODY, "--url", node.ws)
    assert played.returncode == 0, played.stdout + played.stderr


def test_an_address_without_a_node_has_status_3(tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    ended = run("replay", SAMPLE, "--now", "--url", NOBODY, "--give-up", "0.5", "--json", account)
    assert ended.returncode == 3
    assert ended.stderr == (
        f"Error: No node could be reached at {NOBODY} for 0.5 s: does one run there?\n"
    )
    assert not account.exists()


@pytest.mark.parametrize("where", ["missing/account.json", "file/account.json"])
def test_an_account_that_cannot_be_written_is_wrong_usage_before_anything_is_played(
    node: Served, tmp_path: Path, where: str
) -> None:
    (tmp_path / "file").touch()
    before = len(run("user", "list", "--data", node.data).stdout.split())
    ended = run("replay", SAMPLE, "--now", "--url", node.ws, "--json", tmp_path / where)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "account.json cannot be written: No" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(run("user", "list", "--data", node.data).stdout.split()) == before


def test_an_account_that_can_no_longer_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=r"account\.json cannot be written: No such"):
        write_json(tmp_path / "gone" / "account.json", SimpleNamespace(as_json=dict))  # type: ignore[arg-type]


def test_ctrl_c_ends_a_replay_with_an_account_that_says_it_is_incomplete(
    node: Served, tmp_path: Path
) -> None:
    account = tmp_path / "account.json"
    command = [*COMMAND, "replay", str(SAMPLE), "--speed", "60", "--url", node.ws]
    users = len(run("user", "list", "--data", node.data).stdout.split())
    with subprocess.Popen(
        [*command, "--json", str(account)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as playing:
        deadline = time.monotonic() + 30
        while len(run("user", "list", "--data", node.data).stdout.split()) < users + 15:
            assert time.monotonic() < deadline
        playing.send_signal(signal.SIGINT)
        out, err = playing.communicate(timeout=30)
    assert playing.returncode == 130
    assert err == "Stopped by Ctrl-C: this account is incomplete.\n"
    assert "stopped, INCOMPLETE" in out
    figures = json.loads(account.read_text())
    assert (figures["complete"], figures["clean"]) == (False, False)
    assert figures["lost"] is figures["history_mismatches"] is None
    assert figures["expected_deliveries"] == 990 > figures["delivered"]


def test_closed_registration_has_status_1_and_one_sentence(tmp_path: Path) -> None:
    with served(tmp_path, "--registration", "closed") as closed:
        ended = run("replay", SAMPLE, "--now", "--url", closed.ws)
    assert ended.returncode == 1
    assert "could not be registered: forbidden" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("no/such.log",),
        (SAMPLE, "--now", "--speed", "2"),
        (SAMPLE, "--speed", "0"),
        (SAMPLE, "--connections", "0"),
        (SAMPLE, "--url", "ftp://example.org"),
        (Path(__file__), "--now"),
    ],
)
def test_wrong_usage_of_replay_has_status_2(arguments: tuple[object, ...]) -> None:
    ended = run("replay", *arguments)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ws://h:1/ws", "ws://h:1/ws"),
        ("http://h:1/", "ws://h:1/ws"),
        ("https://h", "wss://h/ws"),
        ("h:8080", "ws://h:8080/ws"),
        ("[::1]:8080", "ws://[::1]:8080/ws"),
        ("wss://h/chat/ws", "wss://h/chat/ws"),
    ],
)
def test_addresses_of_pages_and_hosts_will_do(given: str, meant: str) -> None:
    assert websocket_url(given) == meant


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="no address of a node"):
        websocket_url("ftp://h")


def test_status_tells_at_a_glance_what_an_operator_wants(node: Served) -> None:
    told = run("status", "--data", node.data)
    assert told.returncode == 0, told.stderr
    for name in ("version", "up for", "users online", "connections", "messages a second"):
        assert name in told.stdout
    rows = {row[0].strip(): row[1].strip() for row in re.findall(r"│ (.*?) │ (.*?) │", told.stdout)}
    assert rows["address"] == node.http
    assert re.fullmatch(r"[\d.]+ (B|KiB|MiB)", rows["journal"])
    assert rows["disk free"].split()[1] in ("MiB", "GiB", "TiB")
    assert rows["alarms"] == "none"
    assert re.fullmatch(r"level \d, [\d.]+ ms for a turn", rows["overload"])
    assert str(node.process.pid) in rows["version"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.25, "0.2 s"), (61, "1 min 1 s"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")],
)
def test_times_are_told_by_their_two_largest_units(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (1_536, "1.5 KiB"), (1 << 50, "1024.0 TiB")],
)
def test_sizes_are_told_in_a_fitting_unit(count: int, said: str) -> None:
    assert size(count) == said


def test_nested_figures_become_rows() -> None:
    assert list(flatten({"a": 1, "b": {"c": 2, "d": {}}})) == [("a", 1), ("b.c", 2)]


def test_an_upgrade_says_what_was_moved(node: Served) -> None:
    done = run("upgrade", "beamish.messenger.sweeper", "--data", node.data)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == "Upgraded beamish.messenger.sweeper."
    assert second.startswith("Moved 1 Sweeper, in ")


def test_an_upgrade_that_does_not_work_is_one_sentence(node: Served) -> None:
    for module, what in (("no.such.module", "no module"), ("actors.actor", "is the runtime")):
        failed = run("upgrade", module, "--data", node.data)
        assert (failed.returncode, failed.stdout) == (1, "")
        assert failed.stderr.startswith("Error: Nothing was changed: ")
        assert what in failed.stderr
        assert len(failed.stderr.splitlines()) == 1
