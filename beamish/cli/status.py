"""`beamish status`: how a running node is, at a glance, as a table of all figures, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from beamish.cli.users import DATA_OPTION, ask


@click.command()
@DATA_OPTION
@click.option("--all", "everything", is_flag=True, help="Every figure that the node has.")
@click.option("--json", "as_json", is_flag=True, help="Every figure, as one JSON object.")
def status(data: Path, everything: bool, as_json: bool) -> None:
    """How a running node is: who is there, how busy it is, what is late, what is scarce."""
    figures = ask(data, "status")
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Node on {data}")
    if everything:
        table.add_column("figure")
        table.add_column("value", justify="right")
        for name, value in flatten(figures):
            count = isinstance(value, (int, float)) and not isinstance(value, bool)
            table.add_row(name, f"{value:,}" if count else str(value))
    else:
        table.show_header = False
        for name, text in glance(figures):
            table.add_row(name, text)
    Console().print(table)


def glance(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What an operator looks at first, a line each."""
    gateway, journal, actors = figures["gateway"], figures["journal"], figures["actors"]
    yield "version", f"{figures['version']}, process {figures['pid']}"
    yield "address", figures["http"]
    yield "up for", span(figures["uptime_s"])
    yield "users online", f"{figures['users_online']:,}"
    yield "connections", f"{gateway['connections']:,}, sessions {gateway['sessions']:,}"
    yield "messages a second", f"{figures['messages_per_s']:,} accepted"
    yield "deliveries a second", f"{figures['deliveries_per_s']:,}"
    yield "actors", f"{actors['actors']:,}, {figures['restarts']:,} restarts"
    load = figures["load"]
    yield "overload", f"level {load['level']}, {load['wait_ms']:.1f} ms for a turn"
    yield "oldest pending work", span(journal["oldest_pending_ms"] / 1_000)
    yield "commit", f"{journal['sync_mean_ms']:.1f} ms on average"
    yield "longest stall", f"{figures['longest_lag_ms']:,} ms"
    yield "journal", size(figures["journal_bytes"])
    yield "disk free", size(journal["disk_free_bytes"])
    yield "alarms", ", ".join(figures["alarms"]) or "none"


def span(seconds: float) -> str:
    """A time as people say it: its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def size(count: int) -> str:
    """Bytes as people say them."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def flatten(figures: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Figures of nested maps as rows, `journal.commits` for example; empty maps give none."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
