"""`beamish backup DIR` and `beamish restore BACKUP DATA`.

A backup is made by the node that runs on the directory, through its control socket, while it goes
on serving; where none runs the command opens the directory itself. Ctrl-C takes back what it had
written. A restore makes a new directory, on which nobody runs yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from beamish.cli.status import size
from beamish.cli.users import DATA_OPTION

if TYPE_CHECKING:
    from beamish.operations.backing import Backing

Tell = Callable[[int, int], None]


@click.command()
@click.argument("target", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@DATA_OPTION
def backup(target: Path, data: Path) -> None:
    """Copy the journal of a node, running or not, into the new or empty directory DIR.

    What was acknowledged when the copy began is in it, nothing later. `beamish restore` makes a
    data directory of it.
    """
    import trio

    from storage import BackupError, DirectoryError

    with shown("Backup") as tell:
        try:
            done = trio.run(_backup, data, target.absolute(), tell)
        except Exception as error:
            inner = innermost(error)
            if not isinstance(inner, (BackupError, DirectoryError, ValueError)):
                raise
            raise click.ClickException(sentence(inner)) from error
        except BaseExceptionGroup as interrupted:
            raise innermost(interrupted) from None
    click.echo(f"{target} holds the journal as of {_time(done['created_ms'])},", nl=False)
    click.echo(f" {size(done['size'])}.")


async def _backup(data: Path, target: Path, tell: Tell) -> dict[str, Any]:
    from beamish.cli.control import ControlError, NobodyThere, follow

    def event(told: dict[str, Any]) -> None:
        if "total" in told:
            tell(told["done"], told["total"])

    try:
        return await follow(data, "backup", event, target=str(target))
    except NobodyThere as nobody:
        if not (data / "journal.json").exists():
            raise ValueError(f"{data} holds no journal: name a data directory.") from nobody
    except ControlError as error:
        raise ValueError(str(error)) from error
    async with _offline(data, target) as backing:
        async for told in backing.events():
            event(told)
        return backing.ends()


@asynccontextmanager
async def _offline(data: Path, target: Path) -> AsyncIterator[Backing]:
    from beamish.operations.backing import backing_up
    from storage import open_lmdb

    async with open_lmdb(data) as journal, backing_up(journal, target) as backing:
        yield backing


@click.command()
@click.argument("source", type=click.Path(path_type=Path, file_okay=False), metavar="BACKUP")
@click.argument("data", type=click.Path(path_type=Path, file_okay=False))
def restore(source: Path, data: Path) -> None:
    """Make the new or empty directory DATA a node's data, as of BACKUP.

    Clients that have seen more than the backup holds are told so when they connect, and begin anew
    from what is there.
    """
    from storage import BackupError
    from storage import restore as restore_backup

    with shown("Restore") as tell:
        try:
            found = restore_backup(source, data, progress=tell)
        except BackupError as error:
            raise click.ClickException(sentence(error)) from error
    click.echo(f"{data} is as of {_time(found.created_ms)}: `beamish serve --data {data}`.")


@contextmanager
def shown(what: str, *, counted: bool = False) -> Iterator[Tell]:
    """A bar on a terminal, nothing elsewhere; of bytes, or of entries that are `counted`."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
    )

    console = Console(stderr=True)
    last = MofNCompleteColumn() if counted else DownloadColumn()
    columns = TextColumn("{task.description}"), BarColumn(), last
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


def _time(ms: int) -> str:
    at = dt.datetime.fromtimestamp(ms / 1_000).astimezone()
    return f"{at:%Y-%m-%d %H:%M:%S %z}"


def innermost(error: BaseException) -> BaseException:
    """What a group of one error is about."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def sentence(error: BaseException) -> str:
    """The text of an error, with its full stop."""
    text = str(error)
    return text if text.endswith(".") else f"{text}."
