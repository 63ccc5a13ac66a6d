"""What a write does to a stream, decided from the stream's header alone: pure, the same everywhere.

`plan` is called by an engine inside the transaction in which the change will be written, so every
guard (expected version, epoch, "only newer", "only forward") is checked against what the write will
really meet. `shape_fault` and `query_fault` check what needs no stream at all, before an operation
joins a queue: one bad operation must not spoil the group it would be committed with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from storage.names import name_fault
from storage.operations import (
    EPOCH_LIMIT,
    MAX_AMENDMENTS,
    MAX_APPEND_BYTES,
    MAX_APPEND_RECORDS,
    MAX_LIMIT,
    MAX_READ_BYTES,
    MAX_RECORD_BYTES,
    MAX_SNAPSHOT_BYTES,
    Append,
    Appended,
    Conflict,
    Describe,
    Done,
    Load,
    Pending,
    Query,
    Read,
    Refused,
    Scan,
    Settle,
    Snapshot,
    StreamInfo,
    Truncate,
    Write,
)

AMENDMENT_BYTES = 2048
"""What an amendment counts in a queue and a group beside its own bytes: the engine reads and writes
again what the record shares a value with."""


class Header(NamedTuple):
    """All that is known of a stream beside its records and its snapshot's bytes.

    ``obliged``: highest number with an open obligation, 0 if none is open. ``since_ms``: when the
    record ``settled + 1`` was appended, 0 if no obligation is open.
    """

    epoch: int = 0
    version: int = 0
    first: int = 1
    settled: int = 0
    obliged: int = 0
    since_ms: int = 0
    snapshot_version: int = 0

    def info(self, stream: str) -> StreamInfo:
        """The part of it that callers see."""
        return StreamInfo(
            stream, self.epoch, self.version, self.first, self.settled, self.snapshot_version
        )


ABSENT = Header()


class Change(NamedTuple):
    """What the engine has to write: the header, new records at its end, a new snapshot, amendments.

    Amendments are of records that are there before this change.
    Records below ``header.first`` are no longer readable, whether or not their bytes are gone yet.
    """

    header: Header
    records: tuple[bytes, ...] = ()
    snapshot: bytes | None = None
    amended: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a plan needs beside the header.

    ``now_ms``: wall clock. ``new_epoch()``: a random number in 1 .. 2**53 - 1. ``time_of(stream,
    number)``: when that record was appended (ms UTC).
    """

    now_ms: int
    new_epoch: Callable[[], int]
    time_of: Callable[[str, int], int]


Verdict = Appended | Done | Conflict | Refused


def plan(op: Write, header: Header, around: Surroundings) -> tuple[Verdict, Change | None]:
    """The outcome of a write once its change (None: nothing to write) is on disk."""
    if op.epoch is not None and op.epoch != header.epoch:
        return Conflict(header.epoch, header.version), None
    if isinstance(op, Append):
        return _plan_append(op, header, around)
    if not header.epoch:
        return Refused("invalid", f"stream {op.stream!r} does not exist; append to it first"), None
    if isinstance(op, Settle):
        return _plan_settle(op, header, around)
    if isinstance(op, Snapshot):
        return _plan_snapshot(op, header)
    return _plan_truncate(op, header)


def _plan_append(op: Append, header: Header, around: Surroundings) -> tuple[Verdict, Change | None]:
    if op.expected != header.version:
        return Conflict(header.epoch, header.version), None
    epoch, version, first, settled, obliged, since_ms, snapshot_version = header
    version += len(op.records)
    if not epoch:
        epoch = around.new_epoch()
    if op.pending:
        since_ms = since_ms if obliged else around.now_ms
        obliged = version
    elif not obliged:
        settled = version
    after = Header(epoch, version, first, settled, obliged, since_ms, snapshot_version)
    amended = tuple(entry for entry in op.amend if entry[0] >= first) if op.amend else ()
    return Appended(epoch, version), Change(after, op.records, amended=amended)


def _plan_settle(op: Settle, header: Header, around: Surroundings) -> tuple[Verdict, Change | None]:
    if op.upto > header.version:
        return Refused(
            "invalid",
            f"stream {op.stream!r} ends at {header.version}, so nothing can be settled up to "
            f"{op.upto}; load the stream again and settle what it holds",
        ), None
    if op.upto <= header.settled:
        return Done(header.info(op.stream)), None
    if op.upto >= header.obliged:
        after = header._replace(settled=header.version, obliged=0, since_ms=0)
    else:
        after = header._replace(settled=op.upto, since_ms=around.time_of(op.stream, op.upto + 1))
    return Done(after.info(op.stream)), Change(after)


def _plan_snapshot(op: Snapshot, header: Header) -> tuple[Verdict, Change | None]:
    if op.version > header.version:
        return Refused(
            "invalid",
            f"stream {op.stream!r} ends at {header.version}, so it has no state at {op.version}; "
            "load the stream again and snapshot what it holds",
        ), None
    if op.version <= header.snapshot_version:
        return Done(header.info(op.stream)), None
    after = header._replace(snapshot_version=op.version)
    return Done(after.info(op.stream)), Change(after, snapshot=op.data)


