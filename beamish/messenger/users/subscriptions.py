"""Channels that a user reads: noting them, and how far they were read."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.messenger.channels.messages import ReadChannel
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.users.account import Fields, Subscription
from beamish.messenger.users.account_actions import AccountAction, Written
from beamish.messenger.users.state import UserState

MAX_SUBSCRIPTIONS = 1_000


@dataclass(frozen=True, slots=True)
class Subscribe(AccountAction):
    """Read a channel from where it stands: at record `version`, with its post `ordinal`."""

    channel: str
    version: int
    ordinal: int

    def refusal(self, state: UserState) -> Refusal | None:
        """Up to a bound; what is subscribed to already stays as it is."""
        subscriptions = state.account.subscriptions
        if self.channel in subscriptions or len(subscriptions) < MAX_SUBSCRIPTIONS:
            return None
        text = f"you have {MAX_SUBSCRIPTIONS:,} subscriptions: end one of them first"
        return Refusal("forbidden", text)

    def record(self, state: UserState) -> Fields:
        """The subscription, as it was if there is one."""
        new = Subscription(self.version, self.version, self.ordinal)
        return _row(self.channel, state.account.subscriptions.get(self.channel, new))


@dataclass(frozen=True, slots=True)
class Unsubscribe(AccountAction):
    """Read a channel no longer."""

    channel: str

    def refusal(self, state: UserState) -> Refusal | None:
        """Only what is subscribed to."""
        if self.channel in state.account.subscriptions:
            return None
        return Refusal("not_found", f"you have not subscribed to {self.channel}")

    def record(self, state: UserState) -> Fields:
        """The end of the subscription."""
        return {**_row(self.channel, state.account.subscriptions[self.channel]), "on": False}


def raised(state: UserState, message: ReadChannel) -> Written | Refusal:
    """A higher read mark of a channel; levels never fall."""
    known = state.account.subscriptions.get(message.channel)
    if known is None:
        return Refusal("not_member", f"you have not subscribed to {message.channel}")
    if message.read <= known.read:
        return Written([], (known.read, known.ordinal))
    new = known._replace(read=message.read, ordinal=max(known.ordinal, message.ordinal))
    return Written([_row(message.channel, new)], (new.read, new.ordinal))


def _row(channel: str, known: Subscription) -> Fields:
    return {"t": "subscription", "channel": channel, "on": True, **known._asdict()}
