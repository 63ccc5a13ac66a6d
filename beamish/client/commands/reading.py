"""Reading: marks, history, and what nodes know of conversations and users."""

from __future__ import annotations

from typing import Any

from beamish.client.commands.issuing import Issuing, given
from beamish.client.results import Page, ReadState, page_from


class ReadingCommands(Issuing):
    """Questions, asked again until a node answers."""

    async def read(self, conversation: str, upto: int) -> ReadState:
        """Tell that everything up to record `upto` is read; what is unread now.

        A channel's mark is moved in the same way; it has no mentions.
        """
        answer = await self._ask("read", conversation=conversation, upto=upto)
        return ReadState(answer["read"], answer["unread"], answer.get("mentions", 0))

    def read_nowait(self, conversation: str, upto: int) -> None:
        """`read` without waiting; the highest mark is sent until it is answered."""
        self._core.check()
        self._core.check_fields({"conversation": conversation, "upto": upto})
        self._reads.want(conversation, upto)
        self._core.wake()

    async def history(
        self,
        conversation: str,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> Page:
        """Visible records in ascending order, from `after` on or up to `before`, else the newest.

        Raises:
            NotAllowed: this user never was a member.
            NotFound: there is no such conversation.
        """
        most = min(limit, self._core.limits.get("history_records", 200))
        fields = given(before=before, after=after)
        return page_from(
            await self._ask("history", conversation=conversation, **fields, limit=most)
        )

    async def conversation(self, conversation: str, *, link: str | None = None) -> dict[str, Any]:
        """Kind, title, members and settings, as the protocol's `conversation` tells them.

        With the secret of a `link` that lives, strangers are told the title and how many there are.
        """
        return await self._ask("conversation", conversation=conversation, **given(link=link))

    async def marks(self, conversation: str, n: int) -> list[dict[str, Any]]:
        """How far each other member who may see record `n` has come: `{user, delivered, read}`."""
        answer = await self._ask("marks", conversation=conversation, n=n)
        members: list[dict[str, Any]] = answer["members"]
        return members

    async def user_info(self, user: str) -> dict[str, Any]:
        """`{user, display}`; `display` is "" of an account that was deleted. Raises `NotFound`."""
        return await self._ask("user", user=user)

    async def snapshot(self) -> list[dict[str, Any]]:
        """All conversations of this user as the protocol's `snapshot` lists them."""
        while True:
            page = await self._ask("snapshot")
            epoch, rows = page["epoch"], page["conversations"]
            while page.get("next") is not None and page["epoch"] == epoch:
                page = await self._ask("snapshot", after=page["next"])
                rows += page["conversations"]
            if page["epoch"] == epoch:
                return list(rows)
