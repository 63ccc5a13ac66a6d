"""The ranges of an inbox that no device is known to have stored yet, in bounded memory.

An acknowledged inbox number raises, for every conversation, the delivered mark to the last record
that the inbox held at that number. So of each range the inbox number and the range's last record
are kept. Of the newest `keep` inbox numbers, which devices may resume from, every range has its
entry (24 bytes); of what is older, where no device can resume, one entry for a conversation is
enough: the newest.

Hence the bound: at most `keep` entries and one for each conversation.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

Entry = tuple[int, str, int]
"""Inbox number, conversation, last record of the range."""

TRIM = 512
"""Entries passed over before their places are given back."""


class Undelivered:
    """Entries in order of their inbox numbers: added at the end, dropped from the beginning."""

    __slots__ = ("_conversations", "_keep", "_lasts", "_numbers", "_older", "_start")

    def __init__(self, keep: int) -> None:
        """`keep` is how many inbox numbers devices can resume from."""
        self._keep = keep
        # In order of inbox number: an entry that is replaced moves to the end.
        self._older: dict[str, tuple[int, int]] = {}
        self._numbers: array[int] = array("Q")
        self._lasts: array[int] = array("Q")
        self._conversations: list[str] = []
        self._start = 0

    def __len__(self) -> int:
        return len(self._older) + len(self._numbers) - self._start

    def __iter__(self) -> Iterator[Entry]:
        for conversation, (n, last) in self._older.items():
            yield n, conversation, last
        for at in range(self._start, len(self._numbers)):
            yield self._numbers[at], self._conversations[at], self._lasts[at]

    @property
    def first(self) -> Entry | None:
        """The entry of the lowest inbox number; None without entries."""
        if self._older:
            conversation, (n, last) = next(iter(self._older.items()))
            return n, conversation, last
        at = self._start
        if at == len(self._numbers):
            return None
        return self._numbers[at], self._conversations[at], self._lasts[at]

    def add(self, n: int, conversation: str, last: int) -> None:
        """Inbox number `n` holds a range that ends at record `last`; numbers never fall."""
        numbers = self._numbers
        numbers.append(n)
        self._conversations.append(conversation)
        self._lasts.append(last)
        while numbers[self._start] <= n - self._keep:
            old = self._conversations[self._start]
            self._older.pop(old, None)
            self._older[old] = (numbers[self._start], self._lasts[self._start])
            self._pass_over()

    def drop(self) -> None:
        """Forget the first entry."""
        if self._older:
            del self._older[next(iter(self._older))]
        else:
            self._pass_over()

    def _pass_over(self) -> None:
        self._start += 1
        if self._start == len(self._numbers) or self._start >= TRIM:
            del self._numbers[: self._start]
            del self._lasts[: self._start]
            del self._conversations[: self._start]
            self._start = 0

    def dump(self) -> list[object]:
        """A msgpack-able form of a few bytes an entry: `[conversations, [steps and indexes]]`."""
        places: dict[str, int] = {}
        lasts: dict[str, int] = {}
        flat: list[int] = []
        before = 0
        for n, conversation, last in self:
            place = places.setdefault(conversation, len(places))
            flat += (n - before, place, last - lasts.get(conversation, 0))
            before, lasts[conversation] = n, last
        return [list(places), flat]

    def load(self, dumped: list[object]) -> None:
        """Fill this empty object with what `dump` gave; entries may leave for want of room."""
        names, flat = dumped
        assert isinstance(names, list)
        assert isinstance(flat, list)
        n = 0
        lasts = [0] * len(names)
        for at in range(0, len(flat), 3):
            step, place, grown = flat[at : at + 3]
            n += step
            lasts[place] += grown
            self.add(n, names[place], lasts[place])
