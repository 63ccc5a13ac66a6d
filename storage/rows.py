"""How a stream is laid out in an ordered key-value store (the LMDB engine's format 2).

Integers are big endian, so that keys sort by number. A stream gets a number of its own, its *id*,
when it is created: keys of records then take 16 bytes whatever the name.

=============  ===========================  =====================================================
database       key                          value
=============  ===========================  =====================================================
``meta``       ``format slots id next_id``  ASCII numbers, and the directory's id
``names``      name in UTF-8                stream id
``streams``    stream id, number            a batch of records: crc, ms UTC, count, [lengths], ...
``streams``    stream id, 2**64 - 1         `Row`: the header and where its bytes are
``snapshots``  stream id, chunk             a chunk of the snapshot
``pending``    slot, name                   ms UTC of the oldest open record
``sweep``      stream id                    name: truncated records remain to be removed
=============  ===========================  =====================================================

A stream's row sits right behind its last batch, so that an append changes one page, not two: what
a commit costs is the pages it writes.

One append becomes as few batches as fit into a page: a value that needs pages of its own costs a
search for neighbouring free ones. A batch is keyed by its *last* number, so that the first key at
or above (id, n) is the batch with record n. Snapshots are cut into chunks of just one page for the
same reason. Every value that carries content carries a checksum: LMDB has none.

A value that takes just one page fills it with zeros at its end (the batch then says how long its
record is, and has 0 for its count): LMDB takes such pages from those that it wrote before and does
not clear what the value leaves over, so texts that were deleted would reach the file, and all its
copies, once more. It does clear the last of several pages, and a copy leaves out what lies between
the values of a shared one. Format 1 is the same without the filling.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

from storage.rules import ABSENT, Header

BATCH_BYTES = 1800
BATCH_COUNT = 64
CHUNK_BYTES = 4096 - 16  # one overflow page of LMDB: a page less its header
SHARED_BYTES = (
    2014  # a larger value does not share a page: half of one less a node's header and key
)

_ROW = struct.Struct(">QQQQQQQQQQI")
_KEY = struct.Struct(">QQ")
_BATCH = struct.Struct(">IQH")
_LENGTH = struct.Struct(">I")
_ID = struct.Struct(">Q")
_ROW_NUMBER = (1 << 64) - 1
_SLOT = struct.Struct(">H")


class DamagedError(Exception):
    """What was read does not match its checksum; the message is a sentence."""


class Row(NamedTuple):
    """A stream as stored: ``swept``: no record below has bytes left; then where the snapshot is."""

    id: int = 0
    header: Header = ABSENT
    swept: int = 1
    snapshot_size: int = 0
    snapshot_crc: int = 0


NO_ROW = Row()


def row_key(stream_id: int) -> bytes:
    """The key of a stream's row, behind all its batches."""
    return _KEY.pack(stream_id, _ROW_NUMBER)


def is_row_key(key: bytes) -> bool:
    """Whether a key of database ``streams`` is a row's, not a batch's."""
    return key[8:] == b"\xff" * 8


def encode_row(row: Row) -> bytes:
    """The value at `row_key`."""
    stream_id, header, swept, size, crc = row
    body = _ROW.pack(stream_id, *header, swept, size, crc)
    return body + crc32(body).to_bytes(4, "big")


def decode_row(name: bytes, value: bytes | None) -> Row:
    """The row of the stream with this name; raises `DamagedError`."""
    body = b"" if value is None else value[:-4]
    if value is None or len(body) != _ROW.size or crc32(body).to_bytes(4, "big") != value[-4:]:
        raise DamagedError(
            f"the header of stream {name.decode(errors='replace')!r} is damaged; "
            "restore the directory from a backup"
        )
    f = _ROW.unpack(body)
    return Row(f[0], Header(*f[1:8]), f[8], f[9], f[10])


def record_key(stream_id: int, number: int) -> bytes:
    """The key of the batch that ends with this number, and the lower bound to search it by."""
    return _KEY.pack(stream_id, number)


def chunk_key(stream_id: int, index: int) -> bytes:
    """The key of a chunk of the stream's snapshot."""
    return _KEY.pack(stream_id, index)


def split_key(key: bytes) -> tuple[int, int]:
    """Stream id and number of a record's or chunk's key."""
    stream_id, number = _KEY.unpack(key)
    return stream_id, number


