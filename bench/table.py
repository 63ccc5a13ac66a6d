"""The table for people: a row for each figure, then its peers and ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from bench.harness import Result, Series


def number(value: float) -> str:
    """Three to four significant digits, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.3g}"


def spread(series: Series) -> str:
    """The lowest and highest sample."""
    return f"{number(min(series.samples))} to {number(max(series.samples))}"


def verdict(bar: object, *, reached: bool) -> str:
    """What a figure must reach and whether it does, in a few words."""
    return f"{bar} {'reached' if reached else 'MISSED'}"


def absence(absent: Mapping[str, str]) -> str:
    """One sentence naming the peers that are not here, and what would bring them."""
    peers = "; ".join(f"{peer} ({remedy})" for peer, remedy in absent.items())
    return f"Not on this machine, so without ratios: {peers}."


def show(
    console: Console,
    bench: str,
    results: Sequence[Result],
    machine: Mapping[str, object],
    absent: Mapping[str, str] | None = None,
) -> None:
    """Print `results` with the machine they were measured on and the peers it lacks."""
    table = Table(title=f"{bench}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("samples", justify="right")
    table.add_column("ours / peer", justify="right")
    table.add_column("bar")
    for result in results:
        for figure in result.run.all_figures:
            if figure.name not in result.figures:
                continue
            series = result.figures[figure.name]
            bar = figure.bar
            told = "" if bar is None else verdict(bar, reached=bar.reached_by(series.value))
            shown = number(series.value)
            table.add_row(figure.name, shown, figure.unit, spread(series), "", told)
            for peer, by_figure in result.peers.items():
                if figure.name in by_figure:
                    other = by_figure[figure.name]
                    ratio = result.ratios[peer].get(figure.name)
                    shown = number(ratio.value) if ratio else ""
                    row = (f"  {peer}", number(other.value), figure.unit, spread(other), shown)
                    table.add_row(*row, style="dim")
    console.print(table)
    if absent:
        console.print(absence(absent))
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['python']}, {machine['kernel']}, "
        f"fdatasync {machine['fsync_ms']} ms, load average {machine['load_average']} at the start",
        style="dim",
    )
