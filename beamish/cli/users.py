"""`beamish user ...`: accounts of a running node, or of a data directory that nobody serves."""

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
    """Accounts, of a running node or of its data directory while none runs."""


@user.command("add")
@click.argument("name")
@DATA_OPTION
@click.option("--display", help="The name that others see, 1 to 64 characters; by default NAME.")
@click.option("--password", help="Best left out: it is then asked for, or read from a pipe.")
def add(name: str, data: Path, display: str | None, password: str | None) -> None:
    """Create the account NAME, whether registration is open or not."""
    change(
        data,
        "user_add",
        user=name,
        password=typed() if password is None else password,
        display=display,
    )
    click.echo(f"Added {name}.")


@user.command("list")
@DATA_OPTION
def list_users(data: Path) -> None:
    """Print every name that is taken, one a line, in order; a deleted account's stays so."""
    after: str | None = None
    while True:
        names = change(data, "user_list", after=after, limit=PAGE)["users"]
        for name in names:
            click.echo(name)
        if len(names) < PAGE:
            return
        after = names[-1]


@user.command("passwd")
@click.argument("name")
@DATA_OPTION
@click.option("--password", help="Best left out: it is then asked for, or read from a pipe.")
def passwd(name: str, data: Path, password: str | None) -> None:
    """Give the account NAME another password; all of its devices are logged out."""
    change(data, "user_passwd", user=name, password=typed() if password is None else password)
    click.echo(f"{name} has another password, and is logged out everywhere.")


@user.command("logout")
@click.argument("name")
@DATA_OPTION
def logout(name: str, data: Path) -> None:
    """Log all devices of the account NAME out."""
    change(data, "user_logout", user=name)
    click.echo(f"{name} is logged out everywhere.")


@user.command("disable")
@click.argument("name")
@DATA_OPTION
def disable(name: str, data: Path) -> None:
    """Put NAME out and let nobody in any more, until the account is enabled."""
    change(data, "user_disable", user=name)
    click.echo(f"{name} is disabled.")


@user.command("enable")
@click.argument("name")
@DATA_OPTION
def enable(name: str, data: Path) -> None:
    """Let the devices of NAME in again."""
    change(data, "user_enable", user=name)
    click.echo(f"{name} is enabled.")


@user.command("delete")
@click.argument("name")
@DATA_OPTION
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, data: Path, *, yes: bool) -> None:
    """End the account NAME for good: its groups are left, its name is never given again."""
    if not yes:
        click.confirm(f"End the account {name} for good?", abort=True)
    change(data, "user_delete", user=name)
    click.echo(f"{name} is deleted.")


def typed() -> str:
    """A new password, from whoever sits there or from a pipe."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


def change(data: Path, command: str, **fields: object) -> dict[str, Any]:
    """Like `ask`, but where no node runs the data directory itself is opened."""
    import trio

    from beamish.cli.accounts import carry_out_offline, has_journal
    from beamish.cli.control import ControlError, NobodyThere, request
    from storage import DirectoryError

    async def run() -> dict[str, Any]:
        try:
            return await request(data, command, **fields)
        except NobodyThere:
            if not has_journal(data):
                raise
            return await carry_out_offline(data, {"command": command, **fields})

    try:
        return trio.run(run)
    except Exception as error:
        inner: BaseException = error
        while isinstance(inner, BaseExceptionGroup) and len(inner.exceptions) == 1:
            inner = inner.exceptions[0]
        if isinstance(inner, ControlError | DirectoryError | ValueError):
            raise click.ClickException(str(inner)) from error
        raise


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
