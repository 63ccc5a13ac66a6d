"""The page's engine under node: tests in JavaScript, run on a copy of the page's modules."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import beamish

PAGE = Path(beamish.__file__).parent / "page"
HERE = Path(__file__).parent
SUITES = sorted(path.name for path in HERE.glob("*.test.js"))


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's modules and the tests in one folder that node takes for ES modules."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    for path in HERE.glob("*.js"):
        shutil.copy(path, folder)
    (folder / "package.json").write_text(json.dumps({"type": "module"}))
    return folder


def test_there_are_suites() -> None:
    assert SUITES


@pytest.mark.parametrize("suite", SUITES)
def test_every_claim_of_the_suite_holds(suite: str, workbench: Path, node_binary: str) -> None:
    done = subprocess.run(
        [node_binary, "--test", suite],
        cwd=workbench,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout or "fail 0" in done.stdout
