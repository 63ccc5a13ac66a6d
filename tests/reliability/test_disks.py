"""A disk that is full or fails costs refusals, said clearly, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from beamish.replay.plan import Plan
from tests.reliability.disks import FailingDisk, SmallDisk, namespaces_missing
from tests.reliability.logs import long_plan, sample
from tests.reliability.outages import Outage, play_through

MISSING = namespaces_missing()
needs_namespaces = pytest.mark.skipif(MISSING is not None, reason=f"missing: {MISSING}")
RESERVE = 24
CODES = {"ok", "storage_unavailable"}


async def full(plan: Plan, folder: Path, reserve: int, leave: int, seconds: float) -> Outage:
    """A replay on a disk of which `leave` MiB stay free for `seconds`."""
    disk = SmallDisk(folder, 1024 if seconds > 10 else 128, "--disk-reserve", str(reserve))
    try:
        await disk.node.start()
        outage = await play_through(
            plan,
            disk.node,
            begin=lambda: disk.fill(leave << 20),
            hold=lambda: disk.fill(leave << 20),
            end=disk.empty,
            seconds=seconds,
        )
        assert await disk.node.stop() == 0
    finally:
        disk.node.close()
    return outage


async def failing(plan: Plan, folder: Path, seconds: float) -> Outage:
    """A replay on a disk that fails to extend files for `seconds`."""
    disk = FailingDisk(folder)
    try:
        await disk.node.start()
        outage = await play_through(
            plan, disk.node, begin=disk.fail, hold=lambda: None, end=disk.mend, seconds=seconds
        )
        assert await disk.node.stop() == 0
    finally:
        disk.node.close()
    return outage


def check(outage: Outage) -> None:
    """The zeros, and clear refusals meanwhile."""
    assert outage.report is not None
    assert outage.report.clean, outage.report
    assert outage.report.refused > 0
    assert "storage_unavailable" in outage.codes
    assert {*outage.codes, *outage.held} <= CODES


@needs_namespaces
async def test_below_the_reserve_new_messages_are_refused_and_none_is_lost(tmp_path: Path) -> None:
    outage = await full(sample(5), tmp_path, RESERVE, RESERVE // 2, 1.5)
    check(outage)
    assert set(outage.held) == {"storage_unavailable"}
    assert outage.acknowledged_at_end == outage.acknowledged_before


@needs_namespaces
@pytest.mark.parametrize("reserve", [0, RESERVE], ids=["no-reserve", "reserve"])
async def test_a_disk_without_a_byte_left_loses_nothing(tmp_path: Path, reserve: int) -> None:
    check(await full(sample(5), tmp_path, reserve, 0, 1.5))


async def test_a_disk_that_fails_to_write_loses_nothing(tmp_path: Path) -> None:
    check(await failing(sample(5), tmp_path, 1.5))


@pytest.mark.slow
@needs_namespaces
@pytest.mark.parametrize(("reserve", "leave"), [(256, 128), (256, 0), (0, 0)])
async def test_a_long_replay_through_a_full_disk(tmp_path: Path, reserve: int, leave: int) -> None:
    check(await full(long_plan(), tmp_path, reserve, leave, 20.0))


@pytest.mark.slow
async def test_a_long_replay_through_a_failing_disk(tmp_path: Path) -> None:
    check(await failing(long_plan(), tmp_path, 20.0))
