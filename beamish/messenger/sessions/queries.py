"""What a logged-in client asks and commands: each of the protocol's commands, one method.

Every method gives the `ok` of its reply, or None when the reply comes later; refusals are raised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from beamish import protocol as p
from beamish.messenger import messages as m
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
from beamish.messenger.ids import direct_users, group_id, is_conversation_id
from beamish.messenger.sessions.pages import fitting, room_in_frame
from beamish.messenger.streams.records import Record
from beamish.messenger.users.rows import complete

if TYPE_CHECKING:
    from beamish.messenger.sessions.session import Session

PAGE_BYTES = 512 << 10
"""Bytes of records or rows in one answer, as encoded, if a frame holds so much; at least one."""

Answered = Awaitable["dict[str, object] | bytes | None"]


class Queries:
    """The commands of one session that need a login."""

    def __init__(self, actor: Session) -> None:
        self._actor = actor
        self.handlers: dict[type[p.Command], Callable[[Any], Answered]] = {
            p.Attach: self.attach,
            p.Fetch: self.fetch,
            p.Ack: self.ack,
            p.SnapshotPage: self.snapshot,
            p.Send: self.send,
            p.CreateGroup: self.create_group,
            p.Invite: self.invite,
            p.Join: self.simple,
            p.Leave: self.simple,
            p.Remove: self.simple,
            p.SetRole: self.simple,
            p.Read: self.read,
            p.History: self.history,
            p.ConversationInfo: self.conversation,
            p.Marks: self.marks,
            p.UserInfo: self.user,
        }

    # -- the inbox ---------------------------------------------------------------------------------

    async def attach(self, command: p.Attach) -> dict[str, object] | None:
        """Begin the updates; the reply precedes the first of them."""
        told = await self._actor.feed.attach(command)
        self._actor.reply(command.id, told)
        self._actor.feed.go_on()
        return None

    async def fetch(self, command: p.Fetch) -> dict[str, object] | bytes:
        """A part of the inbox."""
        return await self._actor.feed.fetch(command)

    async def ack(self, command: p.Ack) -> dict[str, object]:
        """A device has stored the inbox up to here."""
        if self._actor.feed.handed is None:
            raise p.Refusal("bad_request", "attach before you acknowledge")
        self._actor.feed.acknowledge(command.number)
        return {}

    @property
    def _room(self) -> int:
        return min(PAGE_BYTES, room_in_frame(self._actor.environment.settings.limits))

    async def snapshot(self, command: p.SnapshotPage) -> bytes:
        """A page of the user's conversations."""
        limit = self._actor.environment.settings.limits.snapshot_rows
        number, rows, following = await self._actor.ask_user(m.InboxPage(command.after, limit))
        info = await self._actor.feed.describe()
        rows = tuple([row if row["last"] else await self._completed(row) for row in rows])
        codec = self._actor.codec
        encoded = fitting(map(codec.encode, rows), self._room)
        if len(encoded) < len(rows):
            following = rows[len(encoded) - 1]["conversation"]
        told = {"epoch": codec.encode(info.epoch), "number": codec.encode(number)}
        told["conversations"] = codec.array(encoded)
        return codec.map(told if following is None else {**told, "next": codec.encode(following)})

    async def _completed(self, row: dict[str, Any]) -> dict[str, Any]:
        conversation, user = row["conversation"], self._actor.user
        found = await self._actor.ask("conversation", conversation, m.Describe(user))
        if isinstance(found, Refusal):
            # Left meanwhile; all else will be told by the range that is still to come.
            return {**row, "kind": "group" if direct_users(conversation) is None else "direct"}
        return complete(row, user, found)

    # -- numbered commands -------------------------------------------------------------------------

    async def send(self, command: p.Send) -> None:
        """A message."""
        pair = direct_users(command.conversation)
        displays: tuple[tuple[str, str], ...] = ()
        if pair is not None and self._actor.user in pair:
            peer = pair[0] if pair[1] == self._actor.user else pair[1]
            displays = (
                (self._actor.user, self._actor.display),
                (peer, await self._display_of(peer)),
            )
        await self._go(command, command.conversation, SendText(command.text, displays))

    async def create_group(self, command: p.CreateGroup) -> None:
        """A new group, named by this command."""
        actor = self._actor
        if actor.user in command.members:
            raise p.Refusal("bad_request", "you are a member anyway: leave yourself out")
        members = tuple([(user, await self._display_of(user)) for user in command.members])
        conversation = group_id(actor.user, actor.device, command.tag)
        action = CreateGroup(command.title, command.open, actor.display, members)
        await self._go(command, conversation, action)

    async def invite(self, command: p.Invite) -> None:
        """A new member."""
        shown = await self._display_of(command.user)
        await self._go(command, command.conversation, Invite(command.user, shown))

    async def simple(self, command: p.InConversation) -> None:
        """Commands that name nobody whose existence matters."""
        action: Action
        match command:
            case p.Join():
                action = Join(self._actor.display)
            case p.Leave():
                action = Leave()
            case p.Remove():
                action = Remove(command.user)
            case p.SetRole():
                action = SetRole(command.user, command.role)
            case _:
                raise TypeError(f"no action for {type(command).__name__}")
        await self._go(command, command.conversation, action)

    async def _go(self, command: p.Numbered, conversation: str, action: Action) -> None:
        self._check_id(conversation)
        actor = self._actor
        numbered = Numbered(actor.user, actor.device, command.number, command.tag, action)
        await actor.lanes.send(command.id, conversation, numbered)

    async def _display_of(self, user: str) -> str:
        known = self._actor.environment.profiles.get(user)
        if known is not None:
            return known
        account = await self._actor.ask("user", user, m.AccountOf())
        if account is None:
            raise p.Refusal("not_found", f"there is no user {user}")
        self._actor.environment.profiles.put(user, account.display)
        return account.display

    # -- questions ---------------------------------------------------------------------------------

    async def read(self, command: p.Read) -> dict[str, object]:
        """Raise the read mark."""
        answer = await self._actor.ask_user(m.MarkRead(command.conversation, command.upto))
        if isinstance(answer, Refusal) and answer.code == "not_member":
            # The inbox may not have heard of a conversation of which its user is a member.
            self._check_id(command.conversation)
            question = m.Readable(self._actor.user)
            _given(await self._actor.ask("conversation", command.conversation, question))
            return {"read": 0, "unread": 0}
        read, unread = _given(answer)
        return {"read": read, "unread": unread}

    async def history(self, command: p.History) -> bytes:
        """Visible records before or after one, or the newest."""
        self._check_id(command.conversation)
        question = m.Readable(self._actor.user)
        interval = _given(await self._actor.ask("conversation", command.conversation, question))
        limit = min(command.limit, self._actor.environment.settings.limits.history_records)
        if command.after is not None:
            first = max(command.after + 1, interval.first)
            last = min(first + limit - 1, interval.last)
        else:
            last = interval.last
            if command.before is not None:
                last = min(command.before - 1, last)
            first = max(last - limit + 1, interval.first)
        records: list[Record] = []
        if first <= last:
            records = await self._actor.environment.logs.read(command.conversation, first, last)
        codec = self._actor.codec
        newest = command.after is None
        parts = (r.encoded(codec.name, codec.encode) for r in records[:: -1 if newest else 1])
        encoded = fitting(parts, self._room)
        if newest:
            encoded.reverse()
            more = bool(records) and records[-len(encoded)].n > interval.first
        else:
            more = bool(records) and records[len(encoded) - 1].n < interval.last
        return codec.map({"records": codec.array(encoded), "more": codec.encode(more)})

    async def conversation(self, command: p.ConversationInfo) -> dict[str, object]:
        """Settings and members."""
        self._check_id(command.conversation)
        question = m.Describe(self._actor.user)
        found = _given(await self._actor.ask("conversation", command.conversation, question))
        return {
            "conversation": command.conversation,
            "kind": found.settings.kind,
            "title": found.settings.title,
            "open": found.settings.open,
            "members": [
                {
                    "user": user,
                    "display": member.display,
                    "role": member.role,
                    "joined": member.joined,
                }
                for user, member in found.members
            ],
            "version": found.version,
        }

    async def marks(self, command: p.Marks) -> dict[str, object]:
        """How far the others have come."""
        self._check_id(command.conversation)
        question = m.MarksOf(self._actor.user, command.n)
        found = _given(await self._actor.ask("conversation", command.conversation, question))
        rows = []
        for user, levels in found:
            shown = levels
            if direct_users(command.conversation) is not None:
                shown = await self._actor.ask("user", user, m.LevelsOf(command.conversation))
            rows.append({"user": user, "delivered": shown.delivered, "read": shown.read})
        return {"members": rows}

    async def user(self, command: p.UserInfo) -> dict[str, object]:
        """A user's display name."""
        return {"user": command.user, "display": await self._display_of(command.user)}

    @staticmethod
    def _check_id(conversation: str) -> None:
        if not is_conversation_id(conversation):
            raise p.Refusal("not_found", f"there is no conversation {conversation[:160]!r}")


def _given(answer: Any) -> Any:
    """An actor's answer, its refusal raised."""
    if isinstance(answer, Refusal):
        raise p.Refusal(answer.code, answer.message, retry_after_ms=answer.retry_after_ms)
    return answer
