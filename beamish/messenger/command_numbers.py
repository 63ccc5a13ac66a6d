"""What a stream remembers of one device's commands, so that each is executed once for ever.

A device numbers its commands to one stream densely from 1 and gives each a random tag. At most 64
are unanswered at a time, so the last 64 tags with their results recognise every resend:

    number        tag        meaning
    <= last       known      the first result, whatever has changed since
    <= last       other      `number_used`
    last + 1      any        new: to be decided
    >  last + 1   any        `expected` last + 1

A refusal uses no number and leaves no trace here.
"""

from __future__ import annotations

from typing import NamedTuple

WINDOW = 64
"""How many unanswered commands a device may have to one stream, and how many results are kept."""


class Result(NamedTuple):
    """What the first execution of a command gave: record number, message ordinal (or 0), ms UTC."""

    n: int
    ordinal: int
    at: int


class CommandNumbers:
    """The numbers used by one device in one stream: the last, and the newest `WINDOW` results."""

    __slots__ = ("last", "results")

    def __init__(self, last: int = 0, results: dict[int, tuple[str, Result]] | None = None) -> None:
        self.last = last
        self.results: dict[int, tuple[str, Result]] = {} if results is None else results

    def first_result(self, number: int, tag: str) -> Result | None:
        """The result of the command if it was executed before; None when it was not."""
        known = self.results.get(number)
        return known[1] if known is not None and known[0] == tag else None

    def use(self, number: int, tag: str, result: Result) -> None:
        """Note that command `number` was executed; numbers come densely, oldest results go."""
        self.last = number
        self.results[number] = (tag, result)
        self.results.pop(number - WINDOW, None)

    def copy(self) -> CommandNumbers:
        """An independent copy, for deciding a batch before it is committed."""
        return CommandNumbers(self.last, dict(self.results))

    def dump(self) -> list[object]:
        """A msgpack-able form: `[last, [[number, tag, n, ordinal, at], ...]]`."""
        return [self.last, [[n, tag, *result] for n, (tag, result) in self.results.items()]]

    @classmethod
    def load(cls, dumped: list[object]) -> CommandNumbers:
        """The inverse of `dump`."""
        last, rows = dumped
        assert isinstance(last, int)
        assert isinstance(rows, list)
        return cls(last, {n: (tag, Result(a, b, c)) for n, tag, a, b, c in rows})
