"""What a bench is made of, and how samples become figures.

A `Run` names a program that is measured and the figures it yields; a *sample* is one execution of
it in a fresh process (`bench.sample`). Rounds are interleaved: in each, ours and every peer are
sampled once, the order turning from round to round. A figure's value is the median of its samples;
a ratio's the median of ours / peer taken round by round.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Options = dict[str, int | float | str]
"""Keyword arguments of a program, as JSON carries them."""

Sample = Mapping[str, float]
"""One execution: the figures it measured by name."""

Sampler = Callable[[str, Options], Sample]

SAMPLE_TIMEOUT_S = 900.0


class BenchError(Exception):
    """A sample could not be taken; the sentence says which and why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that a run yields."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    about: str


@dataclass(frozen=True, slots=True)
class Run:
    """A program to measure: `program` and each peer are `module:function`.

    `full` and `quick` are the keyword arguments of either extent; peers get the same. A peer yields
    some or all of the run's figures, and only those it yields have ratios.
    """

    name: str
    program: str
    figures: tuple[Figure, ...]
    full: Options
    quick: Options
    peers: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 5
    quick_rounds: int = 1


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one figure, in the order of the rounds."""

    samples: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.samples)


@dataclass(frozen=True, slots=True)
class Result:
    """What one run came to. `peers` and `ratios` go peer by peer, then figure by figure."""

    run: Run
    figures: Mapping[str, Series]
    peers: Mapping[str, Mapping[str, Series]]
    ratios: Mapping[str, Mapping[str, Series]]


def sample_in_process(program: str, options: Options) -> Sample:
    """Execute `program` once in a fresh interpreter and return the figures it printed.

    Raises BenchError with the end of what it wrote when it fails or takes longer than 15 minutes.
    """
    command = [sys.executable, "-m", "bench.sample", program, json.dumps(options)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=SAMPLE_TIMEOUT_S,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{program} took longer than {SAMPLE_TIMEOUT_S:.0f} s.") from error
    if done.returncode != 0:
        tail = done.stderr.strip()[-2000:]
        raise BenchError(f"{program} ended with status {done.returncode}:\n{tail}")
    sample: Sample = json.loads(done.stdout.splitlines()[-1])
    return sample


def turns(names: Sequence[str], round_number: int) -> list[str]:
    """The order of one round, rotated by one each time so that nobody is always first."""
    shift = round_number % len(names)
    return [*names[shift:], *names[:shift]]


def execute(
    run: Run,
    *,
    quick: bool,
    only: str | None = None,
    sampler: Sampler = sample_in_process,
    progress: Callable[[str], None] = lambda _: None,
) -> Result:
    """Sample `run` and its peers in interleaved rounds. `only` keeps that one figure of it."""
    options = run.quick if quick else run.full
    rounds = run.quick_rounds if quick else run.rounds
    programs = {"": run.program, **run.peers}
    taken: dict[str, list[Sample]] = {name: [] for name in programs}
    for number in range(rounds):
        for name in turns(list(programs), number):
            progress(f"{run.name}: round {number + 1} of {rounds}, {name or 'ours'}")
            taken[name].append(sampler(programs[name], options))
    wanted = [f.name for f in run.figures if only is None or f.name == only]
    ours = {figure: _series(taken[""], figure) for figure in wanted}
    peers: dict[str, dict[str, Series]] = {}
    ratios: dict[str, dict[str, Series]] = {}
    for peer in run.peers:
        shared = [figure for figure in wanted if figure in taken[peer][0]]
        peers[peer] = {figure: _series(taken[peer], figure) for figure in shared}
        ratios[peer] = {f: _ratio(ours[f], peers[peer][f]) for f in shared if peers[peer][f].value}
    return Result(run, ours, peers, ratios)


def _series(samples: Sequence[Sample], figure: str) -> Series:
    return Series(tuple(float(sample[figure]) for sample in samples))


def _ratio(ours: Series, peer: Series) -> Series:
    return Series(tuple(a / b for a, b in zip(ours.samples, peer.samples, strict=True)))


def to_json(
    bench: str, results: Sequence[Result], *, quick: bool, machine: Mapping[str, object]
) -> dict[str, object]:
    """The document for programs: `figures`, `peers`, `ratios` and `machine`."""
    figures: dict[str, object] = {}
    peers: dict[str, dict[str, object]] = {}
    ratios: dict[str, dict[str, object]] = {}
    for result in results:
        for figure in result.run.figures:
            if figure.name in result.figures:
                figures[figure.name] = {
                    **_document(result.figures[figure.name]),
                    "unit": figure.unit,
                    "better": figure.better,
                    "about": figure.about,
                }
        for into, source in ((peers, result.peers), (ratios, result.ratios)):
            for peer, by_figure in source.items():
                for name, series in by_figure.items():
                    into.setdefault(name, {})[peer] = _document(series)
    return {
        "bench": bench,
        "quick": quick,
        "machine": dict(machine),
        "figures": figures,
        "peers": peers,
        "ratios": ratios,
    }


def _document(series: Series) -> dict[str, object]:
    return {"value": series.value, "samples": list(series.samples)}
