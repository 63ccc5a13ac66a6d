"""What nobody acknowledged is remembered in bounded memory, and exactly where it matters."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.users.state import Levels, UserState
from beamish.messenger.users.undelivered import Undelivered
from tests.beamish.messenger.test_user_state import mark, range_of


def entries(added):
    """(inbox number, conversation, last record) of ranges that come in this order."""
    n, lasts = 0, {}
    for step, conversation, grown in added:
        n += step
        lasts[conversation] = lasts.get(conversation, 0) + grown
        yield n, conversation, lasts[conversation]


added = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from("abc"), st.integers(1, 5)), max_size=60
)


@given(added=added, keep=st.integers(1, 40), drops=st.integers(0, 60), acked=st.integers(0, 240))
def test_recent_entries_are_exact_and_older_ones_are_the_newest_of_their_conversation(
    added, keep, drops, acked
):
    all_entries = list(entries(added))
    kept = Undelivered(keep)
    for entry in all_entries:
        kept.add(*entry)
    newest = all_entries[-1][0] if all_entries else 0
    recent = [e for e in all_entries if e[0] > newest - keep]
    old = [e for e in all_entries if e[0] <= newest - keep]
    last_of = {c: (n, c, last) for n, c, last in old}
    assert list(kept) == sorted(last_of.values()) + recent
    if acked > newest - keep:
        wanted = {c: last for n, c, last in all_entries if n <= acked}
        assert {c: last for n, c, last in kept if n <= acked} == wanted
    for _ in range(min(drops, len(kept))):
        first = kept.first
        assert first == next(iter(kept))
        kept.drop()
    restored = Undelivered(keep)
    restored.load(kept.dump())
    assert list(restored) == list(kept)
    assert len(kept) == len(list(kept))


def test_a_user_who_never_returns_costs_a_fixed_amount():
    def absent(ranges):
        tracemalloc.start()
        bob = UserState("bob", keep=1_000)
        for i in range(ranges):
            new = range_of(f"g{i % 3}", i // 3 + 1, i // 3 + 1)
            bob.apply(i + 1, {"t": "ranges", "r": [list(new)]})
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return bob, size

    some, some_bytes = absent(3_000)
    many, many_bytes = absent(15_000)
    assert many_bytes < 1.2 * some_bytes
    assert len(many.dump()) < 1.2 * len(some.dump())
    assert [many.unread(f"g{i}") for i in range(3)] == [5_000] * 3
    mark(many, acked=14_500)
    assert many.conversation("g1").levels == Levels(4_833, 0)
    mark(many, acked=15_000)
    assert many.conversation("g1").levels == Levels(5_000, 0)
    assert len(many.undelivered) == 0
