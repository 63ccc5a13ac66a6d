"""The sessions that have a conversation on screen, and hear who is typing.

Members only, and neither who has blocked the other. Typing comes at most `RATE` times a second, in
bursts of `BURST`; what is above that is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import trio

from actors import Ref
from beamish.messenger.presence import WATCHED_S, OnScreen, Typed, Typing
from beamish.rate import TokenBucket

if TYPE_CHECKING:
    from beamish.messenger.conversations.conversation import Conversation

MAX_SCREENS = 1_024
"""Sessions that hear of one conversation; beyond it the one that looked longest ago does not."""

RATE = 10.0
BURST = 20


class _Screen(NamedTuple):
    user: str
    ignored: frozenset[str]
    until: float


class Screens:
    """The screens of one activation of a conversation."""

    def __init__(self, actor: Conversation) -> None:
        self._actor = actor
        self._screens: dict[Ref, _Screen] = {}
        self._bucket: TokenBucket | None = None

    @property
    def watched(self) -> bool:
        """Whether it is on anybody's screen; whoever does not renew is forgotten."""
        now = trio.current_time()
        screens = self._screens.items()
        self._screens = {ref: s for ref, s in screens if s.until > now and ref.is_alive()}
        return bool(self._screens)

    def put(self, asked: OnScreen) -> bool:
        """Have a session hear who types, if its user is a member; whether it will."""
        self._screens.pop(asked.session, None)
        if asked.user not in self._actor.state.members:
            return False
        until = trio.current_time() + WATCHED_S
        self._screens[asked.session] = _Screen(asked.user, asked.ignored, until)
        if len(self._screens) > MAX_SCREENS:
            del self._screens[next(iter(self._screens))]
        return True

    def take_away(self, session: Ref) -> None:
        """It is not on this session's screen any more."""
        self._screens.pop(session, None)

    def typed(self, typed: Typed) -> None:
        """Tell the others that somebody types."""
        members, now = self._actor.state.members, trio.current_time()
        if typed.user not in members or not self.watched:
            return
        if self._bucket is None:
            self._bucket = TokenBucket(RATE, BURST, now)
        if not self._bucket.take(1, now):
            return
        told = Typing(self._actor.conversation, typed.user)
        for session, screen in self._screens.items():
            user = screen.user
            silent = typed.user in screen.ignored or user in typed.hidden_from
            if user != typed.user and user in members and not silent:
                self._actor.environment.connections.hint(session, told)
