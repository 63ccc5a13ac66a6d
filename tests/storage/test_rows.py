from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from storage.rows import (
    CHUNK_BYTES,
    DamagedError,
    Row,
    batch_time,
    chunk_count,
    decode_batch,
    decode_row,
    encode_batches,
    encode_chunks,
    encode_row,
    is_row_key,
    record_key,
    row_key,
    split_key,
)
from storage.rules import Header

numbers = st.integers(0, (1 << 53) - 1)
records = st.lists(st.binary(max_size=3000), min_size=1, max_size=200)
rows = st.builds(
    Row, numbers, st.builds(Header, *[numbers] * 7), numbers, numbers, st.integers(0, (1 << 32) - 1)
)


@given(numbers, st.integers(1, 1 << 52), records, numbers)
def test_batches_give_back_their_records_in_order_without_gaps(stream_id, first, content, now_ms):
    at, found = first, []
    for key, value in encode_batches(stream_id, first, content, now_ms):
        number, batch = decode_batch(key, value)
        assert number == at
        assert split_key(key) == (stream_id, number + len(batch) - 1)
        assert batch_time(value) == now_ms
        assert not is_row_key(key)
        found += batch
        at += len(batch)
    assert found == content


@given(rows)
def test_a_row_is_read_as_it_was_written_and_lies_behind_all_records(row):
    assert decode_row(b"s", encode_row(row)) == row
    assert is_row_key(row_key(row.id))
    assert record_key(row.id, 1 << 53) < row_key(row.id) < record_key(row.id + 1, 0)


@given(rows, st.data())
def test_a_row_with_any_bit_changed_is_damaged(row, data):
    value = bytearray(encode_row(row))
    value[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamagedError):
        decode_row(b"s", bytes(value))


@given(records, st.data())
def test_a_batch_with_any_bit_changed_is_damaged(content, data):
    key, value = next(iter(encode_batches(7, 1, content, 5)))
    changed = bytearray(value)
    changed[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamagedError):
        decode_batch(key, bytes(changed))
    with pytest.raises(DamagedError):
        decode_batch(record_key(8, 1), value)


@given(st.integers(0, 3 * CHUNK_BYTES + 1))
def test_chunks_join_to_the_snapshot(size):
    data = bytes(number % 251 for number in range(size))
    chunks = list(encode_chunks(3, data))
    assert len(chunks) == chunk_count(size)
    assert b"".join(value for _, value in chunks) == data
    assert sorted(chunks) == chunks
