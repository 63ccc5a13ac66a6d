"""An inbox takes in exactly what the membership rule shows, in whatever portions it is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.streams.log_part import LogPart
from beamish.messenger.streams.records import Record
from beamish.messenger.streams.visibility import MAX_RANGE_RECORDS, Settings, visible_ranges
from beamish.messenger.users.state import Held, UserState, mark_bits, marked_numbers

SETTINGS = Settings("group", "Friends", True)
BASE = {"at": 1, "by": "alice"}


def log_of(kinds):
    """A log of a group: m a message of alice, @ one that mentions bob, M one of bob, which mentions
    himself and alice; j/l bob joins and leaves, r he is removed."""
    records = [
        Record.new(
            {
                "n": 1, "type": "create", "kind": "group", "title": "Friends", "open": True,
                "members": [["alice", "A", "owner"]], **BASE,
            }
        )
    ]  # fmt: skip
    inside, ordinal = False, 0
    for kind in kinds:
        n = len(records) + 1
        if kind in "m@M":
            if kind == "M" and not inside:
                continue
            ordinal += 1
            by = "bob" if kind == "M" else "alice"
            fields = {"n": n, "type": "message", "ordinal": ordinal, "text": "x", **BASE, "by": by}
            if kind != "m":
                fields["mentions"] = ["bob", "alice"]
        elif kind == "j" and not inside:
            inside = True
            fields = {"n": n, "type": "join", "display": "B", **BASE, "by": "bob"}
        elif kind == "l" and inside:
            inside = False
            fields = {"n": n, "type": "leave", **BASE, "by": "bob"}
        elif kind == "r" and inside:
            inside = False
            fields = {"n": n, "type": "remove", "user": "bob", **BASE}
        else:
            continue
        records.append(Record.new(fields))
    return records


def seen_by_bob(log):
    inside, seen = False, []
    for record in log:
        kind = record.fields["type"]
        about_bob = record.fields.get("user") == "bob" or record.fields["by"] == "bob"
        if kind == "join" and about_bob:
            inside = True
        if inside:
            seen.append(record.n)
        if kind in ("leave", "remove") and about_bob:
            inside = False
    return seen


kinds = st.text("mmm@Mjlr", max_size=60)


@given(kinds=kinds, cuts=st.lists(st.integers(0, 60), max_size=5))
def test_portions_do_not_change_what_is_seen_nor_what_is_unread(kinds, cuts):
    log = log_of(kinds)
    bob = UserState("bob")
    bounds = sorted({min(c, len(log)) for c in cuts} | {len(log)})
    start = 0
    for end in bounds:
        known = bob.conversations.get("g") or Held()
        part = [r for r in log[start:end] if r.n > known.held]
        ranges = visible_ranges("bob", "g", known, LogPart(part), SETTINGS) if part else []
        if ranges:
            bob.apply(bob.version + 1, {"t": "ranges", "r": [list(r) for r in ranges]})
        start = end
    told = [last for _, _, last in bob.undelivered]
    seen = seen_by_bob(log)
    others = [
        n
        for n in seen
        if log[n - 1].fields["type"] == "message" and log[n - 1].fields["by"] != "bob"
    ]
    assert bob.unread("g") == len(others)
    assert bob.mentions("g") == len([n for n in others if "mentions" in log[n - 1].fields])
    assert bob.held("g") == (seen[-1] if seen else 0)
    assert told == sorted(told)


@given(kinds=kinds)
def test_ranges_cover_what_is_seen_exactly_once(kinds):
    log = log_of(kinds)
    ranges = visible_ranges("bob", "g", Held(), LogPart(log), SETTINGS)
    covered = [n for r in ranges for n in range(r.first, r.last + 1)]
    assert covered == seen_by_bob(log)


def test_a_range_is_bounded_so_that_a_page_of_updates_is():
    log = log_of("j" + "m" * 1000)
    ranges = visible_ranges("bob", "g", Held(), LogPart(log), SETTINGS)
    assert max(r.last - r.first + 1 for r in ranges) == MAX_RANGE_RECORDS


def test_roles_follow_the_log():
    log = log_of("j")
    log.append(Record.new({"n": 3, "type": "role", "user": "bob", "role": "admin", **BASE}))
    assert visible_ranges("bob", "g", Held(), LogPart(log), SETTINGS)[-1].role == "admin"
    log.append(Record.new({"n": 4, "type": "leave", "owner": "bob", **BASE}))
    assert visible_ranges("bob", "g", Held(), LogPart(log), SETTINGS)[-1].role == "owner"


@given(st.sets(st.integers(5, 300)))
def test_bits_name_the_numbers_they_were_made_of(numbers):
    assert list(marked_numbers(5, mark_bits(numbers, 5, 300))) == sorted(numbers)
