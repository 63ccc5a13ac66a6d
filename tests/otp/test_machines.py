"""Random state machines do here what they do on Erlang/OTP's gen_statem."""

from __future__ import annotations

from random import Random

import pytest
import trio

from tests.otp.machines import comparable, random_machine, run_here
from tests.otp.node import needs_otp, open_node

pytestmark = needs_otp

PROGRAMS = 200


@pytest.fixture(scope="module")
def run_on_otp(tmp_path_factory):
    with open_node("machines", tmp_path_factory.mktemp("otp")) as run:
        yield run


@pytest.mark.parametrize("seed", range(5))
def test_machines_do_here_what_they_do_on_otp(run_on_otp, seed):
    random = Random(seed)
    for number in range(PROGRAMS):
        program = random_machine(random)
        here, there = comparable(trio.run(run_here, program)), comparable(run_on_otp(program))
        for burst, ours, otps in zip(program[3], here, there, strict=True):
            assert ours == otps, f"program {number}, {program}: after {burst}"
