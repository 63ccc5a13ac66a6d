"""The sessions of a node: who is connected, as whom, with how much in hand."""

from __future__ import annotations

from collections.abc import Callable

from actors import Ref
from beamish.messenger.events import EventHub, UserOffline, UserOnline
from beamish.messenger.messages import Head, Revoked
from beamish.messenger.sessions.session_handle import SessionLink
from beamish.protocol import CloseCode

MAX_HINTS = 64
"""Hints of presence and typing that wait for a session, at most."""


class Connections:
    """Living sessions; each enters itself at its start and leaves at its end."""

    def __init__(self, events: EventHub | None = None) -> None:
        self._events = EventHub() if events is None else events
        self._links: dict[Ref, SessionLink] = {}
        self._users: dict[Ref, str] = {}
        self.watchers: dict[str, Callable[[SessionLink], None]] = {}
        """Told of each session that logs in, by the user whom they watch."""
        self._devices: dict[str, dict[Ref, str]] = {}

    def __len__(self) -> int:
        return len(self._links)

    def opened(self, session: Ref, link: SessionLink) -> None:
        """A session has begun."""
        self._links[session] = link

    def logged_in(self, session: Ref, user: str, device: str) -> None:
        """A session speaks for this device of `user` from now on."""
        self._users[session] = user
        if self._events.wanted and user not in self._devices:
            self._events.tell(UserOnline(user))
        self._devices.setdefault(user, {})[session] = device
        watcher = self.watchers.get(user)
        if watcher is not None and session in self._links:
            watcher(self._links[session])

    def links_of(self, user: str) -> list[SessionLink]:
        """The sessions that speak for `user`."""
        return [self._links[session] for session in self._devices.get(user, ())]

    def devices(self, user: str) -> dict[Ref, str]:
        """The sessions that speak for `user`, each with its device; closing ones are left out."""
        known = self._devices.get(user, {})
        return {
            session: device
            for session, device in known.items()
            if not self._links[session].outbox.closed and not self._links[session].lost
        }

    def revoke(self, session: Ref) -> None:
        """Close a session's connection at once, since its device may not speak any more."""
        link = self._links.get(session)
        if link is not None:
            link.outbox.close(CloseCode.REVOKED, "the device was logged out")
            session.cast(Revoked())

    def hint(self, session: Ref, message: object) -> bool:
        """Give a session a hint if it has handled most of those before; whether it got it."""
        link = self._links.get(session)
        if link is None or link.hints >= MAX_HINTS:
            return False
        link.hints += 1
        session.cast(message)
        return True

    def tell_head(self, session: Ref, version: int) -> None:
        """Tell a session how far its inbox has come, unless it still has to look at the last."""
        link = self._links.get(session)
        if link is not None and not link.head_told:
            link.head_told = True
            session.cast(Head(version))

    def closed(self, session: Ref) -> None:
        """A session has ended."""
        link = self._links.pop(session, None)
        if link is not None and link.meter.tap is not None:
            link.meter.tap.ended()
        user = self._users.pop(session, None)
        if user is not None:
            of_user = self._devices[user]
            of_user.pop(session, None)
            if not of_user:
                del self._devices[user]
                if self._events.wanted:
                    self._events.tell(UserOffline(user))

    @property
    def users_online(self) -> int:
        """Users with at least one session."""
        return len(set(self._users.values()))

    def prune(self) -> None:
        """Forget sessions that were killed before they could take their leave."""
        for session in [ref for ref in self._links if not ref.is_alive()]:
            self._links[session].outbox.close(CloseCode.INTERNAL, "the session has ended")
            self._links[session].gone()
            self.closed(session)

    def logged_in_sessions(self) -> list[tuple[Ref, str]]:
        """Every session that speaks for a user, with the user."""
        return list(self._users.items())

    def sessions(self) -> list[Ref]:
        """Every session."""
        return list(self._links)

    @property
    def in_hand(self) -> int:
        """Commands being carried out."""
        return sum(link.in_hand for link in self._links.values())
