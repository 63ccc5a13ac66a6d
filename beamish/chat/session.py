"""The chat at work: a client, its store, and the model that the screen shows.

Runs in trio. Events of the client go into the model, what the user does goes to the client and is
queued there while no node can be reached, failures become notices beside the conversation that they
concern. The screen is told `changed()` after everything that it might show otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import trio

from beamish.chat.model import HOME, Conversation, Model
from beamish.client import (
    Client,
    ClientClosed,
    ClientError,
    CommandError,
    Connected,
    Deleted,
    Disconnected,
    Event,
    FileStore,
    Message,
    PendingCommand,
    Record,
    Typing,
    Unfollowed,
)
from beamish.client.telling import event_of_item

FIRST, PAGE = 60, 100
"""Records of a conversation that are read from the store at first, and when scrolling back."""

COUNTED = 1000
"""Unread messages are counted up to so many."""


class Session:
    """One user's chat, made before the client has done anything.

    `open`: the conversation on screen, `at_end`: its end is in sight. `online`: a node answers.
    `loaded`: the model holds what the store does.
    """

    def __init__(self, client: Client, store: FileStore, changed: Callable[[], None]) -> None:
        self.client = client
        self.store = store
        self.model = Model(client.name)
        self.open: Conversation = self.model.get(HOME)
        self.online = False
        self.at_end = True
        self.loaded = trio.Event()
        self._changed = changed
        self._nursery: trio.Nursery | None = None
        self._loading: set[str] = set()
        self._leaving = False
        self._earlier = client.unanswered()

    async def run(self) -> ClientError | None:
        """Serve until the client ends for good: what ended it, None if the user did."""
        async with trio.open_nursery() as self._nursery:
            if self._leaving:
                return None
            await self._load()
            self.loaded.set()
            for pending in self._earlier:
                self.start(self._await_earlier, pending)
            self._changed()
            try:
                async for event in self.client.events():
                    await self._apply(event)
                    self._changed()
            except ClientError as failure:
                return failure
            finally:  # also when the client was closed, which ends its events
                self._nursery.cancel_scope.cancel()
        return None if self._leaving else self.client.failure

    def leave(self) -> None:
        """End the chat, as the user wants it."""
        self._leaving = True
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    def start(self, work: Callable[..., Awaitable[object]], *args: Any) -> None:
        """Do something beside; a refusal becomes a notice where the user is now."""
        assert self._nursery is not None
        self._nursery.start_soon(self._guarded, self.open, work, args)

    async def _guarded(
        self, where: Conversation, work: Callable[..., Awaitable[object]], args: tuple[Any, ...]
    ) -> None:
        try:
            await work(*args)
        except ClientClosed:
            return
        except CommandError as refused:
            where.notice(f"Refused: {refused.message or refused.code}")
        except ClientError as error:
            where.notice(str(error))
        self._changed()

    def say(self, text: str, where: Conversation | None = None) -> None:
        """Say something to this user alone."""
        (where or self.open).notice(text)
        self._changed()

    # -- starting from the store ------------------------------------------------------------------

    async def _load(self) -> None:
        """Fill the model with what the file holds: nothing of it needs a node."""
        model, store = self.model, self.store
        for row in (await store.levels("row")).values():
            model.row(row)
        for account in (await store.levels("account")).values():
            model.account(account)
        for key, about in (await store.levels("about")).items():
            model.about(model.get(key), about)
        for event in await self._stored_events():
            model.apply(event, 0.0)
        for key in await store.conversations():
            conversation = model.get(key)
            records = await store.records(key, before=1 << 53, limit=FIRST)
            for record in records:
                conversation.put(record)
                if record["type"] != "message":
                    model.change(conversation, record)
            conversation.complete = records[0]["n"] == 1
            conversation.at = max(conversation.at, records[-1]["at"])
            posts = [record["ordinal"] for record in records if record["type"] == "message"]
            conversation.posts = max(posts, default=0)
            await self._recount(conversation)

    async def _stored_events(self) -> list[Event]:
        kinds = ("marks", "settings", "receipt", "subscription")
        return [
            event_of_item(item)
            for kind in kinds
            for item in (await self.store.levels(kind)).values()
        ]

    async def _recount(self, conversation: Conversation) -> None:
        later = await self.store.records(conversation.id, after=conversation.read, limit=COUNTED)
        self.model.recount(conversation, later)

    async def _await_earlier(self, pending: PendingCommand[Any]) -> None:
        """A command of an earlier start: tell if it fails."""
        where = self.model.get(pending.conversation or HOME)
        try:
            await pending.result()
        except ClientClosed:
            return
        except ClientError as error:
            self._not_sent(where, pending, error)

    # -- what comes -------------------------------------------------------------------------------

    async def _apply(self, event: Event) -> None:
        self.model.apply(event, time.monotonic())
        match event:
            case Connected():
                self.online = True
                self.look()
                self.start(self.refresh, self.open)
            case Disconnected():
                self.online = False
            case Deleted(conversation=key):
                await self._recount(self.model.get(key))
            case Message(conversation=key) if key == self.open.id:
                self.seen()
            case Typing():
                self.start(self._forget_typing)
            case Unfollowed(channel=key, code=code):
                self.model.get(key).notice(f"This channel cannot be read any more ({code}).")
            case _:
                pass
        if self.model.followed_changed:
            self.model.followed_changed = False
            self.follow()

    async def _forget_typing(self) -> None:
        await trio.sleep(6.1)
        now = time.monotonic()
        for conversation in self.model.conversations.values():
            typing = conversation.typing
            for user in [user for user, until in typing.items() if until <= now]:
                del typing[user]

    def follow(self) -> None:
        """Follow the channels that are subscribed to, but those that one writes oneself."""
        wanted = self.model.subscriptions()
        self.client.follow_nowait(
            {c: since for c, since in wanted.items() if not self._staff(self.model.get(c))}
        )

    def _staff(self, conversation: Conversation) -> bool:
        return self.model.me in conversation.members

    # -- what the user looks at -------------------------------------------------------------------

    def show(self, conversation: Conversation) -> None:
        """Bring a conversation onto the screen."""
        self.open = conversation
        self.at_end = True
        self.look()
        self.seen()
        if self.online:
            self.start(self.refresh, conversation)
        self._changed()

    def look(self) -> None:
        """Tell what is on screen."""
        model, conversation = self.model, self.open
        users: list[str] = []
        if conversation.kind == "direct":
            users = [model.peer(conversation)]
        elif conversation.id != HOME:
            users = [user for user in conversation.members if user != model.me][:64]
        model.present = {user: model.present[user] for user in users if user in model.present}
        self.client.look_nowait(users, [] if conversation.id == HOME else [conversation.id])

    async def refresh(self, conversation: Conversation) -> None:
        """Ask a node about a conversation: title, members."""
        if conversation.id == HOME:
            return
        try:
            about = await self.client.conversation(conversation.id)
        except CommandError as refused:
            conversation.member = refused.code != "not_member"
            return
        if not conversation.subscribed or about.get("members"):
            self.model.about(conversation, about)
        else:
            self.model.about(conversation, {**about, "members": []})
        if conversation is self.open:
            self.look()

    def seen(self) -> None:
        """What is at the end of the open conversation is read."""
        conversation = self.open
        if self.at_end and conversation.newest > conversation.read and conversation.id != HOME:
            conversation.read = conversation.newest
            conversation.unread = conversation.mentions = 0
            conversation.posts_read = max(conversation.posts_read, conversation.posts)
            if not conversation.id.startswith("c:") or conversation.subscribed:
                self.client.read_nowait(conversation.id, conversation.newest)

    async def load_older(self, conversation: Conversation) -> None:
        """Put an earlier page of a conversation into the model: from the store, else a node."""
        if conversation.complete or conversation.id in self._loading or not conversation.order:
            return
        self._loading.add(conversation.id)
        try:
            oldest = conversation.oldest
            records = await self.store.records(conversation.id, before=oldest, limit=PAGE)
            if records and records[-1]["n"] == oldest - 1:
                conversation.older(records, more=records[0]["n"] > 1)
            elif self.online:
                page = await self.client.history(conversation.id, before=oldest, limit=PAGE)
                conversation.older(page.records, more=page.more)
        finally:
            self._loading.discard(conversation.id)

    # -- what the user says -----------------------------------------------------------------------

    def send(self, text: str, *, reply: int | None = None, action: bool = False) -> None:
        """Send a message to the open conversation, at once or when there is a node."""
        where = self.open
        mentions = list(self.mentioned(where, text))
        self.at_end = True
        try:
            self.client.send_nowait(
                where.id, text, reply=reply, mentions=mentions, action=action,
                on_done=lambda pending: self._sent(where, pending),
            )  # fmt: skip
        except ClientError as error:
            self.say(f"Not sent: {error}")
        self._changed()

    def _sent(self, where: Conversation, pending: PendingCommand[Any]) -> None:
        if pending.error is not None and not isinstance(pending.error, ClientClosed):
            self._not_sent(where, pending, pending.error)
        self._changed()

    def _not_sent(
        self, where: Conversation, pending: PendingCommand[Any], error: ClientError
    ) -> None:
        why = error.message if isinstance(error, CommandError) else str(error)
        what = pending.fields.get("text") or pending.command
        where.notice(f"Not sent: {why}: {what}")
        self._changed()

    def mentioned(self, where: Conversation, text: str) -> Iterable[str]:
        """The members whom a text names with an @, each once, at most 32."""
        words = (word.strip(".,:;!?()") for word in text.split() if word.startswith("@"))
        named = dict.fromkeys(word[1:].lower() for word in words)
        people = {*where.members, self.model.peer(where) if where.kind == "direct" else ""}
        return [user for user in named if user in people][:32]

    def waiting(self) -> list[Record]:
        """Messages to the open conversation that no node has answered yet."""
        return [
            pending.fields
            for pending in self.client.unanswered()
            if pending.command == "send" and pending.conversation == self.open.id
        ]

    async def ensure(self, command: Awaitable[Any]) -> Any:
        """Wait for a command's result, telling when that takes a node that is not there."""
        if not self.online:
            self.say("No connection: it is done when there is one.")
        return await command
