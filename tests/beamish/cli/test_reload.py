"""TLS and changed settings of a running node, as an operator sees them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from beamish import replay as player
from beamish.cli.configuration import ConfigError
from beamish.cli.options import Asked
from tests.beamish.cli.process import CHEAP, COMMAND, PATIENCE, beamish, served

FIRST = Path(__file__).parents[1] / "client" / "localhost.pem"
RENEWED = Path(__file__).parents[1] / "gateway" / "renewed.pem"
SAMPLE = Path(player.__file__).parent / "sample.log"


def trusting():
    context = ssl.create_default_context(cafile=str(FIRST))
    context.load_verify_locations(str(RENEWED))
    return context


def subject(url):
    """The name in the certificate that a node shows."""
    address = urlsplit(url)
    with (
        socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as tcp,
        trusting().wrap_socket(tcp, server_hostname="localhost") as tls,
    ):
        ((_, name),) = tls.getpeercert()["subject"][0]
        return name


class Log:
    """What a node says on its error stream, read while it runs."""

    def __init__(self, node):
        self.node = node

    def until(self, text):
        """The next line that has `text`."""
        deadline = time.monotonic() + PATIENCE
        for line in self.node.process.stderr:
            if text in line:
                return line
            assert time.monotonic() < deadline
        raise AssertionError(f"the node ended without {text!r}")


def hang_up(node):
    node.process.send_signal(signal.SIGHUP)


def test_a_certificate_is_renewed_while_the_node_runs_and_a_bad_one_is_refused(tmp_path):
    certificate = tmp_path / "node.pem"
    shutil.copy(FIRST, certificate)
    with served(tmp_path, "--tls-cert", str(certificate), "--tls-key", str(certificate)) as node:
        log = Log(node)
        assert node.http.startswith("https://")
        assert node.ws.startswith("wss://")
        with urllib.request.urlopen(
            node.http + "health/ready", timeout=PATIENCE, context=trusting()
        ) as answer:
            assert answer.status == 200
        assert subject(node.http) == "localhost"
        shutil.copy(RENEWED, certificate)
        assert subject(node.http) == "localhost"
        hang_up(node)
        assert "took over the certificate" in log.until("SIGHUP")
        assert subject(node.http) == "localhost renewed"
        certificate.write_text("no certificate")
        hang_up(node)
        line = log.until("SIGHUP")
        assert "ERROR SIGHUP: nothing is changed: tls-cert (command line)" in line
        assert subject(node.http) == "localhost renewed"
        assert node.stop() == 0


def test_a_replay_reaches_a_node_behind_tls(tmp_path):
    with served(tmp_path, "--tls-cert", str(FIRST), "--tls-key", str(FIRST)) as node:
        played = subprocess.run(
            [*COMMAND, "replay", str(SAMPLE), "--now", "--direct", "--url", node.ws],
            env={**os.environ, "SSL_CERT_FILE": str(FIRST)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert played.returncode == 0, played.stdout + played.stderr
        figures = json.loads(beamish("status", "--data", node.data, "--json").stdout)
        assert figures["gateway"]["handshakes_failed"] == 0


def test_settings_of_a_file_are_taken_over_and_what_needs_a_start_is_told(tmp_path):
    file = tmp_path / "beamish.toml"
    file.write_text('registration = "open"\n')
    with served(tmp_path, "--config", str(file)) as node:
        log = Log(node)
        file.write_text('registration = "closed"\nmax-connections = 7\ninbox = 5\nport = 1\n')
        hang_up(node)
        # The command line has a port, so the file's does not count.
        assert "WARNING SIGHUP: inbox has changed: restart" in log.until("SIGHUP")
        assert log.until("SIGHUP").endswith("took over registration, max-connections\n")
        file.write_text("max-connections = many\n")
        hang_up(node)
        assert "nothing is changed" in log.until("SIGHUP")
        played = beamish("replay", SAMPLE, "--now", "--url", node.ws)
        assert "could not be registered: forbidden" in played.stderr
        assert node.stop() == 0


def test_without_a_file_or_certificate_sighup_is_the_end_of_the_terminal(tmp_path):
    with served(tmp_path) as node:
        assert node.stop(signal.SIGHUP) == 0
        assert not node.ready.exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f'tls-cert = "{FIRST}"',
            'without tls-key: a node speaks TLS with both. Write for example tls-key = "/etc',
        ),
        (f'tls-key = "{FIRST}"', "tls-key (FILE, line 1) is there without tls-cert"),
        (
            f'tls-cert = "{FIRST}"\ntls-key = "{RENEWED}"',
            "tls-cert (FILE, line 1) and tls-key (FILE, line 2): ",
        ),
        ('tls-cert = "no.pem"\ntls-key = "no.pem"', "no.pem cannot be read: No such file"),
        ('trusted-proxy = ["0.0.0.0/0"]', "0.0.0.0/0 is everybody: name the proxies."),
        ('trusted-proxy = ["proxy"]', "'proxy' is no network: write 10.0.0.0/8 or an address."),
    ],
)
def test_tls_and_proxies_that_cannot_be_are_told_before_the_start(text, sentence, tmp_path):
    file = tmp_path / "beamish.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as wrong:
        Asked({}, file, {}).effective()
    (problem,) = wrong.value.problems
    assert sentence.replace("FILE", str(file)) in problem


def test_a_trusted_network_may_be_written_loosely(tmp_path):
    file = tmp_path / "beamish.toml"
    file.write_text('trusted-proxy = ["10.1.2.3/8", "::1"]')
    assert Asked({}, file, {}).options().trusted_proxy == ("10.0.0.0/8", "::1/128")


def test_a_node_with_a_bad_certificate_does_not_start(tmp_path):
    ended = beamish(
        "serve", "--data", tmp_path / "d", "--tls-cert", "no.pem", "--tls-key", "no.pem", *CHEAP
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "d").exists()
