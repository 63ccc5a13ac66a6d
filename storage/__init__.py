"""Journals: append-only streams of records with fences, obligations, snapshots.

The contract is the docstring of `storage.journal`; `open_lmdb` and `open_memory` open one.
"""

from __future__ import annotations

from storage.backup_manifest import Backup, BackupError, read_manifest, verify_backup
from storage.directory import DirectoryError
from storage.journal import Journal
from storage.lmdb_backup import backup
from storage.lmdb_check import Finding, check
from storage.lmdb_engine import LmdbJournal, open_lmdb
from storage.lmdb_restore import compact, restore
from storage.memory import MemoryFaults, MemoryJournal, open_memory
from storage.memory_disk import MemoryDisk
from storage.names import MAX_NAME_BYTES, SLOTS, slot_of
from storage.operations import (
    MAX_AMENDMENTS,
    MAX_APPEND_BYTES,
    MAX_APPEND_RECORDS,
    MAX_LIMIT,
    MAX_READ_BYTES,
    MAX_RECORD_BYTES,
    MAX_SNAPSHOT_BYTES,
    Append,
    Appended,
    AppendOutcome,
    Conflict,
    Describe,
    Described,
    Done,
    Load,
    Loaded,
    Names,
    Operation,
    OutcomeUnknown,
    Pending,
    PendingStream,
    PendingStreams,
    Query,
    QueryOutcome,
    Read,
    Records,
    Refused,
    Scan,
    Settle,
    Snapshot,
    StreamInfo,
    Truncate,
    UpkeepOutcome,
    Write,
    WriteOutcome,
)
from storage.statistics import JournalStatistics

__all__ = [
    "MAX_AMENDMENTS",
    "MAX_APPEND_BYTES",
    "MAX_APPEND_RECORDS",
    "MAX_LIMIT",
    "MAX_NAME_BYTES",
    "MAX_READ_BYTES",
    "MAX_RECORD_BYTES",
    "MAX_SNAPSHOT_BYTES",
    "SLOTS",
    "Append",
    "AppendOutcome",
    "Appended",
    "Backup",
    "BackupError",
    "Conflict",
    "Describe",
    "Described",
    "DirectoryError",
    "Done",
    "Finding",
    "Journal",
    "JournalStatistics",
    "LmdbJournal",
    "Load",
    "Loaded",
    "MemoryDisk",
    "MemoryFaults",
    "MemoryJournal",
    "Names",
    "Operation",
    "OutcomeUnknown",
    "Pending",
    "PendingStream",
    "PendingStreams",
    "Query",
    "QueryOutcome",
    "Read",
    "Records",
    "Refused",
    "Scan",
    "Settle",
    "Snapshot",
    "StreamInfo",
    "Truncate",
    "UpkeepOutcome",
    "Write",
    "WriteOutcome",
    "backup",
    "check",
    "compact",
    "open_lmdb",
    "open_memory",
    "read_manifest",
    "restore",
    "slot_of",
    "verify_backup",
]
