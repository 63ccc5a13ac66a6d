"""Which unread messages of a conversation mention the user: their numbers, ascending.

The newest `MAX_MENTIONS` are kept (8 kB), so the count is exact up to that many and never above
it. What is read or deleted leaves.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

MAX_MENTIONS = 1_000


class Mentions:
    """The mentions of one conversation that are unread."""

    __slots__ = ("_numbers",)

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._numbers = array("Q", numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, n: object) -> bool:
        return n in self._numbers

    def add(self, numbers: Iterable[int]) -> None:
        """Messages above all that were added before, ascending."""
        self._numbers.extend(numbers)
        del self._numbers[:-MAX_MENTIONS]

    def remove(self, n: int) -> None:
        """Message `n` is no mention any more, if it was one."""
        if n in self._numbers:
            self._numbers.remove(n)

    def drop(self, read: int) -> None:
        """Everything up to record `read` is read."""
        numbers = self._numbers
        passed = 0
        while passed < len(numbers) and numbers[passed] <= read:
            passed += 1
        del numbers[:passed]

    def copy(self) -> Mentions:
        """An independent copy, to find out what a change would leave."""
        return Mentions(self._numbers)

    def dump(self) -> list[int]:
        """The numbers; the inverse is the constructor."""
        return list(self._numbers)
