"""A conversation as a function of its log, and the rules by which commands become records.

Pure: no clock, no journal, no actor. `ConversationState.apply` is the only way state changes and
takes nothing but committed records, so any activation that read the same log holds the same
state; the one exception are devices that are gone, which may be forgotten (`device_check`).
`Draft.decide` runs a batch of commands against an overlay of it.

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
from typing import Any, NamedTuple

import msgpack

from beamish.messenger.conversations.command_numbers import CommandNumbers, Result
from beamish.messenger.conversations.commands import (
    Action,
    CreateGroup,
    Invite,
    Join,
    Leave,
    Numbered,
    Refusal,
    Remove,
    SendText,
    SetRole,
)
from beamish.messenger.conversations.overlay import Overlay
from beamish.messenger.ids import direct_users
from beamish.messenger.streams.records import Fields

MEMBER_CAP = 1024
"""Most members of a group, by default: each message is written to every member's inbox."""


class Member(NamedTuple):
    """A current member: name to show, role ("owner", "admin", "member") and joining record."""

    display: str
    role: str
    joined: int


class Interval(NamedTuple):
    """The latest stretch of a log that a user may read: records `first` to `last` inclusive."""

    first: int
    last: int


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
        self.members: dict[str, Member] = {}
        self.former: dict[str, Interval] = {}
        self.numbers: dict[tuple[str, str], CommandNumbers] = {}
        self.devices: dict[str, int] = {}
        """How many devices of a user are in `numbers`."""
        self.forgotten_in_part: dict[str, None] = {}
        """Users of whom a device was forgotten."""
        self.last_message: dict[str, int] = {}

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
        _apply_membership(self, fields)
        if fields["type"] == "message":
            self.ordinal = fields["ordinal"]
            self.last_message[fields["by"]] = self.version
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
        return state


def result_of(fields: Fields) -> Result:
    """The result that a command had, from the record that it became."""
    return Result(fields["n"], fields.get("ordinal", 0), fields["at"])


def _apply_membership(state: ConversationState | Draft, fields: Fields) -> None:
    """The effect of a record on members and settings; shared by state and draft."""
    kind, n = fields["type"], fields["n"]
    members, former = state.members, state.former
    if kind == "create":
        state.kind, state.title, state.open = fields["kind"], fields["title"], fields["open"]
        for user, display, role in fields["members"]:
            members[user] = Member(display, role, n)
    elif kind in ("join", "invite"):
        user = fields["user"] if kind == "invite" else fields["by"]
        members[user] = Member(fields["display"], fields.get("role", "member"), n)
        former.pop(user, None)
    elif kind in ("leave", "remove"):
        user = fields["user"] if kind == "remove" else fields["by"]
        gone = members.pop(user, None)
        if gone is not None:
            former[user] = Interval(gone.joined, n)
        if fields.get("owner") is not None:
            _set_role(members, fields["owner"], "owner")
    elif kind == "role":
        if fields["role"] == "owner":
            _set_role(members, fields["by"], "admin")
        _set_role(members, fields["user"], fields["role"])


def _set_role(members: dict[str, Member] | Overlay[str, Member], user: str, role: str) -> None:
    member = members.get(user)
    if member is not None:
        members[user] = member._replace(role=role)


