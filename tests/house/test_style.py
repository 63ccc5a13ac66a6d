"""What the house asks of every file and no linter checks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("actors", "supervision", "storage", "beamish", "bench", "examples")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
SCRIPTS = sorted((ROOT / "beamish" / "page").rglob("*.js"))
LONGEST = 500


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_begins_with_its_contract(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", FILES + SCRIPTS, ids=relative)
def test_a_file_is_short_enough_to_be_one_concept(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST
