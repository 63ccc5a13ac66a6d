"""What a client keeps over its own end: the store's contract, and the store in memory.

A store is one device: identity, cursor, unanswered commands, and what was received and not yet
handed to the application. One client uses it at a time. The client's promises rest on it:

- `commit` makes a whole `Batch` true or nothing of it. Items and the cursor behind them travel in
  one batch, so a crash between receiving and storing only repeats.
- Numbers and tags of commands are committed before their first byte is written, so a command is
  resent as itself after any crash.
- Items are kept until `taken`, so a crash between storing and handing over loses none. `taken` may
  become durable later, with the next commit: then a crash hands over twice, never not at all.
- Answered commands may stay until the next commit as well: sent again, they get their first answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from beamish.client.errors import StoreError

Item = dict[str, Any]


class Identity(NamedTuple):
    """Who this store is to the nodes. The token is secret: it is worth a login."""

    user: str
    device: str
    token: str


class StoredCommand(NamedTuple):
    """An unanswered numbered command. `lane`: its conversation, or a new group's own key."""

    lane: str
    number: int
    tag: str
    command: str
    fields: Item


@dataclass(slots=True)
class StoredState:
    """Everything in a store, as `Store.load` returns it; the client owns the copy.

    `cursor`: `(epoch, number)`, `(None, 0)` at first. `known`: newest record received by
    conversation. `plan`: what to read from history after a snapshot, `(position, upto)` by
    conversation; at `position >= upto` only the mark below which records are already there.
    `numbers`: last command number by conversation. `commands`: unanswered, in order of number
    within each lane. `following`: of each channel the epoch, the last record stored, and the first
    that the inbox told. `items`: received and not taken, in order, the last with number `sequence`.
    """

    identity: Identity | None = None
    cursor: tuple[int | None, int] = (None, 0)
    known: dict[str, int] = field(default_factory=dict)
    plan: dict[str, tuple[int, int]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    commands: list[StoredCommand] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    sequence: int = 0
    following: dict[str, tuple[int | None, int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """Changes that become true together. Absent parts (None, empty) change nothing.

    `identity`: the device's; `new_device` first forgets the old one's numbers and commands.
    `restart` first forgets `known`, `plan`, `following` and all records: the node's data are of
    another epoch.
    `items` get the numbers up to `sequence`. `plan`: None forgets an entry. `commands` are added,
    or replace that of the same lane and tag. `answered`: `(lane, tag)` to forget.
    """

    identity: Identity | None = None
    new_device: bool = False
    restart: bool = False
    cursor: tuple[int | None, int] | None = None
    known: dict[str, int] | None = None
    plan: dict[str, tuple[int, int] | None] | None = None
    following: dict[str, tuple[int | None, int, int]] | None = None
    items: list[Item] | None = None
    sequence: int = 0
    numbers: dict[str, int] | None = None
    commands: list[StoredCommand] | None = None
    answered: list[tuple[str, str]] | None = None
    forget_identity: bool = False


class Store(Protocol):
    """A device's memory; see the module for what its users rely on."""

    durable: bool
    """Whether a commit outlives the process: then acknowledgements follow it."""

    async def load(self) -> StoredState:
        """Claim the store and return what it holds.

        Raises:
            StoreError: another client uses it, or it is damaged.
        """
        ...

    async def commit(self, batch: Batch) -> None:
        """Make `batch` true. Commits happen in the order of their calls.

        Raises:
            StoreError: nothing of it was stored, or the store is lost.
        """
        ...

    def taken(self, sequence: int) -> None:
        """The application has taken all items up to `sequence`."""
        ...

    async def release(self) -> None:
        """Give the store back, everything in it durable."""
        ...


class MemoryStore:
    """A store that lives as long as the process: for programs that start anew each time, and tests.

    Taken items are not kept.
    """

    durable = False

    def __init__(self) -> None:
        self._state = StoredState()
        self._commands: dict[tuple[str, str], StoredCommand] = {}
        self._items: list[tuple[int, list[Item]]] = []
        self._claimed = False

    async def load(self) -> StoredState:
        """Claim the store and return a copy of what it holds."""
        if self._claimed:
            raise StoreError("this store is in use by another client: give each its own store")
        self._claimed = True
        state = self._state
        return StoredState(
            identity=state.identity,
            cursor=state.cursor,
            known=dict(state.known),
            plan=dict(state.plan),
            following=dict(state.following),
            numbers=dict(state.numbers),
            commands=sorted(self._commands.values(), key=lambda c: (c.lane, c.number)),
            items=[item for _, items in self._items for item in items],
            sequence=state.sequence,
        )

    async def commit(self, batch: Batch) -> None:
        """Apply `batch`; never waits."""
        state = self._state
        if batch.items:
            state.sequence = batch.sequence
            self._items.append((batch.sequence, batch.items))
        if batch.restart:
            state.known.clear()
            state.plan.clear()
            state.following.clear()
        if batch.following:
            state.following.update(batch.following)
        if batch.cursor is not None:
            state.cursor = batch.cursor
        if batch.known:
            state.known.update(batch.known)
        if batch.plan:
            _update(state.plan, batch.plan)
        self._commit_commands(batch)

    def _commit_commands(self, batch: Batch) -> None:
        state = self._state
        if batch.new_device:
            state.numbers.clear()
            self._commands.clear()
        if batch.identity is not None or batch.forget_identity:
            state.identity = batch.identity
        if batch.numbers:
            state.numbers.update(batch.numbers)
        for command in batch.commands or ():
            self._commands[command.lane, command.tag] = command
        for key in batch.answered or ():
            self._commands.pop(key, None)

    def taken(self, sequence: int) -> None:
        """Forget the items up to `sequence`."""
        items = self._items
        gone = 0
        while gone < len(items) and items[gone][0] <= sequence:
            gone += 1
        del items[:gone]
        if items:
            last, chunk = items[0]
            done = len(chunk) - (last - sequence)
            if done > 0:
                items[0] = (last, chunk[done:])

    async def release(self) -> None:
        """Give the store back."""
        self._claimed = False


def _update(plan: dict[str, tuple[int, int]], changes: dict[str, tuple[int, int] | None]) -> None:
    for conversation, step in changes.items():
        if step is None:
            plan.pop(conversation, None)
        else:
            plan[conversation] = step
