"""Reading conversations' logs, through a cache that never shows what was changed since.

Records are amended in place by touches (`records`), so a cached one may be out of date. One rule
keeps it from being shown: **a touch that is met drops its target**, if what is cached is older. A
touch is met when its conversation commits it, when somebody reads it, and when an activation takes
it in that did not know whether it was committed. A page that is being read meanwhile may be older
than the touch: each read under way has a note of what was touched since it began.

What was read a moment ago and is about to be shown is looked at again by `refreshed`: it costs
nothing unless its conversation was touched lately.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from beamish.messenger.ids import conversation_stream
from beamish.messenger.streams.journal_port import PAGE_BYTES, PAGE_RECORDS, JournalPort
from beamish.messenger.streams.log_part import Excerpt, Extract, LogPart
from beamish.messenger.streams.records import Record

NEAR = 16
"""Targets that are no farther apart are read in one page."""

LATELY = 1_024
"""Conversations remembered as touched lately, the newest."""


class LogReader:
    """Reads logs through a cache of at most `max_bytes`."""

    def __init__(self, port: JournalPort, max_bytes: int) -> None:
        self._port = port
        self._max_bytes = max_bytes
        self._bytes = 0
        self._records: OrderedDict[tuple[str, int], Record] = OrderedDict()
        self._under_way: dict[str, list[dict[int, int]]] = {}
        """By conversation, for each page being read: what was touched meanwhile, and by which."""
        self._lately: OrderedDict[str, None] = OrderedDict()

    def keep(self, conversation: str, record: Record) -> None:
        """Cache a record as it was committed or read, unless a newer form of it is there."""
        key = (conversation, record.n)
        if record.target:
            self.touched(conversation, record.target, record.n)
        known = self._records.get(key)
        if known is not None:
            if known.rev >= record.rev:
                return
            self._bytes -= known.size
        self._records[key] = record
        self._bytes += record.size
        while self._bytes > self._max_bytes:
            _, old = self._records.popitem(last=False)
            self._bytes -= old.size

    def touched(self, conversation: str, target: int, by: int) -> None:
        """Record `by` has changed record `target`: what is older must not be shown any more."""
        self._lately[conversation] = None
        self._lately.move_to_end(conversation)
        if len(self._lately) > LATELY:
            self._lately.popitem(last=False)
        known = self._records.get((conversation, target))
        if known is not None and known.rev < by:
            del self._records[conversation, target]
            self._bytes -= known.size
        for meanwhile in self._under_way.get(conversation, ()):
            meanwhile[target] = max(by, meanwhile.get(target, 0))

    async def read(self, conversation: str, first: int, last: int) -> list[Record]:
        """Records `first..last` of a log; raises JournalUnavailable or ValueError (too short)."""
        found: list[Record] = []
        n = first
        while n <= last:
            key = (conversation, n)
            cached = self._records.get(key)
            if cached is not None:
                self._records.move_to_end(key)
                found.append(cached)
                n += 1
            else:
                page = await self._read_page(conversation, n, last)
                found += page
                n += len(page)
        return found

    async def part(self, conversation: str, first: int, last: int) -> LogPart:
        """Records `first..last` with the targets of the touches among them."""
        records = await self.read(conversation, first, last)
        return LogPart(records, await self.targets(conversation, records))

    async def targets(
        self, conversation: str, records: Iterable[Record], lowest: int = 1
    ) -> dict[int, Record]:
        """The targets, from record `lowest` on, of the touches among `records`."""
        wanted = sorted({r.target for r in records if r.target >= lowest})
        found: dict[int, Record] = {}
        while wanted:
            last = first = wanted[0]
            for n in wanted:
                if n - last > NEAR:
                    break
                last = n
            found.update((r.n, r) for r in await self.read(conversation, first, last))
            wanted = [n for n in wanted if n > last]
        return found

    def refreshed(self, conversation: str, excerpt: Excerpt) -> Excerpt:
        """What was read or handed over a moment ago, as it is now; itself if that is the same."""
        if conversation not in self._lately:
            return excerpt
        present = self._present
        records = tuple([present(conversation, record) for record in excerpt.records])
        targets = {n: present(conversation, record) for n, record in excerpt.targets.items()}
        # Tuples and maps compare by identity first: records do not compare otherwise.
        if records == tuple(excerpt.records) and targets == excerpt.targets:
            return excerpt
        return Extract(records, targets)

    def all_refreshed(self, logs: Mapping[str, Excerpt]) -> Mapping[str, Excerpt]:
        """The same for the excerpts of several conversations."""
        if not self._lately:
            return logs
        return {
            conversation: self.refreshed(conversation, log) for conversation, log in logs.items()
        }

    def _present(self, conversation: str, record: Record) -> Record:
        known = self._records.get((conversation, record.n))
        return known if known is not None and known.rev > record.rev else record

    async def _read_page(self, conversation: str, first: int, last: int) -> list[Record]:
        """Records from `first` on; none when what was read is out of date already."""
        limit = min(PAGE_RECORDS, last - first + 1)
        stream = conversation_stream(conversation)
        meanwhile: dict[int, int] = {}
        under_way = self._under_way.setdefault(conversation, [])
        under_way.append(meanwhile)
        try:
            page = await self._port.read(stream, first, limit, PAGE_BYTES)
        finally:
            # By identity: two reads may have noted the same.
            under_way[:] = [other for other in under_way if other is not meanwhile]
            if not under_way:
                del self._under_way[conversation]
        if page.start != first or not page.records:
            raise ValueError(
                f"records {first}..{last} of {conversation} are asked for, but its log holds"
                f" {page.info.first}..{page.info.version}"
            )
        records: list[Record] = []
        for n, raw in enumerate(page.records, first):
            record = Record.from_journal(n, raw)
            if record.rev < meanwhile.get(n, 0):
                break
            self.keep(conversation, record)
            records.append(record)
        return records
