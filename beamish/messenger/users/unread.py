"""Which messages of a conversation a user has not read: exact counts in bounded memory.

Kept as runs `(first, last, count)`, ascending: among the records `first..last` of the log, `count`
are messages of others that the user sees and that no deletion took away. A run that consists of
nothing else (`count == last - first + 1`) is solid, and one run holds any number of messages: what
interrupts them are the user's own messages, all other records, deletions, and records that the user
may not see.

At most `MAX_RUNS` runs are kept (12 kB). Then neighbours are joined, so that no run spans more than
about a `SHARE`-th of all; such a run is loose: its count is exact, where its messages are is not.
Only a read mark that lands inside of a loose run needs to know more; `unsure` says which records
of the log have to be looked at then, and `seen_above` looks at them. Whoever reads to the end,
as clients do, never causes that.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from beamish.messenger.streams.records import Record, role_change

MAX_RUNS = 512
SHARE = 128


class Unread:
    """The unread messages of one conversation. `total` is their number."""

    __slots__ = ("_runs", "total")

    def __init__(self) -> None:
        self.total = 0
        self._runs: array[int] = array("Q")
        """Three numbers for each run, in order."""

    def add(self, first: int, bits: bytes) -> None:
        """Count the records whose bit is set; the lowest bit stands for record `first`."""
        if bits == b"\x01":
            self._add_run(first, first)
            return
        value = int.from_bytes(bits, "little")
        at = first
        while value:
            gap = (value & -value).bit_length() - 1
            value >>= gap
            ones = (~value & (value + 1)).bit_length() - 1
            self._add_run(at + gap, at + gap + ones - 1)
            value >>= ones
            at += gap + ones

    def _add_run(self, first: int, last: int) -> None:
        runs = self._runs
        count = last - first + 1
        self.total += count
        if runs and runs[-2] == first - 1 and runs[-2] - runs[-3] + 1 == runs[-1]:
            runs[-2] = last
            runs[-1] += count
            return
        runs.extend((first, last, count))
        if len(runs) > 3 * MAX_RUNS:
            self._join()

    def remove(self, n: int) -> None:
        """Message `n`, which was counted, is deleted; nothing happens if it was read."""
        runs = self._runs
        at = 0
        while at < len(runs) and runs[at + 1] < n:
            at += 3
        if at == len(runs) or n < runs[at]:
            return
        first, last, count = runs[at : at + 3]
        self.total -= 1
        if count == 1:
            del runs[at : at + 3]
        elif count != last - first + 1:
            runs[at + 2] = count - 1
        else:
            halves = array("Q")
            if n > first:
                halves.extend((first, n - 1, n - first))
            if n < last:
                halves.extend((n + 1, last, last - n))
            runs[at : at + 3] = halves
            if len(runs) > 3 * MAX_RUNS:
                self._join()

    def _join(self) -> None:
        """Join neighbours while they span no more than a share of all; half the runs may stay."""
        runs = self._runs
        widest = (runs[-2] - runs[0]) // SHARE
        joined = array("Q", runs[:3])
        for at in range(3, len(runs), 3):
            first, last, count = runs[at : at + 3]
            if last - joined[-3] <= widest:
                joined[-2] = last
                joined[-1] += count
            else:
                joined.extend((first, last, count))
        self._runs = joined

    def unsure(self, read: int) -> tuple[int, int] | None:
        """The records to look at before `above(read)` can be told; None when it is known."""
        runs = self._runs
        for at in range(0, len(runs), 3):
            first, last, count = runs[at : at + 3]
            if read < last:
                loose = first <= read and count != last - first + 1
                return (read + 1, last) if loose else None
        return None

    def above(self, read: int, seen: int = 0) -> int:
        """How many are above record `read`.

        `seen` is the number of those among the records that `unsure(read)` names, if it does.
        """
        if not self._runs or read < self._runs[0]:
            return self.total
        found = 0
        runs = self._runs
        for at in range(len(runs) - 3, -1, -3):
            first, last, count = runs[at : at + 3]
            if read >= last:
                break
            if read < first:
                found += count
            elif count == last - first + 1:
                found += last - read
            else:
                found += seen
        return found

    def drop(self, read: int, left: int) -> None:
        """Everything up to record `read` is read, which leaves `left`."""
        runs = self._runs
        passed = 0
        while passed < len(runs) and runs[passed + 1] <= read:
            self.total -= runs[passed + 2]
            passed += 3
        del runs[:passed]
        if not runs or read < runs[0]:
            return
        first, last, count = runs[:3]
        solid = count == last - first + 1
        remaining = last - read if solid else left - (self.total - count)
        # The marks of older versions may say less.
        remaining = min(max(remaining, 0), last - read)
        self.total -= count - remaining
        if remaining:
            runs[0], runs[2] = read + 1, remaining
        else:
            del runs[:3]

    def dump(self) -> bytes:
        """Three numbers for each run, as many bytes each as the greatest needs."""
        size = max(1, (max(self._runs, default=0).bit_length() + 7) // 8)
        return bytes((size,)) + b"".join(n.to_bytes(size, "big") for n in self._runs)

    @classmethod
    def load(cls, dumped: bytes) -> Unread:
        """The inverse of `dump`."""
        unread = cls()
        size = dumped[0]
        numbers = range(1, len(dumped), size)
        unread._runs.extend(int.from_bytes(dumped[at : at + size], "big") for at in numbers)
        unread.total = sum(unread._runs[2::3])
        return unread


def seen_above(user: str, records: Sequence[Record], until: int) -> int:
    """How many of these records are messages of others that `user` sees and that count.

    `user` must see the last of them: from there the membership is followed backwards. A deleted one
    does not count any more if the deletion belongs to the same membership, since others are not
    told; the last membership lasts to record `until`, or was told that far.
    """
    found = 0
    member = True
    for record in reversed(records):
        fields = record.fields
        changed, role = role_change(fields, user)
        if changed:
            # The record by which somebody joins or leaves is visible, what lies beyond may not be.
            member = role is None or fields["type"] in ("role", "leave")
            until = record.n if role is None else until
        elif member and fields["type"] == "message" and fields["by"] != user:
            found += not 0 < fields.get("deleted", 0) <= until
    return found
