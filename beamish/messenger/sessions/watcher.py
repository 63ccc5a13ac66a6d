"""How many hints a session has outstanding, so that its mailbox never fills with them.

A user's actor hints its sessions at new inbox records. A session that waits for something handles
no hints meanwhile; were they sent without a bound, they would crowd out of its mailbox what must
not be lost: its own turns, and the news that its connection is gone. So at most `HINTS_AHEAD` are
sent that the session has not said to have handled. It says so every `HINTS_TOLD` hints, as a level
(all it has handled since it watches), so that one notice makes up for a lost one. What was held
back meanwhile is made good by a single level, the inbox's version, and a pull.
"""

from __future__ import annotations

HINTS_AHEAD = 64
HINTS_TOLD = 8
"""Divides `HINTS_AHEAD`, so that a session that has handled all it got has said so."""


class Watcher:
    """The hints of one activation of a user to one session."""

    __slots__ = ("_behind", "_sent", "_taken")

    def __init__(self) -> None:
        self._sent = 0
        self._taken = 0
        self._behind = False

    def may_hint(self) -> bool:
        """Whether one more hint may be sent; it counts as sent then."""
        if self._sent - self._taken >= HINTS_AHEAD:
            self._behind = True
            return False
        self._sent += 1
        return True

    def took(self, count: int) -> bool:
        """The session has handled `count` hints; whether it has to be told of the version."""
        # Hints of an activation before this one may be counted too.
        self._taken = max(self._taken, min(count, self._sent))
        behind = self._behind and self._sent - self._taken < HINTS_AHEAD
        if behind:
            self._behind = False
        return behind
