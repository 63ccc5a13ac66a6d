"""An inbox is a function of its stream; its levels only rise."""

from __future__ import annotations

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.users.mentions import MAX_MENTIONS
from beamish.messenger.users.state import Levels, Range, UserState, mark_bits


def range_of(conversation, first, last, others=None, mentioned=()):
    numbers = range(first, last + 1) if others is None else others
    bits = mark_bits(numbers, first, last)
    settings = ("member", 1, "group", "T", False)
    return Range(conversation, first, last, bits, *settings, last, 7, mentioned)


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
    assert fields["m"] == [["a", 4, 4, 0, 0]]
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
    assert state.propose_marks(0, {"a": 2}, arriving)["m"] == [["a", 2, 2, 1, 0]]


def test_mentions_are_counted_above_the_read_mark():
    state = inbox(range_of("a", 1, 4, mentioned=[2, 4]), range_of("a", 5, 6, mentioned=[5]))
    assert state.mentions("a") == 3
    fields = mark(state, reads={"a": 2})
    assert fields["m"] == [["a", 2, 2, 4, 2]]
    assert UserState.load("bob", state.dump()).mentions("a") == 2
    arriving = [range_of("a", 7, 9, others=[7, 8], mentioned=[8])]
    assert state.propose_marks(0, {"a": 6}, arriving)["m"] == [["a", 6, 6, 2, 1]]
    mark(state, reads={"a": 6})
    assert state.mentions("a") == 0


def test_of_many_mentions_the_newest_are_counted():
    state = inbox(range_of("a", 1, 3, mentioned=[1, 2, 3]))
    state.apply(2, {"t": "ranges", "r": [list(range_of("a", 4, 1_003, [], range(4, 1_004)))]})
    assert state.mentions("a") == MAX_MENTIONS
    assert len(UserState.load("bob", state.dump()).conversation("a").mentions) == MAX_MENTIONS
    arriving = [range_of("a", 1_004, 1_004, mentioned=[1_004])]
    (row,) = state.propose_marks(0, {"a": 3}, arriving)["m"]
    state.apply(3, {"t": "ranges", "r": [list(arriving[0])]})
    state.apply(4, {"t": "marks", "a": 0, "m": [row]})
    assert state.mentions("a") == row[4] == MAX_MENTIONS
    mark(state, reads={"a": 503})
    assert state.mentions("a") == 501


def test_streams_and_snapshots_without_mentions_are_read():
    state = inbox(range_of("a", 1, 4))
    plain = msgpack.unpackb(state.dump())
    for row in plain["conversations"]:
        del row[14:]
    old = UserState.load("bob", msgpack.packb(plain))
    old.apply(2, {"t": "ranges", "r": [list(range_of("a", 5, 6))[:11]]})
    old.apply(3, {"t": "marks", "a": 1, "m": [["a", 4, 4, 2]]})
    assert old.unread("a") == 2
    assert old.mentions("a") == 0
    assert UserState.load("bob", old.dump()).dump() == old.dump()


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
        st.tuples(st.just("mention"), st.sampled_from("abc"), st.integers(1, 5)),
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
        elif op == "mention":
            held = state.held(one)
            new = range_of(one, held + 1, held + two, mentioned=[held + two])
            commit({"t": "ranges", "r": [list(new)]})
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
