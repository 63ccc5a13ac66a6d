"""`beamish doctor DATA`: whether a data directory, or a backup, is what it should be.

First what the journal promises (`storage.check`, which changes nothing), then, if that holds, what
the messenger does (`beamish.operations.doctor`). For the second part the directory is opened as a
node would; a backup is restored into a temporary directory instead.

Exit status: 0 nothing is wrong (warnings are told), 1 something is, 2 it could not be examined.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from beamish.cli.backups import innermost, sentence, shown

if TYPE_CHECKING:
    from storage import Finding

SHOWN = 200
"""Findings that are printed; the others are counted."""


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding, then a summary.")
def doctor(data: Path, as_json: bool) -> None:
    """Check DATA, the directory of a node that does not run, or a backup.

    Status 0: nothing is wrong; 1: something is; 2: it could not be examined.
    """
    from beamish.operations.doctor import CannotExamine
    from storage import BackupError, DirectoryError

    report = Report(as_json)
    try:
        _check_journal(data, report)
        if not report.counts["error"]:
            with _openable(data) as directory:
                _check_messenger(directory, report)
    except Exception as error:
        inner = innermost(error)
        if not isinstance(inner, (BackupError, DirectoryError, CannotExamine)):
            raise
        click.echo(f"Error: {sentence(inner)}", err=True)
        sys.exit(2)
    report.end()
    sys.exit(1 if report.counts["error"] else 0)


class Report:
    """What is told, as it is found; `counts` by severity, `looked_at` by what it is."""

    def __init__(self, as_json: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.looked_at: dict[str, int] = {}
        self._as_json = as_json

    def found(self, finding: Finding) -> None:
        """One more finding."""
        self.counts[finding.severity] += 1
        if sum(self.counts.values()) > SHOWN:
            return
        if self._as_json:
            click.echo(json.dumps(asdict(finding), ensure_ascii=False))
        else:
            where = "" if finding.stream is None else f"{finding.stream}: "
            click.echo(f"{finding.severity}: {where}{finding.what}")

    def end(self) -> None:
        """The summary."""
        counts = {name: self.counts[name] for name in ("error", "warning")}
        if self._as_json:
            click.echo(json.dumps({**self.looked_at, **counts}))
            return
        more = sum(counts.values()) - SHOWN
        if more > 0:
            click.echo(f"... and {more} more.")
        looked = ", ".join(f"{count:,} {name}" for name, count in self.looked_at.items())
        of = f" Looked at {looked}." if looked else " The messenger's part was left out."
        click.echo(f"{counts['error']} errors, {counts['warning']} warnings.{of}")


def _check_journal(data: Path, report: Report) -> None:
    from storage import check

    with shown("Journal", counted=True) as tell:
        for finding in check(data, progress=tell):
            report.found(finding)


def _check_messenger(directory: Path, report: Report) -> None:
    import trio

    from beamish.operations.doctor import Doctor
    from storage import open_lmdb

    async def run() -> None:
        async with open_lmdb(directory, ballast_bytes=0) as journal:
            doctor = Doctor(journal)
            async for finding in doctor.examine():
                report.found(finding)
            report.looked_at = {
                "users": doctor.users,
                "conversations": doctor.conversations,
                "records": doctor.records,
            }

    trio.run(run)


@contextmanager
def _openable(data: Path) -> Iterator[Path]:
    """The directory itself; of a backup, one that is made of it for this purpose."""
    from storage import restore

    if not (data / "backup.json").exists():
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="beamish-doctor-") as folder:
        directory = Path(folder) / "data"
        restore(data, directory)
        yield directory
