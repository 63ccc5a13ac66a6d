from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from storage.oldest import SPARE, OldestPending

streams = st.sampled_from("abcde")


@given(st.lists(st.tuples(streams, st.one_of(st.none(), st.integers(0, 20))), max_size=100))
def test_the_oldest_is_the_least_time_of_all_that_are_pending(changes):
    oldest = OldestPending()
    pending = {}
    for stream, since in changes:
        if since is None:
            oldest.drop(stream)
            pending.pop(stream, None)
        else:
            oldest.put(stream, since)
            pending[stream] = since
        assert oldest.since_ms == min(pending.values(), default=None)
        assert len(oldest) == len(pending)


def test_a_stream_that_stays_pending_for_ever_does_not_let_the_heap_grow():
    oldest = OldestPending()
    oldest.put("stuck", 0)
    for turn in range(10 * SPARE):
        oldest.put("busy", turn + 1)
    assert len(oldest._heap) <= SPARE + 5
    assert oldest.since_ms == 0
