"""Unread counts are exact at every read mark, in memory that does not grow with what is unread."""

from __future__ import annotations

from array import array

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.streams.log_part import LogPart
from beamish.messenger.streams.visibility import visible_ranges
from beamish.messenger.users import unread as unread_module
from beamish.messenger.users.state import Held, UserState, mark_bits
from beamish.messenger.users.unread import MAX_RUNS, SHARE, Unread, seen_above
from tests.beamish.messenger.test_user_state import inbox, mark, range_of
from tests.beamish.messenger.test_visibility import SETTINGS, kinds, log_of, seen_by_bob

DIRECT = "d:alice:bob"


@pytest.fixture(autouse=True, scope="module")
def few_runs():
    """Bounds so low that short logs exceed them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unread_module, "MAX_RUNS", 4)
        patch.setattr(unread_module, "SHARE", 2)
        yield


def holding(log):
    bob = UserState("bob")
    for r in visible_ranges("bob", "g", Held(), LogPart(log), SETTINGS) if log else []:
        bob.apply(bob.version + 1, {"t": "ranges", "r": [list(r)]})
    return bob


@given(kinds=kinds, reads=st.lists(st.integers(0, 70), max_size=4))
def test_counts_are_exact_wherever_one_stops_reading(kinds, reads):
    log = log_of(kinds)
    bob = holding(log)
    others = [
        n
        for n in seen_by_bob(log)
        if log[n - 1].fields["type"] == "message" and log[n - 1].fields["by"] != "bob"
    ]
    for read in reads:
        stretch = bob.unsure("g", read)
        seen = {}
        if stretch is not None:
            records = [r for r in log if stretch[0] <= r.n <= stretch[1]]
            seen["g"] = stretch, seen_above("bob", records, len(log))
        fields = bob.propose_marks(0, {"g": read}, (), seen)
        if fields is not None:
            bob.apply(bob.version + 1, fields)
            bob = UserState.load("bob", bob.dump())
            left = [n for n in others if n > bob.conversation("g").levels.read]
            assert fields["m"][0][3] == len(left)
        assert bob.unread("g") == len([n for n in others if n > bob.conversation("g").levels.read])


@given(st.sets(st.integers(1, 2_000)), st.integers(1, 5), st.integers(0, 2_000))
def test_runs_are_bounded_and_a_loose_one_spans_a_share_only(numbers, portions, read):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unread_module, "MAX_RUNS", 32)
        patch.setattr(unread_module, "SHARE", 8)
        unread = Unread()
        for first in range(1, 2_001, 2_000 // portions):
            last = first + 2_000 // portions - 1
            unread.add(first, mark_bits((n for n in numbers if first <= n <= last), first, last))
    assert unread.total == len(numbers)
    assert len(Unread.load(unread.dump()).dump()) <= 1 + 2 * 3 * 32
    stretch = unread.unsure(read)
    if stretch is None:
        assert unread.above(read) == len([n for n in numbers if n > read])
    else:
        assert stretch[0] == read + 1
        assert stretch[1] in numbers
        assert stretch[1] - read <= 2_000 // 8 + 1


def test_a_reader_who_never_reads_costs_a_fixed_amount(monkeypatch):
    monkeypatch.setattr(unread_module, "MAX_RUNS", MAX_RUNS)
    monkeypatch.setattr(unread_module, "SHARE", SHARE)
    bob = UserState("bob")
    for i in range(30_000):
        # Every second record is bob's own, so that no two unread ones are neighbours.
        bob.apply(
            i + 1, {"t": "ranges", "r": [list(range_of("g", 2 * i + 1, 2 * i + 2, [2 * i + 1]))]}
        )
    assert bob.unread("g") == 30_000
    assert len(bob.conversation("g").unread.dump()) <= 12 << 10
    assert len(bob.dump()) < 64 << 10


def test_a_mark_that_was_not_counted_is_not_raised():
    state = inbox(*(range_of("a", n, n) for n in range(1, 40, 2)))
    stretch = state.unsure("a", 10)
    assert stretch is not None
    assert state.propose_marks(0, {"a": 10}) is None
    assert state.propose_marks(0, {"a": 10}, (), {"a": ((1, 2), 0)}) is None
    assert state.propose_marks(0, {"a": 10}, (), {"a": (stretch, 4)}) is not None


def test_snapshots_of_the_first_form_are_read():
    state = inbox(range_of("a", 1, 9, [2, 3, 5]), range_of("b", 1, 2))
    plain = msgpack.unpackb(state.dump())
    del plain["form"]
    plain["undelivered"] = list(state.undelivered)
    for row, unread in zip(plain["conversations"], ([2, 3, 5], [1, 2]), strict=True):
        row[12] = array("Q", unread).tobytes()
    old = UserState.load("bob", msgpack.packb(plain))
    assert old.dump() == state.dump()
    mark(old, reads={"a": 3})
    assert old.unread("a") == 1


async def test_reading_up_to_the_middle_of_much_counts_what_is_left(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await world.talker("alice"), await world.talker("bob")
        ns = []
        for i in range(12):
            ns.append((await alice.send(DIRECT, f"a{i}"))["n"])
            await bob.send(DIRECT, f"b{i}")
        await bob.until(lambda: len(bob.texts(DIRECT)) == 24)
        user = world.node.system.whereis(("user", "bob"))
        assert user.actor.state.unsure(DIRECT, ns[1]) is not None
        for i in (1, 3, 9, 11):
            ok = await bob.question("read", conversation=DIRECT, upto=ns[i])
            assert ok == {"read": ns[i], "unread": 11 - i, "mentions": 0}
