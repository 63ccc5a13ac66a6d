"""A client's commands that came and may not begin yet, in their order.

They wait for one of two things:

* **room**: while more answers wait for the client than the outbox's soft bound, no further command
  is begun. So whoever asks much and reads gets all answers, at the speed of reading, and what
  waits for one connection is bounded by that and one answer more. The connection takes nothing
  more from the socket meanwhile (`session_handle`).
* **answers**: a logout begins when what was sent before it is answered, or after
  `LOGOUT_WAITS_S`.

Bounded by `session_in_hand`, as all that a session has of its client.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from beamish.messenger.messages import AnswersLate, CommandTurn
from beamish.protocol import Item

if TYPE_CHECKING:
    from beamish.messenger.sessions.session import Session

LOGOUT_WAITS_S = 5.0
"""Seconds that a logout waits at most for the answers to what was sent before it."""


class Backlog:
    """The commands of one session that were not begun."""

    def __init__(self, actor: Session) -> None:
        self._actor = actor
        self._items: deque[Item] = deque()
        self._turn_wanted = False
        self._pauses = 0
        self._paused = False
        self._patient = True

    def admits(self, item: Item) -> bool:
        """Whether a command that has come may begin at once; else it waits here."""
        if not self._items and self._actor.outbox.takes_commands:
            return True
        self._items.append(item)
        self.go_on()
        return False

    def go_on(self) -> None:
        """Have the next command begun when it may."""
        if not self._items or self._turn_wanted or self._paused:
            return
        if self._actor.outbox.takes_commands:
            self._turn_wanted = True
            self._actor.ref.cast(CommandTurn())
        else:
            self._actor.want_room()

    def next(self) -> Item | None:
        """The command whose turn it is, if it still may begin."""
        self._turn_wanted = False
        if not self._items or self._paused or not self._actor.outbox.takes_commands:
            return None
        return self._items.popleft()

    def waits_for_answers(self, item: Item) -> bool:
        """Put a command back until nothing is under way; False when that took too long before."""
        if not self._actor.lanes.busy or not self._patient:
            self._patient = True
            return False
        self._items.appendleft(item)
        self._paused = True
        self._pauses += 1
        self._actor.send_after(LOGOUT_WAITS_S, AnswersLate(self._pauses))
        return True

    def answered(self) -> None:
        """Something under way was answered."""
        if self._paused and not self._actor.lanes.busy:
            self._paused = False
            self.go_on()

    def late(self, message: AnswersLate) -> None:
        """The answers take too long."""
        if self._paused and message.pause == self._pauses:
            self._paused = self._patient = False
            self.go_on()
