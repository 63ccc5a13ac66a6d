"""Who belongs to a group or a channel's staff: creating, inviting, joining, leaving, banning."""

from __future__ import annotations

from collections.abc import Iterable

from beamish.client.commands.issuing import Issuing, OnDone, given
from beamish.client.pending import PendingCommand
from beamish.client.results import Changed


class MembershipCommands(Issuing):
    """Creating groups and channels, and who is in them."""

    async def create_group(
        self,
        title: str,
        members: Iterable[str] = (),
        *,
        open: bool = False,  # noqa: A002  # the protocol's word
    ) -> Changed:
        """Create a group of this user and `members`; the result names the conversation.

        Raises:
            NotFound: one of the members does not exist.
            BadRequest: title or number of members break a limit.
        """
        return await self.create_group_nowait(title, members, open=open).result()

    def create_group_nowait(
        self,
        title: str,
        members: Iterable[str] = (),
        *,
        open: bool = False,  # noqa: A002
        on_done: OnDone[Changed] | None = None,
    ) -> PendingCommand[Changed]:
        """`create_group` without waiting."""
        fields = {"title": title, "open": open, "members": list(members)}
        return self._create_nowait("create_group", fields, on_done)

    async def create_channel(
        self, title: str, *, description: str | None = None, public: bool = False
    ) -> Changed:
        """Create a channel, which this user's staff writes and any number of people read.

        `public`: whoever knows its id may read it; else only those with a link.

        Raises:
            BadRequest: title or description break a limit.
        """
        return await self.create_channel_nowait(
            title, description=description, public=public
        ).result()

    def create_channel_nowait(
        self,
        title: str,
        *,
        description: str | None = None,
        public: bool = False,
        on_done: OnDone[Changed] | None = None,
    ) -> PendingCommand[Changed]:
        """`create_channel` without waiting."""
        fields = {"title": title, **given(description=description), "public": public}
        return self._create_nowait("create_channel", fields, on_done)

    async def join(self, conversation: str, *, link: str | None = None) -> Changed:
        """Become a member of an open group, or of another by the secret of a link.

        Raises:
            NotAllowed: the group is not open and the link lets nobody in (any more), or this user
                is banned.
            AlreadyExists: this user is a member.
        """
        return await self._change("join", conversation, **given(link=link))

    def join_nowait(
        self,
        conversation: str,
        *,
        link: str | None = None,
        on_done: OnDone[Changed] | None = None,
    ) -> PendingCommand[Changed]:
        """`join` without waiting."""
        return self._change_nowait("join", conversation, on_done, **given(link=link))

    async def leave(self, conversation: str) -> Changed:
        """Leave a group.

        Raises:
            NotAllowed: this user is not a member.
        """
        return await self._change("leave", conversation)

    def leave_nowait(
        self, conversation: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`leave` without waiting."""
        return self._change_nowait("leave", conversation, on_done)

    async def set_role(self, conversation: str, user: str, role: str) -> Changed:
        """Give `user` the role "owner", "admin" or "member".

        Raises:
            NotAllowed: only the owner may.
            NotFound: `user` is not a member.
        """
        return await self._change("set_role", conversation, user=user, role=role)

    def set_role_nowait(
        self, conversation: str, user: str, role: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`set_role` without waiting."""
        return self._change_nowait("set_role", conversation, on_done, user=user, role=role)

    async def invite(self, conversation: str, user: str) -> Changed:
        """Make `user` a member.

        Raises:
            NotAllowed: this user may not, or `user` is banned.
            NotFound: no such user or conversation.
            AlreadyExists: `user` is a member.
        """
        return await self._change("invite", conversation, user=user)

    def invite_nowait(
        self, conversation: str, user: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`invite` without waiting."""
        return self._change_nowait("invite", conversation, on_done, user=user)

    async def remove(self, conversation: str, user: str) -> Changed:
        """Remove `user` from a group.

        Raises:
            NotAllowed: this user may not.
            NotFound: `user` is not a member.
        """
        return await self._change("remove", conversation, user=user)

    def remove_nowait(
        self, conversation: str, user: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`remove` without waiting."""
        return self._change_nowait("remove", conversation, on_done, user=user)

    async def ban(self, conversation: str, user: str) -> Changed:
        """Keep `user` out, member or not, until `unban`.

        Raises:
            NotAllowed: this user may not.
            NotFound: there is no such user.
            AlreadyExists: `user` is banned.
        """
        return await self._change("ban", conversation, user=user)

    def ban_nowait(
        self, conversation: str, user: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`ban` without waiting."""
        return self._change_nowait("ban", conversation, on_done, user=user)

    async def unban(self, conversation: str, user: str) -> Changed:
        """Let `user` in again, who has to be invited or to join anew.

        Raises:
            NotAllowed: this user may not.
            NotFound: `user` is not banned.
        """
        return await self._change("unban", conversation, user=user)

    def unban_nowait(
        self, conversation: str, user: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`unban` without waiting."""
        return self._change_nowait("unban", conversation, on_done, user=user)
