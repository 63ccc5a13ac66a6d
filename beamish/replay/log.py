"""Reading a chat log: bytes in, typed lines out.

A log is one line a record, in the form that IRC clients write:

    [HH:MM] <nick> text                            a message
    [HH:MM]  * nick text                           an action, played as an action message
    === nick [host]  has joined #channel
    === nick [host]  has left #channel [reason]
    === nick is now known as other
    anything else                                  not played, counted as skipped

Rules, where the form alone leaves a choice:

- Lines end at a line feed (a carriage return before it belongs to the end); every other control
  character is text and stays as it is.
- A line that is valid UTF-8 is read as UTF-8, any other line as Latin-1, as a whole: every byte
  keeps a character of its own and nothing is replaced.
- Nicks may hold spaces and may end in one. In an action the nick is the longest nick that the log
  shows elsewhere and that a space or the line's end follows, otherwise the first word. Spaces at
  the end of a line do not belong to the new name of a nick change.
- A message or an action without any text is played as one space, since nothing cannot be sent.
- Lines without a time belong to the minute of the line before. A clock that goes back by more
  than an hour's worth of midnight was set back: such a line is one minute after the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MINUTES_PER_DAY = 1440
LONGEST_STEP_OVER_MIDNIGHT = 60

_SAID = re.compile(r"\[(\d\d):(\d\d)\] <([^>]*)> ?(.*)", re.DOTALL)
_ACTED = re.compile(r"\[(\d\d):(\d\d)\]  \* (.+)", re.DOTALL)
_JOINED = re.compile(r"=== (.+?) \[.*\]  has joined #.*", re.DOTALL)
_LEFT = re.compile(r"=== (.+?) \[.*\]  has left #.*", re.DOTALL)
_RENAMED = re.compile(r"=== (.+?) is now known as (.*[^ ]) *", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Said:
    """A message or an action by `nick`, `minute` minutes after the log's first timed line."""

    minute: int
    nick: str
    text: str
    action: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """`nick` came in."""

    minute: int
    nick: str


@dataclass(frozen=True, slots=True)
class Left:
    """`nick` went away."""

    minute: int
    nick: str


@dataclass(frozen=True, slots=True)
class Renamed:
    """`old` goes on as `nick`."""

    minute: int
    old: str
    nick: str


Line = Said | Joined | Left | Renamed


@dataclass(frozen=True, slots=True)
class Log:
    """A parsed log: its name, its lines in order, and how many lines are none of ours."""

    name: str
    lines: tuple[Line, ...]
    skipped: int

    def nicks(self) -> dict[str, None]:
        """Every nick of the log, in the order of first appearance."""
        found: dict[str, None] = {}
        for line in self.lines:
            if isinstance(line, Renamed):
                found.setdefault(line.old)
            found.setdefault(line.nick)
        return found


def read_log(path: Path) -> Log:
    """Parse the file at `path`; raises OSError when it cannot be read."""
    return parse_log(path.name, path.read_bytes())


def parse_log(name: str, data: bytes) -> Log:
    """Parse a whole log; never raises on content."""
    raw = data.split(b"\n")
    if not raw[-1]:
        raw.pop()
    texts = [_decode(line) for line in raw]
    spaced = _nicks_with_spaces(texts)
    clock = _Clock()
    lines = [line for text in texts if (line := _parse(text, clock, spaced)) is not None]
    return Log(name, tuple(lines), skipped=len(texts) - len(lines))


def _decode(line: bytes) -> str:
    line = line.removesuffix(b"\r")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


class _Clock:
    """Turns the log's HH:MM into minutes since its first timed line."""

    def __init__(self) -> None:
        self.minute = 0
        self._shown: int | None = None

    def tick(self, hours: str, minutes: str) -> int:
        shown = int(hours) * 60 + int(minutes)
        if self._shown is not None:
            step = (shown - self._shown) % MINUTES_PER_DAY
            if shown < self._shown and step > LONGEST_STEP_OVER_MIDNIGHT:
                step = 1
            self.minute += step
        self._shown = shown
        return self.minute


def _parse(line: str, clock: _Clock, spaced: list[str]) -> Line | None:
    if said := _SAID.fullmatch(line):
        return Said(clock.tick(said[1], said[2]), said[3], said[4] or " ")
    if acted := _ACTED.fullmatch(line):
        nick, text = _split_action(acted[3], spaced)
        return Said(clock.tick(acted[1], acted[2]), nick, text or " ", action=True)
    if joined := _JOINED.fullmatch(line):
        return Joined(clock.minute, joined[1])
    if left := _LEFT.fullmatch(line):
        return Left(clock.minute, left[1])
    if renamed := _RENAMED.fullmatch(line):
        return Renamed(clock.minute, renamed[1], renamed[2])
    return None


def _split_action(rest: str, spaced: list[str]) -> tuple[str, str]:
    for nick in spaced:
        if rest == nick or rest.startswith(nick + " "):
            break
    else:
        nick = rest.split(" ", 1)[0]
    return nick, rest[len(nick) :].removeprefix(" ")


def _nicks_with_spaces(texts: Iterable[str]) -> list[str]:
    """The nicks that an action could not be split from by its first space, longest first."""
    found = {nick for text in texts for nick in _plain_nicks(text) if " " in nick}
    return sorted(found, key=lambda nick: (-len(nick), nick))


def _plain_nicks(text: str) -> Iterator[str]:
    if said := _SAID.fullmatch(text):
        yield said[3]
    elif match := _JOINED.fullmatch(text) or _LEFT.fullmatch(text):
        yield match[1]
    elif renamed := _RENAMED.fullmatch(text):
        yield from (renamed[1], renamed[2])
