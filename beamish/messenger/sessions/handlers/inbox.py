"""Reading the inbox: from a cursor on, page by page, as a snapshot."""

from __future__ import annotations

from typing import Any

from beamish import protocol as p
from beamish.messenger import messages as m
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.ids import direct_users
from beamish.messenger.sessions.handlers.handlers import Handler, Handlers
from beamish.messenger.sessions.pages import fitting
from beamish.messenger.users.rows import complete


class InboxHandlers(Handlers):
    """Cursor, pages, snapshot."""

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

    async def snapshot(self, command: p.SnapshotPage) -> bytes:
        """A page of the user's conversations."""
        limit = self._actor.environment.settings.limits.snapshot_rows
        page = await self._actor.ask_user(m.InboxPage(command.after, limit))
        info = await self._actor.feed.describe()
        rows = [row if row["last"] else await self._completed(row) for row in page.rows]
        codec = self._actor.codec
        told = {"epoch": codec.encode(info.epoch), "number": codec.encode(page.number)}
        if page.account is not None:
            told["account"] = codec.encode(page.account)
        encoded = fitting(map(codec.encode, rows), self._room - len(told.get("account", b"")))
        following = page.following
        if len(encoded) < len(rows):
            following = rows[len(encoded) - 1]["conversation"]
        told["conversations"] = codec.array(encoded)
        return codec.map(told if following is None else {**told, "next": codec.encode(following)})

    async def _completed(self, row: dict[str, Any]) -> dict[str, Any]:
        conversation, user = row["conversation"], self._actor.user
        found = await self._actor.ask("conversation", conversation, m.Describe(user))
        if isinstance(found, Refusal):
            # Left meanwhile; all else will be told by the range that is still to come.
            return {**row, "kind": "group" if direct_users(conversation) is None else "direct"}
        return complete(row, user, found)


HANDLERS: dict[type[p.Command], Handler] = {
    p.Attach: InboxHandlers.attach,
    p.Fetch: InboxHandlers.fetch,
    p.Ack: InboxHandlers.ack,
    p.SnapshotPage: InboxHandlers.snapshot,
}
