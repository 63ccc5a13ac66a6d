"""Every bench runs, and yields the figures that it promises."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from bench import chat, peers, sizes
from bench.document import page
from bench.otp import measure

ROOT = Path(__file__).resolve().parents[2]

PROMISED = {
    "runtime": {
        "casts_per_s",
        "calls_per_s",
        "async_calls_per_s",
        "shared_calls_per_s",
        "starts_per_s",
        "template_starts_per_s",
        "bytes_per_actor",
        "restart_us",
        "crash_storm_s",
        "stop_s",
        "backlog_cost",
        "alarmed_backlog_cost",
    },
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
PROMISED["curves"] = {
    pattern.format(size) for pattern in (sizes.TRAFFIC, sizes.MESSAGE) for size in sizes.SIZES
}
COMPARED = {
    peers.OTP: {
        "call_vs_otp",
        "call_async_vs_otp",
        "call_shared_vs_otp",
        "cast_vs_otp",
        "start_vs_otp",
        "memory_vs_otp",
        "restart_vs_otp",
        "stop_vs_otp",
    },
    peers.PYKKA: {"call_vs_pykka", "cast_vs_pykka"},
    peers.TRIOTP: {"call_vs_triotp", "cast_vs_triotp"},
}
LONG = {"million_actors_gib", "million_start_rate", "gc_pause_ms"}


def bench(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def promised(name):
    """What the bench yields on this machine: no comparison with a peer that is not here."""
    if name != "runtime":
        return PROMISED[name]
    compared = [names for peer, names in COMPARED.items() if peer not in peers.absent()]
    return PROMISED[name].union(*compared)


@pytest.mark.timeout(600)  # on a busy machine
@pytest.mark.parametrize("name", PROMISED)
def test_a_quick_run_yields_every_figure_the_bench_promises(name, tmp_path):
    file = tmp_path / "figures.json"
    done = bench(name, "--quick", "--json", str(file))
    assert done.returncode == 0, done.stderr
    document = json.loads(file.read_text())
    parts = {"bench", "quick", "machine", "figures", "peers", "ratios", "absent"}
    assert set(document) == parts
    assert set(document["figures"]) >= promised(name)
    assert not set(document["figures"]) & LONG
    values = [figure["value"] for figure in document["figures"].values()]
    assert all(value > 0 and math.isfinite(value) for value in values)
    assert all(figure in done.stdout for figure in promised(name))
    assert all(f"{peer} (" in done.stdout for peer in document["absent"])
    for figure in promised(name) & {name for names in COMPARED.values() for name in names}:
        assert document["figures"][figure]["bar"][:2] in {">=", "<="}
        assert isinstance(document["figures"][figure]["reached"], bool)
    for figure in PROMISED[name] & {"slow_sync_ms"}:
        assert document["figures"][figure]["value"] >= 5.0


async def test_a_load_is_counted_until_there_is_enough_of_it(autojump_clock):
    """A busy machine may confirm nothing in the short time of a quick run."""
    slow, began = chat.Pair("ann", "ben", window=1), trio.current_time()

    async def confirm():
        for _ in range(300):
            await trio.sleep(0.1)
            slow.confirmed += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(confirm)
        assert await chat.confirmed_over([slow], 0.5) >= chat.FEWEST
        assert trio.current_time() - began < 11
        assert await chat.confirmed_over([slow], 15.0) == pytest.approx(150, abs=1)


async def test_a_load_that_stands_still_is_an_error(autojump_clock):
    with pytest.raises(RuntimeError, match=r"Only 0 messages were read in 30 s, too few"):
        await chat.confirmed_over([chat.Pair("ann", "ben", window=1)], 0.5)


def test_a_long_figure_is_measured_when_asked_for_by_name(tmp_path):
    file = tmp_path / "figures.json"
    for name in sorted(LONG):
        done = bench("runtime", "--quick", "--only", name, "--json", str(file))
        assert done.returncode == 0, done.stderr
        document = json.loads(file.read_text())
        assert set(document["figures"]) == {name}
        assert document["figures"][name]["value"] > 0


def test_without_its_peers_a_bench_yields_the_rest_and_names_them(tmp_path):
    file = tmp_path / "figures.json"
    done = bench(
        "runtime", "--quick", "--only", "restart_us", "--json", str(file), PATH=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(file.read_text())
    assert set(document["figures"]) == {"restart_us"}
    assert document["peers"] == {}
    assert set(document["absent"]) == {"OTP"}
    named = "Not on this machine, so without ratios: OTP (erl and erlc: Debian's package"
    assert named in done.stdout


def test_the_otp_peer_says_why_it_failed():
    if peers.OTP in peers.absent():
        return  # without it, the test above shows what is told
    with pytest.raises(RuntimeError, match=r"(?s)erl ended with status 1.*function_clause"):
        measure("no_such_figure", 1)


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
    assert "| `casts_per_s` | 1,234 | 1/s | 3: 1,200 to 1,300 |  | casts |  |" in text
    assert "| &nbsp;&nbsp;trio channel | 100 | 1/s | 1: 100 to 100 | 12.3 |  | |" in text
    assert "CPU, 2 cores, 8 GiB; CPython 3.11" in text


def test_the_page_shows_what_a_figure_must_reach_and_whether_it_does():
    shown = document(quick=False)
    ratio = {"unit": "ratio", "better": "higher", "about": "rate / theirs", "bar": ">= 0.4"}
    for name, value in (("slow_vs_otp", 0.25), ("fast_vs_otp", 0.5)):
        reached = value >= 0.4
        shown["figures"][name] = {"value": value, "samples": [value], **ratio, "reached": reached}
    shown["absent"] = {"pykka": "pip install it"}
    text = page([shown])
    slow = "| `slow_vs_otp` | 0.25 | ratio | 1: 0.25 to 0.25 |  | rate / theirs | >= 0.4 MISSED |"
    assert slow in text
    assert "| rate / theirs | >= 0.4 reached |" in text
    assert "Not on this machine, so without ratios: pykka (pip install it)." in text


def test_a_quick_run_never_gets_onto_the_page():
    with pytest.raises(SystemExit, match="--quick, which measures nothing"):
        page([document(quick=True)])
