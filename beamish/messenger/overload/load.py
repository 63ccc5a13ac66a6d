"""How loaded this node is, and what it therefore leaves undone.

Measured is the wait in the run queue, by probes (`load_meter`): time that passes before an actor
with a message gets its turn. It is what every message on this node waits at each of its steps, and
unlike the use of a processor it says nothing while work fits. As in WeChat's DAGOR (2018) a window
whose average wait is above 20 ms is an overloaded one. Each raises the level by one step, each
calm one lowers it:

=====  ===================================================================================
level  besides what the levels below do
=====  ===================================================================================
0      everything
1      typing is dropped
2      presence is dropped: watchers learn with the next change, or when they renew
3      receipts wait: they are levels, told later by one that says all
4      new messages of a share of the users are refused, before anything is decided
5      logins with a password are refused
=====  ===================================================================================

A message that was accepted is never shed. The share of users refused grows in each overloaded
window at level 4 and above, and shrinks in each calm one; who is in it changes every few seconds.
So everybody gets through in turn, with all that they have to say and in order: a share of messages
would break up everybody's. Nobody is refused for good: `retry_after_ms` says when to come again.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal

Kind = Literal["typing", "presence", "receipts", "messages", "logins"]

SHED_FROM: Final[dict[Kind, int]] = {
    "typing": 1,
    "presence": 2,
    "receipts": 3,
    "messages": 4,
    "logins": 5,
}
HIGHEST: Final = 5

WINDOW_S: Final = 1.0
LIMIT_S: Final = 0.020
SHARE_STEP: Final = 0.1
MOST_REFUSED: Final = 0.95
TURN_S: Final = 5.0
"""Seconds after which others are refused."""


class Load:
    """The level of one node. `now` is a steady clock in seconds."""

    def __init__(self, now: Callable[[], float], limit_s: float = LIMIT_S) -> None:
        """`limit_s`: the average wait above which a window is an overloaded one."""
        self._now = now
        self._limit = limit_s
        self._began = now()
        self._sum = 0.0
        self._count = 0
        self.level = 0
        self.refused_share = 0.0
        self.wait_s = 0.0
        """The average wait of the last window."""
        self.shed: Counter[str] = Counter()
        """How often something was left undone, by kind."""

    def waited(self, seconds: float) -> None:
        """A probe has waited so long; closes the window when that is over."""
        self._sum += seconds
        self._count += 1
        now = self._now()
        if now - self._began >= WINDOW_S:
            self._close(self._sum / self._count)
            self._began, self._sum, self._count = now, 0.0, 0

    def _close(self, wait_s: float) -> None:
        self.wait_s = wait_s
        if wait_s > self._limit:
            if self.level >= SHED_FROM["messages"]:
                self.refused_share = min(MOST_REFUSED, self.refused_share + SHARE_STEP)
            self.level = min(HIGHEST, self.level + 1)
        else:
            self.refused_share = max(0.0, self.refused_share - SHARE_STEP)
            if self.refused_share == 0.0 or self.level > SHED_FROM["messages"]:
                self.level = max(0, self.level - 1)

    def admits(self, kind: Kind) -> bool:
        """Whether something of this kind is done now; counted when not."""
        if self.level < SHED_FROM[kind]:
            return True
        self.shed[kind] += 1
        return False

    def admits_messages_of(self, user: str) -> bool:
        """Whether `user` is not among those whose new messages are refused just now."""
        if self.level < SHED_FROM["messages"] or self.refused_share == 0.0:
            return True
        turn = int(self._now() / TURN_S)
        place = zlib.crc32(f"{turn}/{user}".encode()) / 2**32
        if place >= self.refused_share:
            return True
        self.shed["messages"] += 1
        return False

    @property
    def retry_after_ms(self) -> int:
        """How long somebody who was refused should wait: until others have their turn."""
        return int(1000 * (TURN_S - self._now() % TURN_S)) + 1

    def statistics(self) -> dict[str, object]:
        """For `beamish status` and metrics."""
        return {
            "level": self.level,
            "wait_ms": round(1000 * self.wait_s, 3),
            "refused_share": round(self.refused_share, 2),
            "shed": dict(self.shed),
        }
