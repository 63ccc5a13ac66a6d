"""Which logs the long tests play: those that `BEAMISH_LOGS` names, else copies of the sample."""

from __future__ import annotations

import os
from pathlib import Path

import beamish.replay
from beamish.replay.plan import Plan
from tests.reliability.kills import copies

SAMPLE = Path(beamish.replay.__file__).parent / "sample.log"
SAMPLE_COPIES = 40


def sample(times: int, *, direct: bool = False) -> Plan:
    """`times` copies of the sample: as many groups of the same people, all busy at once."""
    return copies([SAMPLE], times, direct=direct)


def long_plan(*, direct: bool = False) -> Plan:
    """The logs of `BEAMISH_LOGS` (paths separated by blanks), else 40 copies of the sample."""
    named = os.environ.get("BEAMISH_LOGS", "").split()
    if not named:
        return sample(SAMPLE_COPIES, direct=direct)
    return copies([Path(name) for name in named], 1, direct=direct)
