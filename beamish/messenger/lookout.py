"""Watches an actor from outside the actor system.

The tree's top supervisor ends only when restarting no longer helps. Then the node must end too,
loudly: one that accepts connections and does nothing is worse than none.
"""

from __future__ import annotations

from actors import Actor, Down, ExitReason, Ref, Signal, on


class Lookout(Actor):
    """Sets `ended` to the reason for which `watched` ends."""

    def __init__(self, watched: Ref, ended: Signal[ExitReason]) -> None:
        self._watched = watched
        self._ended = ended

    def init(self) -> None:
        """Begin to watch."""
        self.monitor(self._watched)

    @on(Down)
    def down(self, message: Down) -> None:
        """It has ended."""
        self._ended.set(message.reason)
