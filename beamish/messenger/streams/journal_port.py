"""The journal as actors use it: wait for an outcome without leaving the actors' scheduler.

An actor that waits here is parked by the runtime, not bound to a trio task, and its messages wait
in its mailbox. `LogReader` adds a bounded cache of records: committed records never change, so
what is in it is true for ever.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from actors import Signal
from beamish.messenger.ids import conversation_stream
from beamish.messenger.streams.records import Record
from storage import Journal, Operation, Read, Records, Refused

R = TypeVar("R")

PAGE_RECORDS = 512
PAGE_BYTES = 512 << 10


class JournalUnavailable(Exception):
    """A read was refused: the journal is closing, too busy or damaged."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(f"the journal refused to read ({refused.code}): {refused.message}")
        self.refused = refused


class JournalPort:
    """One journal, for any number of actors."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def perform(self, op: Operation[R]) -> R:
        """Submit `op` and park until its outcome is there."""
        signal: Signal[R] = Signal()
        self.journal.submit(op, lambda outcome: _set(signal, outcome))
        return await signal.wait()

    def begin(self, op: Operation[R]) -> None:
        """Submit an operation whose outcome nobody waits for: upkeep that is repeated anyway."""
        self.journal.submit(op, _ignore)

    async def read(self, stream: str, start: int, limit: int, max_bytes: int) -> Records:
        """Records of a stream from `start` on; raises JournalUnavailable when refused."""
        outcome = await self.perform(Read(stream, start, limit, max_bytes))
        if isinstance(outcome, Refused):
            raise JournalUnavailable(outcome)
        return outcome


def _set(signal: Signal[R], outcome: R) -> None:
    signal.set(outcome)


def _ignore(_outcome: object) -> None:
    pass


class LogReader:
    """Reads conversations' logs, through a cache of at most `max_bytes`."""

    def __init__(self, port: JournalPort, max_bytes: int) -> None:
        self._port = port
        self._max_bytes = max_bytes
        self._bytes = 0
        self._records: OrderedDict[tuple[str, int], Record] = OrderedDict()

    def keep(self, conversation: str, record: Record) -> None:
        """Cache a committed record."""
        key = (conversation, record.n)
        if key in self._records:
            return
        self._records[key] = record
        self._bytes += record.size
        while self._bytes > self._max_bytes:
            _, old = self._records.popitem(last=False)
            self._bytes -= old.size

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

    async def _read_page(self, conversation: str, first: int, last: int) -> list[Record]:
        limit = min(PAGE_RECORDS, last - first + 1)
        stream = conversation_stream(conversation)
        page = await self._port.read(stream, first, limit, PAGE_BYTES)
        if page.start != first or not page.records:
            raise ValueError(
                f"records {first}..{last} of {conversation} are asked for, but its log holds"
                f" {page.info.first}..{page.info.version}"
            )
        records = [Record.from_journal(first + i, raw) for i, raw in enumerate(page.records)]
        for record in records:
            self.keep(conversation, record)
        return records
