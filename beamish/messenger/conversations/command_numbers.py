"""What a stream remembers of one device's commands, so that each is executed once for ever.

A device numbers its commands to one stream densely from 1 and gives each a random tag. At most 64
are unanswered at a time, so the newest 64 tags with their results recognise every resend. In this
order:

    tag known          the first result, whatever has changed since
    number <= last     `number_used`: another command has it
    number = last + 1  new: to be decided
    number > last + 1  `expected` last + 1

A refusal uses no number and leaves no trace here.
"""

from __future__ import annotations

from typing import NamedTuple

from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.streams.records import Fields

WINDOW = 64
"""How many unanswered commands a device may have to one stream, and how many results are kept."""


class Result(NamedTuple):
    """What the first execution of a command gave: record number, message ordinal (or 0), ms UTC."""

    n: int
    ordinal: int
    at: int


class CommandNumbers:
    """The numbers used by one device in one stream: the last, and the newest `WINDOW` results."""

    __slots__ = ("_results", "last")

    def __init__(self, last: int = 0, results: dict[str, Result] | None = None) -> None:
        self.last = last
        # Insertion order is number order, so the first key is always the oldest.
        self._results: dict[str, Result] = {} if results is None else results

    def first_result(self, tag: str) -> Result | None:
        """The result of the command with this tag if it was executed; None when it was not."""
        return self._results.get(tag)

    def use(self, number: int, tag: str, result: Result) -> None:
        """Note that command `number` was executed; numbers come densely, oldest results go."""
        self.last = number
        self._results[tag] = result
        if len(self._results) > WINDOW:
            del self._results[next(iter(self._results))]

    def copy(self) -> CommandNumbers:
        """An independent copy, for deciding a batch before it is committed."""
        return CommandNumbers(self.last, dict(self._results))

    def dump(self) -> list[object]:
        """A msgpack-able form: `[last, [[tag, n, ordinal, at], ...]]`."""
        return [self.last, [[tag, *result] for tag, result in self._results.items()]]

    @classmethod
    def load(cls, dumped: list[object]) -> CommandNumbers:
        """The inverse of `dump`."""
        last, rows = dumped
        assert isinstance(last, int)
        assert isinstance(rows, list)
        return cls(last, {tag: Result(n, ordinal, at) for tag, n, ordinal, at in rows})


def result_of(fields: Fields) -> Result:
    """The result that a command had, from the record that it became."""
    return Result(fields["n"], fields.get("ordinal", 0), fields["at"])


def refusal_of_number(numbers: CommandNumbers, number: int) -> Refusal | None:
    """Why a command whose tag is not known cannot have this number; None for the next one."""
    if number <= numbers.last:
        return Refusal(
            "number_used",
            f"command number {number} of this device was used by another command:"
            " numbers are dense and each command keeps its own number and tag",
        )
    expected = numbers.last + 1
    if number != expected:
        return Refusal(
            "expected",
            f"the next command number of this device here is {expected}, not"
            f" {number}: send what is unanswered again, in order",
            expected,
        )
    return None
