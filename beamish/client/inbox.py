"""The cursor rules: what of an `updates` event is news, what is old, and what is missing.

Pure bookkeeping, no I/O. Let c be the cursor's number:

    other epoch            ignored; attach again
    to <= c                old: ignored and counted in `repeats`
    from <= c + 1 <= to    next: items above c are applied, the cursor becomes `to`
    from > c + 1           gap: ignored; fetch from c + 1

The cursor moves here when items are accepted, and in the store, with them, at the end of the frame;
between the two nothing is handed over or acknowledged.

After a snapshot a *plan* says what to read from history, conversation by conversation. Snapshot
rows may be newer than the cursor that comes with them, so updates then tell some records again:
below the plan's mark they are dropped. Anything else that a node tells twice is passed on: the
cursor rules are the only filter. What an item says of records that changed (`amended`) goes along
with its records.
"""

from __future__ import annotations

from beamish.client.following import Following
from beamish.client.store import Batch, StoredState
from beamish.client.wire import Item

RESUMED = "resumed"
SNAPSHOT = "snapshot"
"""Type of the item that the client itself puts in front of what a snapshot brings."""


class Inbox:
    """The cursor, and the items accepted since the last `batch`.

    `head`: the newest number heard of. `attached`: the node sends updates from the cursor on.
    `blocked`: accept nothing for now, the application has enough to do.
    """

    def __init__(self, state: StoredState) -> None:
        self.epoch, self.number = state.cursor
        self.known = state.known
        self.plan = state.plan
        self.sequence = state.sequence
        self.head = self.number
        self.attached = False
        self.blocked = False
        self.repeats = 0
        self.items: list[Item] = []
        self.following = Following(self, state.following)
        self._known_changes: dict[str, int] = {}
        self._plan_changes: dict[str, tuple[int, int] | None] = {}
        self._moved = False
        self._restart = False

    @property
    def cursor(self) -> tuple[int | None, int]:
        """`(epoch, number)`."""
        return self.epoch, self.number

    @property
    def missing(self) -> bool:
        """Numbers up to `head` have not all been accepted."""
        return self.head > self.number

    @property
    def to_read(self) -> list[tuple[str, int, int]]:
        """What is still to be read from history: conversation, position, last record."""
        return [(c, at, upto) for c, (at, upto) in self.plan.items() if at < upto]

    def attach_answered(self, answer: Item) -> None:
        """The node's answer to `attach`; updates may follow right behind it."""
        if answer["status"] == RESUMED:
            self.attached = True
            if self.epoch is None:
                self.epoch = answer["epoch"]
                self._moved = True
            self.head = max(self.number, self.head)

    def detached(self, _event: Item | None = None) -> None:
        """No more updates come on this connection."""
        self.attached = False

    def connection_lost(self) -> None:
        """The connection has ended: what it told of numbers to come is void."""
        self.attached = False
        self.head = self.number
        self.following.connection_lost()

    def updates(self, event: Item) -> None:
        """Apply an `updates` event, or the covering part of a `fetch` answer, by the rules."""
        if not self.attached:
            return
        if event["epoch"] != self.epoch:
            self.detached()
            return
        to = event["to"]
        self.head = max(self.head, to)
        first, items = event["from"], event["items"]
        if to <= self.number:
            self.repeats += len(items)
            return
        if first > self.number + 1 or self.blocked:
            return
        if first <= self.number:
            fresh = [item for item in items if item["n"] > self.number]
            self.repeats += len(items) - len(fresh)
            items = fresh
        self.number = to
        self._moved = True
        for item in items:
            if item["type"] == "records":
                self._accept(item)
            else:
                self.items.append(item)

    def _accept(self, item: Item) -> None:
        conversation, records = item["conversation"], item["records"]
        if conversation in self.plan:
            item = self._above_plan(item)
            records = item["records"]
        if records:
            self._tell(conversation, records, item)

    def _tell(self, conversation: str, records: list[Item], item: Item) -> None:
        """Have `records` of an item handed over, but for what posts of a channel have brought."""
        known, newest = self.known.get(conversation, 0), records[-1]["n"]
        if conversation.startswith("c:"):
            item = {**item, "records": self.following.unposted(conversation, records, known)}
        self.known[conversation] = self._known_changes[conversation] = newest
        if item["records"]:
            self.items.append(item)

    def _above_plan(self, item: Item) -> Item:
        """Leave out what history already gave; the first newer record ends the plan."""
        conversation, records = item["conversation"], item["records"]
        upto = self.plan[conversation][1]
        fresh = [record for record in records if record["n"] > upto]
        if fresh:
            del self.plan[conversation]
            self._plan_changes[conversation] = None
        if len(fresh) < len(records):
            self.repeats += 1
            item = {**item, "records": fresh}
        return item

    def fetched(self, answer: Item) -> None:
        """The node's answer to `fetch`."""
        if answer["status"] != RESUMED:
            self.detached()
            return
        if answer["to"] < answer["from"]:
            self.head = min(self.head, max(self.number, answer["number"]))
            return
        self.updates(answer)

    def page(
        self, conversation: str, records: list[Item], amended: list[Item], *, more: bool
    ) -> None:
        """A page of history that the plan asked for; without `more` the plan's mark is reached."""
        position, upto = self.plan[conversation]
        fresh = [record for record in records if position < record["n"] <= upto]
        if fresh:
            position = fresh[-1]["n"]
            item = {"type": "records", "conversation": conversation, "records": fresh}
            if amended:
                item["amended"] = amended
            self._tell(conversation, fresh, item)
        if not more or not fresh or len(fresh) < len(records):
            position = upto
        self.plan[conversation] = self._plan_changes[conversation] = (position, upto)

    def snapshot(self, reason: str, first: Item, rows: list[Item], *, fill: bool) -> None:
        """The cursor becomes that of a snapshot, its rows a plan to read what is lacking.

        `first` is its first page, `rows` are those of all. Of another epoch, what this device has
        means nothing any more: all is read again.
        """
        if reason in ("other_epoch", "ahead"):
            self.known.clear()
            self.plan.clear()
            self.following.restarted()
            self._restart = True
        self.epoch, self.number = first["epoch"], first["number"]
        self.head = self.number
        for row in rows:
            conversation, last = row["conversation"], row["last"]
            position = self.known.get(conversation, 0) if fill else last
            if position > last:
                continue
            self.plan[conversation] = self._plan_changes[conversation] = (position, last)
            if not fill:
                self.known[conversation] = self._known_changes[conversation] = last
        account = first.get("account") or {}
        self.items.append(
            {"type": SNAPSHOT, "reason": reason, "conversations": rows, "account": account}
        )
        self._moved = True

    def batch(self) -> Batch | None:
        """Everything accepted since the last batch, with the cursor behind it; None: nothing."""
        moved = self._moved or self.following.moved
        if not moved and not self.items and not self._plan_changes:
            return None
        self.sequence += len(self.items)
        batch = Batch(
            cursor=(self.epoch, self.number),
            items=self.items,
            sequence=self.sequence,
            known=self._known_changes,
            plan=self._plan_changes,
            following=self.following.take_changes(),
            restart=self._restart,
        )
        self.items = []
        self._known_changes, self._plan_changes = {}, {}
        self._moved = self._restart = False
        return batch
