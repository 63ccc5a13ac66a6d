"""Docstrings as the reference shows them: public names in backticks become links.

Our docstrings are written for the terminal: ``::`` opens a block, names stand in single backticks.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, Final

import griffe

PACKAGES: Final = ("actors", "supervision", "storage", "actors.testing")
_NAME: Final = re.compile(r"(?<![`\[\w])`(\w+)(\.\w+)?(\(\))?`(?!`)")


def _homes() -> dict[str, str]:
    """For each public name the package that shows it in its reference."""
    homes: dict[str, str] = {}
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            homes.setdefault(name, package)
    return homes


class Docstrings(griffe.Extension):
    """Rewrites each docstring when it is loaded."""

    def __init__(self) -> None:
        self.homes = _homes()

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Turn one docstring into Markdown."""
        if obj.docstring is None:
            return
        text = re.sub(r"(?m)^::$", "", obj.docstring.value)
        obj.docstring.value = _NAME.sub(self._linked, re.sub(r"(?m)::$", ":", text))

    def _linked(self, match: re.Match[str]) -> str:
        name = match[1]
        if name not in self.homes:
            return match[0]
        return f"[{match[0]}][{self.homes[name]}.{name}]"
