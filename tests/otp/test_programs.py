"""Random programs of processes end here as they end on Erlang/OTP."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings

from tests.otp.programs import comparable, erlang, programs, run_here

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(
    shutil.which("erl") is None or shutil.which("erlc") is None,
    reason="needs erl and erlc: apt-get install erlang-base",
)


@pytest.fixture(scope="module")
def run_on_otp(tmp_path_factory):
    """A function that runs a program on OTP; one node serves all programs of this file."""
    folder = tmp_path_factory.mktemp("otp")
    subprocess.run(["erlc", "-o", folder, HERE / "programs.erl"], check=True, timeout=60)
    command = ["erl", "+S", "1:1", "-noshell", "-pa", folder, "-s", "programs", "main"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
    ) as node:

        def run(program):
            node.stdin.write(f"{erlang(program)}.\n")
            node.stdin.flush()
            return json.loads(node.stdout.readline())

        yield run
        node.stdin.close()
        node.wait(10)


@settings(max_examples=300, derandomize=True)
@given(program=programs())
def test_a_program_ends_here_as_it_ends_on_otp(run_on_otp, program):
    here, there = comparable(trio.run(run_here, program)), comparable(run_on_otp(program))
    for step, ours, otps in zip(program[1], here, there, strict=True):
        assert ours == otps, f"after {step}"
