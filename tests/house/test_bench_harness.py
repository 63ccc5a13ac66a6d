"""How samples become figures: interleaving, medians, ratios, and the document for programs."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from bench import machine
from bench.harness import (
    Bar,
    BenchError,
    Comparison,
    Figure,
    Run,
    execute,
    sample_in_process,
    to_json,
)
from bench.table import show

SPEED = Figure("speed", "1/s", "higher", "how fast")
SIZE = Figure("size", "bytes", "lower", "how big")


def scripted(samples):
    """A sampler that plays back values by program, and the order in which it was asked."""
    asked = []

    def sampler(program, options):
        asked.append(program)
        return samples[program].pop(0)

    return sampler, asked


def run_of(**changes):
    values = {
        "name": "r",
        "program": "ours",
        "figures": (SPEED, SIZE),
        "full": {},
        "quick": {},
        "peers": {"other": "theirs"},
        "rounds": 3,
    }
    return Run(**{**values, **changes})


def test_a_figure_is_the_median_and_a_ratio_the_median_of_the_rounds_ratios():
    sampler, _ = scripted(
        {
            "ours": [{"speed": v, "size": 1} for v in (10, 40, 60)],
            "theirs": [{"speed": v} for v in (10, 10, 30)],
        }
    )
    result = execute(run_of(), quick=False, sampler=sampler)
    assert result.figures["speed"].value == 40
    assert result.peers["other"]["speed"].value == 10
    assert result.ratios["other"]["speed"].samples == (1, 4, 2)
    assert result.ratios["other"]["speed"].value == 2
    assert "size" not in result.peers["other"]


def test_ours_and_the_peers_take_turns_and_nobody_is_always_first():
    figures = {"speed": 1, "size": 1}
    sampler, asked = scripted({"ours": [figures] * 3, "theirs": [figures] * 3})
    execute(run_of(), quick=False, sampler=sampler)
    assert asked == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]


def test_quick_takes_the_small_options_once():
    seen = []

    def sampler(program, options):
        seen.append((program, options))
        return {"speed": 1, "size": 1}

    execute(run_of(full={"n": 9}, quick={"n": 1}), quick=True, sampler=sampler)
    assert seen == [("ours", {"n": 1}), ("theirs", {"n": 1})]


FASTER = Comparison("faster", "speed", "other", Bar(">=", 2), "ours / theirs")


def test_a_comparison_is_the_ratio_as_a_figure_that_knows_its_bar():
    sampler, _ = scripted({"ours": [{"speed": 6, "size": 2}], "theirs": [{"speed": 4}]})
    result = execute(run_of(rounds=1, comparisons=(FASTER,)), quick=False, sampler=sampler)
    assert result.figures["faster"].value == 1.5
    shown = to_json("b", [result], quick=False, machine={})["figures"]["faster"]
    assert shown == {
        "value": 1.5,
        "samples": [1.5],
        "unit": "ratio",
        "better": "higher",
        "about": "ours / theirs",
        "bar": ">= 2",
        "reached": False,
    }


def test_only_a_comparison_shows_it_with_what_it_compares():
    sampler, _ = scripted({"ours": [{"speed": 6, "size": 2}], "theirs": [{"speed": 4, "size": 1}]})
    run = run_of(rounds=1, peers={"other": "theirs", "third": "third"}, comparisons=(FASTER,))
    result = execute(run, quick=False, only="faster", sampler=sampler)
    assert set(result.figures) == {"speed", "faster"}
    assert set(result.peers["other"]) == {"speed"}


def test_an_absent_peer_is_not_sampled_and_its_comparisons_are_left_out():
    sampler, asked = scripted({"ours": [{"speed": 6, "size": 2}]})
    run = run_of(rounds=1, comparisons=(FASTER,))
    result = execute(run, quick=False, absent=["other"], sampler=sampler)
    assert asked == ["ours"]
    assert set(result.figures) == {"speed", "size"}
    assert result.peers == {}
    absent = {"other": "buy one"}
    document = to_json("b", [result], quick=False, machine={}, absent=absent)
    assert document["absent"] == {"other": "buy one"}
    out = io.StringIO()
    show(Console(file=out, width=120), "b", [result], machine.describe(), absent)
    assert "Not on this machine, so without ratios: other (buy one)." in out.getvalue()


def test_a_slow_peer_has_an_extent_of_its_own_except_in_a_quick_run():
    seen = []

    def sampler(program, options):
        seen.append((program, options))
        return {"speed": 1, "size": 1}

    run = run_of(full={"n": 9}, quick={"n": 1}, peer_full={"other": {"n": 2}}, rounds=1)
    execute(run, quick=False, sampler=sampler)
    execute(run, quick=True, sampler=sampler)
    assert seen == [
        ("ours", {"n": 9}),
        ("theirs", {"n": 2}),
        ("ours", {"n": 1}),
        ("theirs", {"n": 1}),
    ]


@pytest.mark.parametrize(
    ("bar", "below", "at", "above"),
    [(Bar(">=", 2), False, True, True), (Bar("<=", 2), True, True, False)],
)
def test_a_bar_includes_its_bound(bar, below, at, above):
    assert [bar.reached_by(value) for value in (1.9, 2, 2.1)] == [below, at, above]


def test_the_table_says_of_each_bar_whether_it_is_reached():
    sampler, _ = scripted({"ours": [{"speed": 6, "size": 2}], "theirs": [{"speed": 4}]})
    figures = (SPEED, Figure("size", "bytes", "lower", "how big", Bar("<=", 2)))
    run = run_of(rounds=1, figures=figures, comparisons=(FASTER,))
    result = execute(run, quick=False, sampler=sampler)
    out = io.StringIO()
    show(Console(file=out, width=140), "b", [result], machine.describe())
    assert ">= 2 MISSED" in out.getvalue()
    assert "<= 2 reached" in out.getvalue()


def test_only_keeps_one_figure():
    sampler, _ = scripted({"ours": [{"speed": 1, "size": 2}], "theirs": [{"speed": 1, "size": 4}]})
    result = execute(run_of(rounds=1), quick=False, only="size", sampler=sampler)
    assert list(result.figures) == ["size"]
    assert result.ratios == {"other": {"size": result.ratios["other"]["size"]}}
    assert result.ratios["other"]["size"].value == 0.5


def test_the_document_has_figures_peers_ratios_and_the_machine():
    sampler, _ = scripted({"ours": [{"speed": 6, "size": 2}], "theirs": [{"speed": 3}]})
    result = execute(run_of(rounds=1), quick=False, sampler=sampler)
    document = json.loads(json.dumps(to_json("b", [result], quick=True, machine={"cores": 2})))
    assert document["figures"]["speed"] == {
        "value": 6.0,
        "samples": [6.0],
        "unit": "1/s",
        "better": "higher",
        "about": "how fast",
    }
    assert document["peers"] == {"speed": {"other": {"value": 3.0, "samples": [3.0]}}}
    assert document["ratios"] == {"speed": {"other": {"value": 2.0, "samples": [2.0]}}}
    assert document["machine"] == {"cores": 2}
    assert document["quick"] is True


def test_the_table_shows_each_figure_with_its_unit_and_ratio():
    sampler, _ = scripted({"ours": [{"speed": 61000, "size": 2}], "theirs": [{"speed": 30500}]})
    result = execute(run_of(rounds=1), quick=False, sampler=sampler)
    out = io.StringIO()
    show(Console(file=out, width=120), "b", [result], machine.describe())
    row = next(line for line in out.getvalue().splitlines() if "speed" in line)
    assert "61,000" in row
    assert "1/s" in row
    peer = next(line for line in out.getvalue().splitlines() if "other" in line)
    assert "30,500" in peer
    assert " 2 " in peer


def test_a_sample_runs_in_a_process_of_its_own_and_returns_what_it_measured():
    assert sample_in_process("tests.house.test_bench_harness:measured", {"n": 3}) == {"speed": 6}


def measured(n):
    return {"speed": 2 * n}


def test_a_program_that_fails_is_named_with_its_error():
    with pytest.raises(
        BenchError, match=r"tests.house.test_bench_harness:nothing ended with status"
    ):
        sample_in_process("tests.house.test_bench_harness:nothing", {})
