"""What a node tells the program that it is embedded in.

    async with node.events() as events:
        async for event in events:
            match event:
                case MessageAppended(conversation=where, by=by, text=text): ...

Contract:

* **Hints, at most once.** An event is told behind the commit that it speaks of, if this process
  lives and somebody listens then. Nothing is stored for it and nothing is told again: a crash, or
  an append whose answer was lost, leaves some out. Whoever must not miss anything reads the
  inbox of a user, as a client (`beamish.client`).
* **Order.** Those of a conversation come in the order of its records; besides that there is none.
* **Bounded.** A stream holds `capacity` events that were not taken yet. What comes beyond it is
  dropped and counted, and `EventsDropped` stands where it is missing. The messenger never waits
  for a listener.
* **Costs nothing when nobody listens**: one look for each batch of a conversation and each login.

Events are immutable. Times are ms UTC, `n` the number of a record in its conversation's log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Self, TypeAlias

import trio

from beamish.messenger.streams.records import Fields, Record

CAPACITY = 1_000
"""Events that a stream holds when it is not told otherwise."""


@dataclass(frozen=True, slots=True)
class MessageAppended:
    """Somebody wrote. `reply` is the record that it answers; `action` says that it is one."""

    conversation: str
    n: int
    by: str
    at: int
    text: str
    reply: int | None = None
    mentions: tuple[str, ...] = ()
    action: bool = False


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """Users became members or are no longer; `what` is the record's type: join, invite, ban, ..."""

    conversation: str
    n: int
    by: str
    at: int
    what: str
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConversationChanged:
    """Anything else that stands in the log: settings, roles, changes of messages.

    `what` is the record's type and `details` are the fields of that type, as the protocol has them.
    """

    conversation: str
    n: int
    by: str
    at: int
    what: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class UserOnline:
    """The user has a connection that is logged in, and had none before."""

    user: str


@dataclass(frozen=True, slots=True)
class UserOffline:
    """The user's last connection is gone."""

    user: str


@dataclass(frozen=True, slots=True)
class EventsDropped:
    """So many events are missing here, since they were not taken fast enough."""

    count: int


Event: TypeAlias = (
    MessageAppended
    | MembersChanged
    | ConversationChanged
    | UserOnline
    | UserOffline
    | EventsDropped
)


class EventStream:
    """The events from the block's beginning on; ends with the block, or with the node.

    One task at a time takes from it. `dropped` counts what was dropped so far.
    """

    def __init__(self, hub: EventHub, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a stream of events holds at least 1 of them, not {capacity}")
        self._hub = hub
        self._capacity = capacity
        self._waiting: deque[Event] = deque()
        self._woken = trio.Event()
        self.ended = False
        self.dropped = 0

    async def __aenter__(self) -> Self:
        """Listen."""
        if self._hub.ended:
            self.end()
        else:
            self._hub.streams[self] = None
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen no longer."""
        self._hub.streams.pop(self, None)
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self.ended:
                raise StopAsyncIteration
            self._woken = trio.Event()
            await self._woken.wait()
        return self._waiting.popleft()

    def put(self, event: Event) -> None:
        """One more, or one more that is missing; never waits."""
        if len(self._waiting) < self._capacity:
            self._waiting.append(event)
            self._woken.set()
            return
        self.dropped += 1
        self._hub.dropped += 1
        last = self._waiting[-1]
        if isinstance(last, EventsDropped):
            self._waiting[-1] = EventsDropped(last.count + 1)
        else:
            self._waiting.append(EventsDropped(1))

    def end(self) -> None:
        """Nothing more comes; what waits is still handed out."""
        self.ended = True
        self._woken.set()


class EventHub:
    """All streams of one node, and what is told to them.

    Attributes:
        streams: those that listen now.
        dropped: events that streams had no room for.
        ended: whether the node stops, so that nothing comes any more.
    """

    def __init__(self) -> None:
        self.streams: dict[EventStream, None] = {}
        self.dropped = 0
        self.ended = False

    @property
    def wanted(self) -> bool:
        """Whether anybody listens."""
        return bool(self.streams)

    def tell(self, event: Event) -> None:
        """Tell everybody."""
        for stream in self.streams:
            stream.put(event)

    def appended(self, conversation: str, records: Iterable[Record]) -> None:
        """These records were committed."""
        if self.streams:
            for record in records:
                self.tell(event_of(conversation, record.fields))

    def end(self) -> None:
        """The node stops."""
        self.ended = True
        for stream in list(self.streams):
            stream.end()


def event_of(conversation: str, fields: Fields) -> Event:
    """The event that tells of a record."""
    n, by, at, what = fields["n"], fields["by"], fields["at"], fields["type"]
    if what == "message" and "text" in fields:
        reply, mentions = fields.get("reply"), tuple(fields.get("mentions", ()))
        action = fields.get("action", False)
        return MessageAppended(conversation, n, by, at, fields["text"], reply, mentions, action)
    joined, left = _moves(fields)
    if joined or left:
        return MembersChanged(conversation, n, by, at, what, joined, left)
    details = {key: value for key, value in fields.items() if key not in _COMMON}
    return ConversationChanged(conversation, n, by, at, what, MappingProxyType(details))


_COMMON = frozenset({"n", "type", "by", "at", "device", "number", "tag"})


def _moves(fields: Fields) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who becomes a member by a record, and who ceases to be one."""
    match fields["type"]:
        case "create":
            return tuple([user for user, _display, _role in fields["members"]]), ()
        case "join":
            return (fields["by"],), ()
        case "invite":
            return (fields["user"],), ()
        case "leave":
            return (), (fields["by"],)
        case "remove":
            return (), (fields["user"],)
        case "ban" if "ends" in fields:
            return (), (fields["user"],)
    return (), ()
