"""Nothing is lost, doubled or reordered when the node is killed, wherever that hits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.kills import Kill, KillRun, run_kills
from tests.reliability.logs import long_plan, sample


@pytest.mark.parametrize("direct", [False, True], ids=["groups", "direct"])
async def test_a_replay_survives_kills_of_the_node(tmp_path: Path, direct: bool) -> None:
    plan = sample(12, direct=True) if direct else sample(4)
    run = await run_kills(plan, tmp_path, kills=4, seed=1, pause=(0.2, 1.0))
    assert len(run.kills) == 4
    run.check()


@pytest.mark.slow
@pytest.mark.parametrize("direct", [False, True], ids=["groups", "direct"])
async def test_a_replay_survives_fifty_kills_of_the_node(tmp_path: Path, direct: bool) -> None:
    plan = long_plan(direct=direct)
    run = await run_kills(plan, tmp_path, kills=50, seed=2, pause=(0.5, 10.0))
    assert len(run.kills) == 50
    assert any(kill.starting for kill in run.kills)
    run.check()


def test_kills_that_hit_nothing_are_no_evidence() -> None:
    hit = Kill("playing", starting=False, unanswered=1, unsettled=0)
    owed = Kill("playing", starting=True, unanswered=0, unsettled=3)
    idle = Kill("playing", starting=False, unanswered=0, unsettled=0)
    KillRun([hit, owed, hit, hit, idle]).check()
    with pytest.raises(AssertionError):
        KillRun([hit, owed, idle, hit]).check()
