"""How many members may be being told at once, over all conversations of a node.

Without a bound the run queue grows as long as the node has members, and every acknowledgement
waits behind thousands of deliveries, of which none is urgent. With one, the queue stays short
whatever is said: conversations take turns, each a slice of notices at a time, and what is said in
one while it waits goes along with its next fan-out. So a busier node makes larger batches instead
of a longer queue.

Slots belong to the conversation that took them; it gives each back when the notice is answered,
and all of them when it ends. `prune` finds those of conversations that were killed.
"""

from __future__ import annotations

from actors import Ref
from beamish.messenger.messages import FanOutTurn

NOTICES = 256
"""Notices in flight: enough to fill the time of a sync with work, less than a tenth of a second of
it."""

SLICE = 16
"""Notices granted at once, so that a conversation of two waits for slices, not for whole groups."""


class FanOutWindow:
    """The slots of one node."""

    def __init__(self, notices: int = NOTICES) -> None:
        self._free = notices
        self._held: dict[Ref, int] = {}
        self._granted: dict[Ref, int] = {}
        self._waiting: dict[Ref, None] = {}

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        return self._free

    @property
    def waiting(self) -> int:
        """Conversations that wait for slots."""
        return len(self._waiting)

    def take(self, conversation: Ref) -> int:
        """Slots for a slice, at most `SLICE`; 0 when it must wait, and gets a `FanOutTurn` then."""
        granted = self._granted.pop(conversation, 0)
        if granted:
            return granted
        if self._free < SLICE or self._waiting:
            self._waiting[conversation] = None
            return 0
        self._hold(conversation)
        return SLICE

    def give_back(self, conversation: Ref, count: int) -> None:
        """Notices were answered, or slots not needed."""
        held = self._held.get(conversation, 0)
        if held > count:
            self._held[conversation] = held - count
        else:
            count = held
            self._held.pop(conversation, None)
        self._free += count
        while self._waiting and self._free >= SLICE:
            following = next(iter(self._waiting))
            del self._waiting[following]
            self._hold(following)
            self._granted[following] = SLICE
            following.cast(FanOutTurn())

    def leave(self, conversation: Ref) -> None:
        """The conversation has ended: whatever it held is free."""
        self._waiting.pop(conversation, None)
        self._granted.pop(conversation, None)
        self.give_back(conversation, self._held.get(conversation, 0))

    def prune(self) -> None:
        """Take back what conversations hold that were killed before they could leave."""
        for conversation in [*self._held, *self._waiting]:
            if not conversation.is_alive():
                self.leave(conversation)

    def _hold(self, conversation: Ref) -> None:
        self._free -= SLICE
        self._held[conversation] = self._held.get(conversation, 0) + SLICE
