"""Numbered commands: from the protocol's command to the action that its conversation decides.

What an action needs to know of people besides the command, their names to show, is looked up here,
before the command goes on its lane.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from beamish import protocol as p
from beamish.messenger.conversations.actions import (
    Action,
    Ban,
    CreateGroup,
    CreateLink,
    Delete,
    Edit,
    Invite,
    Join,
    Leave,
    React,
    Remove,
    RevokeLink,
    SendText,
    SetInfo,
    SetPermissions,
    SetRole,
    SetSlowMode,
    Unban,
)
from beamish.messenger.ids import direct_users, group_id
from beamish.messenger.sessions.handlers.handlers import Handler, Handlers, check_id

Maker: TypeAlias = Callable[[Any, Any], Awaitable[Action]]


class NumberedHandlers(Handlers):
    """Whatever changes a conversation."""

    async def carry_out(self, command: p.InConversation) -> None:
        """Put the command's action on the conversation's lane; answered when that answers."""
        check_id(command.conversation)
        action = await _MAKERS[type(command)](self, command)
        await self._put_on_lane(command, command.conversation, action)

    async def create_group(self, command: p.CreateGroup) -> None:
        """A new group, named by this command."""
        actor = self._actor
        if actor.user in command.members:
            raise p.Refusal("bad_request", "you are a member anyway: leave yourself out")
        found = [(user, *await self._invited(user)) for user in command.members]
        members = tuple([(user, display) for user, display, _ in found])
        barred = next((refusal for _, _, refusal in found if refusal is not None), None)
        conversation = group_id(actor.user, actor.device, command.tag)
        display = await self._display_of(actor.user)
        action = CreateGroup(command.title, command.open, display, members, barred)
        await self._put_on_lane(command, conversation, action)

    async def send(self, command: p.Send) -> Action:
        """A message."""
        pair = direct_users(command.conversation)
        displays: tuple[tuple[str, str], ...] = ()
        if pair is not None and self._actor.user in pair:
            peer = pair[0] if pair[1] == self._actor.user else pair[1]
            displays = (
                (self._actor.user, await self._display_of(self._actor.user)),
                (peer, await self._display_of(peer)),
            )
        reply, mentions, action = command.reply, command.mentions, command.action
        return SendText(command.text, displays, reply, mentions, action)

    async def edit(self, command: p.Edit) -> Action:
        """Another text."""
        return Edit(command.target, command.text, command.mentions)

    async def delete(self, command: p.Delete) -> Action:
        """The end of a message."""
        return Delete(command.target)

    async def react(self, command: p.React) -> Action:
        """A reaction, or none."""
        most = self._actor.environment.settings.limits.reactions
        return React(command.target, command.emoji, most)

    async def invite(self, command: p.Invite) -> Action:
        """A new member."""
        return Invite(command.user, *await self._invited(command.user))

    async def join(self, command: p.Join) -> Action:
        """Membership of an open group."""
        return Join(await self._display_of(self._actor.user), command.link)

    async def leave(self, _command: p.Leave) -> Action:
        """The end of one's own membership."""
        return Leave()

    async def remove(self, command: p.Remove) -> Action:
        """The end of another's."""
        return Remove(command.user)

    async def set_role(self, command: p.SetRole) -> Action:
        """Another role."""
        return SetRole(command.user, command.role)

    async def set_info(self, command: p.SetInfo) -> Action:
        """What a group says of itself."""
        return SetInfo(command.title, command.description, command.open)

    async def set_permissions(self, command: p.SetPermissions) -> Action:
        """Who may do what."""
        return SetPermissions(command.post, command.invite, command.info)

    async def set_slow_mode(self, command: p.SetSlowMode) -> Action:
        """How fast members write."""
        return SetSlowMode(command.seconds)

    async def create_link(self, command: p.CreateLink) -> Action:
        """A link to come in by."""
        return CreateLink(command.link, command.expires_at, command.uses)

    async def revoke_link(self, command: p.RevokeLink) -> Action:
        """The end of a link."""
        return RevokeLink(command.link)

    async def ban(self, command: p.Ban) -> Action:
        """Somebody who is kept out: one who exists, or the list would hold anything."""
        await self._display_of(command.user)
        return Ban(command.user)

    async def unban(self, command: p.Unban) -> Action:
        """Somebody who is kept out no longer."""
        return Unban(command.user)


_MAKERS: dict[type[p.Command], Maker] = {
    p.Send: NumberedHandlers.send,
    p.Edit: NumberedHandlers.edit,
    p.Delete: NumberedHandlers.delete,
    p.React: NumberedHandlers.react,
    p.Invite: NumberedHandlers.invite,
    p.Join: NumberedHandlers.join,
    p.Leave: NumberedHandlers.leave,
    p.Remove: NumberedHandlers.remove,
    p.SetRole: NumberedHandlers.set_role,
    p.SetInfo: NumberedHandlers.set_info,
    p.SetPermissions: NumberedHandlers.set_permissions,
    p.SetSlowMode: NumberedHandlers.set_slow_mode,
    p.CreateLink: NumberedHandlers.create_link,
    p.RevokeLink: NumberedHandlers.revoke_link,
    p.Ban: NumberedHandlers.ban,
    p.Unban: NumberedHandlers.unban,
}

HANDLERS: dict[type[p.Command], Handler] = {
    p.CreateGroup: NumberedHandlers.create_group,
    **dict.fromkeys(_MAKERS, NumberedHandlers.carry_out),
}
