"""The command line of the benches."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import click
from rich.console import Console

from bench import machine, peers
from bench.harness import BenchError, Result, Run, execute, to_json
from bench.table import show

BENCHES = ("runtime", "journal", "chat", "curves")


@click.command()
@click.argument("name", type=click.Choice(BENCHES))
@click.option(
    "--quick", is_flag=True, help="Small and once: shows that it works, not how fast it is."
)
@click.option("--only", metavar="FIGURE", help="Only the run that yields this figure.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
def main(name: str, *, quick: bool, only: str | None, file: Path | None) -> None:
    """Measure NAME: runtime, journal, chat or curves. A table on the screen; JSON into FILE."""
    machine.require_linux()
    console = Console()
    runs: tuple[Run, ...] = importlib.import_module(f"bench.{name}").RUNS
    known = [figure.name for run in runs for figure in run.all_figures]
    if only is not None and only not in known:
        raise click.BadParameter(
            f"no such figure; {name} has {', '.join(known)}", param_hint="--only"
        )
    if only is None:
        chosen = [run for run in runs if not (quick and run.long)]
    else:
        chosen = [run for run in runs if only in [f.name for f in run.all_figures]]
    wanted = {peer for run in chosen for peer in run.peers}
    absent = {peer: how for peer, how in peers.absent().items() if peer in wanted}
    described = machine.describe()
    results: list[Result] = []
    try:
        with console.status("") as status:
            results.extend(
                execute(run, quick=quick, only=only, absent=absent, progress=status.update)
                for run in chosen
            )
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    show(console, f"{name}{', quick' if quick else ''}", results, described, absent)
    if file is not None:
        document = to_json(name, results, quick=quick, machine=described, absent=absent)
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
