"""The gates themselves: pins, the import table, and skips under REQUIRE_ALL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKES = {"COVERAGE", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"}
"""What an outer `make` leaves in the environment of the tests that it runs."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    for line in pinned:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+(; .+)?", line), line
    return {
        canonical(name): version.split(";")[0].strip()
        for name, version in (line.split("==") for line in pinned)
    }


def test_pins_are_bare_names_and_versions_each_once():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert len(pins()) == len([line for line in lines if line and not line.startswith("#")])


def test_whatever_is_installed_is_pinned_in_that_version():
    if Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        # Another environment runs the tests: which versions it has is its own business.
        return
    installed = {canonical(d.name): d.version for d in distributions()}
    for ours in ("beamish", "pip"):
        installed.pop(ours, None)
    assert installed == {name: version for name, version in pins().items() if name in installed}


def test_every_dependency_named_in_the_project_is_pinned_and_has_a_lower_bound():
    project = PROJECT["project"]
    for wanted in project["dependencies"] + [
        each for extra in project["optional-dependencies"].values() for each in extra
    ]:
        name = re.match(r"[A-Za-z0-9_.-]+", wanted)[0]
        assert canonical(name) in pins(), wanted
        assert ">=" in wanted, wanted


def test_the_import_table_says_what_each_package_may_import():
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    table = {
        source: sorted(contract["forbidden_modules"])
        for contract in contracts
        for source in contract["source_modules"]
    }
    assert table == {
        "actors": ["beamish", "storage", "supervision"],
        "storage": ["actors", "beamish", "supervision"],
        "supervision": ["beamish", "storage"],
    }


def test_an_import_against_the_table_is_refused(tmp_path):
    for package in ("actors", "supervision", "storage", "beamish"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "actors" / "bad.py").write_text("import storage\n")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "actors.bad -> storage" in done.stdout


SKIPS = """
import pytest

@pytest.mark.skip(reason="no such package")
def test_marked(): ...

def test_while_running():
    pytest.skip("not here")

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_to_fail():
    assert False
"""


def run_elsewhere(folder: Path, files: dict[str, str], **environment: str) -> str:
    """What pytest says of these files, run with the conftest.py of our tests."""
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in files.items():
        (folder / name).write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", **environment},
        capture_output=True,
        text=True,
        check=False,
    ).stdout


@pytest.mark.parametrize(
    ("require_all", "closing"),
    [("1", "1 failed, 1 xfailed, 1 error"), ("", "2 skipped, 1 xfailed")],
)
def test_a_skip_is_a_failure_only_when_everything_is_required(tmp_path, require_all, closing):
    told = run_elsewhere(tmp_path, {"test_skips.py": SKIPS}, REQUIRE_ALL=require_all)
    assert closing in told
    assert ("REQUIRE_ALL=1 and yet this was skipped: " in told) == bool(require_all)


def test_a_module_skipped_while_it_is_collected_fails_when_everything_is_required(tmp_path):
    missing = "import pytest\npytest.importorskip('no_such_thing')\n"
    told = run_elsewhere(tmp_path, {"test_module.py": missing}, REQUIRE_ALL="1")
    assert "1 error" in told
    assert "no_such_thing" in told


def recipe(target: str, **environment: str) -> str:
    """What `make` would run for it."""
    inherited = {name: value for name, value in os.environ.items() if name not in MAKES}
    return subprocess.run(
        ["make", "--dry-run", "--always-make", target],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_coverage_is_measured_when_asked_for_and_ci_asks():
    assert "pytest" in recipe("test")
    assert "--cov" not in recipe("test")
    assert " --cov --cov-report=term" in recipe("test", COVERAGE="1")
    assert " --cov --cov-report=term" in recipe("coverage")
    assert "\nCOVERAGE=1 make test\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_bytecode_is_kept_also_where_the_environment_is_against_it(tmp_path):
    files = {
        "imported.py": "",
        "imported_there.py": "",
        "test_import.py": """
import subprocess, sys

def test_it():
    import imported
    subprocess.run([sys.executable, "-c", "import imported_there"], check=True)
""",
    }
    told = run_elsewhere(tmp_path, files, PYTHONDONTWRITEBYTECODE="1", REQUIRE_ALL="")
    assert "1 passed" in told
    kept = {path.name.partition(".")[0] for path in (tmp_path / "__pycache__").iterdir()}
    assert {"imported", "imported_there", "test_import"} <= kept


@pytest.mark.parametrize(
    ("profile", "stated", "unstated"), [("beamish", 7, 100), ("thorough", 70, 1000)]
)
def test_a_thorough_run_tries_ten_times_the_examples(profile, stated, unstated):
    program = """
from hypothesis import settings
from tests.examples import examples, load_profile
load_profile()
print(examples(7).max_examples, settings().max_examples, settings().deadline)
"""
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "HYPOTHESIS_PROFILE": profile},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told == f"{stated} {unstated} None\n"
    assert "HYPOTHESIS_PROFILE=thorough .venv/bin/pytest" in recipe("test-thorough")
