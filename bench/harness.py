"""What a bench is made of, and how samples become figures.

A `Run` names a program that is measured and the figures it yields; a *sample* is one execution of
it in a fresh process (`bench.sample`). Rounds are interleaved: in each, ours and every peer are
sampled once, the order turning from round to round. A figure's value is the median of its
samples; a ratio's the median of ours / peer taken round by round. A `Comparison` is such a ratio
under a name of its own. A figure may have a `Bar`, what it must come to; whether it does is told,
never enforced.

A peer that is not on this machine is left out, with the comparisons that need it; its name is told.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
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
class Bar:
    """What a figure must reach: one side of a bound, the bound included."""

    sign: Literal[">=", "<="]
    bound: float

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"

    def reached_by(self, value: float) -> bool:
        """Whether `value` is on the right side."""
        return value >= self.bound if self.sign == ">=" else value <= self.bound


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that a run yields."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    about: str
    bar: Bar | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ratio ours / `peer` of the figure named `of`, as a figure of its own."""

    name: str
    of: str
    peer: str
    bar: Bar
    about: str

    @property
    def figure(self) -> Figure:
        """How it is shown."""
        better: Literal["higher", "lower"] = "higher" if self.bar.sign == ">=" else "lower"
        return Figure(self.name, "ratio", better, self.about, self.bar)


@dataclass(frozen=True, slots=True)
class Run:
    """A program to measure: `program` and each peer are `module:function`.

    `full` and `quick` are the keyword arguments of either extent; peers get the same, but that
    `peer_full` replaces `full` for slow ones. A peer yields some or all of the run's figures, and
    only those it yields have ratios. A `long` run is no part of a quick bench unless asked for by
    name.
    """

    name: str
    program: str
    figures: tuple[Figure, ...]
    full: Options
    quick: Options
    peers: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 5
    quick_rounds: int = 1
    comparisons: tuple[Comparison, ...] = ()
    peer_full: Mapping[str, Options] = field(default_factory=dict)
    long: bool = False

    @property
    def all_figures(self) -> tuple[Figure, ...]:
        """The measured figures, then the comparisons."""
        return (*self.figures, *(comparison.figure for comparison in self.comparisons))


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
    """What one run came to. `peers` and `ratios` go peer by peer, then figure by figure.

    `figures` has the comparisons too, but those with an absent peer.
    """

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
    absent: Collection[str] = (),
    sampler: Sampler = sample_in_process,
    progress: Callable[[str], None] = lambda _: None,
) -> Result:
    """Sample `run` and its peers in interleaved rounds.

    `only` keeps that one figure; of a comparison, what it compares too, and no other peer.
    """
    rounds = run.quick_rounds if quick else run.rounds
    compared = [c for c in run.comparisons if c.peer not in absent and only in (None, c.name)]
    rivals = {c.peer for c in compared if c.name == only} or set(run.peers)
    programs = {"": run.program}
    programs |= {n: p for n, p in run.peers.items() if n in rivals and n not in absent}
    taken: dict[str, list[Sample]] = {name: [] for name in programs}
    for number in range(rounds):
        for name in turns(list(programs), number):
            progress(f"{run.name}: round {number + 1} of {rounds}, {name or 'ours'}")
            options = run.quick if quick else run.peer_full.get(name, run.full)
            taken[name].append(sampler(programs[name], options))
    of = {comparison.of for comparison in compared}
    wanted = [f.name for f in run.figures if only in (None, f.name) or f.name in of]
    figures = {figure: _series(taken[""], figure) for figure in wanted}
    peers: dict[str, dict[str, Series]] = {}
    ratios: dict[str, dict[str, Series]] = {}
    for peer in list(programs)[1:]:
        shared = [figure for figure in wanted if figure in taken[peer][0]]
        peers[peer] = {figure: _series(taken[peer], figure) for figure in shared}
        ratios[peer] = {
            f: _ratio(figures[f], peers[peer][f]) for f in shared if peers[peer][f].value
        }
    figures |= {c.name: ratios[c.peer][c.of] for c in compared}
    return Result(run, figures, peers, ratios)


def _series(samples: Sequence[Sample], figure: str) -> Series:
    return Series(tuple(float(sample[figure]) for sample in samples))


def _ratio(ours: Series, peer: Series) -> Series:
    return Series(tuple(a / b for a, b in zip(ours.samples, peer.samples, strict=True)))


def to_json(
    bench: str,
    results: Sequence[Result],
    *,
    quick: bool,
    machine: Mapping[str, object],
    absent: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """The document for programs: `figures`, `peers`, `ratios`, `absent` peers and `machine`."""
    figures: dict[str, object] = {}
    peers: dict[str, dict[str, object]] = {}
    ratios: dict[str, dict[str, object]] = {}
    for result in results:
        for figure in result.run.all_figures:
            if figure.name in result.figures:
                figures[figure.name] = _described(figure, result.figures[figure.name])
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
        "absent": dict(absent or {}),
    }


def _described(figure: Figure, series: Series) -> dict[str, object]:
    described = {
        **_document(series),
        "unit": figure.unit,
        "better": figure.better,
        "about": figure.about,
    }
    if figure.bar is not None:
        described["bar"] = str(figure.bar)
        described["reached"] = figure.bar.reached_by(series.value)
    return described


def _document(series: Series) -> dict[str, object]:
    return {"value": series.value, "samples": list(series.samples)}
