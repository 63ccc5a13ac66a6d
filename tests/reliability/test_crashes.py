"""Actors crash while a replay plays: nobody notices but the supervisor.

Each kind of actor crashes at each of its marked places (`beamish.messenger.faults.POINTS`), the
counts say how often; a place that never crashed was not tested, so that fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beamish.replay import PlaySettings, play
from beamish.replay.plan import Plan
from tests.reliability.logs import long_plan, sample
from tests.reliability.node import NodeUnderTest

PLACES = {
    "conversation: before handling",
    "conversation: between append and reply",
    "conversation: between fan-outs",
    "conversation: after reply",
    "user: before handling",
    "user: between append and reply",
    "user: after reply",
    "session: before handling",
    "session: after reply",
}
SLOWEST_RESTART_MS = 5_000.0


async def crash(plan: Plan, folder: Path, share: float, seed: int) -> dict[str, Any]:
    """A replay on a node where `share` of the places crash; the node's figures at its end."""
    options = ("--inject-crashes", str(share), "--inject-seed", str(seed))
    node = NodeUnderTest(folder, options)
    try:
        await node.start()
        report = await play(plan, PlaySettings(urls=(node.ws,)))
        figures = await node.status()
        assert report.clean, report
        assert await node.stop() == 0
    finally:
        node.close()
    return figures


def check(figures: dict[str, Any]) -> None:
    """Every place crashed, nothing else did, and restarts were quick."""
    crashes, injected = figures["injected_crashes"], figures["injected"]
    assert set(crashes) == PLACES, f"never crashed: {PLACES - set(crashes)}"
    assert injected["other_crashes"] == 0
    assert injected["supervisors_ended"] == 0
    assert figures["actors"]["crashes"] == sum(crashes.values())
    assert injected["restarts"] > 0
    assert injected["restart_ms"]["max"] < SLOWEST_RESTART_MS


@pytest.mark.parametrize("share", [0.01, 0.05])
async def test_a_replay_survives_crashes_of_every_kind_of_actor(
    tmp_path: Path, share: float
) -> None:
    check(await crash(sample(8 if share < 0.02 else 1), tmp_path, share, seed=3))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.01, 0.05])
async def test_a_long_replay_survives_crashes_of_every_kind_of_actor(
    tmp_path: Path, share: float
) -> None:
    figures = await crash(long_plan(), tmp_path, share, seed=4)
    print({name: figures[name] for name in ("injected_crashes", "injected")})
    check(figures)