class Draft:
    """A batch being decided: the state as it would be, and the records that would make it so."""

    def __init__(
        self,
        state: ConversationState,
        now: int,
        member_cap: int = MEMBER_CAP,
        closed: Refusal | None = None,
    ) -> None:
        """Draft over `state` at `now` (ms UTC); `closed` is the answer to every new command."""
        self._state = state
        self._now = now
        self._closed = closed
        self._cap = member_cap
        self.conversation = state.conversation
        self.version = state.version
        self.ordinal = state.ordinal
        self.at = state.at
        self.kind, self.title, self.open = state.kind, state.title, state.open
        self.members: Overlay[str, Member] = Overlay(state.members)
        self.former: Overlay[str, Interval] = Overlay(state.former)
        self._numbers: dict[tuple[str, str], CommandNumbers] = {}
        self.records: list[Fields] = []

    def decide(self, command: Numbered) -> Result | Refusal:
        """The command's result, its records added to `records`; or why it is refused.

        Looked up first, before membership or any other rule: whether it was executed before.
        """
        numbers = self._numbers_of(command.user, command.device)
        first = numbers.first_result(command.tag)
        if first is not None:
            return first
        if command.number <= numbers.last:
            return Refusal(
                "number_used",
                f"command number {command.number} of this device was used by another command:"
                " numbers are dense and each command keeps its own number and tag",
            )
        if command.number != numbers.last + 1:
            expected = numbers.last + 1
            return Refusal(
                "expected",
                f"the next command number of this device here is {expected}, not"
                f" {command.number}: send what is unanswered again, in order",
                expected,
            )
        refusal = self._closed or self._refusal(command.user, command.action)
        if refusal is not None:
            return refusal
        fields = self._append(command)
        result = result_of(fields)
        self._write_numbers(command, result)
        return result

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
        if not self.version and isinstance(command.action, SendText):
            self._add(command.user, self._create_direct(command.action))
        caused = {"device": command.device, "number": command.number, "tag": command.tag}
        return self._add(command.user, {**self._body(command), **caused})

    def _add(self, by: str, body: Fields) -> Fields:
        self.version += 1
        self.at = max(self.at, self._now)
        fields: Fields = {"n": self.version, "by": by, "at": self.at, **body}
        if fields["type"] == "message":
            self.ordinal += 1
            fields["ordinal"] = self.ordinal
        _apply_membership(self, fields)
        self.records.append(fields)
        return fields

    def _body(self, command: Numbered) -> Fields:
        match command.action:
            case SendText(text=text):
                return {"type": "message", "text": text}
            case CreateGroup(title, is_open, display, members):
                rows = [[command.user, display, "owner"]]
                rows += [[user, shown, "member"] for user, shown in members]
                return _creation("group", title, rows, is_open=is_open)
            case Invite(user, display):
                return {"type": "invite", "user": user, "display": display}
            case Join(display):
                joined = {"type": "join", "display": display}
                return joined if len(self.members) else {**joined, "role": "owner"}
            case Remove(user):
                return {"type": "remove", "user": user}
            case SetRole(user, role):
                return {"type": "role", "user": user, "role": role}
            case Leave():
                heir = self._heir(command.user)
                return {"type": "leave"} if heir is None else {"type": "leave", "owner": heir}

    def _create_direct(self, action: SendText) -> Fields:
        shown = dict(action.displays)
        users = direct_users(self.conversation) or ()
        rows = [[user, shown.get(user, user), "member"] for user in users]
        return _creation("direct", "", rows, is_open=False)

    def _heir(self, leaving: str) -> str | None:
        """Who owns the group after `leaving`: the longest-standing admin, else member."""
        member = self.members.get(leaving)
        if member is None or member.role != "owner":
            return None
        others = [(m.role != "admin", m.joined, u) for u, m in self.members.items() if u != leaving]
        return min(others)[2] if others else None

    def _refusal(self, user: str, action: Action) -> Refusal | None:
        if isinstance(action, CreateGroup):
            return self._refusal_of_creation(action)
        if not self.version:
            return self._refusal_in_nothing(user, action)
        if isinstance(action, Join):
            return self._refusal_of_join(user)
        member = self.members.get(user)
        if member is None:
            return _not_member(self.conversation)
        if isinstance(action, SendText):
            return None
        if self.kind == "direct":
            return Refusal("forbidden", "a direct conversation has two members for good")
        if isinstance(action, Invite):
            return self._refusal_of_invitation(member, action.user)
        if isinstance(action, Remove):
            return self._refusal_of_removal(user, member, action.user)
        if isinstance(action, SetRole):
            return self._refusal_of_role(member, action)
        return None

    def _refusal_of_creation(self, action: CreateGroup) -> Refusal | None:
        if self.version:
            return Refusal("exists", f"the group {self.conversation} exists already")
        if len(action.members) + 1 > self._cap:
            return self._full()
        return None

    def _refusal_in_nothing(self, user: str, action: Action) -> Refusal | None:
        pair = direct_users(self.conversation)
        if pair is None:
            return Refusal("not_found", f"there is no conversation {self.conversation}")
        if user not in pair:
            return _not_member(self.conversation)
        if not isinstance(action, SendText):
            return Refusal("forbidden", "a direct conversation has two members for good")
        return None

    def _refusal_of_join(self, user: str) -> Refusal | None:
        if self.kind == "direct":
            return _not_member(self.conversation)
        if user in self.members:
            return Refusal("exists", "you are a member of this group already")
        if not self.open:
            return Refusal("forbidden", "this group is closed: a member has to invite you")
        return self._full() if len(self.members) >= self._cap else None

    def _refusal_of_invitation(self, member: Member, invited: str) -> Refusal | None:
        if not self.open and member.role == "member":
            return Refusal("forbidden", "only the owner and admins invite to a closed group")
        if invited in self.members:
            return Refusal("exists", f"{invited} is a member of this group already")
        return self._full() if len(self.members) >= self._cap else None

    def _refusal_of_removal(self, user: str, member: Member, other: str) -> Refusal | None:
        target = self.members.get(other)
        if user == other:
            return Refusal("bad_request", "to remove yourself, leave the group")
        if target is None:
            return Refusal("not_found", f"{other} is not a member of this group")
        if member.role == "member" or (member.role == "admin" and target.role != "member"):
            return Refusal("forbidden", "owners remove anybody, admins remove members")
        return None

    def _refusal_of_role(self, member: Member, action: SetRole) -> Refusal | None:
        target = self.members.get(action.user)
        if member.role != "owner":
            return Refusal("forbidden", "only the owner gives roles")
        if target is None:
            return Refusal("not_found", f"{action.user} is not a member of this group")
        if target.role == "owner":
            return Refusal("forbidden", "give the ownership to somebody else instead")
        return None

    def _full(self) -> Refusal:
        return Refusal("forbidden", f"a group has at most {self._cap} members")


_NO_NUMBERS = CommandNumbers()


def _creation(kind: str, title: str, rows: list[list[str]], *, is_open: bool) -> Fields:
    return {"type": "create", "kind": kind, "title": title, "open": is_open, "members": rows}


def _not_member(conversation: str) -> Refusal:
    return Refusal("not_member", f"you are not a member of {conversation}")
