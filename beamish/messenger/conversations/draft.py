"""A batch of commands being decided: the conversation as it would be, and the records for it.

Whether a command was executed before is looked up first, before membership or any other rule; then
its number; then the rules of its action. A refusal uses no number.
"""

from __future__ import annotations

from collections.abc import Mapping

from beamish.messenger.conversations.charter import Link
from beamish.messenger.conversations.command_numbers import (
    CommandNumbers,
    Result,
    refusal_of_number,
    result_of,
)
from beamish.messenger.conversations.commands import Fulfil, Numbered
from beamish.messenger.conversations.effects import Blocked, Interval, Member, take_effect
from beamish.messenger.conversations.overlay import Overlay
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.streams.records import Fields

MEMBER_CAP = 1024
"""Most members of a group, by default: each message is written to every member's inbox."""


class Draft:
    """The state as it would be, and the records that would make it so."""

    def __init__(
        self,
        state: ConversationState,
        now: int,
        member_cap: int = MEMBER_CAP,
        closed: Refusal | None = None,
        present: Mapping[int, Fields] | None = None,
    ) -> None:
        """Draft over `state` at `now` (ms UTC); `closed` is the answer to every new command.

        `present` are the records that the commands' actions read, as they are at `state.version`.
        """
        self._state = state
        self._present = {} if present is None else present
        self.now = max(state.at, now)
        self._closed = closed
        self.member_cap = member_cap
        self.conversation = state.conversation
        self.version = state.version
        self.ordinal = state.ordinal
        self.at = state.at
        self.kind, self.title, self.open = state.kind, state.title, state.open
        self.charter = state.charter
        self.bans: Overlay[str, int] = Overlay(state.bans)
        self.links: Overlay[str, Link] = Overlay(state.links)
        self.spoke: Overlay[str, int] = Overlay(state.spoke)
        self.blocks: Overlay[str, Blocked] = Overlay(state.blocks)
        self.members: Overlay[str, Member] = Overlay(state.members)
        self.former: Overlay[str, Interval] = Overlay(state.former)
        self._numbers: dict[tuple[str, str], CommandNumbers] = {}
        self.records: list[Fields] = []
        self.amended: dict[int, Fields] = {}
        """Committed records that would change."""

    def decide(self, command: Numbered) -> Result | Refusal:
        """The command's result, its records added to `records`; or why it is refused."""
        numbers = self._numbers_of(command.user, command.device)
        first = numbers.first_result(command.tag)
        if first is not None:
            return first
        refusal = (
            refusal_of_number(numbers, command.number)
            or self._closed
            or command.action.refusal(self, command.user)
        )
        if refusal is not None:
            return refusal
        fields = self._append(command)
        result = result_of(fields)
        self._write_numbers(command, result)
        return result

    def record(self, n: int) -> Fields | None:
        """Record `n` as it would be; None without one, or if no action reads it."""
        drafted = n - self._state.version
        if drafted > 0:
            return self.records[drafted - 1] if drafted <= len(self.records) else None
        return self.amended.get(n) or self._present.get(n)

    def _amend(self, fields: Fields) -> None:
        drafted = fields["n"] - self._state.version
        if drafted > 0:
            self.records[drafted - 1] = fields
        else:
            self.amended[fields["n"]] = fields

    def fulfil(self, asked: Fulfil) -> bool:
        """Have a duty met, by a record if it is not; it is owed, so nothing is in its way."""
        if not asked.duty.met(self, asked.user):
            self._add(asked.user, asked.duty.record(self, asked.user))
        return True

    def _numbers_of(self, user: str, device: str) -> CommandNumbers:
        key = (user, device)
        drafted = self._numbers.get(key)
        if drafted is not None:
            return drafted
        return self._state.numbers.get(key) or _NO_NUMBERS

    def _write_numbers(self, command: Numbered, result: Result) -> None:
        key = (command.user, command.device)
        if key not in self._numbers:
            self._numbers[key] = self._numbers_of(*key).copy()
        self._numbers[key].use(command.number, command.tag, result)

    def _append(self, command: Numbered) -> Fields:
        action, user = command.action, command.user
        before = action.preceding(self, user)
        if before is not None:
            self._add(user, before)
        caused = {"device": command.device, "number": command.number, "tag": command.tag}
        fields = self._add(user, {**action.record(self, user), **caused})
        amended = action.amended(self, fields)
        if amended is not None:
            self._amend(amended)
        return fields

    def _add(self, by: str, body: Fields) -> Fields:
        self.version += 1
        self.at = self.now
        fields: Fields = {"n": self.version, "by": by, "at": self.at, **body}
        if fields["type"] == "message":
            self.ordinal += 1
            fields["ordinal"] = self.ordinal
        take_effect(self, fields)
        self.records.append(fields)
        return fields


_NO_NUMBERS = CommandNumbers()
