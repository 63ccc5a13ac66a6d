"""What happens on a disk that fills up; run as a script on a small file system of its own.

``python disk_scenario.py DIR`` prints one JSON object with what was seen. DIR's file system must be
small (16 MiB) and empty.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import trio

from storage import Appended, DirectoryError, Refused, open_lmdb

RESERVE = 4 << 20
BALLAST = 1 << 20


def kind(outcome) -> str:
    return outcome.code if isinstance(outcome, Refused) else type(outcome).__name__


async def fill_until_refused(journal, stream, *, obligation):
    """Append until it is refused; the version reached, and why it ended."""
    version = (await journal.describe(stream)).streams[0].version
    while True:
        outcome = await journal.append(stream, version, b"x" * 50_000, obligation=obligation)
        if not isinstance(outcome, Appended):
            return version, kind(outcome)
        version = outcome.version


async def until(true) -> None:
    """Wait for what the disk says; nothing else tells of it."""
    with trio.fail_after(10):
        while not true():  # noqa: ASYNC110
            await trio.sleep(0.02)


def fill(path, seen) -> None:
    """Take all space that is left."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"f" * 4096)
        except OSError as error:
            seen["filler"] = error.errno


async def main() -> None:
    root = Path(sys.argv[1])
    seen: dict[str, object] = {}
    old = root / "old"
    old.write_bytes(bytes(4 << 20))
    options = {"reserve_bytes": RESERVE, "ballast_bytes": BALLAST}
    ballast = root / "j" / "ballast"
    async with open_lmdb(root / "j", **options) as journal:
        await journal.append("c", 0, b"x", pending=True)
        version, why = await fill_until_refused(journal, "c", obligation=False)
        seen["at the reserve"] = why
        seen["settle"] = kind(await journal.settle("c", version))
        seen["snapshot"] = kind(await journal.snapshot("c", version, b"state"))
        seen["truncate"] = kind(await journal.truncate("c", version // 2))
        seen["obligation"] = kind(await journal.append("o", 0, b"x", obligation=True))
        seen["low"] = journal.statistics().low
        seen["ballast at the reserve"] = ballast.exists()
        fill(root / "filler", seen)
        obligations, why = await fill_until_refused(journal, "o", obligation=True)
        seen["truly full"] = why
        seen["obligations on the ballast"] = obligations
        seen["ballast when full"] = ballast.exists()
        seen["command when full"] = kind(await journal.append("c", version, b"x"))
    try:
        async with open_lmdb(root / "new", **options):
            pass
    except DirectoryError as error:
        seen["new directory when full"] = str(error)
    async with open_lmdb(root / "j", **options) as journal:
        outcomes: Counter[str] = Counter()
        for number in range(1, 200):
            outcomes[kind(await journal.settle("c", version))] += 1
            outcomes[kind(await journal.append(f"n{number}", 0, b"y" * 3000, obligation=True))] += 1
        seen["outcomes when full"] = sorted(outcomes)
        seen["failing when full"] = journal.statistics().failing
        (root / "filler").unlink()
        old.unlink()
        await until(lambda: not journal.statistics().low)
        outcome = await journal.append("c", version, b"after")
        seen["command when freed"] = kind(outcome)
        loaded = await journal.load("c")
        seen["c"] = [loaded.info.version - version, loaded.info.first - 1 == version // 2]
        seen["o"] = (await journal.load("o")).info.version - obligations
        await until(ballast.exists)
    async with open_lmdb(root / "j", **options) as journal:
        loaded = await journal.load("c", max_records=10_000)
        seen["c after reopening"] = [loaded.info.version - version, loaded.records[-1].decode()]
        seen["o after reopening"] = (await journal.load("o")).info.version - obligations
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    trio.run(main)
