"""The commands of the protocol as typed values, and `parse`, which makes them of decoded items.

One class for each command, one field for each of its fields, its check beside it. Whatever a
class holds has been checked: forms, lengths and ranges, never rights or existence, which are the
messenger's. Unknown fields are ignored, null in an optional field counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

from beamish.protocol import validators
from beamish.protocol.codec import Item
from beamish.protocol.errors import ErrorCode, Refusal
from beamish.protocol.limits import DEFAULT_LIMITS, MAX_INTEGER, Limits
from beamish.protocol.validators import Check

VERSIONS = (1,)
"""The protocol versions that this node speaks."""


def _field(check: Check) -> Any:
    """A field that must be there."""
    return field(metadata={"check": check})


def _optional(check: Check, default: Any = None) -> Any:
    """A field that may be left out."""
    return field(default=default, metadata={"check": check})


def _page(most: Callable[[Limits], int], default: int = MAX_INTEGER) -> Any:
    """How many things a reply may hold: at most `most`; left out, `default` or `most`."""
    return field(default=default, metadata={"check": validators.integer(1, most), "most": most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every command has: `id`, or None when it is not to be answered."""

    name: ClassVar[str]
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Command):
    """Opens the conversation with the node and settles the version."""

    name = "hello"
    versions: tuple[int, ...] = _field(validators.versions)
    client: str | None = _optional(validators.label(64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Command):
    """Makes a user and a first device, and logs in."""

    name = "register"
    user: str = _field(validators.user)
    password: str = _field(validators.password)
    display: str | None = _optional(validators.display)
    device_name: str | None = _optional(validators.label(64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Login(Command):
    """Makes a new device of a user and logs in."""

    name = "login"
    user: str = _field(validators.user)
    password: str = _field(validators.password)
    device_name: str | None = _optional(validators.label(64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    """Logs a device in by its token."""

    name = "resume"
    token: str = _field(validators.token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logout(Command):
    """Forgets the device and closes."""

    name = "logout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Command):
    """Asks for a sign of life."""

    name = "ping"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInfo(Command):
    """Asks for a user's display name; the command `user`."""

    name = "user"
    user: str = _field(validators.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPage(Command):
    """Asks for a page of the user's conversations; the command `snapshot`."""

    name = "snapshot"
    after: str | None = _optional(validators.string)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach(Command):
    """Asks for updates beyond a cursor."""

    name = "attach"
    number: int = _field(validators.integer())
    epoch: int | None = _optional(validators.integer())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch(Command):
    """Asks for a part of the inbox."""

    name = "fetch"
    epoch: int = _field(validators.integer())
    start: int = field(metadata={"check": validators.integer(1), "wire": "from"})
    limit: int = _page(lambda limits: limits.fetch_items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack(Command):
    """Tells what the device has stored."""

    name = "ack"
    number: int = _field(validators.integer())


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered(Command):
    """A command that changes a conversation: `(device, number, tag)` makes it idempotent."""

    number: int = _field(validators.integer(1))
    tag: str = _field(validators.tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateGroup(Numbered):
    """Makes a group."""

    name = "create_group"
    title: str = _field(validators.title)
    open: bool = _optional(validators.boolean, default=False)
    members: tuple[str, ...] = _optional(validators.users, default=())

    def __post_init__(self) -> None:
        if self.number != 1:
            raise validators.bad_request(
                "number must be 1: a new group has no command yet", "number"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class InConversation(Numbered):
    """A numbered command to a conversation that has an id already."""

    conversation: str = _field(validators.conversation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(InConversation):
    """Sends a message."""

    name = "send"
    text: str = _field(validators.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite(InConversation):
    """Adds a user to a group."""

    name = "invite"
    user: str = _field(validators.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(InConversation):
    """Joins an open group."""

    name = "join"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(InConversation):
    """Leaves a group."""

    name = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove(InConversation):
    """Ends the membership of another."""

    name = "remove"
    user: str = _field(validators.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRole(InConversation):
    """Gives another member a role."""

    name = "set_role"
    user: str = _field(validators.user)
    role: str = _field(validators.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Command):
    """Raises the own read mark."""

    name = "read"
    conversation: str = _field(validators.conversation)
    upto: int = _field(validators.integer())


@dataclass(frozen=True, slots=True, kw_only=True)
class History(Command):
    """Asks for records of a conversation, before or after one, or the newest."""

    name = "history"
    conversation: str = _field(validators.conversation)
    before: int | None = _optional(validators.integer())
    after: int | None = _optional(validators.integer())
    limit: int = _page(lambda limits: limits.history_records, default=50)

    def __post_init__(self) -> None:
        if self.before is not None and self.after is not None:
            raise validators.bad_request("give before or after, not both", "after")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationInfo(Command):
    """Asks for a conversation's settings and members; the command `conversation`."""

    name = "conversation"
    conversation: str = _field(validators.conversation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks(Command):
    """Asks how far the others have come."""

    name = "marks"
    conversation: str = _field(validators.conversation)
    n: int = _field(validators.integer(1))


COMMANDS: dict[str, type[Command]] = {
    kind.name: kind
    for kind in (
        Hello, Register, Login, Resume, Logout, Ping, UserInfo, SnapshotPage, Attach, Fetch, Ack,
        Send, CreateGroup, Invite, Join, Leave, Remove, SetRole, Read, History, ConversationInfo,
        Marks,
    )
}  # fmt: skip
"""Every command's class, by its name on the wire."""

_Plan = tuple[tuple[str, str, Check, Callable[[Limits], Any] | None, bool], ...]


def _plan(kind: type[Command]) -> _Plan:
    """For each field: attribute, name on the wire, check, default by limits, whether required."""
    return tuple(
        (
            f.name,
            f.metadata.get("wire", f.name),
            f.metadata["check"],
            _bounded(f.default, f.metadata["most"]) if "most" in f.metadata else None,
            f.default is MISSING,
        )
        for f in fields(kind)
        if "check" in f.metadata
    )


def _bounded(default: Any, most: Callable[[Limits], int]) -> Callable[[Limits], int]:
    return lambda limits: min(default, most(limits))


_PLANS: dict[str, tuple[type[Command], _Plan]] = {
    name: (kind, _plan(kind)) for name, kind in COMMANDS.items()
}


def parse(item: Item, limits: Limits = DEFAULT_LIMITS) -> Command:
    """The command that a decoded item asks for.

    Args:
        item: one item of `Codec.decode`.
        limits: those in force; bounds of lengths and counts.

    Raises:
        Refusal: bad_request, unknown_command, too_large or bad_credentials; to be answered under
            `reply_id(item)` if `wants_reply(item)`.
    """
    answer_to = item.get("id")
    if answer_to is not None and reply_id(item) is None:
        raise validators.bad_request("id must be an integer from 1 to 2^53 - 1", "id")
    name = item.get("command")
    found = _PLANS.get(name) if type(name) is str else None
    if found is None:
        if type(name) is not str:
            raise validators.bad_request("command must be the name of a command", "command")
        raise Refusal(ErrorCode.UNKNOWN_COMMAND, f"there is no command {name[:40]!r}")
    kind, plan = found
    values: dict[str, Any] = {}
    for attribute, wire, check, default, required in plan:
        value = item.get(wire)
        if value is not None:
            values[attribute] = check(value, limits, wire)
        elif required:
            raise validators.bad_request(f"{name} needs the field {wire}", wire)
        elif default is not None:
            values[attribute] = default(limits)
    return kind(id=answer_to, **values)


def wants_reply(item: Item) -> bool:
    """Whether the item is to be answered: it has an `id`, be it a wrong one."""
    return item.get("id") is not None


def reply_id(item: Item) -> int | None:
    """The `id` to answer under; None when the item's is not an integer in range."""
    number = item.get("id")
    if type(number) is int and 1 <= number <= MAX_INTEGER:
        return number
    return None
