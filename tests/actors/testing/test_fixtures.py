"""The fixtures for pytest, used as a conftest would."""

from __future__ import annotations

from actors.testing.fixtures import probe, system  # noqa: F401 - found by name
from tests.actors.kit import Note


async def test_the_probe_lives_in_the_system_of_the_test(autojump_clock, system, probe):  # noqa: F811
    assert probe.ref in system.actors()
    probe.ref.cast(Note(1))
    await probe.expect(Note(1))
    await probe.expect_no(within=3600)
