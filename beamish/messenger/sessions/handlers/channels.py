"""Channels: making, subscribing, following, reading them."""

from __future__ import annotations

from beamish import protocol as p
from beamish.messenger.channels import messages as c
from beamish.messenger.conversations.actions import CreateChannel
from beamish.messenger.ids import ACCOUNT_LANE, channel_id
from beamish.messenger.sessions.handlers.handlers import Handler, Handlers, check_id, given
from beamish.messenger.users.account_actions import AccountAction, AccountCommand
from beamish.messenger.users.subscriptions import Subscribe, Unsubscribe

ORDINAL_PAGE = 64
"""Records looked through at once for the newest post below a read mark."""


class ChannelHandlers(Handlers):
    """What is done with channels beyond what is done with every conversation."""

    async def create_channel(self, command: p.CreateChannel) -> None:
        """A new channel, named by this command."""
        actor = self._actor
        channel = channel_id(actor.user, actor.device, command.tag)
        display = await self._display_of(actor.user)
        action = CreateChannel(command.title, command.description, command.public, display)
        await self._put_on_lane(command, channel, action)

    async def subscribe(self, command: p.Subscribe) -> None:
        """A channel to read: a public one, or by a link."""
        reader = await self.reader(command.target, command.link)
        await self._go(command, Subscribe(command.target, reader.last, reader.ordinal))

    async def unsubscribe(self, command: p.Unsubscribe) -> None:
        """A channel to read no longer."""
        await self._go(command, Unsubscribe(command.target))

    async def _go(self, command: p.OnAccount, action: AccountAction) -> None:
        numbered = AccountCommand(self._actor.device, command.number, command.tag, action)
        await self._actor.lanes.send(command.id, ACCOUNT_LANE, numbered)

    async def follow(self, command: p.Follow) -> None:
        """Posts behind the client's own cursors; the reply precedes the first of them."""
        for channel, _ in command.channels:
            check_id(channel)
        rows = await self._actor.followed.follow(command.channels)
        self._actor.reply(command.id, {"channels": rows})
        self._actor.followed.go_on()

    async def reader(self, channel: str, link: str | None = None) -> c.Reader:
        """What this session's user may read of a channel; raises the refusal."""
        check_id(channel)
        actor = self._actor
        subscribed = channel in await actor.ask_user(c.SubscriptionsAmong((channel,)))
        question = c.ReaderOf(actor.user, subscribed, link)
        reader: c.Reader = given(await actor.ask("conversation", channel, question))
        return reader

    async def read(self, command: p.Read) -> dict[str, object] | None:
        """Raise a subscriber's read mark; None for somebody who is none."""
        reader = await self.reader(command.conversation)
        upto = min(command.upto, reader.last)
        ordinal = await self._ordinal_at(command.conversation, upto)
        question = c.ReadChannel(command.conversation, upto, ordinal)
        answer = await self._actor.ask_user(question)
        if not isinstance(answer, tuple):
            return None
        read, ordinal = answer
        return {"read": read, "unread": max(0, reader.ordinal - ordinal), "mentions": 0}

    async def _ordinal_at(self, channel: str, upto: int) -> int:
        logs = self._actor.environment.logs
        while upto > 0:
            first = max(1, upto - ORDINAL_PAGE + 1)
            for record in reversed(await logs.read(channel, first, upto)):
                if "ordinal" in record.fields:
                    return int(record.fields["ordinal"])
            upto = first - 1
        return 0


HANDLERS: dict[type[p.Command], Handler] = {
    p.CreateChannel: ChannelHandlers.create_channel,
    p.Subscribe: ChannelHandlers.subscribe,
    p.Unsubscribe: ChannelHandlers.unsubscribe,
    p.Follow: ChannelHandlers.follow,
}
