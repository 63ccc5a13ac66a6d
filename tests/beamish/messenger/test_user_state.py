"""An inbox is a function of its stream; its levels only rise."""

from __future__ import annotations

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.users.state import Levels, Range, UserState, mark_bits


def range_of(conversation, first, last, others=None):
    numbers = range(first, last + 1) if others is None else others
    bits = mark_bits(numbers, first, last)
    return Range(conversation, first, last, bits, "member", 1, "group", "T", False, last, 7)


def inbox(*ranges):
    state = UserState("bob")
    for new in ranges:
        state.apply(state.version + 1, {"t": "ranges", "r": [list(new)]})
    return state


def mark(state, acked=0, reads=None):
    fields = state.propose_marks(acked, reads or {})
    if fields is not None:
        state.apply(state.version + 1, fields)
    return fields


def test_acknowledging_an_inbox_number_delivers_what_was_held_there():
    state = inbox(range_of("a", 1, 4), range_of("b", 1, 2), range_of("a", 5, 9))
    mark(state, acked=2)
    assert state.conversation("a").levels == Levels(4, 0)
    assert state.conversation("b").levels == Levels(2, 0)
    mark(state, acked=3)
    assert state.conversation("a").levels == Levels(9, 0)


def test_acknowledging_less_or_the_same_again_changes_nothing():
    state = inbox(range_of("a", 1, 4))
    assert mark(state, acked=1) is not None
    assert mark(state, acked=1) is None
    assert mark(state, acked=0) is None


def test_marks_that_no_range_caused_are_not_acknowledged_for_ever():
    state = inbox(range_of("a", 1, 4))
    mark(state, acked=1)
    assert mark(state, acked=state.version) is None


def test_reading_raises_delivered_too_and_is_clamped_to_what_is_held():
    state = inbox(range_of("a", 1, 4))
    fields = mark(state, reads={"a": 99})
    assert state.conversation("a").levels == Levels(4, 4)
    assert fields["m"] == [["a", 4, 4, 0]]
    assert state.unread("a") == 0


def test_unread_are_the_messages_of_others_above_the_read_mark():
    state = inbox(range_of("a", 1, 10, others=[2, 3, 7]))
    assert state.unread("a") == 3
    fields = mark(state, reads={"a": 3})
    assert fields["m"][0][3] == 1
    assert state.unread("a") == 1


def test_ranges_arriving_with_a_mark_count_as_unread_in_it():
    state = inbox(range_of("a", 1, 2))
    arriving = [range_of("a", 3, 5, others=[4])]
    assert state.propose_marks(0, {"a": 2}, arriving)["m"] == [["a", 2, 2, 1]]


def test_receipts_only_rise():
    state = inbox(range_of("a", 1, 4))
    fields = state.propose_receipts([("a", "carol", Levels(4, 2))])
    state.apply(state.version + 1, fields)
    assert state.propose_receipts([("a", "carol", Levels(3, 2))]) is None
    assert state.propose_receipts([("a", "carol", Levels(3, 3))])["r"] == [["a", "carol", 4, 3]]


def test_marks_are_owed_until_settled():
    state = inbox(range_of("a", 1, 4), range_of("b", 1, 4))
    mark(state, acked=1)
    first = state.version
    mark(state, acked=2)
    assert [c for c, _, _ in state.owed_marks(settled=0)] == ["a", "b"]
    assert [c for c, _, _ in state.owed_marks(settled=first)] == ["b"]
    assert list(state.owed_marks(settled=state.version)) == []


ops = st.lists(
    st.one_of(
        st.tuples(st.just("range"), st.sampled_from("abc"), st.integers(1, 5)),
        st.tuples(st.just("ack"), st.integers(0, 40), st.just(0)),
        st.tuples(st.just("read"), st.sampled_from("abc"), st.integers(0, 30)),
        st.tuples(st.just("receipt"), st.sampled_from("abc"), st.integers(0, 30)),
    ),
    max_size=40,
)


@given(ops=ops, cut=st.integers(0, 40))
def test_state_from_snapshot_and_rest_is_the_state_of_the_whole_stream(ops, cut):
    state, stream, snapshots = UserState("bob"), [], {0: None}

    def commit(fields):
        if fields is not None:
            stream.append(msgpack.packb(fields))
            state.take(len(stream), stream[-1])
            snapshots[len(stream)] = state.dump()

    for op, one, two in ops:
        before = {c: h.levels for c, h in state.conversations.items()}
        if op == "range":
            held = state.held(one)
            commit({"t": "ranges", "r": [list(range_of(one, held + 1, held + two))]})
        elif op == "ack":
            commit(state.propose_marks(one, {}))
        elif op == "read":
            commit(state.propose_marks(0, {one: two}))
        else:
            commit(state.propose_receipts([(one, None, Levels(two, two // 2))]))
        for c, levels in before.items():
            now = state.conversation(c).levels
            assert now.delivered >= levels.delivered
            assert now.read >= levels.read
    at = min(cut, len(stream))
    restored = UserState.load("bob", snapshots[at])
    for n, raw in enumerate(stream[at:], at + 1):
        restored.take(n, raw)
    assert restored.dump() == state.dump()
