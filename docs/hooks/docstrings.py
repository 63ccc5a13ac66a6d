"""Docstrings as the reference shows them: public names in backticks become links.

Our docstrings are written for the terminal: ``::`` opens a block, tables are drawn with ``===``,
public names and modules with a contract stand in single backticks.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, Final

import griffe

PACKAGES: Final = ("actors", "supervision", "storage", "actors.testing")
_TABLE: Final = re.compile(r"(?m)^(={3,} +={3,}[= ]*\n(?:.+\n?)+)")
_NAME: Final = re.compile(r"(?<![`\[\w])`([\w.]+)(\(\))?`(?!`)")
_CONTRACTS: Final = Path(__file__).parents[1] / "reference" / "contracts.md"


def _homes() -> dict[str, str]:
    """For each public name and each module with a contract what the reference calls it."""
    homes: dict[str, str] = {}
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            homes.setdefault(name, f"{package}.{name}")
    contracts = re.findall(r"(?m)^::: ([\w.]+)$", _CONTRACTS.read_text(encoding="utf-8"))
    return homes | {name: name for name in contracts}


def _table(text: str) -> str:
    """A table drawn with ``===`` as one of Markdown's."""
    border, *lines = text.rstrip().splitlines()
    spans = [(found.start(), found.end()) for found in re.finditer("=+", border)]
    ends = [start for start, _ in spans[1:]] + [None]
    rows: list[list[str]] = [[""] * len(spans)]
    for line in lines:
        if line == border:
            continue
        cells = [line[span[0] : end].strip() for span, end in zip(spans, ends, strict=True)]
        if cells[0] or len(spans) == 1:
            rows.append(cells)
        else:
            rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], cells, strict=True)]
    if border in lines[:-1]:
        del rows[0]
    rows.insert(1, ["---"] * len(spans))
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


class Docstrings(griffe.Extension):
    """Rewrites each docstring when it is loaded."""

    def __init__(self) -> None:
        self.homes = _homes()

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """The package's own docstring is not told as an object."""
        self.on_object(obj=pkg)

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Turn one docstring into Markdown."""
        if obj.docstring is None:
            return
        text = re.sub(r"(?m)^::$", "", obj.docstring.value)
        text = re.sub(r"(?m)::$", ":", text)
        text = _TABLE.sub(lambda match: _table(match[0]), text)
        obj.docstring.value = _NAME.sub(self._linked, text)

    def _linked(self, match: re.Match[str]) -> str:
        home = self.homes.get(match[1]) or self.homes.get(match[1].partition(".")[0])
        return match[0] if home is None else f"[{match[0]}][{home}]"
