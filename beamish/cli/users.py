"""`beamish user add|list`: accounts of a running node, through its control socket."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

DATA_OPTION = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    envvar="BEAMISH_DATA",
    show_default=True,
    help="The data directory of the running node.",
)
PAGE = 1_000


@click.group()
def user() -> None:
    """Accounts of a running node."""


@user.command("add")
@click.argument("name")
@DATA_OPTION
@click.option("--display", help="The name that others see, 1 to 64 characters; by default NAME.")
@click.option("--password", help="Best left out: it is then asked for, or read from a pipe.")
def add(name: str, data: Path, display: str | None, password: str | None) -> None:
    """Create the account NAME, whether registration is open or not."""
    if password is None and sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    elif password is None:
        password = sys.stdin.readline().rstrip("\n")
    ask(data, "user_add", user=name, password=password, display=display)
    click.echo(f"Added {name}.")


@user.command("list")
@DATA_OPTION
def list_users(data: Path) -> None:
    """Print the name of every account, one a line, in order."""
    after: str | None = None
    while True:
        names = ask(data, "user_list", after=after, limit=PAGE)["users"]
        for name in names:
            click.echo(name)
        if len(names) < PAGE:
            return
        after = names[-1]


def ask(data: Path, command: str, **fields: object) -> dict[str, Any]:
    """A control request as the command line makes it: a failure is a sentence and status 1."""
    import trio

    from beamish.cli.control import ControlError, request

    async def run() -> dict[str, Any]:
        return await request(data, command, **fields)

    try:
        return trio.run(run)
    except ControlError as error:
        raise click.ClickException(str(error)) from error
