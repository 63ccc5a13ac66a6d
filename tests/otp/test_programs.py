"""Random programs of processes end here as they end on Erlang/OTP."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given, settings

from tests.otp.node import needs_otp, open_node
from tests.otp.programs import comparable, programs, run_here

pytestmark = needs_otp


@pytest.fixture(scope="module")
def run_on_otp(tmp_path_factory):
    with open_node("programs", tmp_path_factory.mktemp("otp")) as run:
        yield run


@settings(max_examples=300, derandomize=True)
@given(program=programs())
def test_a_program_ends_here_as_it_ends_on_otp(run_on_otp, program):
    here, there = comparable(trio.run(run_here, program)), comparable(run_on_otp(program))
    for step, ours, otps in zip(program[1], here, there, strict=True):
        assert ours == otps, f"after {step}"
