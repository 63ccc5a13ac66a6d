"""A supervisor restarts, stops and refuses here as on Erlang/OTP, whatever its children do."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given, settings

from tests.otp.node import needs_otp, open_node
from tests.otp.trees import dynamic_trees, run_here, settled, trees

pytestmark = needs_otp


@pytest.fixture(scope="module")
def run_on_otp(tmp_path_factory):
    with open_node("trees", tmp_path_factory.mktemp("otp")) as run:
        yield run


@settings(max_examples=300, derandomize=True)
@given(program=trees())
def test_a_supervisor_does_here_what_it_does_on_otp(run_on_otp, program):
    here, there = trio.run(run_here, program), run_on_otp(program)
    for step, ours, otps in zip(program[-1], here, there, strict=True):
        assert ours == otps, f"after {step}"


@settings(max_examples=300, derandomize=True)
@given(program=dynamic_trees())
def test_a_dynamic_supervisor_does_here_what_simple_one_for_one_does_on_otp(run_on_otp, program):
    here, there = trio.run(run_here, program), run_on_otp(program)
    for step, ours, otps in zip(program[-1], here, there, strict=True):
        assert settled(ours) == settled(otps), f"after {step}"
