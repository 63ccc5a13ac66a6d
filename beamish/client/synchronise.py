"""Bringing the inbox up to date on a connection: attach, snapshot, history, fetch.

Runs beside reader and writer and asks through the questions, so commands pass meanwhile; what the
answers bring is accepted in the reader's turn and committed with its frame. One pass:

    attach -> resumed: fetch while numbers are missing
           -> too_old, other_epoch, ahead: snapshot; its cursor and a plan are stored together;
              the plan's conversations are read from history, page by page, each page stored with
              the plan's progress; then attach again

and behind that, whenever it is due, follow: the channels wanted, from their cursors on.

A crash or a lost connection in between goes on with the stored plan. Each step waits until the
application has room.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import trio

from beamish.client.core import Core
from beamish.client.errors import CommandError, NotAllowed, NotFound
from beamish.client.handshake import attach_fields
from beamish.client.inbox import RESUMED
from beamish.client.questions import Question
from beamish.client.wire import Item


async def ask(core: Core, command: str, fields: Item, then: Any = None) -> Item:
    """Ask until answered, over any number of connections.

    Raises:
        CommandError: refused for good.
        ClientError: the client has ended.
    """
    core.check()
    core.check_fields(fields)
    question = Question(command, fields, then)
    core.questions.add(question)
    core.wake()
    try:
        await question.done.wait()
    finally:
        core.questions.drop(question)
    if question.error is not None:
        raise question.error
    assert question.answer is not None
    return question.answer


class Synchroniser:
    """One connection's passes, at most one at a time; `needed` says whether one is due."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._room = trio.Event()
        self.running = False

    @property
    def needed(self) -> bool:
        """The inbox is not attached, or numbers are missing and there is room for them."""
        inbox = self._core.inbox
        if self.running:
            return False
        if not inbox.attached:
            return True
        return (inbox.missing or inbox.following.due) and self._core.delivery.has_room

    def room(self) -> None:
        """The application has taken something."""
        if self._core.delivery.has_room:
            self._room.set()

    async def run(self) -> None:
        """One pass; `running` was set by who started it, so that no second begins."""
        core, inbox = self._core, self._core.inbox
        try:
            while True:
                await self._fill()
                if not inbox.attached:
                    answer = await ask(core, "attach", attach_fields(core), inbox.attach_answered)
                    if answer["status"] != RESUMED:
                        await self._snapshot(answer["status"])
                        continue
                await self._fetch()
                await self._follow()
                if inbox.attached:
                    return
        finally:
            self.running = False
            core.wake()

    async def _fetch(self) -> None:
        inbox, limit = self._core.inbox, self._core.limits.get("fetch_items", 500)
        while inbox.attached and inbox.missing:
            await self._wait_for_room()
            fields = {"epoch": inbox.epoch, "from": inbox.number + 1, "limit": limit}
            await ask(self._core, "fetch", fields, inbox.fetched)

    async def _follow(self) -> None:
        following = self._core.inbox.following
        while self._core.inbox.attached and following.due:
            await self._wait_for_room()
            try:
                await ask(self._core, "follow", following.fields(), following.answered)
            except CommandError as refused:
                following.refused(refused.code)

    async def _snapshot(self, reason: str) -> None:
        core = self._core
        while True:
            first = await ask(core, "snapshot", {}, partial(self._whole, reason))
            rows, after = list(first["conversations"]), first.get("next")
            while after is not None:
                then = partial(self._last_page, reason, first, rows)
                page = await ask(core, "snapshot", {"after": after}, then)
                if page["epoch"] != first["epoch"]:
                    break
                after = page.get("next")
            else:
                return

    def _whole(self, reason: str, page: Item) -> None:
        if page.get("next") is None:
            self._accept(reason, page, page["conversations"])

    def _last_page(self, reason: str, first: Item, rows: list[Item], page: Item) -> None:
        if page["epoch"] != first["epoch"]:
            return
        rows.extend(page["conversations"])
        if page.get("next") is None:
            self._accept(reason, first, rows)

    def _accept(self, reason: str, first: Item, rows: list[Item]) -> None:
        core = self._core
        core.inbox.snapshot(reason, first, rows, fill=core.settings.fill_from_history)

    async def _fill(self) -> None:
        core, inbox = self._core, self._core.inbox
        limit = core.limits.get("history_records", 200)
        while inbox.to_read:
            await self._wait_for_room()
            conversation, position, _ = inbox.to_read[0]
            fields = {"conversation": conversation, "after": position, "limit": limit}

            def page(answer: Item, conversation: str = conversation) -> None:
                amended = answer.get("amended") or []
                inbox.page(conversation, answer["records"], amended, more=answer["more"])

            try:
                await ask(core, "history", fields, page)
            except (NotAllowed, NotFound):
                inbox.page(conversation, [], [], more=False)  # not ours to see: nothing is lacking

    async def _wait_for_room(self) -> None:
        while not self._core.delivery.has_room:
            self._room = trio.Event()
            await self._room.wait()
        self._core.inbox.blocked = False
