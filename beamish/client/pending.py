"""A numbered command on its way: its name for ever, its state now, and its outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from beamish.client.errors import ClientError
from beamish.client.store import StoredCommand
from beamish.client.wire import Item

R = TypeVar("R")


class PendingCommand(Generic[R]):
    """A numbered command on its way. `await result()`, or look at `done`, `value` and `error`.

    `first_written_at`: trio's clock at its first write, None before. `saved`: the store has it as
    it is. `written`: its answer is awaited on the present connection. `risked`: a node may have it.
    """

    __slots__ = (
        "_convert",
        "_event",
        "_on_done",
        "command",
        "done",
        "error",
        "fields",
        "first_written_at",
        "lane",
        "number",
        "risked",
        "saved",
        "tag",
        "value",
        "written",
    )

    def __init__(
        self,
        stored: StoredCommand,
        convert: Callable[[Item], R],
        on_done: Callable[[PendingCommand[R]], None] | None,
        *,
        saved: bool,
    ) -> None:
        self.lane, self.number, self.tag, self.command, self.fields = stored
        self.first_written_at: float | None = None
        self.done = False
        self.value: R | None = None
        self.error: ClientError | None = None
        self.saved = saved
        self.risked = saved
        self.written = False
        self._convert = convert
        self._on_done = on_done
        self._event: trio.Event | None = None

    @property
    def conversation(self) -> str | None:
        """The conversation that it changes; None while a new group has no id yet."""
        return self.fields.get("conversation")

    async def result(self) -> R:
        """Wait for the outcome.

        Raises:
            CommandError: refused for good; the subclass says why.
            OutcomeUnknown: the device was replaced before the answer.
            ClientClosed: the client ended; with a durable store the command is sent when one opens.
        """
        if not self.done:
            if self._event is None:
                self._event = trio.Event()
            await self._event.wait()
        if self.error is not None:
            raise self.error
        assert self.value is not None
        return self.value

    def stored(self) -> StoredCommand:
        """The command as a store keeps it."""
        return StoredCommand(self.lane, self.number, self.tag, self.command, self.fields)

    def set(self, ok: Item | None, error: ClientError | None) -> None:
        """Set the outcome; `announce` tells it."""
        if ok is not None:
            self.value = self._convert(ok)
        self.error = error

    def announce(self) -> None:
        """Tell who waits."""
        self.done = True
        if self._event is not None:
            self._event.set()
        if self._on_done is not None:
            self._on_done(self)
