"""The seam check: code that runs under simulation reaches the world through seams only.

Under simulation one seed replays one history. That holds only while no code below reads a clock,
draws randomness, opens a socket or file, or starts a thread by itself, so this check reads the
syntax tree of every file in `SIMULATED` and refuses each direct use that `RULES` names:

* an import of a refused module (`import time`, `from socket import socket`, `__import__("time")`,
  `importlib.import_module("time")`), whatever name it is given;
* a use of a refused name inside an allowed module, through any alias (`datetime.now`, `os.urandom`,
  `random.random`, `trio.to_thread.run_sync`);
* a call of a refused builtin (`open`), and `random.Random()` without a seed.

A seam is a file named in `SEAMS` together with what it alone may use and why. A seam that no longer
uses what it is allowed is reported too, so the list only ever shrinks to the truth.

Run it as `python -m tests.house.seams`; the status is 1 when something was found.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CLOCK = "the clock is trio.current_time() or the injected wall clock"
RANDOM = "randomness comes from the injected random.Random"
NETWORK = "the network is reached through the transport that opens and listens"
THREADS = "work for a thread goes through the one way into threads"
DISK = "whatever becomes true goes through the journal's interface"

RULES: dict[str, str] = {
    "time": CLOCK,
    "datetime.datetime.now": CLOCK,
    "datetime.datetime.utcnow": CLOCK,
    "datetime.datetime.today": CLOCK,
    "datetime.date.today": CLOCK,
    "os.times": CLOCK,
    "os.urandom": RANDOM,
    "os.getrandom": RANDOM,
    "secrets": RANDOM,
    "uuid": RANDOM,
    "random": RANDOM,
    "socket": NETWORK,
    "select": NETWORK,
    "selectors": NETWORK,
    "ssl": NETWORK,
    "trio.socket": NETWORK,
    "trio.open_tcp_stream": NETWORK,
    "trio.open_tcp_listeners": NETWORK,
    "trio.serve_tcp": NETWORK,
    "trio.open_unix_socket": NETWORK,
    "threading": THREADS,
    "_thread": THREADS,
    "multiprocessing": THREADS,
    "concurrent.futures": THREADS,
    "subprocess": THREADS,
    "queue": THREADS,
    "os.fork": THREADS,
    "trio.to_thread": THREADS,
    "trio.from_thread": THREADS,
    "trio.run_process": THREADS,
    "open": DISK,
    "os.open": DISK,
    "io.open": DISK,
    "pathlib": DISK,
    "tempfile": DISK,
    "shutil": DISK,
    "trio.Path": DISK,
    "trio.open_file": DISK,
}

# Inside a refused module these names carry no effect: here a class that takes its seed as an
# argument (without one it is refused at the call) and serves as an annotation.
HARMLESS = frozenset({"random.Random"})

SIMULATED: tuple[str, ...] = (
    "actors/**/*.py",
    "supervision/**/*.py",
    "storage/memory*.py",
    "storage/memory/**/*.py",
    "beamish/messenger/**/*.py",
    "beamish/session*.py",
)


@dataclass(frozen=True, slots=True)
class Seam:
    """One file that may use `names` directly, and the reason for it."""

    names: frozenset[str]
    reason: str


SEAMS: Mapping[str, Seam] = {
    "actors/scheduling/clocks.py": Seam(
        frozenset({"time"}), "the stopwatch of slices and turns; it stands still under simulation"
    ),
    "actors/scheduling/threads.py": Seam(
        frozenset({"threading"}), "asks which thread this is, to refuse a wrong one; starts none"
    ),
    "actors/embedding/portal.py": Seam(
        frozenset({"threading", "concurrent.futures"}),
        "how other threads reach a system; none run in simulation",
    ),
    "actors/embedding/thread_system.py": Seam(
        frozenset({"threading", "concurrent.futures"}),
        "a system in a thread of its own, which has a trio run of its own and no simulated clock",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A direct use of something that belongs behind a seam."""

    path: str
    line: int
    name: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: uses {self.name} directly: {self.instead}"


