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

from bench.table import absence, number, verdict

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
`bench/runtime*.py`, `bench/journal.py`, `bench/chat.py` and `bench/curves.py`. Load and node share
the machine. The last column has what a figure must come to, where that is set, and whether it does.
"""

TITLES = {"runtime": "Runtime", "journal": "Journal", "chat": "Messenger", "curves": "Growth"}
PEERS = {
    "runtime": "Ours is the product's full path: supervised, every call with a deadline, crash "
    "reports on and logged at most five a second. The trio peers are bare trio: a task and a "
    "memory channel for each “actor”, unsupervised. OTP runs with one scheduler: gen_servers under "
    "a supervisor, calls with the default deadline of 5 s, its logger off where children crash. "
    "pykka has threads, no supervision; triotp is supervised; their calls have the deadline too.",
    "journal": "The peers write the same records in groups of as many: SQLite (WAL, synchronous="
    "FULL) and a bare file with fdatasync, which is the floor. Neither has streams or fences.",
    "chat": "50 pairs of users; a message counts when its sender has seen the read mark reach it. "
    "Receipts leave at most once a second per conversation, by design.",
    "curves": "How costs grow with what lives and with what waits, as in the plots. OTP is a node "
    "with one scheduler here too.\n\n"
    "![Cost of a cast and a call against the number of actors](images/cost-by-actors.svg)\n\n"
    "![Cost of a message against the backlog](images/cost-by-backlog.svg)",
}

MISSED = """\
Where a cast's time goes (`cast_vs_pykka` misses its bar, though not in every round): 0.12 us to
send it (a method call, one comparison, an append), 0.27 us to handle it, of which the comparison of
the context and the look whether the handler left something open take 0.02 us each; the rest is
taking the message, finding the handler and calling it. Tried: one context for a run of messages,
and the look spelled out in place (-0.17 us together); the clock read by a countdown (-0.04 us); a
way of its own for handlers that return None (nothing); a loop of its own for runs of
messages of one class (nothing). The rate of pykka's `tell`, with two threads that take turns,
varies by a factor of two from round to round.
"""

BUSY = (
    " **The machine was busy with other work**: rates come out too low and times too long; the "
    "ratios, the memory and the CPU per message hold."
)


def rows(document: dict[str, Any]) -> Iterator[str]:
    """The table of one bench."""
    yield "| figure | median | unit | samples | ours / peer | | bar |"
    yield "|---|---:|---|---|---:|---|---|"
    for name, figure in document["figures"].items():
        bar = figure.get("bar")
        told = "" if bar is None else verdict(bar, reached=figure["reached"])
        yield f"{_row(f'`{name}`', figure, figure['unit'], '')} {figure['about']} | {told} |"
        for peer, taken in document["peers"].get(name, {}).items():
            ratio = document["ratios"].get(name, {}).get(peer)
            shown = number(ratio["value"]) if ratio else ""
            yield f"{_row(f'&nbsp;&nbsp;{peer}', taken, figure['unit'], shown)}  | |"


def _row(name: str, taken: dict[str, Any], unit: str, ratio: str) -> str:
    """The columns that figures and peers share."""
    low, high = min(taken["samples"]), max(taken["samples"])
    spread = f"{len(taken['samples'])}: {number(low)} to {number(high)}"
    return f"| {name} | {number(taken['value'])} | {unit} | {spread} | {ratio} |"


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
        parts.append("\n".join(rows(document)) + "\n")
        missed = document["figures"].get("cast_vs_pykka", {"reached": True})
        if not missed["reached"]:
            parts.append(MISSED)
        if document.get("absent"):
            parts.append(absence(document["absent"]) + "\n")
        parts.append(machine_line(document["machine"]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    read = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    sys.stdout.write(page(read))
