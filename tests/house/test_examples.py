"""The examples that newcomers meet first run, and print what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "first_embedding.py"


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"the README has {len(found)} blocks of {language}"
    return found[0]


def test_the_readme_shows_the_example_that_is_run():
    source = EXAMPLE.read_text(encoding="utf-8")
    assert source.endswith(block("python"))


def test_the_first_example_survives_a_crash_and_prints_what_the_readme_says():
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == block("text")
