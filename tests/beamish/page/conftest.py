"""What the page's tests need from the system: node for the engine, Chromium for the page itself."""

from __future__ import annotations

import shutil

import pytest


def _program(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip(f"the system package that provides {names[0]} is not installed")


@pytest.fixture(scope="session")
def node_binary() -> str:
    """Path of Node.js, which runs the engine's tests."""
    return _program("node", "nodejs")


@pytest.fixture(scope="session")
def chromium_binary() -> str:
    """Path of the system's Chromium, which Playwright drives."""
    return _program("chromium", "chromium-browser")
