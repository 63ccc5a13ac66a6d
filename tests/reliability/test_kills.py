"""Nothing is lost, doubled or reordered when the node is killed, wherever that hits.

Moments are drawn from a seed that each run prints; `BEAMISH_SEED` sets another.
"""

from __future__ import annotations

import itertools
import math
import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from beamish.replay import InHand
from tests.reliability.kills import MOMENTS, Kill, Killer, KillRun, draw_moments, run_kills
from tests.reliability.logs import long_plan, sample

SEED = int(os.environ.get("BEAMISH_SEED", "2"))


@pytest.mark.parametrize("direct", [False, True], ids=["groups", "direct"])
async def test_a_replay_survives_kills_of_the_node(tmp_path: Path, direct: bool) -> None:
    plan = sample(12 if direct else 4, strangers=True, direct=direct)
    run = await run_kills(plan, tmp_path, kills=6, seed=SEED)
    run.check()
    assert len(run.kills) == 6


@pytest.mark.slow
@pytest.mark.parametrize("direct", [False, True], ids=["groups", "direct"])
async def test_a_replay_survives_fifty_kills_of_the_node(tmp_path: Path, direct: bool) -> None:
    plan = long_plan(strangers=True, direct=direct)
    run = await run_kills(plan, tmp_path, kills=50, seed=SEED)
    print(run.as_json())
    run.check()
    assert len(run.kills) == 50
    assert any(kill.starting for kill in run.kills)
    assert set(run.phases) >= {"registering", "playing", "reading"}, run.phases


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
    """Stands for a node that takes `START_S` to start; notes when it is killed."""

    START_S = 0.25

    def __init__(self) -> None:
        self.kills: list[float] = []
        self.spawned = -math.inf

    def kill(self) -> None:
        self.kills.append(trio.current_time())

    def unsettled_streams(self) -> int:
        return 0

    def spawn(self) -> None:
        self.spawned = trio.current_time()

    def is_ready(self) -> bool:
        return trio.current_time() >= self.spawned + self.START_S

    async def wait_ready(self) -> None:
        while not self.is_ready():  # noqa: ASYNC110  # it may be killed meanwhile
            await trio.sleep_until(self.spawned + self.START_S)

    async def start(self) -> float:
        self.spawn()
        await self.wait_ready()
        return self.START_S


async def play(killer: Killer, target: Target, lengths: Sequence[float]) -> None:
    """A replay whose phases take these seconds of a node; nobody ever has anything in hand."""
    progress = killer.begin_replay()
    for phase, length in zip(MOMENTS, lengths, strict=True):
        progress.phase, progress.done, progress.total = phase, 0, 40
        while progress.done < progress.total:
            await target.wait_ready()
            await trio.sleep(length / progress.total)
            progress.done += 1
    progress.phase = "judging"
    await trio.sleep(0.5)
    killer.end_replay()
    await trio.sleep(0.5)


async def killed(seed: int, lengths: Sequence[float], replays: int) -> tuple[Target, KillRun]:
    """Replays under a killer without an end."""
    target, run = Target(), KillRun(seed)
    killer = Killer(target, run, 10**6)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(killer.work)
        for _ in range(replays):
            await play(killer, target, lengths)
        nursery.cancel_scope.cancel()
    return target, run


@pytest.mark.parametrize("lengths", [(1, 6, 1, 1), (6, 1, 1, 1), (1, 1, 1, 6), (1, 1, 1, 1)])
async def test_every_phase_is_hit_however_long_it_is_and_nothing_between_replays(
    autojump_clock: object, lengths: tuple[float, ...]
) -> None:
    target, run = await killed(1, lengths, replays=5)
    assert set(run.phases) == {"registering", "playing", "settling", "reading"}
    assert max(run.phases.values()) < 0.8 * len(run.kills)
    assert run.idle_kills == len(target.kills)  # nobody had anything in hand, and that is told
    with pytest.raises(AssertionError):
        run.check()


async def test_nodes_are_hit_while_they_start_and_when_clients_come_back(
    autojump_clock: object,
) -> None:
    target, run = await killed(1, (1, 1, 1, 1), replays=5)
    pauses = [later - sooner for sooner, later in itertools.pairwise(target.kills)]
    assert sum(kill.starting for kill in run.kills) == sum(p < Target.START_S for p in pauses) > 2
    assert sum(Target.START_S <= pause <= 2 * Target.START_S for pause in pauses) > 2


async def test_moments_are_repeated_by_their_seed(autojump_clock: object) -> None:
    moments = []
    for seed in (1, 1, 2):
        began = trio.current_time()
        target, _ = await killed(seed, (1, 2, 1, 1), replays=2)
        moments.append([moment - began for moment in target.kills])
    assert moments[0] == pytest.approx(moments[1], abs=0.05)  # it looks every 5 ms
    assert moments[0] != pytest.approx(moments[2], abs=0.05)


def test_moments_are_spread_evenly_over_the_work_of_a_phase() -> None:
    source = random.Random(1)
    replays = [draw_moments(source) for _ in range(1_000)]
    for phase, (least, most) in enumerate(MOMENTS.values()):
        counts = {sum(place == phase for place, _ in moments) for moments in replays}
        assert counts == set(range(least, most + 1))
        shares = [share for moments in replays for place, share in moments if place == phase]
        tenths = Counter(int(share * 10) for share in shares)
        assert set(tenths) == set(range(10))
        assert min(tenths.values()) > 0.5 * len(shares) / 10
    assert all(moments == sorted(moments) for moments in replays)
