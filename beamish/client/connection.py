"""Keeping one connection up: connect, log in, read, write, notice silence, come back.

Per connection there are two tasks: the reader, which applies whole frames in order, and the writer,
which collects what waits - commands, questions, acknowledgements, pings - into one frame. Both end
when the link is closed, by whatever reason; then everything outstanding goes back to its owner and
the next attempt waits by the rules of the protocol.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from beamish.client.backoff import Backoff
from beamish.client.core import Core
from beamish.client.errors import (
    AuthenticationFailed,
    ClientClosed,
    ClientError,
    CommandError,
    StoreError,
    TransportClosed,
    Unreachable,
)
from beamish.client.events import Connected, Disconnected
from beamish.client.handshake import forget_device, shake_hands
from beamish.client.link import Link
from beamish.client.reads import ReadMarks
from beamish.client.synchronise import Synchroniser
from beamish.client.wire import Item

FRAME_ITEMS, FRAME_BYTES = 64, 64 * 1024
"""A frame of ours holds no more items, and no further item once it has so many bytes."""

_TOO_MANY_LOGINS, _REPLACED, _FLOODED = 4403, 4409, 4429
_NORMAL = 1000
_AFTER_FLOOD = 10.0


class Dropped(TransportClosed):
    """The program itself cut the connection: the next attempt does not wait."""


class Connection:
    """The task that keeps a client connected, until it fails for good or is cancelled."""

    def __init__(self, core: Core, urls: list[str], reads: ReadMarks) -> None:
        self._core = core
        self._urls = urls
        self._url = core.random.randrange(len(urls))
        self._reads = reads
        settings = core.settings
        self._backoff = Backoff(settings.backoff_first, settings.backoff_cap, core.random)
        self._reached = trio.current_time()
        self._why = "none was made"
        self._logins = 0
        self._acked = 0
        self._ack_at = math.inf
        self._ping_until = math.inf
        self._pinged_at = -math.inf
        self._synchroniser = Synchroniser(core)
        self._handlers: dict[str, Callable[[Item], object]] = {
            "detached": core.inbox.detached,
            "posts": core.inbox.following.posts,
            "unfollowed": core.inbox.following.unfollowed,
            "presence": core.hints.presence,
            "typing": core.hints.typing,
        }
        core.delivery.on_room = self._on_room

    async def run(self) -> None:
        """Connect again and again; returns when the client has failed for good."""
        core = self._core
        while core.failure is None:
            try:
                wait = await self._attempt(self._urls[self._url])
            except ClientError as failure:
                core.fail(failure)
                return
            self._url = (self._url + 1) % len(self._urls)
            await self._pause(wait)

    async def _pause(self, wait: float) -> None:
        """Wait before the next attempt, or give up when there is no time for one."""
        core = self._core
        patience = self._reached + core.settings.give_up - trio.current_time()
        if core.failure is None:
            await trio.sleep(max(0.0, min(wait, patience)))
        if wait >= patience:
            core.fail(
                Unreachable(
                    f"no node could be reached for {core.settings.give_up:g} s"
                    f" (tried {', '.join(self._urls)}); the last attempt: {self._why}"
                )
            )

    # -- one connection -------------------------------------------------------------------------

    async def _attempt(self, url: str) -> float:
        """One connection from opening to end: seconds to wait before the next.

        Raises:
            ClientError: no further attempt makes sense.
        """
        try:
            closed = await self._connect_and_serve(url)
        except CommandError as refused:
            if not refused.retryable:
                raise
            closed = TransportClosed(str(refused), retry_after=refused.retry_after or 0.0)
        self._why = closed.reason
        await self._judge(closed)
        if isinstance(closed, Dropped):
            return 0.0
        return self._backoff.next(_AFTER_FLOOD if closed.code == _FLOODED else closed.retry_after)

    async def _connect_and_serve(self, url: str) -> TransportClosed:
        """Why the connection ended.

        Raises:
            ClientError: the login was refused, or the store failed.
        """
        core, settings = self._core, self._core.settings
        link: Link | None = None
        failure: ClientError | None = None
        closed = TransportClosed(f"{url} did not answer in {settings.connect_timeout:g} s")
        patience = self._reached + settings.give_up - trio.current_time()
        try:
            async with trio.open_nursery() as nursery:
                try:
                    with trio.move_on_after(min(settings.connect_timeout, patience)):
                        link = Link(url, await core.connect(url, nursery), core.wire)
                    if link is not None:
                        closed = await self._use(link, nursery)
                except TransportClosed as ended:
                    closed = ended
                except ClientError as error:
                    failure = error
                finally:
                    if link is not None:
                        link.transport.cut()
                    nursery.cancel_scope.cancel()
        finally:
            self._lost(link, closed)  # now that the reader can answer nothing any more
        if failure is not None:
            raise failure
        return closed

    async def _use(self, link: Link, nursery: trio.Nursery) -> TransportClosed:
        """Log in and serve; why the connection ended."""
        nursery.start_soon(self._read, link)
        with trio.move_on_after(self._core.settings.login_timeout) as login:
            await shake_hands(self._core, link)
        if login.cancelled_caught:
            return TransportClosed("the login was not answered in time")
        return await self._serve(link, nursery)

    def _lost(self, link: Link | None, closed: TransportClosed) -> None:
        """Give everything outstanding back to its owner."""
        core = self._core
        core.link = None
        core.inbox.connection_lost()
        core.outbox.connection_lost()
        core.questions.connection_lost()
        self._reads.connection_lost()
        core.hints.connection_lost()
        if link is None:
            return
        if link.frames:
            self._reached = trio.current_time()
        if link.logged_in:
            if trio.current_time() - link.opened >= core.settings.steady:
                self._backoff.reset()
            if core.failure is None:
                core.delivery.tell(Disconnected(link.url, closed.reason))
        core.note_change()

    async def _judge(self, closed: TransportClosed) -> None:
        """Act on what the end of a connection says of this device.

        Raises:
            ClientError: coming back makes no sense.
        """
        core = self._core
        trouble = core.outbox.trouble or core.questions.trouble
        core.outbox.trouble = core.questions.trouble = None
        if trouble is not None:
            await forget_device(core)
            if core.credentials.password is None:
                raise trouble
        elif closed.code == _TOO_MANY_LOGINS:
            raise AuthenticationFailed("bad_credentials", closed.reason)
        elif closed.code == _REPLACED:
            raise ClientClosed(
                "another client uses this device: give each client a store of its own"
            )

    # -- reading --------------------------------------------------------------------------------

    async def _read(self, link: Link) -> None:
        """Apply frames until the connection ends."""
        core = self._core
        try:
            while True:
                frame = await link.transport.receive()
                link.heard = trio.current_time()
                link.frames += 1
                known = link.logged_in
                answered = self._apply(link, frame)
                if link.logged_in and not known:
                    self._note_login(link)
                core.outbox.announce()
                batch = core.inbox.batch()
                if batch is not None:
                    await core.commit(batch)
                    assert batch.items is not None
                    assert batch.cursor is not None
                    core.delivery.committed(
                        batch.items, batch.sequence, batch.cursor[1], restart=batch.restart
                    )
                    self._schedule_ack()
                self._tell_notices()
                if core.outbox.trouble or core.questions.trouble:
                    link.close(TransportClosed("the node takes no commands of this device"))
                    return
                if self._synchroniser.needed or (answered and self._unwritten):
                    link.wake()
        except TransportClosed as closed:
            link.close(closed)
        except StoreError as failure:
            core.fail(failure)
            link.wake()

    def _tell_notices(self) -> None:
        """Tell what is stored nowhere, behind what the same frame brought."""
        for source in (self._core.inbox.following, self._core.hints):
            if source.notices:
                notices, source.notices = source.notices, []
                for event in notices:
                    self._core.delivery.tell(event)

    @property
    def _unwritten(self) -> bool:
        core = self._core
        parts = core.outbox, core.questions, self._reads, core.hints
        return any(part.unwritten for part in parts)

    def _note_login(self, link: Link) -> None:
        """Tell it before anything that the connection brings."""
        core = self._core
        core.reconnects += self._logins > 0
        self._logins += 1
        core.delivery.tell(Connected(link.url, core.reconnects))

    def _apply(self, link: Link, frame: bytes | str) -> bool:
        """Give each item to who it concerns; whether there were answers among them."""
        inbox, delivery, handlers = self._core.inbox, self._core.delivery, self._handlers
        inbox.blocked = delivery.full or (inbox.blocked and not delivery.has_room)
        answered = False
        try:
            for item in link.wire.decode(frame):
                event = item.get("event")
                if event == "updates":
                    inbox.updates(item)
                elif event is None:
                    link.answer(item)
                    answered = True
                elif event in handlers:
                    handlers[event](item)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise TransportClosed(f"the node sent what is no Beamish frame: {error!r}") from error
        return answered

    # -- writing --------------------------------------------------------------------------------

    async def _serve(self, link: Link, nursery: trio.Nursery) -> TransportClosed:
        """Write what waits until the link is closed or the client ends; why it ended."""
        core = self._core
        core.link = link
        self._acked, self._ack_at, self._ping_until = 0, trio.current_time(), math.inf
        core.note_change()
        while link.closed is None and core.failure is None:
            if self._synchroniser.needed:
                self._synchroniser.running = True
                nursery.start_soon(self._synchronise)
            items, more = await self._collect(link)
            if items:
                await link.write(items, core.settings.ping_timeout)
            if not more and link.closed is None and core.failure is None:
                await link.wait(self._next_deadline(link))
        if link.closed is None:
            with trio.move_on_after(core.settings.close_timeout):
                await link.transport.aclose()
        return link.closed or TransportClosed("the client was closed")

    async def _synchronise(self) -> None:
        try:
            await self._synchroniser.run()
        except ClientError as failure:
            self._core.fail(failure)

    async def _collect(self, link: Link) -> tuple[list[bytes], bool]:
        """The next frame's items, stored before, and whether there may be more for another."""
        core, now = self._core, trio.current_time()
        unsaved = core.outbox.unsaved()
        if unsaved is not None:
            await core.commit(unsaved)
        items: list[bytes] = []
        size, most = 0, min(FRAME_ITEMS, core.limits.get("items", FRAME_ITEMS))
        self._add_ack(items, now)
        self._add_ping(link, items, now)
        for part in (core.outbox, core.questions, self._reads, core.hints):
            for item in part.write(link, now, most - len(items)):
                items.append(item)
                size += len(item)
                if size >= FRAME_BYTES:
                    return items, True
        return items, len(items) >= most

    def _add_ack(self, items: list[bytes], now: float) -> None:
        core = self._core
        if now < self._ack_at or not core.inbox.attached:
            return
        self._ack_at = math.inf
        number = core.delivery.ackable
        if number and number != self._acked:
            self._acked = number
            items.append(core.wire.encode({"command": "ack", "number": number}))

    def _schedule_ack(self) -> None:
        if self._ack_at == math.inf and self._core.delivery.ackable != self._acked:
            self._ack_at = trio.current_time() + self._core.settings.ack_delay
            if self._core.link is not None:
                self._core.link.wake_by(self._ack_at)

    def _add_ping(self, link: Link, items: list[bytes], now: float) -> None:
        """Ask whether a silent connection lives; give it up when that is not answered."""
        settings = self._core.settings
        if link.heard > self._pinged_at:
            self._ping_until = math.inf
        if now >= self._ping_until:
            link.close(TransportClosed(f"the node was silent for {now - link.heard:.0f} s"))
        elif self._ping_until == math.inf and now >= link.heard + settings.ping_after:
            self._pinged_at, self._ping_until = now, now + settings.ping_timeout
            ping = {"id": link.request(self._ponged), "command": "ping"}
            items.append(self._core.wire.encode(ping))

    def _ponged(self, _: Item) -> None:
        self._ping_until = math.inf

    def _next_deadline(self, link: Link) -> float:
        """When to look again without being woken."""
        core, now = self._core, trio.current_time()
        pinging = self._ping_until < math.inf
        return min(
            self._ping_until if pinging else link.heard + core.settings.ping_after,
            self._ack_at if core.inbox.attached else math.inf,
            core.outbox.next_write(now),
            core.questions.next_write(now),
            self._reads.next_write(now),
            core.hints.next_write(now),
        )

    def _on_room(self) -> None:
        """The iterator has taken something."""
        self._synchroniser.room()
        self._schedule_ack()
        if self._synchroniser.needed:
            self._core.wake()
