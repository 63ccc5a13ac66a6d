"""The plots of the page of figures: `python -m bench.plots out/bench-curves.json docs/images`.

Two SVG files, ``cost-by-actors.svg`` and ``cost-by-backlog.svg``: microseconds against N, ours and
the peers' that were measured, medians with the range of the samples.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.sizes import MESSAGE, SIZES, TRAFFIC

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "beamish"

from matplotlib import pyplot as plt  # noqa: E402 - after the backend is chosen

PLOTS = (
    ("cost-by-actors.svg", TRAFFIC, "living actors", "us for a cast and a call to a random one"),
    ("cost-by-backlog.svg", MESSAGE, "messages that wait", "us for a message behind them"),
)


def draw(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the plots of the bench `curves` into `folder`; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for file, pattern, x_label, y_label in PLOTS:
        figure, axes = plt.subplots(figsize=(7, 4))
        names = [pattern.format(size) for size in SIZES]
        _curve(axes, "Beamish", [document["figures"][name] for name in names])
        for peer in document["peers"].get(names[0], {}):
            _curve(axes, peer, [document["peers"][name][peer] for name in names])
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.grid(alpha=0.3)
        axes.legend()
        figure.tight_layout()
        figure.savefig(folder / file, metadata={"Date": None})
        plt.close(figure)
        drawn.append(folder / file)
    return drawn


def _curve(axes: Any, label: str, series: Sequence[Mapping[str, Any]]) -> None:
    values = [one["value"] for one in series]
    below = [one["value"] - min(one["samples"]) for one in series]
    above = [max(one["samples"]) - one["value"] for one in series]
    axes.errorbar(SIZES, values, yerr=(below, above), marker="o", capsize=3, label=label)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
