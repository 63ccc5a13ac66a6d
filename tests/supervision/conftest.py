"""A system on a virtual clock, and the supervisor reports of it."""

from __future__ import annotations

import pytest

from actors import open_system
from supervision import SupervisorReport


@pytest.fixture
async def system():
    async with open_system("test", seed=1) as system:
        yield system


@pytest.fixture
def reports(system):
    """Every supervisor report of the system, as (context, id of the child, reason)."""
    seen = []

    def note(report):
        if isinstance(report, SupervisorReport):
            seen.append((report.context, report.offender.id, report.reason))

    system.on_report(note)
    return seen
