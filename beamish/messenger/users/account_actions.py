"""What a numbered command of the account's lane asks: one class for each, with its own rules.

Like the actions of conversations these are values that decide against committed state and look at
nothing else. What they write is a record of the user's stream, hence an item in every device's
inbox.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from actors import Request
from beamish.messenger.conversations.command_numbers import (
    CommandNumbers,
    Result,
    refusal_of_number,
)
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.leases import GONE
from beamish.messenger.users.account import MAX_BLOCKS, Fields
from beamish.messenger.users.state import UserState


class Written(NamedTuple):
    """What a change of an account comes to: records to append, and the answer once they are.

    `owes` says that others have to be told of them, so that the stream is pending until they are.
    """

    records: list[Fields]
    answer: object = True
    owes: bool = False


class AccountAction(ABC):
    """One thing that somebody wants done to the own account."""

    __slots__ = ()

    owes = False
    """Whether others have to be told."""

    def refusal(self, _state: UserState) -> Refusal | None:
        """Why this cannot be done now; mostly None."""
        return None

    @abstractmethod
    def record(self, state: UserState) -> Fields:
        """The record that does it: `t` and what belongs to that. Never asked when refused."""


@dataclass(frozen=True, slots=True)
class SetProfile(AccountAction):
    """Another name or status to show; None leaves it as it is."""

    display: str | None
    status: str | None

    def record(self, state: UserState) -> Fields:
        """Both, as they are from now on."""
        account = state.account
        display = account.display if self.display is None else self.display
        status = account.status if self.status is None else self.status
        return {"t": "profile", "display": display, "status": status}


@dataclass(frozen=True, slots=True)
class SetPrivacy(AccountAction):
    """What others may know; None leaves it as it is."""

    last_seen: str | None
    read_marks: bool | None

    def record(self, state: UserState) -> Fields:
        """Both, as they are from now on."""
        privacy = state.account.privacy
        last_seen = privacy.last_seen if self.last_seen is None else self.last_seen
        read_marks = privacy.read_marks if self.read_marks is None else self.read_marks
        return {"t": "privacy", "last_seen": last_seen, "read_marks": read_marks}


@dataclass(frozen=True, slots=True)
class SetConversation(AccountAction):
    """How a conversation is shown: muted until a time, archived, pinned; None leaves it."""

    conversation: str
    muted_until: int | None
    archived: bool | None
    pinned: bool | None

    def refusal(self, state: UserState) -> Refusal | None:
        """Only what the inbox knows can be set, else its size would have no bound."""
        if self.conversation in state.conversations:
            return None
        return Refusal("not_member", f"you are not in {self.conversation}")

    def record(self, state: UserState) -> Fields:
        """All three, as they are from now on."""
        shown = state.conversations[self.conversation].shown
        until, archived, pinned = self.muted_until, self.archived, self.pinned
        return {
            "t": "settings",
            "conversation": self.conversation,
            "muted_until": shown.muted_until if until is None else until,
            "archived": shown.archived if archived is None else archived,
            "pinned": shown.pinned if pinned is None else pinned,
        }


@dataclass(frozen=True, slots=True)
class BlockUser(AccountAction):
    """Hear nothing of `user` any more, nor be heard of; or again, with `on` false.

    `unknown` is the refusal of a user who does not exist, found out beforehand.
    """

    user: str
    on: bool
    unknown: Refusal | None = None

    owes = True

    def refusal(self, state: UserState) -> Refusal | None:
        """Others who exist, up to a bound."""
        if self.user == state.user:
            return Refusal("bad_request", "you cannot block yourself")
        full = self.on and not state.account.has_blocked(self.user)
        if full and len(state.account.blocked) >= MAX_BLOCKS:
            text = f"you have blocked {MAX_BLOCKS:,} people: unblock one of them first"
            return Refusal("forbidden", text)
        if not self.on and self.user not in state.account.blocks:
            return Refusal("not_found", f"you have not blocked {self.user}")
        return self.unknown

    def record(self, state: UserState) -> Fields:  # noqa: ARG002
        """What is said about the other."""
        return {"t": "block", "user": self.user, "on": self.on}


@dataclass(frozen=True, slots=True)
class AccountCommand(Request[Result | Refusal]):
    """Which device of the user, under which number and tag, wants what.

    Answered when its record is on disk and whoever it concerns knows, when its first result is
    found, or when it is refused.
    """

    device: str
    number: int
    tag: str
    action: AccountAction


def decide(state: UserState, command: AccountCommand, now: int) -> Written | Refusal:
    """What a command of the account's lane comes to at `now`, ms UTC.

    In the order of conversations: known by its tag, then of a device that exists, then its number,
    then its own rules.
    """
    account, action = state.account, command.action
    numbers = account.numbers.get(command.device) or _NO_NUMBERS
    first = numbers.first_result(command.tag)
    if first is not None:
        return Written([], first)
    if command.device not in account.devices:
        return GONE
    refusal = refusal_of_number(numbers, command.number) or action.refusal(state)
    if refusal is not None:
        return refusal
    caused = [command.device, command.number, command.tag]
    fields = {**action.record(state), "at": now, "c": caused}
    return Written([fields], Result(state.version + 1, 0, now), action.owes)


_NO_NUMBERS = CommandNumbers()
