"""The page of figures: `python -m bench.document FILE... > docs/benchmarks.md`.

Each FILE is what `python -m bench NAME --json FILE` wrote. Nothing is left out: each
row has the median of its samples, how many there are and how far they spread.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.table import number

HEAD = """\
# Benchmarks

Figures as they came, made by `make bench` and written here by `make bench-docs`. On a machine that
does other things too they vary by a factor of two; ratios, medians of interleaved pairs, vary less.

| to repeat | |
|---|---|
| `make bench` | everything, some ten minutes; `BENCHES="runtime"` for some |
| `.venv/bin/python -m bench chat --only delivery_p50_ms` | one figure |
| `.venv/bin/python -m bench runtime --quick` | seconds; shows that it works, not how fast it is |

Each sample is taken in a fresh process. What exactly is measured stands at the top of
`bench/runtime.py`, `bench/journal.py` and `bench/chat.py`. Load and node share the machine.
"""

TITLES = {"runtime": "Runtime", "journal": "Journal", "chat": "Messenger"}
PEERS = {
    "runtime": "The peer is bare trio: a task and a memory channel for each “actor”, unsupervised. "
    "Ours is the product's full path: supervised, every call with a deadline, crash reports on.",
    "journal": "The peers write the same records in groups of as many: SQLite (WAL, synchronous="
    "FULL) and a bare file with fdatasync, which is the floor. Neither has streams or fences.",
    "chat": "50 pairs of users; a message counts when its sender has seen the read mark reach it. "
    "Receipts leave at most once a second per conversation, by design.",
}

BUSY = (
    " **The machine was busy with other work**: rates come out too low and times too long; the "
    "ratios, the memory and the CPU per message hold."
)


def rows(document: dict[str, Any]) -> Iterator[str]:
    """The table of one bench."""
    yield "| figure | median | unit | samples | ours / peer | |"
    yield "|---|---:|---|---|---:|---|"
    for name, figure in document["figures"].items():
        yield _row(f"`{name}`", figure, figure["unit"], "", figure["about"])
        for peer, taken in document["peers"].get(name, {}).items():
            ratio = document["ratios"].get(name, {}).get(peer)
            shown = number(ratio["value"]) if ratio else ""
            yield _row(f"&nbsp;&nbsp;{peer}", taken, figure["unit"], shown, "")


def _row(name: str, taken: dict[str, Any], unit: str, ratio: str, about: str) -> str:
    low, high = min(taken["samples"]), max(taken["samples"])
    spread = f"{len(taken['samples'])}: {number(low)} to {number(high)}"
    return f"| {name} | {number(taken['value'])} | {unit} | {spread} | {ratio} | {about} |"


def machine_line(machine: dict[str, Any]) -> str:
    """What it was measured on."""
    busy = machine["load_average"] > machine["cores"] / 2
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
        f"{machine['python']}, {machine['kernel']}; {libraries}; fdatasync of 4 KiB "
        f"{machine['fsync_ms']} ms; load average {machine['load_average']} when it began."
        + (BUSY if busy else "")
    )


def page(documents: list[dict[str, Any]]) -> str:
    """The whole page."""
    parts = [HEAD]
    for document in documents:
        if document["quick"]:
            raise SystemExit(f"{document['bench']} was run with --quick, which measures nothing.")
        parts += [f"## {TITLES[document['bench']]}\n", PEERS[document["bench"]] + "\n"]
        parts += ["\n".join(rows(document)) + "\n", machine_line(document["machine"]) + "\n"]
    return "\n".join(parts)


if __name__ == "__main__":
    read = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    sys.stdout.write(page(read))
