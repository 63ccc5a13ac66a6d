"""What every test run shares.

* Under `REQUIRE_ALL=1` a skipped test, or a module skipped while it is collected, is a failure: CI
  installs what tests need, so there a skip means that something is no longer tested.
* Hypothesis sets no deadline for one example: other processes share the cores, and time limits are
  pytest-timeout's business.
* Bytecode is kept, whatever the environment says: the tests start hundreds of processes, and many
  images set PYTHONDONTWRITEBYTECODE, so each of them would compile all of the source again.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.examples import load_profile

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"

load_profile()


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that keeps the reason; expected failures stay what they are."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    longrepr = report.longrepr
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    report.outcome = "failed"
    report.longrepr = f"REQUIRE_ALL=1 and yet this was skipped: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if REQUIRE_ALL:
        refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if REQUIRE_ALL:
        refuse_skip(report)
    return report
