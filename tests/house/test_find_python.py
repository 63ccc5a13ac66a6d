"""How a Python is found, and the one sentence when there is none that will do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SH = shutil.which("sh")


@pytest.fixture
def path(tmp_path):
    """An empty PATH with no version manager, to put interpreters on."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def fake_python(path, name, prologue):
    """A command `name` that runs this interpreter after `prologue`."""
    script = path / name
    script.write_text(
        f"#!{sys.executable}\nimport sys\n{prologue}\n"
        "code = sys.argv[2]\nsys.argv = ['-c', *sys.argv[3:]]\nexec(code)\n"
    )
    script.chmod(0o755)


def find_python(path, *arguments, **environment):
    return subprocess.run(
        [SH, str(ROOT / ".ci" / "find-python"), *arguments],
        env={"PATH": str(path), "HOME": str(path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_any_python_one_sentence_says_what_is_needed(path):
    done = find_python(path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Beamish needs Python 3.11 or newer, and none was found")
    assert done.stderr.count("\n") == 1


def test_a_python_without_venv_gets_one_sentence_with_the_package_to_install(path):
    fake_python(path, "python3", "sys.modules['ensurepip'] = None")
    done = find_python(path)
    minor = "{}.{}".format(*sys.version_info)
    assert done.returncode == 1
    assert f"apt-get install python{minor}-venv" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_old_python_and_a_shim_that_fails_are_passed_over(path):
    fake_python(path, "python3.11", "sys.exit('no such version')")
    fake_python(path, "python3.12", "sys.version_info = (3, 10, 0)")
    fake_python(path, "python3", "")
    done = find_python(path)
    assert done.returncode == 0
    assert done.stdout.strip() == sys.executable


def test_a_python_that_was_named_comes_first(path):
    fake_python(path, "mine", "sys.executable = '/named/python'")
    fake_python(path, "python3", "")
    done = find_python(path, PYTHON=str(path / "mine"))
    assert done.stdout.strip() == "/named/python"


def test_a_minor_version_that_is_not_here_is_left_out_quietly(path):
    fake_python(path, "python3", "")
    done = find_python(path, "3.99")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
