"""A session's feed: every inbox record in order, each handed on once, from hints and from pulls.

`handed` is the number up to which updates were queued for the connection. A hint that continues
there is handed on at once, if the connection keeps up. Whatever else happens (a hint that was
lost, a slow connection, a dead user actor, a stale one) shows as the inbox's version being above
`handed`, and is mended by reading the journal, which is the truth. So hints may fail in any way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgpack

from beamish.messenger.ids import user_stream
from beamish.messenger.messages import Acknowledge, NewInbox, PullTurn
from beamish.messenger.sessions.inbox_items import inbox_items
from beamish.messenger.streams.journal_port import JournalUnavailable
from beamish.messenger.streams.log_part import Excerpt, Extract
from beamish.messenger.streams.records import Record
from beamish.messenger.users.account import Fields
from beamish.protocol import Attach, Fetch
from storage import Describe, Refused, StreamInfo

if TYPE_CHECKING:
    from beamish.messenger.sessions.session import Session

PAGE_RECORDS = 64
PAGE_BYTES = 128 << 10
EVENT_BYTES = 192 << 10
"""An `updates` event is closed before this size; one inbox record alone may exceed it."""


class Feed:
    """The updates of one attached device."""

    def __init__(self, actor: Session) -> None:
        self._actor = actor
        self.handed: int | None = None
        self.acked = 0
        self._epoch = 0
        self._head = 0
        self._pull_wanted = False

    @property
    def stream(self) -> str:
        """The user's stream."""
        return user_stream(self._actor.user)

    async def describe(self) -> StreamInfo:
        """How far the inbox has come, by the journal; raises JournalUnavailable."""
        described = await self._actor.environment.journal.perform(Describe((self.stream,)))
        if isinstance(described, Refused):
            raise JournalUnavailable(described)
        return described.streams[0]

    async def attach(self, command: Attach) -> dict[str, object]:
        """Begin to hand on updates behind the cursor, if the inbox still holds them."""
        await self._actor.watch()
        info = await self.describe()
        status = status_of(command.epoch, command.number, info)
        self.handed = None
        if status == "resumed":
            self._epoch = info.epoch
            self.handed = command.number
            self._head = info.version
            self.acknowledge(command.number)
        return {"status": status, "epoch": info.epoch, "number": info.version}

    def acknowledge(self, number: int) -> None:
        """The device has stored the inbox up to `number`, or to what was handed on if that is less.

        Told again to the user's next actor, should this one die with it.
        """
        self.acked = max(self.acked, min(number, self.handed or 0))
        if self.acked:
            self._actor.tell_user(Acknowledge(self.acked))

    def hinted(self, hint: NewInbox) -> None:
        """New inbox records, with the log records that they speak of."""
        last = hint.first + len(hint.rows) - 1
        self._head = max(self._head, last)
        if self.handed is None or last <= self.handed:
            return
        if hint.first <= self.handed + 1 and self._actor.outbox.has_room:
            skip = self.handed + 1 - hint.first
            self._hand_on(self.handed + 1, hint.rows[skip:], hint.logs)
            self._measure(hint)
        self.go_on()

    def head(self, version: int) -> bool:
        """The inbox's version: pull if anything is missing. Whether that was news."""
        news = version > self._head
        self._head = max(self._head, version)
        self.go_on()
        return news

    def go_on(self) -> None:
        """Have a pull run soon if updates are missing and the connection has room."""
        if self.handed is None or self._pull_wanted or self._head <= self.handed:
            return
        if self._actor.outbox.has_room:
            self._pull_wanted = True
            self._actor.ref.cast(PullTurn())
        else:
            self._actor.want_room()

    async def pull(self) -> None:
        """Read one page of the inbox and hand it on."""
        self._pull_wanted = False
        if self.handed is None or self._head <= self.handed:
            return
        start = self.handed + 1
        journal = self._actor.environment.journal
        page = await journal.read(self.stream, start, PAGE_RECORDS, PAGE_BYTES)
        cursor = status_of(self._epoch, start - 1, page.info)
        if cursor != "resumed" or page.start != start:
            self._detach(cursor, page.info)
            return
        rows = [msgpack.unpackb(raw) for raw in page.records]
        logs = await self._logs_of(rows)
        if self.handed == start - 1:
            self._hand_on(start, rows, logs)
        self.go_on()

    def _detach(self, status: str, info: StreamInfo) -> None:
        self.handed = None
        told = {"status": status, "epoch": info.epoch, "number": info.version}
        self._actor.event("detached", told)

    async def fetch(self, command: Fetch) -> dict[str, object] | bytes:
        """A part of the inbox, as the answer to a command."""
        limit = command.limit or self._actor.environment.settings.limits.fetch_items
        journal = self._actor.environment.journal
        page = await journal.read(self.stream, command.start, min(limit, PAGE_RECORDS), PAGE_BYTES)
        status = status_of(command.epoch, command.start - 1, page.info)
        told: dict[str, object] = {
            "status": status,
            "epoch": page.info.epoch,
            "number": page.info.version,
            "from": command.start,
            "to": command.start - 1,
        }
        if status != "resumed":
            return {**told, "items": []}
        rows = [msgpack.unpackb(raw) for raw in page.records]
        codec = self._actor.codec
        items: list[bytes] = []
        size, n = 0, command.start - 1
        logs = self._actor.environment.logs.all_refreshed(await self._logs_of(rows))
        for row in rows:
            new = inbox_items(codec, n + 1, row, logs)
            size += sum(map(len, new))
            if size > EVENT_BYTES and items:
                break
            n += 1
            items += new
        told["to"] = n
        parts = {key: codec.encode(value) for key, value in told.items()}
        return codec.map({**parts, "items": codec.array(items)})

    async def _logs_of(self, rows: Sequence[Fields]) -> dict[str, Excerpt]:
        reader = self._actor.environment.logs
        found: dict[str, list[Record]] = {}
        lowest: dict[str, int] = {}
        for row in rows:
            if row["t"] != "ranges":
                continue
            for conversation, first, last, _others, _role, joined, *_ in row["r"]:
                known = found.setdefault(conversation, [])
                lowest.setdefault(conversation, joined)
                start = first if not known else max(first, known[-1].n + 1)
                if start <= last:
                    known += await reader.read(conversation, start, last)
        return {
            conversation: Extract(
                tuple(records),
                await reader.targets(conversation, records, lowest[conversation]),
            )
            for conversation, records in found.items()
        }

    def _hand_on(self, start: int, rows: Sequence[Fields], logs: Mapping[str, Excerpt]) -> None:
        """Queue `updates` events for these rows, each of bounded size, while there is room."""
        codec = self._actor.codec
        logs = self._actor.environment.logs.all_refreshed(logs)
        items: list[bytes] = []
        size, first, n = 0, start, start - 1
        for row in rows:
            new = inbox_items(codec, n + 1, row, logs)
            more = sum(map(len, new))
            if size + more > EVENT_BYTES and items:
                self._event(first, n, items)
                items, size, first = [], 0, n + 1
                if not self._actor.outbox.has_room:
                    break
            n += 1
            items += new
            size += more
        if n >= first:
            self._event(first, n, items)
        self._actor.environment.traffic.updates += n + 1 - start
        self.handed = n

    def _measure(self, hint: NewInbox) -> None:
        """How old the newest message of a hint is now that it is handed on."""
        if hint.logs:
            environment = self._actor.environment
            newest = max(log.records[-1].fields["at"] for log in hint.logs.values())
            environment.traffic.delivered.add((environment.now_ms() - newest) / 1_000)

    def _event(self, first: int, last: int, items: list[bytes]) -> None:
        codec = self._actor.codec
        self._actor.event_parts(
            "updates",
            {
                "epoch": codec.encode(self._epoch),
                "from": codec.encode(first),
                "to": codec.encode(last),
                "items": codec.array(items),
            },
        )


def status_of(epoch: int | None, number: int, info: StreamInfo) -> str:
    """What a cursor is to the inbox: resumed, too_old, other_epoch or ahead."""
    if epoch is None:
        if number:
            return "other_epoch"
    elif epoch != info.epoch:
        return "other_epoch"
    if number > info.version:
        return "ahead"
    return "resumed" if number + 1 >= info.first else "too_old"
