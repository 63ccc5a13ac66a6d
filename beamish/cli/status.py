"""`beamish status`: the figures of a running node, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from beamish.cli.users import DATA_OPTION, ask


@click.command()
@DATA_OPTION
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def status(data: Path, as_json: bool) -> None:
    """What a running node has in hand: connections, actors, journal, disk."""
    figures = ask(data, "status")
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Node on {data}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in flatten(figures):
        count = isinstance(value, (int, float)) and not isinstance(value, bool)
        table.add_row(name, f"{value:,}" if count else str(value))
    Console().print(table)


def flatten(figures: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Figures of nested maps as rows, `journal.commits` for example; empty maps give none."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
