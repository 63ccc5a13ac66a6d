"""Fixtures for pytest with pytest-trio, for who wants them; nothing is loaded by itself.

In ``conftest.py``::

    from actors.testing.fixtures import probe, system  # noqa: F401

``system`` is a seeded system of actors (on a virtual clock if the test also asks for pytest-trio's
``autojump_clock``), ``probe`` a `Probe` in it. pytest and pytest-trio must be installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.testing.probe import Probe, open_probe
from actors.testing.time import open_test_system

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.system import System


@pytest.fixture
async def system() -> AsyncIterator[System]:
    """A system of actors, stopped in order after the test."""
    async with open_test_system() as opened:
        yield opened


@pytest.fixture
async def probe(system: System) -> Probe:
    """A probe in the ``system`` of the test."""
    return await open_probe(system)
