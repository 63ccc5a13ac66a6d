"""Foreign text made harmless for a terminal, times, and lines of a given width.

Whatever others wrote passes through `plain` before it is shown: no control character (C0, DEL, C1)
reaches the terminal, so none of its escape sequences can be begun, and no character that overrides
the direction of what stands around it. Right-to-left text itself is left to the terminal.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime

from prompt_toolkit.utils import get_cwidth

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_SPACES = {"\t": "    ", "\r\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n", "\x85": "\n"}
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
_MOST_MARKS = 8
"""Combining marks that one character may carry: more paint over the lines around it."""


def plain(text: str, *, lines: bool = True) -> str:
    """`text` without anything that a terminal might obey; `lines`: it may be of several lines."""
    for found, instead in _SPACES.items():
        text = text.replace(found, instead)
    if not lines:
        text = text.replace("\n", " ")
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > _MOST_MARKS:
            continue
        if character != "\n" and (category in ("Cc", "Cs") or character in _OVERRIDES):
            character = REPLACEMENT  # noqa: PLW2901  # shown in its place
        shown.append(character)
    return "".join(shown)


def wrapped(text: str, width: int) -> list[str]:
    """`text` as lines of at most `width` columns, broken at blanks where there are some."""
    width = max(width, 2)
    lines: list[str] = []
    for line in text.split("\n"):
        rest = line
        while (fit := _fitting(rest, width)) < len(rest):
            blank = rest.rfind(" ", 0, fit + 1)
            end = blank if blank > 0 else fit
            lines.append(rest[:end])
            rest = rest[end + 1 :] if blank > 0 else rest[end:]
        lines.append(rest)
    return lines


def _fitting(text: str, width: int, least: int = 1) -> int:
    """How many characters of `text` fit into `width` columns; at least `least`."""
    if len(text) <= width and text.isascii():
        return len(text)
    used = 0
    for count, character in enumerate(text):
        used += get_cwidth(character)
        if used > width:
            return max(count, least)
    return len(text)


def cut(text: str, width: int) -> str:
    """`text` in `width` columns at most, an ellipsis where something is left out."""
    if get_cwidth(text) <= width:
        return text
    return text[: _fitting(text, width - 1, least=0)] + "…"


def clock(at: int) -> str:
    """The local time of day."""
    return datetime.fromtimestamp(at / 1000).astimezone().strftime("%H:%M")


def day(at: int) -> str:
    """The local day."""
    return datetime.fromtimestamp(at / 1000).astimezone().strftime("%A, %d %B %Y")


def moment(at: int, now: int) -> str:
    """A point in the past, as exact as one wants to know it."""
    return clock(at) if day(at) == day(now) else f"{day(at)}, {clock(at)}"
