"""A conversation as a function of its log.

Pure: no clock, no journal, no actor. `ConversationState.apply` is the only way state changes and
takes nothing but committed records, so any activation that read the same log holds the same
state; the one exception are devices that are gone, which may be forgotten (`device_check`).

Membership is a function of the log: a record is visible to those who were members when it was
appended, and the record by which somebody joins or leaves is visible to that user too. A current
member reads history from the latest join on, a former one from that join to the leaving.

Size: members are bounded, and so is what is kept of each user (`device_check`). The users are not:
`former`, `last_message`, `numbers` and `devices` hold an entry for everybody who ever was a member,
respectively wrote, since whoever left may still read the old stretch, repeat an old command, and
come back. So an open group costs memory for those who passed through it, some hundred bytes each
who only read, and up to 64 results for each device that wrote.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgpack

from beamish.messenger.conversations.charter import NO_CHARTER, Charter, Link, Permissions
from beamish.messenger.conversations.command_numbers import CommandNumbers, Result, result_of
from beamish.messenger.conversations.commands import Numbered
from beamish.messenger.conversations.effects import Blocked, Interval, Member, take_effect
from beamish.messenger.streams.records import TOUCHES, Fields


class ConversationState:
    """Everything that the log up to `version` implies."""

    def __init__(self, conversation: str) -> None:
        self.conversation = conversation
        self.version = 0
        self.ordinal = 0
        self.at = 0
        self.kind = ""
        self.title = ""
        self.open = False
        self.charter = NO_CHARTER
        self.bans: dict[str, int] = {}
        self.links: dict[str, Link] = {}
        self.spoke: dict[str, int] = {}
        self.blocks: dict[str, Blocked] = {}
        self.members: dict[str, Member] = {}
        self.former: dict[str, Interval] = {}
        self.numbers: dict[tuple[str, str], CommandNumbers] = {}
        self.devices: dict[str, int] = {}
        """How many devices of a user are in `numbers`."""
        self.forgotten_in_part: dict[str, None] = {}
        """Users of whom a device was forgotten."""
        self.last_message: dict[str, int] = {}
        self.touched: dict[int, int] = {}
        """What the touches taken in have changed, by which: for the caches, which take it away."""

    def take(self, n: int, raw: bytes) -> None:
        """Take in record `n` as the journal holds it."""
        fields: Fields = msgpack.unpackb(raw)
        if fields["n"] != n:
            raise ValueError(
                f"record {n} of {self.conversation} says that it is {fields['n']}:"
                " the data directory is damaged"
            )
        self.apply(fields)

    def apply(self, fields: Fields) -> None:
        """Take in the next record of the log, after it was committed.

        Raises:
            ValueError: the record is not the next one.
        """
        if fields["n"] != self.version + 1:
            raise ValueError(
                f"conversation {self.conversation} at {self.version} cannot apply record"
                f" {fields['n']}: apply the log in order and without gaps"
            )
        self.version += 1
        self.at = fields["at"]
        take_effect(self, fields)
        if fields["type"] == "message":
            self.ordinal = fields["ordinal"]
            self.last_message[fields["by"]] = self.version
        elif fields["type"] in TOUCHES:
            self.touched[fields["target"]] = self.version
        device = fields.get("device")
        if device is not None:
            key = (fields["by"], device)
            numbers = self.numbers.get(key)
            if numbers is None:
                numbers = self.numbers[key] = CommandNumbers()
                self.devices[key[0]] = self.devices.get(key[0], 0) + 1
            numbers.use(fields["number"], fields["tag"], result_of(fields))

    def first_result(self, command: Numbered) -> Result | None:
        """The committed result of this very command, or None when it was not executed yet."""
        numbers = self.numbers.get((command.user, command.device))
        return None if numbers is None else numbers.first_result(command.tag)

    def forget_devices(self, user: str, existing: Collection[str]) -> None:
        """Forget the commands of all of the user's devices that do not exist any more."""
        gone = [key for key in self.numbers if key[0] == user and key[1] not in existing]
        for key in gone:
            del self.numbers[key]
        if gone:
            self.devices[user] -= len(gone)
            self.forgotten_in_part[user] = None

    def readable(self, user: str) -> Interval | None:
        """What `user` may read of the log as it is now; None for one who never was a member."""
        member = self.members.get(user)
        if member is not None:
            return Interval(member.joined, self.version)
        return self.former.get(user)

    def recipients(self, settled: int) -> list[tuple[str, int]]:
        """Who has to hold the log, and up to where, when all up to `settled` is held by all.

        The members up to `version`, and those who left after `settled` up to their leaving.
        """
        told = [(user, self.version) for user in self.members]
        told += [(user, gone.last) for user, gone in self.former.items() if gone.last > settled]
        return told

    def dump(self) -> bytes:
        """The state as a journal snapshot."""
        plain = {
            "v": self.version,
            "o": self.ordinal,
            "at": self.at,
            "kind": self.kind,
            "title": self.title,
            "open": self.open,
            "members": [[user, *member] for user, member in self.members.items()],
            "former": [[user, *gone] for user, gone in self.former.items()],
            "numbers": [[*key, *numbers.dump()] for key, numbers in self.numbers.items()],
            "authors": self.last_message,
            "forgotten": list(self.forgotten_in_part),
            "blocks": [[user, *known] for user, known in self.blocks.items()],
            "charter": list(self.charter),
            "bans": self.bans,
            "links": [[link, *known] for link, known in self.links.items()],
            "spoke": self.spoke,
        }
        return bytes(msgpack.packb(plain))

    @classmethod
    def load(cls, conversation: str, snapshot: bytes | None) -> ConversationState:
        """The state that `snapshot` holds, or that of an empty log."""
        state = cls(conversation)
        if snapshot is None:
            return state
        plain: dict[str, Any] = msgpack.unpackb(snapshot)
        state.version, state.ordinal, state.at = plain["v"], plain["o"], plain["at"]
        state.kind, state.title, state.open = plain["kind"], plain["title"], plain["open"]
        state.members = {row[0]: Member(*row[1:]) for row in plain["members"]}
        state.former = {row[0]: Interval(*row[1:]) for row in plain["former"]}
        state.last_message = plain["authors"]
        state.numbers = {(row[0], row[1]): CommandNumbers.load(row[2:]) for row in plain["numbers"]}
        for user, _device in state.numbers:
            state.devices[user] = state.devices.get(user, 0) + 1
        # Absent where an older version wrote, which forgot nothing.
        state.forgotten_in_part = dict.fromkeys(plain.get("forgotten", ()))
        state.blocks = {row[0]: Blocked(*row[1:]) for row in plain.get("blocks", ())}
        if "charter" in plain:
            state._load_charter(plain)
        return state

    def _load_charter(self, plain: dict[str, Any]) -> None:
        description, permissions, slow_mode = plain["charter"]
        named = None if permissions is None else Permissions(*permissions)
        self.charter = Charter(description, named, slow_mode)
        self.bans, self.spoke = plain["bans"], plain["spoke"]
        self.links = {row[0]: Link(*row[1:]) for row in plain["links"]}
