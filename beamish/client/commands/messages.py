"""Messages: writing them, and changing what was written."""

from __future__ import annotations

from collections.abc import Iterable

from beamish.client.commands.issuing import Issuing, OnDone, given
from beamish.client.errors import BadRequest
from beamish.client.pending import PendingCommand
from beamish.client.results import Changed, Sent, sent_from
from beamish.client.wire import Item

_TEXT_BYTES = 16_384
"""The protocol's default limit of a text, until a node has told its own."""


class MessageCommands(Issuing):
    """Sending, editing, deleting, reacting."""

    async def send(
        self,
        conversation: str,
        text: str,
        *,
        reply: int | None = None,
        mentions: Iterable[str] = (),
        action: bool = False,
    ) -> Sent:
        """Send a message and wait until a node has it on disk.

        Args:
            conversation: its id.
            text: what is said.
            reply: record number of the message that this one answers.
            mentions: users whom it mentions; those who are no members are left out.
            action: whether it says what its author does ("/me").

        Raises:
            NotAllowed: this user is not a member, or is blocked.
            NotFound: there is no such conversation, user to talk to, or message to answer.
            BadRequest: the text is empty or too long; no number is used.
            ClientError: the client ended.
        """
        fields = self._message(conversation, text, reply, mentions, action=action)
        return await self._waiting(conversation, "send", fields, sent_from)

    def send_nowait(
        self,
        conversation: str,
        text: str,
        *,
        reply: int | None = None,
        mentions: Iterable[str] = (),
        action: bool = False,
        on_done: OnDone[Sent] | None = None,
    ) -> PendingCommand[Sent]:
        """Put a message on its way and return at once.

        Raises:
            OutboxFull: 64 commands of the conversation, or too many in all, are unanswered.
            BadRequest: the text is empty or too long.
        """
        fields = self._message(conversation, text, reply, mentions, action=action)
        return self._at_once(conversation, "send", fields, sent_from, on_done)

    async def edit(
        self, conversation: str, n: int, text: str, *, mentions: Iterable[str] = ()
    ) -> Changed:
        """Give the own message `n` another text. Who counts as mentioned stays.

        Raises:
            NotAllowed: it is somebody else's, or this user is no member any more.
            NotFound: there is no such message, or it was deleted.
            BadRequest: the text is empty or too long.
        """
        fields = self._edit(conversation, n, text, mentions)
        return await self._change("edit", **fields)

    def edit_nowait(
        self,
        conversation: str,
        n: int,
        text: str,
        *,
        mentions: Iterable[str] = (),
        on_done: OnDone[Changed] | None = None,
    ) -> PendingCommand[Changed]:
        """`edit` without waiting."""
        fields = self._edit(conversation, n, text, mentions)
        return self._change_nowait("edit", on_done=on_done, **fields)

    async def delete(self, conversation: str, n: int) -> Changed:
        """Take message `n` away from everybody: the own one, or any as a group's admin.

        Raises:
            NotAllowed: this user may not.
            NotFound: there is no such message, or it was deleted.
        """
        return await self._change("delete", conversation, target=n)

    def delete_nowait(
        self, conversation: str, n: int, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`delete` without waiting."""
        return self._change_nowait("delete", conversation, on_done, target=n)

    async def react(self, conversation: str, n: int, emoji: str) -> Changed:
        """React to message `n`, in place of an earlier reaction; "" takes that back.

        Raises:
            NotAllowed: this user may not.
            NotFound: there is no such message, or it was deleted.
            BadRequest: `emoji` is no short text without blanks.
        """
        return await self._change("react", conversation, target=n, emoji=emoji)

    def react_nowait(
        self, conversation: str, n: int, emoji: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`react` without waiting."""
        return self._change_nowait("react", conversation, on_done, target=n, emoji=emoji)

    def _message(
        self,
        conversation: str,
        text: str,
        reply: int | None,
        mentions: Iterable[str],
        *,
        action: bool,
    ) -> Item:
        named = list(mentions) or None
        optional = given(reply=reply, mentions=named, action=action or None)
        return {"conversation": conversation, "text": self._checked(text), **optional}

    def _edit(self, conversation: str, n: int, text: str, mentions: Iterable[str]) -> Item:
        optional = given(mentions=list(mentions) or None)
        return {"conversation": conversation, "target": n, "text": self._checked(text), **optional}

    def _checked(self, text: str) -> str:
        size = len(text.encode(errors="surrogatepass"))
        limit = self._core.limits.get("text_bytes", _TEXT_BYTES)
        if not size:
            raise BadRequest("bad_request", "a message has at least one character")
        if size > limit:
            raise BadRequest("too_large", f"a message has at most {limit} bytes, this has {size}")
        return text
