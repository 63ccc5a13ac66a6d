"""What a group or channel agrees on: title and description, rights, pace, invitation links."""

from __future__ import annotations

from functools import partial

from beamish.client.commands.issuing import Issuing, OnDone, given
from beamish.client.outbox import new_secret
from beamish.client.pending import PendingCommand
from beamish.client.results import Changed, Link, link_from
from beamish.client.wire import Item


class AgreementCommands(Issuing):
    """Settings of a conversation that hold for all its members."""

    async def set_info(
        self,
        conversation: str,
        *,
        title: str | None = None,
        description: str | None = None,
        open: bool | None = None,  # noqa: A002  # the protocol's word
    ) -> Changed:
        """Change what is given; the rest stays. `open`: anybody may join (a channel: read).

        Raises:
            NotAllowed: this user may not.
            BadRequest: nothing is given, or something breaks a limit.
        """
        fields = given(title=title, description=description, open=open)
        return await self._change("set_info", conversation, **fields)

    def set_info_nowait(
        self,
        conversation: str,
        *,
        title: str | None = None,
        description: str | None = None,
        open: bool | None = None,  # noqa: A002
        on_done: OnDone[Changed] | None = None,
    ) -> PendingCommand[Changed]:
        """`set_info` without waiting."""
        fields = given(title=title, description=description, open=open)
        return self._change_nowait("set_info", conversation, on_done, **fields)

    async def set_permissions(
        self,
        conversation: str,
        *,
        post: str | None = None,
        invite: str | None = None,
        info: str | None = None,
    ) -> Changed:
        """Set the least role, "member", "admin" or "owner", for each right given.

        Raises:
            NotAllowed: only the owner may.
            BadRequest: nothing is given, or no role.
        """
        fields = given(post=post, invite=invite, info=info)
        return await self._change("set_permissions", conversation, **fields)

    def set_permissions_nowait(
        self,
        conversation: str,
        *,
        post: str | None = None,
        invite: str | None = None,
        info: str | None = None,
        on_done: OnDone[Changed] | None = None,
    ) -> PendingCommand[Changed]:
        """`set_permissions` without waiting."""
        fields = given(post=post, invite=invite, info=info)
        return self._change_nowait("set_permissions", conversation, on_done, **fields)

    async def set_slow_mode(self, conversation: str, seconds: int) -> Changed:
        """Let members write once in `seconds` (0 to 86,400; 0: as often as they like).

        Raises:
            NotAllowed: only admins and the owner may.
        """
        return await self._change("set_slow_mode", conversation, seconds=seconds)

    def set_slow_mode_nowait(
        self, conversation: str, seconds: int, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`set_slow_mode` without waiting."""
        return self._change_nowait("set_slow_mode", conversation, on_done, seconds=seconds)

    async def create_link(
        self, conversation: str, *, expires_at: int | None = None, uses: int | None = None
    ) -> Link:
        """Make an invitation link; its secret is drawn here and lets in whoever has it.

        Args:
            conversation: a group, or a channel (whose links have no `uses`).
            expires_at: time (ms) from which on it lets nobody in.
            uses: how many may join by it, 1 to 100,000.

        Raises:
            NotAllowed: this user may not, or there are 32 links already.
        """
        fields, secret = self._link(conversation, expires_at, uses)
        return await self._waiting(conversation, "create_link", fields, partial(link_from, secret))

    def create_link_nowait(
        self,
        conversation: str,
        *,
        expires_at: int | None = None,
        uses: int | None = None,
        on_done: OnDone[Link] | None = None,
    ) -> PendingCommand[Link]:
        """`create_link` without waiting."""
        fields, secret = self._link(conversation, expires_at, uses)
        convert = partial(link_from, secret)
        return self._at_once(conversation, "create_link", fields, convert, on_done)

    async def revoke_link(self, conversation: str, link: str) -> Changed:
        """Let nobody in by the link with id `link` any more.

        Raises:
            NotAllowed: this user may not.
            NotFound: there is no such link.
        """
        return await self._change("revoke_link", conversation, link=link)

    def revoke_link_nowait(
        self, conversation: str, link: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`revoke_link` without waiting."""
        return self._change_nowait("revoke_link", conversation, on_done, link=link)

    def _link(
        self, conversation: str, expires_at: int | None, uses: int | None
    ) -> tuple[Item, str]:
        secret = new_secret(self._core.random)
        optional = given(expires_at=expires_at, uses=uses)
        return {"conversation": conversation, "link": secret, **optional}, secret
