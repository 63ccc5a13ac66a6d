"""Nothing is lost, doubled or reordered when the node is killed, wherever that hits.

Moments are drawn from a seed that each run prints; `BEAMISH_SEED` sets another.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import trio

from beamish.replay import InHand
from tests.reliability.kills import Kill, Killer, KillRun, run_kills
from tests.reliability.logs import long_plan, sample

SEED = int(os.environ.get("BEAMISH_SEED", "2"))


@pytest.mark.parametrize("direct", [False, True], ids=["groups", "direct"])
async def test_a_replay_survives_kills_of_the_node(tmp_path: Path, direct: bool) -> None:
    plan = sample(12 if direct else 4, strangers=True, direct=direct)
    run = await run_kills(plan, tmp_path, kills=6, seed=SEED, pause=(0.0, 1.0))
    assert len(run.kills) == 6
    run.check()


@pytest.mark.slow
@pytest.mark.parametrize("direct", [False, True], ids=["groups", "direct"])
async def test_a_replay_survives_fifty_kills_of_the_node(tmp_path: Path, direct: bool) -> None:
    plan = long_plan(strangers=True, direct=direct)
    pause = (0.0, 20.0) if "BEAMISH_LOGS" in os.environ else (0.0, 5.0)
    run = await run_kills(plan, tmp_path, kills=50, seed=SEED, pause=pause)
    print(run.as_json())
    assert len(run.kills) == 50
    assert any(kill.starting for kill in run.kills)
    assert {"registering", "playing", "reading"} <= set(run.phases), run.phases
    run.check()


def test_kills_that_hit_nothing_are_no_evidence() -> None:
    hits = [
        Kill(phase, starting=False, in_hand=in_hand)
        for phase, in_hand in (
            ("registering", InHand(users=1)),
            ("playing", InHand(messages=1)),
            ("playing", InHand(changes=1)),
            ("settling", InHand(deliveries=1)),
        )
    ]
    idle = Kill("playing", starting=False, in_hand=InHand(), unsettled=3)
    KillRun(1, [*hits, idle]).check()
    with pytest.raises(AssertionError):
        KillRun(1, [*hits[:3], idle]).check()


class Target:
    """Stands for a node; notes when it is killed."""

    def __init__(self) -> None:
        self.kills: list[float] = []

    def kill(self) -> None:
        self.kills.append(trio.current_time())

    def unsettled_streams(self) -> int:
        return 0

    def spawn(self) -> None:
        pass

    def is_ready(self) -> bool:
        return False

    async def start(self) -> float:
        await trio.sleep(1)
        return 1.0


async def test_kills_come_in_every_phase_and_never_between_replays(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.reliability.kills.START_UP_SHARE", 0.0)
    target, run = Target(), KillRun(1)
    killer = Killer(target, run, 1_000, random.Random(1), (0.0, 10.0))  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(killer.work)
        for _ in range(2):
            progress = killer.begin_replay()
            for phase in ("registering", "playing", "settling", "reading", "judging"):
                progress.phase = phase
                await trio.sleep(20 if phase == "judging" else 100)
            await killer.end_replay()
            await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert set(run.phases) == {"registering", "playing", "settling", "reading"}
    assert all(count > 20 for count in run.phases.values()), run.phases
    assert run.idle_kills == len(target.kills)  # nobody had anything in hand, and that is told
    with pytest.raises(AssertionError):
        run.check()


async def test_moments_are_repeated_by_their_seed(autojump_clock: object) -> None:
    moments = []
    for seed in (1, 1, 2):
        target = Target()
        began = trio.current_time()
        killer = Killer(target, KillRun(seed), 20, random.Random(seed), (0.0, 10.0))  # type: ignore[arg-type]
        killer.begin_replay()
        await killer.work()
        moments.append([round(moment - began, 6) for moment in target.kills])
    assert moments[0] == moments[1] != moments[2]
