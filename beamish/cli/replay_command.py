"""`beamish replay`: play logs against running nodes and account for every message.

Exit status: 0 the zeros hold, 1 they do not, 2 wrong usage, 3 no node could be reached, 130 stopped
by Ctrl-C; the account so far is then shown and written as incomplete. A second Ctrl-C ends at once.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import click

from beamish.cli.files import raise_file_limit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trio

    from beamish.replay import Plan, PlaySettings, Progress, Report

DEFAULT_URL = "ws://127.0.0.1:8080/ws"
SHOW_EVERY = 0.25
FAILURES_SHOWN = 5


@click.command()
@click.argument(
    "logs",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="LOG...",
)
@click.option("--url", "urls", multiple=True, default=(DEFAULT_URL,), help="Address of a node.")
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="Log time per real time.")
@click.option("--now", is_flag=True, help="Every line as soon as its turn comes.")
@click.option("--connections", type=click.IntRange(1), help="Most users online at once.")
@click.option("--direct", is_flag=True, help="Play what is addressed to a nick, one to one.")
@click.option(
    "--give-up",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds without any node until the run ends with status 3.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the account as JSON.",
)
def replay(
    *,
    logs: tuple[Path, ...],
    urls: tuple[str, ...],
    speed: float | None,
    now: bool,
    connections: int | None,
    direct: bool,
    give_up: float,
    json_file: Path | None,
) -> None:
    """Play chat logs and prove from what clients received that nothing was lost.

    Without --now and --speed the logs are played at their own pace.
    """
    from beamish.replay import CannotPlay, ExitStatus, NoNode, PlaySettings

    if now and speed is not None:
        raise click.UsageError("Give either --now or --speed N, not both.")
    settings = PlaySettings(
        urls=tuple(websocket_url(url) for url in urls),
        speed=None if now else speed or 1.0,
        connections=connections,
        give_up=give_up,
    )
    raise_file_limit()
    try:
        plan = _plan(logs, direct=direct)
        if json_file is not None:
            check_writable(json_file)
        report = run(plan, settings)
    except NoNode as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(ExitStatus.UNREACHABLE)
    except CannotPlay as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(ExitStatus.WRONG)
    except KeyboardInterrupt:
        click.echo("Stopped by Ctrl-C before anything was played.", err=True)
        sys.exit(ExitStatus.STOPPED)
    if not report.complete:
        click.echo("Stopped by Ctrl-C: this account is incomplete.", err=True)
    show(report)
    if json_file is not None:
        write_json(json_file, report)
    sys.exit(report.exit_status)


def websocket_url(url: str) -> str:
    """`url` as the address of a WebSocket; that of a page and a bare host will do.

    Raises:
        click.BadParameter: it is neither.
    """
    parts = urlsplit(url if "//" in url else f"//{url}")
    scheme = {"": "ws", "http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise click.BadParameter(f"{url!r} is no address of a node: write ws://HOST:PORT/ws.")
    path = parts.path if parts.path not in ("", "/") else "/ws"
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def _plan(logs: tuple[Path, ...], *, direct: bool) -> Plan:
    from beamish.replay import plan_direct, plan_groups, read_log

    try:
        parsed = [read_log(path) for path in logs]
    except OSError as error:
        raise click.UsageError(f"{error.filename} cannot be read: {error.strerror}.") from error
    plan = plan_direct(parsed) if direct else plan_groups(parsed)
    if not plan.messages:
        what = "direct messages" if direct else "messages"
        raise click.UsageError(f"There are no {what} in these logs: are they IRC logs?")
    return plan


def run(plan: Plan, settings: PlaySettings) -> Report:
    """Plays with a progress bar on a terminal; on Ctrl-C the report is of what was played so far.

    Raises:
        CannotPlay: see `beamish.replay.play`.
        KeyboardInterrupt: Ctrl-C before it began.
    """
    import trio

    from beamish.replay import CannotPlay, Progress, play

    progress = Progress()
    outcome: list[Report | CannotPlay] = []

    async def main() -> None:
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_show_progress, progress)
                nursery.start_soon(stop, signals, nursery.cancel_scope)
                try:
                    outcome.append(await play(plan, settings, progress=progress))
                except CannotPlay as error:
                    outcome.append(error)
                nursery.cancel_scope.cancel()

    async def stop(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
        async for _ in signals:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if progress.account is not None:
                outcome.append(progress.account())
            scope.cancel()

    # Thousands of clients live as long as the run, so looking for garbage among them is vain.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    trio.run(main)
    if not outcome:
        raise KeyboardInterrupt
    if isinstance(outcome[-1], CannotPlay):
        raise outcome[-1]
    return outcome[-1]


async def _show_progress(progress: Progress) -> None:
    import trio
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns: tuple[Any, ...] = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        phase = bar.add_task(progress.phase, total=None)
        delivered = bar.add_task("deliveries", total=None)
        while True:
            description = progress.phase if progress.connected else f"{progress.phase} (no node)"
            bar.update(
                phase,
                description=description,
                completed=progress.done,
                total=progress.total or None,
            )
            bar.update(delivered, completed=progress.delivered, total=progress.expected or None)
            await trio.sleep(SHOW_EVERY)


def show(report: Report) -> None:
    """The table, and the first of what went wrong."""
    from rich.console import Console

    Console().print(report.table())
    for sentence in report.failures[:FAILURES_SHOWN]:
        click.echo(f"- {sentence}", err=True)


def check_writable(path: Path) -> None:
    """Tries what `write_json` will do.

    Raises:
        click.UsageError: it would fail.
    """
    fresh = _beside(path)
    try:
        fresh.touch()
        fresh.unlink()
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}.") from error


def write_json(path: Path, report: Report) -> None:
    """The account as one JSON object, whole or not at all.

    Raises:
        click.ClickException: it cannot be written (any more).
    """
    fresh = _beside(path)
    try:
        fresh.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from error


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
