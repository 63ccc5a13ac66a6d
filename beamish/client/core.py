"""What the parts of one client share: its settings, its seams and its state machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import trio

from beamish.client.delivery import Delivery
from beamish.client.errors import BadRequest, ClientClosed, ClientError
from beamish.client.hints import Hints
from beamish.client.inbox import Inbox
from beamish.client.link import Link
from beamish.client.outbox import Outbox
from beamish.client.questions import Questions
from beamish.client.settings import Settings
from beamish.client.store import Batch, Identity, Store
from beamish.client.transport import Connect
from beamish.client.wire import Item, Wire

_FRAME_BYTES = 262_144
"""The protocol's default limit of a frame, until a node has told its own."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who wants to log in, and by what."""

    user: str
    password: str | None = field(repr=False)
    token: str | None = field(repr=False)
    register: bool
    display: str | None
    device_name: str | None


@dataclass(slots=True, eq=False)
class Core:
    """The shared state of one client.

    `token` resumes the device, None: log in. `link`: the logged-in connection, None: there is none.
    """

    credentials: Credentials
    settings: Settings
    store: Store
    wire: Wire
    connect: Connect
    random: Random
    inbox: Inbox
    outbox: Outbox
    questions: Questions
    delivery: Delivery
    identity: Identity | None
    token: str | None
    hints: Hints = field(default_factory=Hints)
    limits: dict[str, int] = field(default_factory=dict)
    link: Link | None = None
    reconnects: int = 0
    failure: ClientError | None = None
    changed: trio.Event = field(default_factory=trio.Event)

    def wake(self) -> None:
        """Something may be written."""
        if self.link is not None:
            self.link.wake()

    def note_change(self) -> None:
        """Wake who waits for a change of connection or failure."""
        self.changed.set()
        self.changed = trio.Event()

    async def commit(self, batch: Batch) -> None:
        """Store `batch`, whatever is cancelled meanwhile: state here already counts on it."""
        if self.store.durable:
            with trio.CancelScope(shield=True):
                await self.store.commit(batch)
        else:
            await self.store.commit(batch)

    def fail(self, failure: ClientError) -> None:
        """End the client for good; everything that waits learns `failure`."""
        if self.failure is not None:
            return
        self.failure = failure
        self.outbox.abandon(failure, closing=True)
        self.questions.abandon(failure)
        self.delivery.end(None if isinstance(failure, ClientClosed) else failure)
        if self.link is not None:
            self.link.wake()
        self.note_change()

    def check_fields(self, fields: Item) -> None:
        """Refuse what cannot be written, or would end the connection, before it is queued.

        Raises:
            BadRequest: half a surrogate pair, a value of no protocol type, or far too much.
        """
        try:
            size = len(self.wire.encode(fields))
        except UnicodeEncodeError:
            raise BadRequest(
                "bad_request", "a text holds half a surrogate pair: send whole characters"
            ) from None
        except (TypeError, ValueError, OverflowError) as error:
            raise BadRequest("bad_request", f"a field is of no protocol type: {error}") from None
        limit = self.limits.get("frame_bytes", _FRAME_BYTES) - 1024
        if size > limit:
            raise BadRequest("too_large", f"a command has at most {limit} bytes, this has {size}")

    def check(self) -> None:
        """Raise what has ended the client, if something has."""
        if self.failure is not None:
            raise self.failure
