"""The two kinds of mailbox that are more than a deque, for the policies that need one.

The scheduler empties every mailbox with ``popleft`` and asks it for its truth value; what a policy
has to do when a message is taken is done in there, so that nobody else pays or knows.

* `SlidingQueue`, policy "drop_old": knows which messages came from others, and gives up the oldest
  of those. What the actor sent itself or has asked for is never given up. Given up messages behind
  such a one stay as empty cells until they come out or are more than the rest, so that giving up
  costs the same however long the mailbox is.
* `GatedQueue`, policy "block": made when the first sender has to wait for room, and holds those who
  do. Taking a message lets in the first of them. A gate with waiting senders is never empty, so
  nobody has to be woken besides.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final

from actors.scheduling.protection import protect
from actors.scheduling.waits import Call, RequestCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLACK: Final = 16
"""Empty cells that a sliding queue keeps in any case."""
PURGE_SHARE: Final = 64
"""A full gate is searched for those who have gone at most once in a 64th of its bound."""


class _Nothing:
    __slots__ = ()


NOTHING: Final = _Nothing()
"""There was no message to give up."""


class _Cell:
    """A message from somebody else; `NOTHING` when it was given up."""

    __slots__ = ("entry",)

    def __init__(self, entry: Any) -> None:
        self.entry = entry


class SlidingQueue(deque[Any]):
    """A mailbox that can give up the oldest message that others have sent."""

    __slots__ = ("_cells", "_empty")

    def __init__(self) -> None:
        super().__init__()
        self._cells: deque[_Cell] = deque()
        self._empty = 0

    def __len__(self) -> int:
        return deque.__len__(self) - self._empty

    def __iter__(self) -> Iterator[Any]:
        for entry in deque.__iter__(self):
            if entry.__class__ is not _Cell:
                yield entry
            elif entry.entry is not NOTHING:
                yield entry.entry

    def push(self, entry: Any) -> None:
        """Add a message from somebody else; plain ``append`` is for the actor's own."""
        cell = _Cell(entry)
        self._cells.append(cell)
        deque.append(self, cell)

    def popleft(self) -> Any:
        """Remove and return the oldest message."""
        while True:
            entry = deque.popleft(self)
            if entry.__class__ is not _Cell:
                return entry
            if entry.entry is not NOTHING:
                self._cells.popleft()
                return entry.entry
            self._empty -= 1

    def give_up(self) -> Any:
        """Remove and return the oldest message from somebody else, `NOTHING` if there is none."""
        if not self._cells:
            return NOTHING
        cell = self._cells.popleft()
        entry, cell.entry = cell.entry, NOTHING
        if self[0] is cell:
            deque.popleft(self)
        else:
            self._empty += 1
            if self._empty > len(self) + SLACK:
                self.discard(lambda _: False)
        return entry

    def discard(self, unwanted: Callable[[Any], bool]) -> None:
        """Remove the messages for which `unwanted` is true."""
        kept: list[Any] = []
        cells: deque[_Cell] = deque()
        for entry in deque.__iter__(self):
            if entry.__class__ is not _Cell:
                if not unwanted(entry):
                    kept.append(entry)
            elif entry.entry is not NOTHING and not unwanted(entry.entry):
                kept.append(entry)
                cells.append(entry)
        self.clear()
        self.extend(kept)
        self._cells = cells
        self._empty = 0

    def everything(self) -> list[Any]:
        """All that waits, the oldest first."""
        return list(self)

    def at_rest(self) -> deque[Any] | None:
        """What the resting actor keeps as its mailbox."""
        return self


class Sending(Call):
    """A sender that waits for room; ``request`` is its message, delivery its outcome."""

    __slots__ = ()

    def expired(self) -> str:
        """The sentence of the timeout."""
        kind = type(self.request).__qualname__
        return f"the mailbox of {self.callee!r} had no room for {kind} in time"


class GatedQueue(deque[Any]):
    """A full mailbox of at most `limit` messages from others, and at most as many waiting senders.

    The senders are calls, which come in themselves, and `Sending`, whose messages do.
    """

    __slots__ = ("_limit", "_patience", "_senders")

    def __init__(self, entries: deque[Any] | tuple[Any, ...], limit: int) -> None:
        super().__init__(entries)
        self._limit = limit
        self._patience = 0
        self._senders: OrderedDict[Call, None] = OrderedDict()

    def popleft(self) -> Any:
        """Remove and return the oldest message, and let in who waits for its place."""
        entry = deque.popleft(self)
        if self._senders:
            self._admit()
        return entry

    def _admit(self) -> None:
        while self._senders and len(self) < self._limit:
            sender, _ = self._senders.popitem(last=False)
            if sender.done:
                continue
            if sender.__class__ is Call or sender.__class__ is RequestCall:
                self.append(sender)
            else:
                self.append(sender.request)
                sender.resolve()

    def wait(self, sender: Call) -> bool:
        """Have `sender` wait for room. False if as many wait as may."""
        if len(self._senders) >= self._limit:
            if self._patience > 0:
                self._patience -= 1
                return False
            self._patience = self._limit // PURGE_SHARE
            gone = [one for one in self._senders if one.done]
            for one in gone:
                del self._senders[one]
            if not gone:
                return False
        self._senders[sender] = None
        return True

    def forget(self, sender: Call) -> None:
        """`sender` has gone."""
        self._senders.pop(sender, None)

    def senders(self) -> tuple[Call, ...]:
        """Who waits for room, the first first."""
        return tuple(sender for sender in self._senders if not sender.done)

    def discard(self, unwanted: Callable[[Any], bool]) -> None:
        """Remove the messages for which `unwanted` is true; senders stay, and come in."""
        kept = [entry for entry in self if not unwanted(entry)]
        self.clear()
        self.extend(kept)
        self._admit()

    def everything(self) -> list[Any]:
        """All that waits, the oldest first, and then the senders, which are calls."""
        return [*self, *self._senders]

    def at_rest(self) -> deque[Any] | None:
        """What the resting actor keeps as its mailbox."""
        return None


protect(SlidingQueue, Sending, GatedQueue)