def encode_batches(
    stream_id: int, first: int, records: Sequence[bytes], now_ms: int
) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values for records numbered from ``first`` on."""
    if len(records) == 1:
        yield _encode_batch(stream_id, first, records, now_ms)
        return
    begin = volume = 0
    for index, record in enumerate(records):
        volume += len(record) + 4
        if index > begin and (volume > BATCH_BYTES or index - begin == BATCH_COUNT):
            yield _encode_batch(stream_id, first + index - 1, records[begin:index], now_ms)
            begin, volume = index, len(record) + 4
    yield _encode_batch(stream_id, first + len(records) - 1, records[begin:], now_ms)


def _encode_batch(
    stream_id: int, last: int, records: Sequence[bytes], now_ms: int
) -> tuple[bytes, bytes]:
    key = _KEY.pack(stream_id, last)
    count = len(records)
    if count == 1:
        count, body = _filled(records[0])
    else:
        body = struct.pack(f">{count}I", *map(len, records)) + b"".join(records)
    head = _BATCH.pack(0, now_ms, count)[4:]
    crc = crc32(body, crc32(head, crc32(key)))
    return key, b"".join((crc.to_bytes(4, "big"), head, body))


def _filled(record: bytes) -> tuple[int, bytes]:
    room = CHUNK_BYTES - _BATCH.size - _LENGTH.size
    if not SHARED_BYTES - _BATCH.size < len(record) <= room:
        return 1, record
    return 0, _LENGTH.pack(len(record)) + record.ljust(room, b"\0")


def decode_batch(key: bytes, value: bytes) -> tuple[int, list[bytes]]:
    """Number of the first record, and the records; raises `DamagedError`."""
    if len(value) < _BATCH.size or crc32(value[4:], crc32(key)) != int.from_bytes(value[:4], "big"):
        raise DamagedError(
            f"records up to number {split_key(key)[1]} of a stream are damaged; "
            "restore the directory from a backup"
        )
    _, _, count = _BATCH.unpack_from(value)
    last = split_key(key)[1]
    if count == 1:
        return last, [value[_BATCH.size :]]
    if count == 0:
        begin = _BATCH.size + _LENGTH.size
        (length,) = _LENGTH.unpack_from(value, _BATCH.size)
        return last, [value[begin : begin + length]]
    lengths = struct.unpack_from(f">{count}I", value, _BATCH.size)
    at = _BATCH.size + 4 * count
    records = []
    for length in lengths:
        records.append(value[at : at + length])
        at += length
    return last - count + 1, records


def amend_batch(
    key: bytes, value: bytes, number: int, amended: Mapping[int, bytes], first: int
) -> Iterator[tuple[bytes, bytes]]:
    """The batch found for ``number`` with other bytes for all its amended records.

    It keeps its time and its key; records that grew get batches of their own before it. Records
    below ``first`` are left out: in a batch of their own no sweep would find them. Raises
    `DamagedError`.
    """
    begin, records = decode_batch(key, value)
    if begin > number:
        raise DamagedError(missing(number))
    kept = max(begin, first)
    content = [amended.get(n, records[n - begin]) for n in range(kept, begin + len(records))]
    yield from encode_batches(split_key(key)[0], kept, content, batch_time(value))


def missing(number: int) -> str:
    """What is said of a record that should be there."""
    return f"record {number} of a stream is missing; restore the directory from a backup"


def batch_time(value: bytes) -> int:
    """When a batch was appended, ms UTC."""
    time_ms: int = _BATCH.unpack_from(value)[1]
    return time_ms


def encode_chunks(stream_id: int, data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values for a snapshot."""
    for index in range(chunk_count(len(data))):
        at = index * CHUNK_BYTES
        chunk = data[at : at + CHUNK_BYTES]
        if len(chunk) > SHARED_BYTES:
            chunk = chunk.ljust(CHUNK_BYTES, b"\0")
        yield chunk_key(stream_id, index), chunk


def chunk_count(size: int) -> int:
    """Chunks of a snapshot of ``size`` bytes."""
    return -(-size // CHUNK_BYTES)


def pending_key(slot: int, name: bytes) -> bytes:
    """The key of a pending stream; with an empty name the lower bound of a slot."""
    return _SLOT.pack(slot) + name


def encode_id(number: int) -> bytes:
    """A stream id, or a time, as 8 bytes."""
    return _ID.pack(number)


def decode_id(value: bytes) -> int:
    """The counterpart of `encode_id`."""
    return int.from_bytes(value, "big")


def snapshot_crc(data: bytes) -> int:
    """The checksum of a snapshot, kept in its stream's row."""
    return crc32(data)