def _plan_truncate(op: Truncate, header: Header) -> tuple[Verdict, Change | None]:
    first = min(op.upto, header.snapshot_version, header.settled) + 1
    if first <= header.first:
        return Done(header.info(op.stream)), None
    after = header._replace(first=first)
    return Done(after.info(op.stream)), Change(after)


# -- what needs no stream ------------------------------------------------------------------------


def size_of(op: Write) -> int:
    """Bytes that a queued write holds on to, for the queue's bound."""
    if isinstance(op, Append):
        size = 256 + len(op.stream) + sum(map(len, op.records)) + 64 * len(op.records)
        return size + sum(len(raw) + AMENDMENT_BYTES for _, raw in op.amend)
    if isinstance(op, Snapshot):
        return 256 + len(op.stream) + len(op.data)
    return 256 + len(op.stream)


def shape_fault(op: Write) -> Refused | None:
    """Why no stream could take this write, or None."""
    fault = name_fault(op.stream)
    if fault is not None:
        return Refused("bad_name", fault)
    if isinstance(op, Append):
        return _append_fault(op)
    if isinstance(op, Snapshot):
        if len(op.data) > MAX_SNAPSHOT_BYTES:
            return _too_large("a snapshot", len(op.data), MAX_SNAPSHOT_BYTES)
        number = op.version
    else:
        number = op.upto
    if not 0 <= number < EPOCH_LIMIT:
        return Refused("invalid", f"{number} is no record number; use 0 or more, below 2**53")
    return None


def _append_fault(op: Append) -> Refused | None:
    if not op.records:
        return Refused("invalid", "an append without records does nothing; give at least one")
    if not 0 <= op.expected < EPOCH_LIMIT - MAX_APPEND_RECORDS:
        return Refused("invalid", f"{op.expected} is no version; use 0 or more, below 2**53")
    if len(op.records) > MAX_APPEND_RECORDS:
        return Refused(
            "too_large",
            f"an append of {len(op.records)} records is above the bound of {MAX_APPEND_RECORDS}; "
            "use several appends",
        )
    sizes = [*map(len, op.records), *(len(raw) for _, raw in op.amend)]
    largest, total = max(sizes), sum(sizes)
    if largest > MAX_RECORD_BYTES:
        return _too_large("a record", largest, MAX_RECORD_BYTES)
    if total > MAX_APPEND_BYTES:
        return _too_large("an append", total, MAX_APPEND_BYTES)
    return _amend_fault(op) if op.amend else None


def _amend_fault(op: Append) -> Refused | None:
    numbers = [number for number, _ in op.amend]
    if len(numbers) > MAX_AMENDMENTS:
        return Refused(
            "too_large",
            f"an append of {len(numbers)} amendments is above the bound of {MAX_AMENDMENTS}; "
            "use several appends",
        )
    if len(set(numbers)) < len(numbers):
        return Refused("invalid", "a record is amended twice by one append; say once what it holds")
    if not (min(numbers) >= 1 and max(numbers) <= op.expected):
        return Refused(
            "invalid",
            f"an append that expects version {op.expected} can amend records 1 to {op.expected}, "
            f"not {min(numbers)} to {max(numbers)}; amend what the stream holds",
        )
    return None


def _too_large(what: str, size: int, bound: int) -> Refused:
    return Refused("too_large", f"{what} of {size} bytes is above the bound of {bound}; split it")


def query_fault(op: Query) -> Refused | None:
    """Why no journal could answer this query, or None."""
    if isinstance(op, Describe):
        return _names_fault(op.streams) or _limit_fault(len(op.streams), "streams", least=0)
    if isinstance(op, (Load, Read)):
        fault = name_fault(op.stream)
        if fault is not None:
            return Refused("bad_name", fault)
        if not 0 <= op.max_bytes <= MAX_READ_BYTES:
            return _too_large("a read", op.max_bytes, MAX_READ_BYTES)
        return _limit_fault(op.max_records if isinstance(op, Load) else op.limit, "records")
    if isinstance(op, Pending) and op.slots is not None and op.slots.step != 1:
        return Refused("invalid", f"{op.slots!r} has gaps; ask for a range of slots with step 1")
    assert isinstance(op, (Pending, Scan))
    bounds = (op.after or "", op.prefix) if isinstance(op, Scan) else (op.after or "",)
    fault_of_bounds = _names_fault(bound for bound in bounds if bound)
    if fault_of_bounds is not None:
        return fault_of_bounds
    return _limit_fault(op.limit, "names")


def _names_fault(names: Iterable[str]) -> Refused | None:
    for name in names:
        fault = name_fault(name)
        if fault is not None:
            return Refused("bad_name", fault)
    return None


def _limit_fault(limit: int, what: str, least: int = 1) -> Refused | None:
    if least <= limit <= MAX_LIMIT:
        return None
    return Refused(
        "too_large", f"a read of {limit} {what} is out of bounds; ask for {least} to {MAX_LIMIT}"
    )
