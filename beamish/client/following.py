"""Following channels: which, and how far this device has stored each of them.

Pure bookkeeping, no I/O. Posts do not go through the inbox: for each channel there is a cursor of
this device's own, `(epoch, n)`, kept in its store. `follow` names the channels wanted and their
cursors; after its answer `posts` events continue each cursor. Let c be a cursor's number:

    not followed           ignored: the answer to `follow` is still to come
    other epoch            the channel was restored: forget its records, follow anew from 0
    to <= c                old: ignored
    from <= c + 1 <= to    next: records above c are accepted, the cursor becomes `to`
    from > c + 1, or the
    application is full    ignored; follow anew from the cursor

Whoever writes in a channel hears of its records through the inbox as well: what one of the two ways
has brought is left out of the other, so that nothing is handed over twice. The inbox tells all from
when one began to write; where that was is kept with the cursor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from beamish.client.events import Event, Followed, Unfollowed
from beamish.client.wire import Item

if TYPE_CHECKING:
    from beamish.client.inbox import Inbox

RESTARTED = "restarted"
"""Type of the item that the client itself makes when a channel begins anew."""

Cursor = tuple[int | None, int, int]
"""The channel's epoch (None: never followed), the last record stored, and the record from which on
the inbox has told the channel without a gap (0: it never did)."""

_FOR_READERS = frozenset(("create", "message", "edit", "delete", "react", "info"))
"""The types of records that come as posts."""

_NOWHERE: Cursor = (None, 0, 0)


class Following:
    """The channels of a client.

    `cursors`: how far each is stored. `due`: `follow` has to be asked. `notices`: what the
    application is to be told, stored nowhere.
    """

    __slots__ = ("_changes", "_followed", "_inbox", "_wanted", "cursors", "due", "notices")

    def __init__(self, inbox: Inbox, cursors: dict[str, Cursor]) -> None:
        self.cursors = cursors
        self.due = False
        self.notices: list[Event] = []
        self._inbox = inbox
        self._wanted: dict[str, int] = {}
        self._followed: set[str] = set()
        self._changes: dict[str, Cursor] = {}

    def want(self, channels: Mapping[str, int]) -> None:
        """Follow these from now on, each from its cursor, or from behind the record given."""
        self.due = self.due or channels.keys() != self._wanted.keys()
        self._wanted = dict(channels)
        self._followed &= channels.keys()

    def fields(self) -> Item:
        """The fields of `follow` as it is to be asked now."""
        self.due = False
        return {"channels": [{"channel": c, "after": self._after(c)} for c in self._wanted]}

    def _after(self, channel: str) -> int:
        epoch, number, _ = self.cursors.get(channel, _NOWHERE)
        return self._wanted[channel] if epoch is None else number

    def connection_lost(self) -> None:
        """Nothing is followed on the next connection until it is asked for."""
        self._followed.clear()
        self.due = bool(self._wanted)

    def restarted(self) -> None:
        """The node's data are of another epoch: no record is left of anything."""
        self.cursors.clear()
        self._changes.clear()
        self._followed.clear()
        self.due = bool(self._wanted)

    def answered(self, answer: Item) -> None:
        """The node's answer to `follow`."""
        for told in answer["channels"]:
            channel = told["channel"]
            if channel not in self._wanted:
                continue
            if "error" in told:
                self._end(channel, told["error"])
                continue
            epoch, _, since = self.cursors.get(channel, _NOWHERE)
            after = self._after(channel)
            if epoch not in (None, told["epoch"]) or after > told["n"]:
                self._restart(channel, told["epoch"], known=epoch is not None)
                continue
            self._move(channel, (told["epoch"], after, since))
            self._followed.add(channel)
            self.notices.append(Followed(channel, told["n"], told["ordinal"], told["title"]))

    def refused(self, code: str) -> None:
        """The node does not take `follow` at all."""
        for channel in list(self._wanted):
            self._end(channel, code)

    def unfollowed(self, event: Item) -> None:
        """Apply an `unfollowed` event."""
        if event["channel"] in self._wanted:
            self._end(event["channel"], event["code"])

    def posts(self, event: Item) -> None:
        """Apply a `posts` event by the rules."""
        channel = event["channel"]
        if channel not in self._followed:
            return
        epoch, number, since = self.cursors[channel]
        if event["epoch"] != epoch or event["from"] > number + 1 or self._inbox.blocked:
            self._followed.discard(channel)
            self.due = True
            return
        if event["to"] <= number:
            self._inbox.repeats += len(event["records"])
            return
        self._move(channel, (epoch, event["to"], since))
        told = range(since, self._inbox.known.get(channel, 0) + 1) if since else ()
        fresh = [r for r in event["records"] if r["n"] > number and r["n"] not in told]
        self._inbox.repeats += len(event["records"]) - len(fresh)
        if fresh:
            item = {"type": "records", "conversation": channel, "records": fresh}
            if event.get("amended"):
                item["amended"] = event["amended"]
            self._inbox.items.append(item)

    def unposted(self, channel: str, records: list[Item], known: int) -> list[Item]:
        """Of records that the inbox tells those that did not come as posts.

        `known`: the newest that it told before.
        """
        epoch, number, since = self.cursors.get(channel, _NOWHERE)
        if not since or records[0]["n"] > known + 1:
            self._move(channel, (epoch, number, records[0]["n"]))
        if epoch is None:
            return records
        return [r for r in records if r["n"] > number or r["type"] not in _FOR_READERS]

    def take_changes(self) -> dict[str, Cursor]:
        """The cursors that have moved since the last call."""
        changes, self._changes = self._changes, {}
        return changes

    @property
    def moved(self) -> bool:
        """A cursor has moved."""
        return bool(self._changes)

    def _move(self, channel: str, cursor: Cursor) -> None:
        if self.cursors.get(channel) != cursor:
            self.cursors[channel] = self._changes[channel] = cursor

    def _restart(self, channel: str, epoch: int, *, known: bool) -> None:
        """Begin anew; `known`: there may be records of the channel as it was before."""
        self._move(channel, (epoch, 0, 0))
        self.due = True
        if known:
            self._inbox.items.append({"type": RESTARTED, "channel": channel})

    def _end(self, channel: str, code: str) -> None:
        del self._wanted[channel]
        self._followed.discard(channel)
        self.notices.append(Unfollowed(channel, code))
