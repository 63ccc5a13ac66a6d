"""Edits, reactions and deletions are decided by the rules of the protocol page, and leave records
that show every reader as much as it may see."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.conversations.actions import (
    Delete,
    Edit,
    Invite,
    Join,
    Leave,
    React,
    SendText,
    SetRole,
)
from beamish.messenger.conversations.actions.blocks import MarkBlock
from beamish.messenger.conversations.commands import Numbered
from beamish.messenger.streams.as_of import as_of
from beamish.messenger.streams.records import Record, counted_mentions
from tests.beamish.messenger.committed import DIRECT, Log, code, group

MANY = 100


def said(log, user="alice", text="secret", **fields):
    return log.do(user, SendText(text, **fields)).n


def test_an_edit_leaves_its_text_in_the_message_and_a_small_record_in_the_log():
    log = group("bob")
    n = said(log, reply=None)
    edit = log.do("alice", Edit(n, "open"))
    assert (edit.n, edit.ordinal) == (n + 1, 0)
    assert log.fields(-1).items() >= {"type": "edit", "target": n, "by": "alice"}.items()
    message = log.fields(n - 1)
    assert (message["text"], message["rev"], message["edited"]) == ("open", n + 1, n + 1)
    assert (message["ordinal"], message["tag"], message["at"]) == (1, "alice2", 1000)


def test_whom_an_edit_mentions_is_shown_but_not_counted():
    log = group("bob", "carol")
    n = said(log, mentions=("bob",))
    log.do("alice", Edit(n, "x", mentions=("carol", "dave")))
    message = log.fields(n - 1)
    assert message["mentions"] == ["carol"]
    assert counted_mentions(message) == ["bob"]
    log.do("alice", Edit(n, "y"))
    assert "mentions" not in log.fields(n - 1)
    assert counted_mentions(log.fields(n - 1)) == ["bob"]
    log.do("alice", Edit(n, "z", mentions=("bob",)))
    assert "mentioned" not in log.fields(n - 1)
    late = said(log)
    log.do("alice", Edit(late, "x", mentions=("bob",)))
    assert counted_mentions(log.fields(late - 1)) == []


def test_a_deleted_message_says_nothing_any_more():
    log = group("bob")
    n = said(log, mentions=("bob",), action=True, reply=None)
    log.do("bob", React(n, "+", MANY))
    log.do("alice", Edit(n, "still secret", mentions=("alice",)))
    deleted = log.do("alice", Delete(n)).n
    assert log.fields(n - 1) == {
        "n": n, "type": "message", "ordinal": 1, "by": "alice", "at": 1000, "device": "phone",
        "number": 2, "tag": "alice2", "rev": deleted, "deleted": deleted, "deleted_by": "alice",
    }  # fmt: skip


def test_reactions_are_one_for_each_user_in_the_order_of_their_making():
    log = group("bob", "carol")
    n = said(log)
    first = log.do("bob", React(n, "+", MANY)).n
    second = log.do("carol", React(n, "+", MANY)).n
    assert log.fields(n - 1)["reactions"] == [["bob", "+", first], ["carol", "+", second]]
    again = log.do("bob", React(n, "-", MANY)).n
    assert log.fields(n - 1)["reactions"] == [["carol", "+", second], ["bob", "-", again]]
    log.do("carol", React(n, "", MANY))
    assert log.fields(n - 1)["reactions"] == [["bob", "-", again]]
    log.do("bob", React(n, "", MANY))
    gone = log.do("bob", React(n, "", MANY)).n
    assert "reactions" not in log.fields(n - 1)
    assert log.fields(n - 1)["rev"] == gone


def test_a_message_has_a_bounded_number_of_reactions():
    log = group("bob", "carol")
    n = said(log)
    log.do("alice", React(n, "+", 2))
    log.do("bob", React(n, "+", 2))
    assert code(log.do("carol", React(n, "+", 2))) == "forbidden"
    log.do("bob", React(n, "-", 2))
    log.do("alice", React(n, "", 2))
    assert log.do("carol", React(n, "+", 2)).n


def test_authors_edit_and_delete_admins_delete_members_react():
    log = group("bob", "carol")
    n = said(log, "bob")
    assert code(log.do("alice", Edit(n, "x"))) == "forbidden"
    assert code(log.do("carol", Delete(n))) == "forbidden"
    assert log.do("carol", React(n, "+", MANY)).n
    log.do("alice", SetRole("carol", "admin"))
    deleted = log.do("carol", Delete(n)).n
    assert log.fields(n - 1)["deleted_by"] == "carol"
    for touch in (Edit(n, "x"), Delete(n), React(n, "+", MANY)):
        assert code(log.do("bob", touch)) == "not_found"
    assert log.state.version == deleted
    pair = Log(DIRECT)
    n = said(pair)
    assert code(pair.do("bob", Delete(n))) == "forbidden"
    assert pair.do("alice", Delete(n)).n


@pytest.mark.parametrize("touch", [lambda n: Edit(n, "x"), Delete, lambda n: React(n, "+", MANY)])
def test_only_messages_that_one_sees_can_be_touched(touch):
    log = group("bob", is_open=True)
    n = said(log, "bob")
    assert code(log.do("carol", touch(n))) == "not_member"
    left = log.do("bob", Leave()).n
    assert code(log.do("bob", touch(n))) == "not_member"
    joined = log.do("bob", Join("Bob")).n
    for nothing in (n, left, joined, joined + 1, joined + 2, 999):
        assert code(log.do("bob", touch(nothing))) == "not_found"
    assert code(Log(DIRECT).do("bob", touch(1))) == "not_found"
    assert code(Log(DIRECT).do("carol", touch(1))) == "not_member"


def test_a_message_and_several_touches_of_it_go_into_one_batch():
    log = group("bob")
    early = said(log)
    answers = log.commit(
        Numbered("alice", "phone", 3, "a3", SendText("late")),
        Numbered("alice", "phone", 4, "a4", Edit(early, "one")),
        Numbered("bob", "phone", 1, "b1", React(early, "+", MANY)),
        Numbered("bob", "phone", 2, "b2", React(3, "+", MANY)),
        Numbered("alice", "phone", 5, "a5", Edit(early, "two")),
        Numbered("alice", "phone", 6, "a6", Edit(3, "later")),
        Numbered("alice", "phone", 7, "a7", Delete(early)),
        Numbered("bob", "phone", 3, "b3", React(early, "-", MANY)),
    )
    assert [answer.n for answer in answers[:7]] == [3, 4, 5, 6, 7, 8, 9]
    assert code(answers[7]) == "not_found"
    assert log.fields(early - 1)["deleted"] == 9
    assert log.fields(2)["text"] == "later"
    assert log.fields(2)["reactions"] == [["bob", "+", 6]]
    assert log.fields(2)["rev"] == 8


def test_after_a_block_messages_of_a_pair_can_only_be_deleted():
    log = Log(DIRECT)
    mine, other = said(log), said(log, "bob")
    log.owe("alice", MarkBlock(on=True, level=1))
    for user, own, peers in (("alice", mine, other), ("bob", other, mine)):
        assert code(log.do(user, Edit(own, "x"))) == "forbidden"
        assert code(log.do(user, React(peers, "+", MANY))) == "forbidden"
    assert log.do("alice", Delete(mine)).n
    assert log.do("bob", Delete(other)).n


def test_a_resent_touch_gets_its_first_result():
    log = group("bob")
    n = said(log)
    command = Numbered("alice", "phone", 3, "gone", Delete(n))
    first, again = log.commit(command, command)
    assert first == again
    assert log.commit(command) == [first]
    assert log.state.version == first.n


moves = st.lists(
    st.tuples(
        st.sampled_from(["say", "edit", "delete", "react", "say", "react"]),
        st.sampled_from(["alice", "bob"]),
        st.integers(0, 3),
        st.sampled_from(["", "+", "-"]),
    ),
    min_size=8,
    max_size=24,
)


@given(moves=moves)
def test_a_record_as_of_an_earlier_one_shows_what_was_there_and_nothing_later(moves):
    log = group("bob")
    messages, versions = [], {}
    for i, (move, user, which, emoji) in enumerate(moves):
        target = messages[-1 - which % len(messages)] if messages else 99
        if move == "say":
            messages.append(said(log, user, f"text {i}", mentions=("alice",)))
        elif move == "edit":
            log.do(user, Edit(target, f"edit {i}", mentions=("bob",) if emoji else ()))
        elif move == "delete":
            log.do(user, Delete(target))
        else:
            log.do(user, React(target, emoji, MANY))
        versions[log.state.version] = [msgpack.unpackb(raw) for raw in log.records]
    for last, then in versions.items():
        for fields, was in zip(map(msgpack.unpackb, log.records), then, strict=False):
            seen = as_of(Record.new(fields), last)
            now_rev = fields.get("rev", 0)
            if now_rev <= last or "deleted" in fields:
                assert seen == fields
                continue
            assert seen.get("rev", 0) <= was.get("rev", 0)
            assert all(n <= last for _, _, n in seen.get("reactions", ()))
            left = [row for row in was.get("reactions", []) if row in fields.get("reactions", [])]
            assert seen.get("reactions", []) == left
            assert list(counted_mentions(seen)) == list(counted_mentions(was))
            if fields.get("edited", 0) > last:
                assert seen["withheld"] is True
                assert not seen.keys() & {"text", "mentions", "edited", "rev"}
            else:
                kept = ("text", "mentions", "edited", "ordinal", "by", "tag")
                assert [seen.get(key) for key in kept] == [was.get(key) for key in kept]


def test_a_touch_does_not_change_what_is_known_of_a_conversation():
    log = group("bob")
    n = said(log)
    before = log.state.dump()
    log.do("alice", Delete(n))
    log.do("alice", Invite("carol", "C"))
    plain, touched = msgpack.unpackb(before), msgpack.unpackb(log.state.dump())
    assert plain["o"] == touched["o"]
    assert plain["authors"] == touched["authors"]
