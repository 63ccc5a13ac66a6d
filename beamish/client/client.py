"""The client's public face; the package's docstring is its contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from beamish.client.connection import Dropped
from beamish.client.core import Core
from beamish.client.delivery import Delivery
from beamish.client.errors import BadRequest, ClientClosed, ClientError
from beamish.client.events import Changed, Event, Page, ReadState, Sent
from beamish.client.handshake import forget_device
from beamish.client.outbox import NEW_GROUP
from beamish.client.pending import PendingCommand
from beamish.client.reads import ReadMarks
from beamish.client.synchronise import ask
from beamish.client.wire import Item

R = TypeVar("R")
OnDone = Callable[[PendingCommand[R]], None]

_TEXT_BYTES = 16_384
"""The protocol's default limit of a text, until a node has told its own."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A client's figures: `pending` commands, `repeats`, `reconnects`, `refusals`, the cursor."""

    connected: bool
    epoch: int | None
    number: int
    pending: int
    repeats: int
    reconnects: int
    refusals: int


class Events:
    """The iterator of events; asking for the next takes the one before."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        return await self._delivery.next()


class Client:
    """One user's device, connected as much as the network allows. Made by `open_client`."""

    def __init__(self, core: Core, reads: ReadMarks) -> None:
        self._core = core
        self._reads = reads

    # -- sending --------------------------------------------------------------------------------

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
            NotAllowed: this user is not a member.
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
        self._core.check()
        outbox = self._core.outbox
        tag = outbox.new_tag()
        fields = {"title": title, "open": open, "members": list(members)}
        self._core.check_fields(fields)
        what = tag, "create_group", fields
        pending = outbox.add(NEW_GROUP + tag, what, changed_from, on_done)
        self._core.wake()
        return pending

    async def invite(self, conversation: str, user: str) -> Changed:
        """Make `user` a member.

        Raises:
            NotAllowed: this user may not.
            NotFound: no such user or conversation.
            AlreadyExists: `user` is a member.
        """
        return await self._change("invite", conversation, user=user)

    def invite_nowait(
        self, conversation: str, user: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`invite` without waiting."""
        return self._change_nowait("invite", conversation, on_done, user=user)

    async def join(self, conversation: str) -> Changed:
        """Become a member of an open group.

        Raises:
            NotAllowed: the group is not open.
            AlreadyExists: this user is a member.
        """
        return await self._change("join", conversation)

    def join_nowait(
        self, conversation: str, *, on_done: OnDone[Changed] | None = None
    ) -> PendingCommand[Changed]:
        """`join` without waiting."""
        return self._change_nowait("join", conversation, on_done)

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

    # -- reading --------------------------------------------------------------------------------

    async def read(self, conversation: str, upto: int) -> ReadState:
        """Tell that everything up to record `upto` is read; the own mark and unread count now."""
        answer = await ask(self._core, "read", {"conversation": conversation, "upto": upto})
        return ReadState(answer["read"], answer["unread"])

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
        fields: Item = {"conversation": conversation}
        if before is not None:
            fields["before"] = before
        if after is not None:
            fields["after"] = after
        fields["limit"] = min(limit, self._core.limits.get("history_records", 200))
        answer = await ask(self._core, "history", fields)
        return Page(answer["records"], answer["more"])

    async def conversation(self, conversation: str) -> dict[str, Any]:
        """Kind, title, open, members `{user, display, role, joined}` and version."""
        return await ask(self._core, "conversation", {"conversation": conversation})

    async def marks(self, conversation: str, n: int) -> list[dict[str, Any]]:
        """How far each other member who may see record `n` has come: `{user, delivered, read}`."""
        answer = await ask(self._core, "marks", {"conversation": conversation, "n": n})
        members: list[dict[str, Any]] = answer["members"]
        return members

    async def user_info(self, user: str) -> dict[str, Any]:
        """`{user, display}`. Raises `NotFound`."""
        return await ask(self._core, "user", {"user": user})

    async def snapshot(self) -> list[dict[str, Any]]:
        """All conversations of this user as the protocol's `snapshot` lists them."""
        while True:
            page = await ask(self._core, "snapshot", {})
            epoch, rows = page["epoch"], page["conversations"]
            while page.get("next") is not None and page["epoch"] == epoch:
                page = await ask(self._core, "snapshot", {"after": page["next"]})
                rows += page["conversations"]
            if page["epoch"] == epoch:
                return list(rows)

    def direct(self, user: str) -> str:
        """The id of the direct conversation with `user`."""
        first, second = sorted((self.name, user))
        return f"d:{first}:{second}"

    def events(self) -> Events:
        """The iterator of events: one consumer at a time; going on later goes on where it was."""
        return Events(self._core.delivery)

    # -- watching and testing -------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The user."""
        return self._core.credentials.user

    @property
    def device(self) -> str | None:
        """The device's id; None before the first login."""
        identity = self._core.identity
        return None if identity is None else identity.device

    @property
    def token(self) -> str | None:
        """The device's secret token; None before the first login."""
        return self._core.token

    @property
    def cursor(self) -> tuple[int | None, int]:
        """`(epoch, number)`: everything up to number has been received."""
        return self._core.inbox.cursor

    @property
    def connected(self) -> bool:
        """There is a connection and it is logged in."""
        return self._core.link is not None

    @property
    def failure(self) -> ClientError | None:
        """What ended the client for good; None while it lives."""
        return self._core.failure

    @property
    def limits(self) -> dict[str, int]:
        """The node's limits by the protocol's names; empty before the first connection."""
        return self._core.limits

    @property
    def repeats(self) -> int:
        """Updates dropped by the cursor rules."""
        return self._core.inbox.repeats

    @property
    def reconnects(self) -> int:
        """Logins after the first."""
        return self._core.reconnects

    @property
    def refusals(self) -> int:
        """Retryable refusals met."""
        return self._core.outbox.refusals + self._core.questions.refusals

    @property
    def pending(self) -> int:
        """Numbered commands without an answer."""
        return self._core.outbox.pending

    def statistics(self) -> Statistics:
        """All figures at once."""
        epoch, number = self.cursor
        return Statistics(
            self.connected,
            epoch,
            number,
            self.pending,
            self.repeats,
            self.reconnects,
            self.refusals,
        )

    async def wait_connected(self) -> None:
        """Wait for a login. Raises what ended the client."""
        while not self.connected:
            self._core.check()
            await self._core.changed.wait()

    async def wait_failed(self) -> ClientError:
        """Wait until the client has ended for good, and return why."""
        while self._core.failure is None:
            await self._core.changed.wait()
        return self._core.failure

    async def settled(self) -> None:
        """Wait until no numbered command is unanswered."""
        await self._core.outbox.settled()

    def drop_connection(self) -> None:
        """Cut the socket without a goodbye, then reconnect and resume."""
        link = self._core.link
        if link is not None:
            link.transport.cut()
            link.close(Dropped("the program dropped the connection"))

    async def logout(self) -> None:
        """Revoke this device and end the client."""
        await ask(self._core, "logout", {})
        await forget_device(self._core)
        self._core.fail(ClientClosed("the device was logged out: log in with a password"))

    # -- inside ---------------------------------------------------------------------------------

    def _message(
        self,
        conversation: str,
        text: str,
        reply: int | None,
        mentions: Iterable[str],
        *,
        action: bool,
    ) -> dict[str, Any]:
        fields: dict[str, Any] = {"conversation": conversation, "text": self._checked(text)}
        if reply is not None:
            fields["reply"] = reply
        named = list(mentions)
        if named:
            fields["mentions"] = named
        if action:
            fields["action"] = True
        return fields

    def _checked(self, text: str) -> str:
        size = len(text.encode(errors="surrogatepass"))
        limit = self._core.limits.get("text_bytes", _TEXT_BYTES)
        if not size:
            raise BadRequest("bad_request", "a message has at least one character")
        if size > limit:
            raise BadRequest("too_large", f"a message has at most {limit} bytes, this has {size}")
        return text

    async def _change(self, command: str, conversation: str, **fields: str) -> Changed:
        whole = {"conversation": conversation, **fields}
        return await self._waiting(conversation, command, whole, changed_from)

    def _change_nowait(
        self, command: str, conversation: str, on_done: OnDone[Changed] | None, **fields: str
    ) -> PendingCommand[Changed]:
        whole = {"conversation": conversation, **fields}
        return self._at_once(conversation, command, whole, changed_from, on_done)

    async def _waiting(
        self, lane: str, command: str, fields: Item, convert: Callable[[Item], R]
    ) -> R:
        outbox = self._core.outbox
        self._core.check()
        self._core.check_fields(fields)
        await outbox.wait_for_room(lane)
        self._core.check()
        what = outbox.new_tag(), command, fields
        pending = outbox.add(lane, what, convert, None, granted=True)
        self._core.wake()
        return await pending.result()

    def _at_once(
        self,
        lane: str,
        command: str,
        fields: Item,
        convert: Callable[[Item], R],
        on_done: OnDone[R] | None,
    ) -> PendingCommand[R]:
        self._core.check()
        self._core.check_fields(fields)
        outbox = self._core.outbox
        pending = outbox.add(lane, (outbox.new_tag(), command, fields), convert, on_done)
        self._core.wake()
        return pending


def sent_from(ok: Item) -> Sent:
    """The result of `send`."""
    return Sent(ok["conversation"], ok["n"], ok["ordinal"], ok["at"])


def changed_from(ok: Item) -> Changed:
    """The result of any other numbered command."""
    return Changed(ok["conversation"], ok["n"], ok["at"])
