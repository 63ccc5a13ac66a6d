"""The ways of a command into the outbox, and of a question to its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from beamish.client.core import Core
from beamish.client.outbox import NEW_GROUP
from beamish.client.pending import PendingCommand
from beamish.client.reads import ReadMarks
from beamish.client.results import Changed, changed_from
from beamish.client.synchronise import ask
from beamish.client.wire import Item

R = TypeVar("R")
OnDone = Callable[[PendingCommand[R]], None]

ACCOUNT = "@"
"""The lane of the commands that change the account."""


def given(**fields: Any) -> Item:
    """The fields that are not None: what is left out of a command stays as it is."""
    return {name: value for name, value in fields.items() if value is not None}


class Issuing:
    """The base of all concerns."""

    def __init__(self, core: Core, reads: ReadMarks) -> None:
        self._core = core
        self._reads = reads

    async def _ask(self, command: str, **fields: Any) -> Item:
        return await ask(self._core, command, fields)

    async def _change(self, command: str, conversation: str, **fields: Any) -> Changed:
        whole = {"conversation": conversation, **fields}
        return await self._waiting(conversation, command, whole, changed_from)

    def _change_nowait(
        self, command: str, conversation: str, on_done: OnDone[Changed] | None, **fields: Any
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

    def _create_nowait(
        self, command: str, fields: Item, on_done: OnDone[Changed] | None
    ) -> PendingCommand[Changed]:
        """Create a conversation: its lane is its command's until it has a name."""
        self._core.check()
        self._core.check_fields(fields)
        outbox = self._core.outbox
        tag = outbox.new_tag()
        pending = outbox.add(NEW_GROUP + tag, (tag, command, fields), changed_from, on_done)
        self._core.wake()
        return pending
