"""What becomes of a conversation because of something that was decided elsewhere.

A user's own stream may oblige a conversation: an account was deleted, so its user leaves. Such a
duty has no device and no number; it is a level, met or not, so it may be asked for any number of
times, and it is never refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beamish.messenger.conversations.actions.membership import Leave
from beamish.messenger.streams.records import Fields

if TYPE_CHECKING:
    from beamish.messenger.conversations.draft import Draft


class Duty(ABC):
    """Something that has to hold in a conversation."""

    __slots__ = ()

    @abstractmethod
    def met(self, draft: Draft, user: str) -> bool:
        """Whether it holds already."""

    @abstractmethod
    def record(self, draft: Draft, user: str) -> Fields:
        """The record by which it does."""


@dataclass(frozen=True, slots=True)
class Depart(Duty):
    """The user is no member of this group, nor of this channel's staff."""

    def met(self, draft: Draft, user: str) -> bool:
        """Whoever never was, or left."""
        return draft.kind == "direct" or user not in draft.members

    def record(self, draft: Draft, user: str) -> Fields:
        """As if by a command."""
        return Leave().record(draft, user)
