"""Display names of users known to exist: a bounded cache, least recently used goes first.

Users are never unmade, so that one exists stays true. A display name that has changed may be shown
in its old form by this node until it falls out.
"""

from __future__ import annotations

from collections import OrderedDict

MAX_ENTRIES = 50_000


class Profiles:
    """`user -> display`."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()

    def get(self, user: str) -> str | None:
        """The display name, or None when it is not at hand."""
        found = self._known.get(user)
        if found is not None:
            self._known.move_to_end(user)
        return found

    def put(self, user: str, display: str) -> None:
        """Remember a user."""
        self._known[user] = display
        if len(self._known) > MAX_ENTRIES:
            self._known.popitem(last=False)
