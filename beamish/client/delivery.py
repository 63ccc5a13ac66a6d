"""Handing over what was received: to the bulk hook at once, or to the one iterator, bounded.

Items arrive here committed to the store and leave in the same order. An item counts as taken when
the hook has returned, or when the iterator is asked for what follows it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import trio

from beamish.client.errors import ClientError
from beamish.client.events import Event, Record
from beamish.client.store import Store
from beamish.client.telling import changes_of, event_of_item, events_of_records
from beamish.client.wire import Item

OnRecords = Callable[[str, list[Record]], None]
OnEvent = Callable[[Event], None]

_NEVER_FILLED: deque[Item | Event] = deque(maxlen=0)
"""Stands for the iterator's queue where the hook is used: an empty deque takes 760 bytes."""


class Delivery:
    """The way from the store to the application.

    `taken`: number of the last item handed over. `ackable`: the inbox number up to which a node may
    be told that this device has it: stored durably, or taken by the application. `on_room` is
    called after each item that the iterator has taken.
    """

    def __init__(
        self,
        store: Store,
        on_records: OnRecords | None,
        on_event: OnEvent | None,
        limit: int,
    ) -> None:
        self.taken = 0
        self.ackable = 0
        self.on_room: Callable[[], None] = lambda: None
        self._store = store
        self._on_records = on_records
        self._on_event = on_event
        self._limit = limit
        self._ready: deque[Item | Event] = _NEVER_FILLED if on_records else deque()
        self._waiting = 0
        self._levels: list[tuple[int, int]] = []
        self._current: Item | Event | None = None
        self._events: Sequence[Event] = ()
        self._position = 0
        self._news = trio.Event()
        self._asked = False
        self._closed = False
        self._failure: ClientError | None = None

    def restore(self, items: list[Item], last: int, number: int) -> None:
        """Begin with what a store held: items not taken, the last numbered `last`, the cursor."""
        self.taken = last - len(items)
        self.committed(items, last, number)

    @property
    def full(self) -> bool:
        """The application has as much in hand as it may."""
        return self._waiting >= self._limit

    @property
    def has_room(self) -> bool:
        """At least half of the bound is free again."""
        return self._waiting <= self._limit // 2

    def committed(
        self, items: list[Item], last: int, number: int, *, restart: bool = False
    ) -> None:
        """Hand over `items`, the last numbered `last`, in the store with cursor number `number`.

        `restart`: the cursor is of another epoch than those before.
        """
        if restart:
            self._levels.clear()
            self.ackable = 0
        if self._on_records is None:
            self._ready.extend(items)
            self._waiting += sum(map(_weight, items))
            if self._levels and self._levels[-1][0] == last:
                self._levels.pop()
            self._levels.append((last, number))
            self._raise_level()
            self._news.set()
            return
        for item in items:
            if item["type"] == "records":
                self._on_records(item["conversation"], item["records"])
                if self._on_event is not None and "amended" in item:
                    for change in changes_of(item):
                        self._on_event(change)
            elif self._on_event is not None:
                self._on_event(event_of_item(item))
        self.ackable = number
        self.taken = last
        self._store.taken(last)

    def tell(self, event: Event) -> None:
        """Hand over an event that is stored nowhere; an application that is full misses it."""
        if self._on_records is not None:
            if self._on_event is not None:
                self._on_event(event)
        elif not self.full:
            self._ready.append(event)
            self._waiting += 1
            self._news.set()

    def end(self, failure: ClientError | None) -> None:
        """Nothing more comes: the iterator ends after what is ready, with `failure` if given."""
        self._closed = True
        self._failure = failure
        self._news.set()

    async def next(self) -> Event:
        """The next event for the iterator; asking for it takes what came before.

        Raises:
            StopAsyncIteration: the client is closed and nothing is ready.
            ClientError: what has ended the client.
        """
        if self._on_records is not None:
            raise RuntimeError("this client hands over to on_records: there is no iterator besides")
        if self._asked:
            raise RuntimeError("another task waits in events() already: a client has one iterator")
        while self._position >= len(self._events):
            self._take_current()
            await self._advance()
        event = self._events[self._position]
        self._position += 1
        return event

    async def _advance(self) -> None:
        """Make the next item the current one."""
        if not self._ready:
            if self._closed:
                raise self._failure or StopAsyncIteration
            self._news = trio.Event()
            self._asked = True
            try:
                await self._news.wait()
            finally:
                self._asked = False
            return
        await trio.lowlevel.checkpoint()
        item = self._current = self._ready.popleft()
        self._position = 0
        if isinstance(item, tuple):
            self._events = (item,)
        elif item["type"] == "records":
            self._events = events_of_records(item)
        else:
            self._events = (event_of_item(item),)

    def _take_current(self) -> None:
        item, self._current = self._current, None
        self._events = ()
        if item is None:
            return
        if isinstance(item, tuple):
            self._waiting -= 1
        else:
            self._waiting -= _weight(item)
            self.taken += 1
            self._store.taken(self.taken)
            self._raise_level()
        self.on_room()

    def _raise_level(self) -> None:
        levels = self._levels
        while levels and (self._store.durable or levels[0][0] <= self.taken):
            self.ackable = levels.pop(0)[1]


def _weight(item: Item) -> int:
    return len(item["records"]) if item["type"] == "records" else 1
