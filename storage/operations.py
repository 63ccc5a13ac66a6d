"""What can be asked of a journal, and what it answers: values all, safe to keep, send and compare.

An operation knows the type of its outcome: ``journal.submit(Append(...), done)`` hands ``done`` an
`Appended`, `Conflict`, `OutcomeUnknown` or `Refused`. The contract behind them is the docstring of
`storage.journal`.

======================  ==============================================  ==========================
operation               does                                            outcome
======================  ==============================================  ==========================
`Append`                adds records, and may overwrite earlier ones     Appended, Conflict, ...
`Snapshot`              keeps a state as of a version                   Done, Conflict, ...
`Settle`                says that obligations up to a number are met    Done, Conflict, ...
`Truncate`              drops records that nobody needs any more        Done, Conflict, ...
`Load`                  snapshot and the records behind it              Loaded, Refused
`Read`                  records from a number on                        Records, Refused
`Describe`              how far many streams have come, in one batch    Described, Refused
`Pending`               streams with unsettled obligations, by slot     PendingStreams, Refused
`Scan`                  names with a prefix                             Names, Refused
======================  ==============================================  ==========================

The first four are writes (their ``...`` is `OutcomeUnknown` and `Refused`), the others reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

R = TypeVar("R")

MAX_RECORD_BYTES = 1 << 20
MAX_APPEND_RECORDS = 4096
MAX_AMENDMENTS = 4096
MAX_APPEND_BYTES = 4 << 20
MAX_SNAPSHOT_BYTES = 64 << 20
MAX_READ_BYTES = 16 << 20
MAX_LIMIT = 10_000
"""Most records, streams or names that one read may ask for."""

EPOCH_LIMIT = 1 << 53
"""Epochs stay below this, so that they survive a JSON number."""


class Operation(Generic[R]):
    """Base of all operations; ``R`` is the type of the outcome."""

    __slots__ = ()


# -- outcomes ------------------------------------------------------------------------------------

RefusalCode = Literal[
    "full",  # the disk is below its reserve (commands) or at its end (all writes)
    "busy",  # the queue is at its bound: try again later
    "closed",  # the journal is closing or closed
    "too_large",  # a record, an append, a snapshot or a limit is above its bound
    "bad_name",  # see storage.names
    "invalid",  # the operation makes no sense for this stream
    "io",  # the disk fails; nothing of this operation was begun
    "damaged",  # what is stored does not match its checksum
]


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """How far a stream has come.

    ``epoch``: 0 if the stream is absent, else 1 <= epoch < 2**53, new whenever the stream was
    created or restored. ``version``: number of the last record, 0 without one. ``first``: number of
    the oldest record kept (``version + 1`` if none is). ``settled``: no obligation is open up to
    here; it equals ``version`` when none is open at all. ``snapshot_version``: 0 without one.
    """

    stream: str
    epoch: int
    version: int
    first: int
    settled: int
    snapshot_version: int


@dataclass(frozen=True, slots=True)
class Appended:
    """On disk: the last record has number ``version``."""

    epoch: int
    version: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing was written: the stream stands elsewhere than expected, namely here."""

    epoch: int
    version: int


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """It may have been written, may not have been, or may still be: read the stream to learn it."""

    cause: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was written, nor will be. ``message`` is a sentence for people."""

    code: RefusalCode
    message: str


@dataclass(frozen=True, slots=True)
class Done:
    """It holds, by this operation or already before it; ``info`` is the stream thereafter."""

    info: StreamInfo

    @property
    def first(self) -> int:
        """Number of the oldest record kept."""
        return self.info.first


@dataclass(frozen=True, slots=True)
class Loaded:
    """``records[0]`` has number ``start``; ``more``: the stream goes on behind the last one."""

    info: StreamInfo
    snapshot: bytes | None
    start: int
    records: tuple[bytes, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Records:
    """``records[0]`` has number ``start``, at least the one asked for, more if it was truncated."""

    info: StreamInfo
    start: int
    records: tuple[bytes, ...]

    @property
    def more(self) -> bool:
        """Whether the stream goes on behind the last one."""
        return self.start + len(self.records) <= self.info.version


@dataclass(frozen=True, slots=True)
class Described:
    """In the order asked for; all as of one moment."""

    streams: tuple[StreamInfo, ...]


@dataclass(frozen=True, slots=True)
class PendingStream:
    """Obligations of ``stream`` are open from ``first_pending`` on.

    ``since_ms``: when record ``first_pending`` was appended, in ms UTC by the journal's clock.
    """

    stream: str
    first_pending: int
    version: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class PendingStreams:
    """Ordered by slot, then name."""

    streams: tuple[PendingStream, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Names:
    """In the order of their UTF-8 bytes."""

    names: tuple[str, ...]
    more: bool


AppendOutcome: TypeAlias = Appended | Conflict | OutcomeUnknown | Refused
UpkeepOutcome: TypeAlias = Done | Conflict | OutcomeUnknown | Refused

# -- writes --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Append(Operation[AppendOutcome]):
    """Add ``records`` if the stream's version is ``expected`` (0 creates it).

    ``epoch``: if given, the stream's must be this one as well; who holds state of the stream gives
    it, since after a restore the same version can stand for other records. ``pending``: the records
    carry obligations, open until a `Settle` at their last number or above. ``obligation``: the
    append itself carries out an obligation: it is committed behind commands, in slices, and goes on
    when a disk below its reserve refuses commands.

    ``amend``: numbers of earlier records, up to ``expected``, each once, with the bytes that they
    have from then on; all of it holds or nothing, together with the new records, of which there
    must be one. A number that was truncated is passed over. There are at most 4,096 of them, and
    their bytes count among those of the append (4 MiB).
    """

    stream: str
    expected: int
    records: tuple[bytes, ...]
    pending: bool = False
    obligation: bool = False
    epoch: int | None = None
    amend: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot(Operation[UpkeepOutcome]):
    """Keep ``data`` as the state at ``version``, unless there is a snapshot as new or newer."""

    stream: str
    version: int
    data: bytes
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Settle(Operation[UpkeepOutcome]):
    """The obligations of records up to ``upto`` are met. Never takes anything back."""

    stream: str
    upto: int
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Truncate(Operation[UpkeepOutcome]):
    """Drop records up to ``upto``, but none above the snapshot or with an open obligation."""

    stream: str
    upto: int
    epoch: int | None = None


# -- reads ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load(Operation[Loaded | Refused]):
    """The snapshot, and the records behind it (all, without one), as of one moment.

    At most ``max_records`` and about ``max_bytes`` of records, but at least one if there is one;
    `Read` gives the rest. Of an absent stream: epoch and version 0, nothing else.
    """

    stream: str
    max_records: int = 4096
    max_bytes: int = 4 << 20


@dataclass(frozen=True, slots=True)
class Read(Operation[Records | Refused]):
    """Records from number ``start`` on: at most ``limit``, about ``max_bytes``, at least one."""

    stream: str
    start: int
    limit: int = 1024
    max_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Describe(Operation[Described | Refused]):
    """How far these streams have come; absent ones have epoch and version 0."""

    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pending(Operation[PendingStreams | Refused]):
    """Streams with open obligations whose slot is in ``slots`` (a range with step 1; None: all).

    ``after``: go on behind this stream, the last one of the page before.
    """

    slots: range | None = None
    after: str | None = None
    limit: int = 1024


@dataclass(frozen=True, slots=True)
class Scan(Operation[Names | Refused]):
    """Names that begin with ``prefix`` and come after ``after``."""

    prefix: str = ""
    after: str | None = None
    limit: int = 1024


Write: TypeAlias = Append | Snapshot | Settle | Truncate
Query: TypeAlias = Load | Read | Describe | Pending | Scan
WriteOutcome: TypeAlias = Appended | Done | Conflict | OutcomeUnknown | Refused
QueryOutcome: TypeAlias = Loaded | Records | Described | PendingStreams | Names | Refused
