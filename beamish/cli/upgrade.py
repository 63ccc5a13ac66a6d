"""`beamish upgrade MODULE...`: new code for a running node, without a restart."""

from __future__ import annotations

from pathlib import Path

import click

from beamish.cli.users import DATA_OPTION, ask

MAX_TIMEOUT = 50.0
"""Seconds; below the time in which the node answers a command."""


@click.command()
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@DATA_OPTION
@click.option(
    "--timeout",
    type=click.FloatRange(0, MAX_TIMEOUT, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds for all actors of the modules to come to rest between two messages.",
)
def upgrade(modules: tuple[str, ...], data: Path, timeout: float) -> None:
    """Bring a running node's actors over to the new source of MODULE, all or none.

    MODULE is a full name, such as beamish.messenger.users.user; the node loads its file anew. When
    something is wrong nothing is changed, and the status is 1.
    """
    done = ask(data, "upgrade", modules=list(modules), timeout=timeout)
    for name in done["modules"]:
        click.echo(f"Upgraded {name}.")
    moved = [f"{count} {kind}" for kind, count in done["moved"].items()]
    click.echo(f"Moved {', '.join(moved) or 'no living actors'}, in {done['seconds']:.3f} s.")
    for name in done["outdated"]:
        click.echo(f"Still derives from an old class: {name}; upgrade its module, too.")
