"""The account: what others see of the user, whom the user blocks, how conversations are shown."""

from __future__ import annotations

from beamish.client.commands.issuing import ACCOUNT, Issuing, OnDone, given
from beamish.client.pending import PendingCommand
from beamish.client.results import Account, Changed, account_from


class AccountCommands(Issuing):
    """What all devices of the user agree on."""

    async def account(self) -> Account:
        """What is set now."""
        return account_from((await self._ask("snapshot")).get("account") or {})

    async def set_profile(
        self, *, display: str | None = None, status: str | None = None
    ) -> Changed:
        """Change the name that others see, or the status text (0 to 140 characters)."""
        return await self._change("set_profile", ACCOUNT, **given(display=display, status=status))

    def set_profile_nowait(
        self,
        *,
        display: str | None = None,
        status: str | None = None,
        on_done: OnDone[Changed] | None = None,
    ) -> PendingCommand[Changed]:
        """`set_profile` without waiting."""
        fields = given(display=display, status=status)
        return self._change_nowait("set_profile", ACCOUNT, on_done, **fields)

    async def set_privacy(
        self, *, last_seen: str | None = None, read_marks: bool | None = None
    ) -> Changed:
        """Say who may know when the user was there, and whether others are told what is read.

        Both go both ways: who tells nobody is told nothing.

        Args:
            last_seen: "everyone", "shared" (those written to) or "nobody".
            read_marks: whether read marks are told.
        """
        fields = given(last_seen=last_seen, read_marks=read_marks)
        return await self._change("set_privacy", ACCOUNT, **fields)

    def set_privacy_nowait(
        self,
        *,
        last_seen: str | None = None,
        read_marks: bool | None = None,
        on_done: OnDone[Changed] | None = None,
    ) -> PendingCommand[Changed]:
        """`set_privacy` without waiting."""
        fields = given(last_seen=last_seen, read_marks=read_marks)
        return self._change_nowait("set_privacy", ACCOUNT, on_done, **fields)

    async def set_conversation(
        self,
        conversation: str,
        *,
        muted_until: int | None = None,
        archived: bool | None = None,
        pinned: bool | None = None,
    ) -> Changed:
        """Say how this user wants `conversation` shown; what is not given stays.

        Args:
            conversation: its id.
            muted_until: time (ms); 0: not muted, `FOREVER`: until it is changed.
            archived: away from the main list until something new comes.
            pinned: at the top.

        Raises:
            NotAllowed: nothing of it was ever told to this user.
        """
        fields = given(muted_until=muted_until, archived=archived, pinned=pinned)
        return await self._change("set_conversation", ACCOUNT, target=conversation, **fields)

    def set_conversation_nowait(
        self,
        conversation: str,
        *,
        muted_until: int | None = None,
        archived: bool | None = None,
        pinned: bool | None = None,
        on_done: OnDone[Changed] | None = None,
    ) -> PendingCommand[Changed]:
        """`set_conversation` without waiting."""
        fields = given(muted_until=muted_until, archived=archived, pinned=pinned)
        return self._change_nowait(
            "set_conversation", ACCOUNT, on_done, target=conversation, **fields
        )

    async def subscribe(self, channel: str, *, link: str | None = None) -> Changed:
        """Read `channel`, on all devices; `follow_nowait` then brings its posts to this one.

        Raises:
            NotAllowed: it is not public and the link lets nobody in, this user is banned, or reads
                1,000 channels already.
            NotFound: there is no such channel.
        """
        return await self._change("subscribe", ACCOUNT, target=channel, **given(link=link))

    def subscribe_nowait(
        self, channel: str, *, link: str | None = None, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`subscribe` without waiting."""
        fields = given(link=link)
        return self._change_nowait("subscribe", ACCOUNT, on_done, target=channel, **fields)

    async def unsubscribe(self, channel: str) -> Changed:
        """Read `channel` no longer.

        Raises:
            NotFound: this user does not read it.
        """
        return await self._change("unsubscribe", ACCOUNT, target=channel)

    def unsubscribe_nowait(
        self, channel: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`unsubscribe` without waiting."""
        return self._change_nowait("unsubscribe", ACCOUNT, on_done, target=channel)

    async def block(self, user: str) -> Changed:
        """Hear nothing more of `user`: from the answer on nothing of theirs comes.

        Raises:
            NotFound: there is no such user.
        """
        return await self._change("block", ACCOUNT, user=user)

    def block_nowait(
        self, user: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`block` without waiting."""
        return self._change_nowait("block", ACCOUNT, on_done, user=user)

    async def unblock(self, user: str) -> Changed:
        """Hear of `user` again."""
        return await self._change("unblock", ACCOUNT, user=user)

    def unblock_nowait(
        self, user: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`unblock` without waiting."""
        return self._change_nowait("unblock", ACCOUNT, on_done, user=user)
