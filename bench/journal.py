"""The journal's figures: durable appends per second, and how long each waits.

A number of writers, each with a stream of its own, keep one append in flight: the next is submitted
when the last is on disk. So all that wait share a commit, as in a node under load. The time of a
sync is measured by the journal itself, and all is repeated with 5 ms more in each sync, as on
a slow disk.

The peers write the same records in groups of as many, each group made durable before the next:
SQLite with a full sync, and a bare file with fdatasync, which is the floor.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from bench.harness import Figure, Run
from storage import Append, Appended, Journal, open_lmdb

RECORD = b"x" * 200


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="beamish-bench-") as name:
        yield Path(name)


class Writer:
    """One stream and its one append in flight."""

    def __init__(self, journal: Journal, number: int, finished: Callable[[], None]) -> None:
        self.journal = journal
        self.stream = f"w/{number}"
        self.version = 0
        self.finished = finished
        self.stopping = False
        self.waits: list[float] = []
        self.submitted = 0.0

    def submit(self) -> None:
        """Append the next record."""
        self.submitted = time.perf_counter()
        self.journal.submit(Append(self.stream, self.version, (RECORD,)), self.done)

    def done(self, outcome: object) -> None:
        """Count it and go on."""
        if not isinstance(outcome, Appended):
            raise TypeError(f"An append came to {outcome!r}.")
        self.version = outcome.version
        self.waits.append(time.perf_counter() - self.submitted)
        if self.stopping:
            self.finished()
        else:
            self.submit()


async def appends(writers: int, seconds: float, delay_ms: float = 0.0) -> dict[str, float]:
    """Durable appends by `writers` streams side by side, each sync `delay_ms` longer."""
    with folder() as path:
        async with open_lmdb(path / "data", sync_delay_s=delay_ms / 1000) as journal:
            left, all_done = writers, trio.Event()

            def finished() -> None:
                nonlocal left
                left -= 1
                if not left:
                    all_done.set()

            streams = [Writer(journal, number, finished) for number in range(writers)]
            began = time.perf_counter()
            for writer in streams:
                writer.submit()
            await trio.sleep(seconds)
            for writer in streams:
                writer.stopping = True
            await all_done.wait()
            taken = time.perf_counter() - began
            told = journal.statistics()
    waits = sorted(wait for writer in streams for wait in writer.waits)
    return {
        "appends_per_s": len(waits) / taken,
        "append_p50_ms": waits[len(waits) // 2] * 1000,
        "append_p99_ms": waits[int(len(waits) * 0.99)] * 1000,
        "commits_per_s": told.commits / taken,
        "sync_ms": told.sync_mean_ms,
    }


async def appends_slow_disk(writers: int, seconds: float, delay_ms: float) -> dict[str, float]:
    """The same figures under names of their own."""
    taken = await appends(writers, seconds, delay_ms)
    return {f"slow_{name}": value for name, value in taken.items()}


def sqlite_groups(writers: int, seconds: float) -> dict[str, float]:
    """SQLite, write-ahead log, synchronous=FULL: a transaction for each group of `writers` rows."""
    with folder() as path:
        database = sqlite3.connect(path / "db", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE r (s TEXT, n INTEGER, b BLOB, PRIMARY KEY (s, n))")
        names = [f"w/{number}" for number in range(writers)]
        began, group = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            group += 1
            database.execute("BEGIN IMMEDIATE")
            rows = ((name, group, RECORD) for name in names)
            database.executemany("INSERT INTO r VALUES (?, ?, ?)", rows)
            database.execute("COMMIT")
        taken = time.perf_counter() - began
        database.close()
    return {"appends_per_s": group * writers / taken}


def file_groups(writers: int, seconds: float) -> dict[str, float]:
    """A bare file: one write and one fdatasync for each group."""
    with folder() as path, (path / "log").open("ab", buffering=0) as file:
        began, group = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            group += 1
            file.write(RECORD * writers)
            os.fdatasync(file.fileno())
        taken = time.perf_counter() - began
    return {"appends_per_s": group * writers / taken}


def figures(prefix: str, where: str) -> tuple[Figure, ...]:
    """The five figures of one kind of disk."""
    return (
        Figure(f"{prefix}appends_per_s", "1/s", "higher", f"durable appends{where}"),
        Figure(f"{prefix}append_p50_ms", "ms", "lower", f"from submit to on disk{where}"),
        Figure(f"{prefix}append_p99_ms", "ms", "lower", f"from submit to on disk{where}"),
        Figure(f"{prefix}commits_per_s", "1/s", "higher", f"commits, each synced{where}"),
        Figure(f"{prefix}sync_ms", "ms", "lower", f"one commit as the journal measures it{where}"),
    )


RUNS = (
    Run(
        "appends",
        "bench.journal:appends",
        figures("", ""),
        full={"writers": 256, "seconds": 5.0},
        quick={"writers": 32, "seconds": 0.5},
        peers={"sqlite": "bench.journal:sqlite_groups", "file": "bench.journal:file_groups"},
    ),
    Run(
        "appends, 5 ms more in each sync",
        "bench.journal:appends_slow_disk",
        figures("slow_", ", each sync 5 ms longer"),
        full={"writers": 256, "seconds": 5.0, "delay_ms": 5.0},
        quick={"writers": 32, "seconds": 0.5, "delay_ms": 5.0},
        rounds=3,
    ),
)
