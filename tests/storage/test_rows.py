from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from storage.rows import (
    CHUNK_BYTES,
    SHARED_BYTES,
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


@pytest.mark.parametrize("size", [0, 1999, 2000, 2001, 3000, 4061, 4062, 4063, 4066, 4067, 9000])
def test_a_batch_that_takes_just_one_page_fills_it_but_for_three_bytes(size):
    record = bytes(number % 255 + 1 for number in range(size))
    ((key, value),) = encode_batches(7, 5, [record], 1000)
    assert decode_batch(key, value) == (5, [record])
    assert batch_time(value) == 1000
    alone = SHARED_BYTES < len(value) <= CHUNK_BYTES
    assert not alone or len(value) >= CHUNK_BYTES - 3
    assert alone == (2001 <= size <= 4066)


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
    joined = b"".join(value for _, value in chunks)
    assert joined[:size] == data
    assert not any(joined[size:])
    assert all(len(value) <= SHARED_BYTES or len(value) == CHUNK_BYTES for _, value in chunks)
    assert sorted(chunks) == chunks
