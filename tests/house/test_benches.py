"""Every bench runs, and yields the figures that it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.document import page

ROOT = Path(__file__).resolve().parents[2]

PROMISED = {
    "runtime": {"casts_per_s", "calls_per_s", "starts_per_s", "bytes_per_actor"},
    "journal": {"appends_per_s", "sync_ms", "slow_appends_per_s", "slow_sync_ms"},
    "chat": {
        "messages_per_s",
        "cpu_us_per_message",
        "sync_ms",
        "slow_messages_per_s",
        "slow_sync_ms",
        "delivery_p50_ms",
        "delivery_p99_ms",
        "connections_per_s",
        "bytes_per_user",
    },
}


def bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(600)  # on a busy machine
@pytest.mark.parametrize("name", PROMISED)
def test_a_quick_run_yields_every_figure_the_bench_promises(name, tmp_path):
    file = tmp_path / "figures.json"
    done = bench(name, "--quick", "--json", str(file))
    assert done.returncode == 0, done.stderr
    document = json.loads(file.read_text())
    assert set(document) == {"bench", "quick", "machine", "figures", "peers", "ratios"}
    assert set(document["figures"]) >= PROMISED[name]
    assert all(figure["value"] > 0 for figure in document["figures"].values())
    assert all(figure in done.stdout for figure in PROMISED[name])
    for figure in PROMISED[name] & {"slow_sync_ms"}:
        assert document["figures"][figure]["value"] >= 5.0


def test_a_figure_that_no_bench_has_is_refused_with_those_it_has():
    done = bench("runtime", "--quick", "--only", "speed")
    assert done.returncode == 2
    assert "casts_per_s" in done.stderr


def document(*, quick):
    taken = {"value": 1234.5, "samples": [1200.0, 1234.5, 1300.0]}
    return {
        "bench": "runtime",
        "quick": quick,
        "machine": {
            "cpu": "CPU",
            "cores": 2,
            "memory_gib": 8,
            "python": "CPython 3.11",
            "kernel": "Linux",
            "libraries": {"trio": "0.35"},
            "fsync_ms": 0.3,
            "load_average": 0.1,
        },
        "figures": {"casts_per_s": {**taken, "unit": "1/s", "better": "higher", "about": "casts"}},
        "peers": {"casts_per_s": {"trio channel": {"value": 100.0, "samples": [100.0]}}},
        "ratios": {"casts_per_s": {"trio channel": {"value": 12.345, "samples": [12.345]}}},
    }


def test_the_page_shows_median_spread_ratio_and_machine():
    text = page([document(quick=False)])
    assert "| `casts_per_s` | 1,234 | 1/s | 3: 1,200 to 1,300 |  | casts |" in text
    assert "| &nbsp;&nbsp;trio channel | 100 | 1/s | 1: 100 to 100 | 12.3 |  |" in text
    assert "CPU, 2 cores, 8 GiB; CPython 3.11" in text


def test_a_quick_run_never_gets_onto_the_page():
    with pytest.raises(SystemExit, match="--quick, which measures nothing"):
        page([document(quick=True)])
