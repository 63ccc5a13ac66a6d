"""A node under a small limit of open files."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from beamish.cli.files import SPARE_FILES, connections_room
from tests.beamish.cli.process import CHEAP, COMMAND, PATIENCE, beamish, wait_until_ready


@pytest.mark.parametrize(
    ("limit", "room"), [(20_000, 20_000 - SPARE_FILES), (640, 320), (639, 319), (64, 32), (1, 1)]
)
def test_connections_leave_files_for_everything_else(limit, room):
    assert connections_room(limit) == room


def answered(url):
    """The status of a health check, if there is an answer."""
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status
    return None


def until_accepted(data, count):
    """Wait until the node has taken so many connections in hand."""
    deadline = time.monotonic() + PATIENCE
    accepted = 0
    while accepted < count:
        assert time.monotonic() < deadline
        told = beamish("status", "--data", data, "--json")
        accepted = json.loads(told.stdout)["gateway"]["accepted"]


def test_more_connections_than_files_are_refused_and_the_node_goes_on(tmp_path):
    ready = tmp_path / "ready.json"
    node = [*COMMAND, "serve", "--data", str(tmp_path / "d"), "--port", "0", *CHEAP]
    limited = ["sh", "-c", 'ulimit -n 100; exec "$@"', "sh", *node, "--ready-file", str(ready)]
    with subprocess.Popen(
        limited, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            url = str(wait_until_ready(process, ready)["http"])
            address = urlsplit(url).hostname, urlsplit(url).port
            held = [socket.create_connection(address, timeout=PATIENCE) for _ in range(150)]
            until_accepted(tmp_path / "d", 150)
            for one in held:
                one.close()
            deadline = time.monotonic() + PATIENCE
            while answered(url + "health/live") != 200:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            process.terminate()
            _, log = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "may open 100 files: 50 connections" in log
    assert "Traceback" not in log
