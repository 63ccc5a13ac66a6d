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


def show(
    console: Console, bench: str, results: Sequence[Result], machine: Mapping[str, object]
) -> None:
    """Print `results` with the machine they were measured on."""
    table = Table(title=f"{bench}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("samples", justify="right")
    table.add_column("ours / peer", justify="right")
    for result in results:
        for figure in result.run.figures:
            if figure.name not in result.figures:
                continue
            series = result.figures[figure.name]
            table.add_row(figure.name, number(series.value), figure.unit, spread(series), "")
            for peer, by_figure in result.peers.items():
                if figure.name in by_figure:
                    other = by_figure[figure.name]
                    ratio = result.ratios[peer].get(figure.name)
                    shown = number(ratio.value) if ratio else ""
                    row = (f"  {peer}", number(other.value), figure.unit, spread(other), shown)
                    table.add_row(*row, style="dim")
    console.print(table)
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['python']}, {machine['kernel']}, "
        f"fdatasync {machine['fsync_ms']} ms, load average {machine['load_average']} at the start",
        style="dim",
    )
