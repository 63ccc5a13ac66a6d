"""Reading conversations: history, members, marks."""

from __future__ import annotations

from dataclasses import replace

from beamish import protocol as p
from beamish.messenger import messages as m
from beamish.messenger.conversations.charter import Link
from beamish.messenger.conversations.effects import Interval
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.ids import direct_users, is_channel_id
from beamish.messenger.sessions.handlers.channels import ChannelHandlers
from beamish.messenger.sessions.handlers.handlers import Handler, Handlers, check_id, given
from beamish.messenger.sessions.history_page import history_page
from beamish.messenger.streams.log_part import Extract
from beamish.messenger.streams.records import Record, is_hidden, is_public


class ReadingHandlers(Handlers):
    """What a member asks of a conversation, and how far it has read."""

    async def read(self, command: p.Read) -> dict[str, object]:
        """Raise the read mark, which a subscriber of a channel has in its subscription."""
        if is_channel_id(command.conversation):
            told = await ChannelHandlers(self._actor).read(command)
            if told is not None:
                return told
        answer = await self._actor.ask_user(m.MarkRead(command.conversation, command.upto))
        if isinstance(answer, Refusal) and answer.code == "not_member":
            # The inbox may not have heard of a conversation of which its user is a member.
            check_id(command.conversation)
            question = m.Readable(self._actor.user)
            given(await self._actor.ask("conversation", command.conversation, question))
            return {"read": 0, "unread": 0, "mentions": 0}
        state = given(answer)
        return {"read": state.read, "unread": state.unread, "mentions": state.mentions}

    async def history(self, command: p.History) -> bytes:
        """Visible records before or after one, or the newest."""
        check_id(command.conversation)
        interval, staff = await self._interval(command.conversation)
        records = await self._page(command, interval)
        while records:
            shown = [record for record in records if self._shows(record, staff=staff)]
            if shown:
                records = shown
                break
            # A page that shows nothing would look like the end.
            older = command.after is None
            command = replace(
                command,
                before=records[0].n if older else None,
                after=None if older else records[-1].n,
            )
            records = await self._page(command, interval)
        logs = self._actor.environment.logs
        targets = await logs.targets(command.conversation, records, interval.first)
        excerpt = logs.refreshed(command.conversation, Extract(tuple(records), targets))
        if any(record.rev > interval.last for record in excerpt.records):
            interval = await self._moved(command.conversation, interval)
        newest = command.after is None
        return history_page(self._actor.codec, excerpt, interval, self._room, newest=newest)

    async def _moved(self, conversation: str, interval: Interval) -> Interval:
        """The interval as it is by now: a member's may have grown since it was asked for."""
        now, _ = await self._interval(conversation)
        return now if now.first == interval.first else interval

    def _shows(self, record: Record, *, staff: bool) -> bool:
        """Whether this record of an interval may be seen."""
        if not staff:
            return is_public(record.fields)
        return not is_hidden(record.fields, self._actor.user)

    async def _interval(self, conversation: str) -> tuple[Interval, bool]:
        """What may be read of a conversation, and whether that is all that stands in it."""
        if is_channel_id(conversation):
            reader = await ChannelHandlers(self._actor).reader(conversation)
            return Interval(reader.first, reader.last), reader.staff
        question = m.Readable(self._actor.user)
        return given(await self._actor.ask("conversation", conversation, question)), True

    async def _page(self, command: p.History, interval: Interval) -> list[Record]:
        limit = min(command.limit, self._actor.environment.settings.limits.history_records)
        if command.after is not None:
            first = max(command.after + 1, interval.first)
            last = min(first + limit - 1, interval.last)
        else:
            last = interval.last
            if command.before is not None:
                last = min(command.before - 1, last)
            first = max(last - limit + 1, interval.first)
        if first > last:
            return []
        return await self._actor.environment.logs.read(command.conversation, first, last)

    async def conversation(self, command: p.ConversationInfo) -> dict[str, object]:
        """Settings and members."""
        check_id(command.conversation)
        channel = is_channel_id(command.conversation)
        if channel:
            await ChannelHandlers(self._actor).reader(command.conversation, command.link)
        question = m.Describe(self._actor.user, command.link, reader=channel)
        found = given(await self._actor.ask("conversation", command.conversation, question))
        told: dict[str, object] = {
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
            "count": found.count,
            "description": found.charter.description,
            "permissions": found.charter.in_force(
                found.settings.kind, is_open=found.settings.open
            )._asdict(),
            "slow_mode": found.charter.slow_mode,
        }
        if found.settings.kind == "direct":
            del told["permissions"]
        if found.bans is not None and found.links is not None:
            told["bans"] = found.bans
            told["links"] = [_shown(name, link) for name, link in found.links]
        return told

    async def marks(self, command: p.Marks) -> dict[str, object]:
        """How far the others have come."""
        check_id(command.conversation)
        question = m.MarksOf(self._actor.user, command.n)
        found = given(await self._actor.ask("conversation", command.conversation, question))
        reads = await self._actor.ask_user(m.KnownReads(command.conversation))
        rows = []
        for user, levels in found:
            shown = levels
            if direct_users(command.conversation) is not None:
                shown = await self._actor.ask("user", user, m.LevelsOf(command.conversation))
            read = shown.read if reads is None else min(shown.read, reads.get(user, 0))
            rows.append({"user": user, "delivered": shown.delivered, "read": read})
        return {"members": rows}


def _shown(name: str, link: Link) -> dict[str, object]:
    told: dict[str, object] = {"link": name, "by": link.by, "used": link.used}
    if link.expires_at:
        told["expires_at"] = link.expires_at
    if link.uses:
        told["uses"] = link.uses
    return told


HANDLERS: dict[type[p.Command], Handler] = {
    p.Read: ReadingHandlers.read,
    p.History: ReadingHandlers.history,
    p.ConversationInfo: ReadingHandlers.conversation,
    p.Marks: ReadingHandlers.marks,
}