def refused(name: str) -> str | None:
    """The rule that covers the dotted `name`: its own or the nearest of what it is part of."""
    if name in HARMLESS:
        return None
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        rule = ".".join(parts[:length])
        if rule in RULES:
            return rule
    return None


class _Uses(ast.NodeVisitor):
    """Collects `(line, dotted name)` for every import, attribute chain and builtin call."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.found: list[tuple[int, str]] = []

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.names[alias.asname or alias.name.split(".")[0]] = (
                alias.name if alias.asname else alias.name.split(".")[0]
            )
            # `import random` is how random.Random is reached: its attributes are judged instead.
            if alias.name != "random":
                self.found.append((node.lineno, alias.name))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:
            return
        for alias in node.names:
            dotted = module if alias.name == "*" else f"{module}.{alias.name}"
            self.names[alias.asname or alias.name] = dotted
            self.found.append((node.lineno, dotted))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = self._dotted(node)
        if dotted is None:
            self.generic_visit(node)
        else:
            self.found.append((node.lineno, dotted))

    def visit_Call(self, node: ast.Call) -> None:
        target = self._dotted(node.func)
        if target is None and isinstance(node.func, ast.Name):
            target = node.func.id
            if target not in self.names:
                self.found.append((node.lineno, target))
        unseeded = not node.args and not node.keywords
        if target == "random.Random" and unseeded:
            self.found.append((node.lineno, "random.Random()"))
        if target in {"__import__", "importlib.import_module"} and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                self.found.append((node.lineno, first.value))
        self.generic_visit(node)

    def _dotted(self, node: ast.expr) -> str | None:
        """The imported dotted name that `node` stands for, or None for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.names:
            return None
        return ".".join([self.names[node.id], *reversed(parts)])


def uses(source: str) -> Iterator[tuple[int, str, str]]:
    """Every refused use in `source`: its line, the name used and the rule that refuses it."""
    visitor = _Uses()
    visitor.visit(ast.parse(source))
    for line, name in sorted(set(visitor.found)):
        if name == "random.Random()":
            yield line, name, "random"
            continue
        rule = refused(name)
        if rule is not None:
            yield line, name, rule


def check_source(path: str, source: str, seams: Mapping[str, Seam] = SEAMS) -> list[Finding]:
    """The findings in one file; `path` is relative to the repository and decides about seams."""
    allowed = seams[path].names if path in seams else frozenset[str]()
    return [
        Finding(path, line, name, RULES[rule])
        for line, name, rule in uses(source)
        if rule not in allowed
    ]


def stale(path: str, source: str, seam: Seam) -> list[str]:
    """What `seam` allows although the file no longer uses it."""
    return sorted(seam.names - {rule for _, _, rule in uses(source)})


def simulated_files(root: Path, patterns: Sequence[str] = SIMULATED) -> list[str]:
    """The paths, relative to `root` and sorted, of the files that run under simulation."""
    found = {path.relative_to(root).as_posix() for pat in patterns for path in root.glob(pat)}
    return sorted(found)


def check_tree(root: Path) -> list[str]:
    """Every sentence that the check has to say about the repository at `root`."""
    said: list[str] = []
    for path in simulated_files(root):
        said += map(str, check_source(path, (root / path).read_text(encoding="utf-8")))
    for path, seam in SEAMS.items():
        if not (root / path).exists():
            said.append(f"{path}: named as a seam but not there: take it out of SEAMS")
            continue
        for name in stale(path, (root / path).read_text(encoding="utf-8"), seam):
            said.append(f"{path}: allowed {name} but does not use it: take it out of SEAMS")
    return said


def main() -> int:
    """Print what was found; 1 when there was anything."""
    root = Path(__file__).resolve().parents[2]
    said = check_tree(root)
    for sentence in said:
        print(sentence)
    if not said:
        print(f"Seams hold in {len(simulated_files(root))} files.")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
