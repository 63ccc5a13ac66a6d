"""A conversation is a function of its log, and its rules are those of the protocol page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.conversations.actions import (
    CreateGroup,
    Delete,
    Edit,
    Invite,
    Join,
    Leave,
    React,
    Remove,
    SendText,
    SetRole,
)
from beamish.messenger.conversations.command_numbers import WINDOW, Result
from beamish.messenger.conversations.commands import Numbered
from beamish.messenger.conversations.draft import Draft
from beamish.messenger.conversations.effects import Interval
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.conversations.state import ConversationState
from tests.beamish.messenger.committed import DIRECT, GROUP, USERS, Log, code, group


def test_the_first_direct_message_creates_the_conversation_with_both_members():
    log = Log(DIRECT)
    assert log.do("alice", SendText("hi", (("alice", "Al"), ("bob", "Bob")))) == Result(2, 1, 1000)
    assert {u: m.display for u, m in log.state.members.items()} == {"alice": "Al", "bob": "Bob"}
    assert log.state.readable("bob") == Interval(1, 2)


def test_strangers_have_no_part_in_a_direct_conversation():
    log = Log(DIRECT)
    assert code(log.do("carol", SendText("hi"))) == "not_member"
    log.do("alice", SendText("hi"))
    assert code(log.do("carol", SendText("hi"))) == "not_member"
    assert code(log.do("carol", Join("Carol"))) == "not_member"
    assert log.state.readable("carol") is None


@pytest.mark.parametrize(
    "action", [Invite("carol", "C"), Leave(), Remove("bob"), SetRole("bob", "admin")]
)
def test_the_two_members_of_a_direct_conversation_are_fixed(action):
    log = Log(DIRECT)
    log.do("alice", SendText("hi"))
    assert code(log.do("alice", action)) == "forbidden"


def test_a_group_that_was_never_created_is_not_found():
    assert code(Log(GROUP).do("alice", SendText("hi"))) == "not_found"


def test_a_resend_gets_the_first_result_even_after_the_sender_has_left():
    log = group("bob", is_open=True)
    first = log.do("bob", SendText("hi"))
    log.do("bob", Leave())
    (again,) = log.commit(Numbered("bob", "phone", 1, "bob1", SendText("hi")))
    assert again == first
    assert code(log.do("bob", SendText("more"))) == "not_member"


def test_a_resend_in_the_same_batch_as_its_first_attempt_is_one_message():
    log = Log(DIRECT)
    command = Numbered("alice", "phone", 1, "t", SendText("hi"))
    one, two = log.commit(command, command)
    assert one == two
    assert log.state.ordinal == 1


def test_a_used_number_under_another_tag_is_refused_for_good():
    log = Log(DIRECT)
    log.do("alice", SendText("hi"))
    (answer,) = log.commit(Numbered("alice", "phone", 1, "other", SendText("hi")))
    assert code(answer) == "number_used"


def test_a_number_beyond_the_next_is_told_the_next():
    log = Log(DIRECT)
    log.do("alice", SendText("hi"))
    (answer,) = log.commit(Numbered("alice", "phone", 3, "t3", SendText("hi")))
    assert code(answer) == "expected"
    assert answer.expected == 2


def test_a_refusal_uses_no_number():
    log = group("bob")
    assert code(log.do("bob", Invite("carol", "C"))) == "forbidden"
    assert isinstance(log.do("bob", SendText("still number one")), Result)


def test_each_device_has_its_own_numbers():
    log = Log(DIRECT)
    assert isinstance(log.do("alice", SendText("a"), device="phone"), Result)
    assert isinstance(log.do("alice", SendText("b"), device="laptop"), Result)


def test_results_are_remembered_for_as_many_commands_as_may_be_unanswered():
    log = Log(DIRECT)
    results = [log.do("alice", SendText(str(i))) for i in range(WINDOW + 5)]
    oldest_kept = 5
    (answer,) = log.commit(
        Numbered("alice", "phone", oldest_kept + 1, f"alice{oldest_kept + 1}", SendText("x"))
    )
    assert answer == results[oldest_kept]
    (answer,) = log.commit(Numbered("alice", "phone", 1, "alice1", SendText("x")))
    assert code(answer) == "number_used"


def test_time_never_falls_within_a_log():
    log = Log(DIRECT)
    log.now = 5000
    log.do("alice", SendText("a"))
    log.now = 3000
    assert log.do("bob", SendText("b")).at == 5000


def test_open_groups_are_joined_closed_ones_are_not():
    assert isinstance(group(is_open=True).do("bob", Join("Bob")), Result)
    assert code(group().do("bob", Join("Bob"))) == "forbidden"
    assert code(group("bob").do("bob", Join("Bob"))) == "exists"


def test_only_owner_and_admins_invite_to_a_closed_group():
    log = group("bob")
    assert code(log.do("bob", Invite("carol", "C"))) == "forbidden"
    log.do("alice", SetRole("bob", "admin"))
    assert isinstance(log.do("bob", Invite("carol", "C")), Result)
    assert code(log.do("bob", Invite("carol", "C"))) == "exists"


def test_any_member_invites_to_an_open_group():
    assert isinstance(group("bob", is_open=True).do("bob", Invite("carol", "C")), Result)


def test_admins_remove_members_but_not_each_other():
    log = group("bob", "carol", "dave")
    assert code(log.do("bob", Remove("carol"))) == "forbidden"
    log.do("alice", SetRole("bob", "admin"))
    log.do("alice", SetRole("carol", "admin"))
    assert code(log.do("bob", Remove("carol"))) == "forbidden"
    assert isinstance(log.do("bob", Remove("dave")), Result)
    assert isinstance(log.do("alice", Remove("carol")), Result)
    assert code(log.do("alice", Remove("carol"))) == "not_found"
    assert code(log.do("alice", Remove("alice"))) == "bad_request"


def test_only_the_owner_gives_roles_and_handing_over_makes_an_admin():
    log = group("bob", "carol")
    assert code(log.do("bob", SetRole("carol", "admin"))) == "forbidden"
    assert code(log.do("alice", SetRole("dave", "admin"))) == "not_found"
    log.do("alice", SetRole("bob", "owner"))
    roles = {user: member.role for user, member in log.state.members.items()}
    assert roles == {"alice": "admin", "bob": "owner", "carol": "member"}


def test_an_owner_who_leaves_is_followed_by_the_longest_standing_admin_else_member():
    log = group("bob", "carol", "dave")
    log.do("alice", SetRole("dave", "admin"))
    log.do("alice", Leave())
    assert log.state.members["dave"].role == "owner"
    log.do("dave", Leave())
    assert log.state.members["bob"].role == "owner"


def test_the_first_to_join_an_empty_open_group_owns_it():
    log = group(is_open=True)
    log.do("alice", Leave())
    assert log.state.members == {}
    log.do("bob", Join("Bob"))
    assert log.state.members["bob"].role == "owner"


def test_a_full_group_takes_nobody():
    log = group("bob", is_open=True, cap=2)
    assert code(log.do("carol", Join("C"))) == "forbidden"
    assert code(log.do("alice", Invite("carol", "C"))) == "forbidden"
    full = Numbered("alice", "p", 1, "t", CreateGroup("x", False, "A", (("b", "B"), ("c", "C"))))
    assert code(Log(GROUP, 2).commit(full)[0]) == "forbidden"


def test_a_member_reads_from_the_latest_join_a_former_one_up_to_the_leaving():
    log = group("bob", is_open=True)
    log.do("alice", SendText("one"))
    log.do("bob", Leave())
    assert log.state.readable("bob") == Interval(1, 3)
    log.do("alice", SendText("unseen"))
    log.do("bob", Join("Bob"))
    log.do("alice", SendText("two"))
    assert log.state.readable("bob") == Interval(5, 6)


def test_those_who_left_unsettled_are_still_to_be_told_up_to_their_leaving():
    log = group("bob", is_open=True)
    log.do("bob", Leave())
    log.do("alice", SendText("later"))
    assert dict(log.state.recipients(settled=1)) == {"alice": 3, "bob": 2}
    assert dict(log.state.recipients(settled=2)) == {"alice": 3}


def test_nothing_new_is_taken_while_closed_but_resends_are_recognised():
    log = Log(DIRECT)
    first = log.do("alice", SendText("hi"))
    draft = Draft(log.state, 0, closed=Refusal("overloaded", "wait"))
    assert draft.decide(Numbered("alice", "phone", 1, "alice1", SendText("hi"))) == first
    answer = draft.decide(Numbered("alice", "phone", 2, "new", SendText("x")))
    assert code(answer) == "overloaded"
    assert draft.records == []


def test_a_message_answers_one_that_its_author_sees():
    log = group("bob", is_open=True)
    early = log.do("alice", SendText("early")).n
    log.do("bob", Leave())
    joined = log.do("bob", Join("Bob")).n
    late = log.do("alice", SendText("late")).n
    for nothing in (early, joined, late + 2, 99):
        assert code(log.do("bob", SendText("what?", reply=nothing))) == "not_found"
    answer = log.do("bob", SendText("yes", reply=late)).n
    assert log.fields(answer - 1)["reply"] == late
    assert "reply" not in log.fields(late - 1)
    assert code(Log(DIRECT).do("alice", SendText("hi", reply=1))) == "not_found"


def test_a_message_may_answer_one_of_its_own_batch():
    log = group("bob")
    said = Numbered("alice", "phone", 2, "a2", SendText("one"))
    answer = Numbered("bob", "phone", 1, "b1", SendText("two", reply=2))
    one, two = log.commit(said, answer)
    assert (one.n, two.n) == (2, 3)
    assert log.fields(2)["reply"] == 2


def test_only_members_are_mentioned():
    log = group("bob")
    log.do("alice", SendText("hi", mentions=("carol", "bob", "alice")))
    log.do("alice", SendText("nobody", mentions=("carol",)))
    log.do("alice", SendText("waves", action=True))
    mentioning, nobody, action = map(log.fields, (-3, -2, -1))
    assert mentioning["mentions"] == ["bob", "alice"]
    assert not nobody.keys() & {"mentions", "action", "reply"}
    assert action["action"] is True
    first = Log(DIRECT)
    first.do("alice", SendText("hi", mentions=("bob", "carol")))
    assert first.fields(1)["mentions"] == ["bob"]


def test_a_gap_in_the_log_is_refused():
    state = ConversationState(GROUP)
    with pytest.raises(ValueError, match="in order"):
        state.apply({"n": 2, "type": "message", "by": "a", "at": 1, "ordinal": 1})


actions = st.one_of(
    st.builds(SendText, st.text(min_size=1, max_size=5)),
    st.builds(
        SendText,
        st.just("x"),
        reply=st.integers(1, 12),
        mentions=st.lists(st.sampled_from(USERS), unique=True).map(tuple),
        action=st.booleans(),
    ),
    st.builds(Join, st.just("X")),
    st.just(Leave()),
    st.builds(Invite, st.sampled_from(USERS), st.just("X")),
    st.builds(Remove, st.sampled_from(USERS)),
    st.builds(SetRole, st.sampled_from(USERS), st.sampled_from(["owner", "admin", "member"])),
)
targets = st.integers(1, 12)
touches = st.one_of(
    st.builds(
        Edit,
        targets,
        st.text(min_size=1, max_size=3),
        mentions=st.lists(st.sampled_from(USERS), unique=True).map(tuple),
    ),
    st.builds(Delete, targets),
    st.builds(React, targets, st.sampled_from(["", "+", "-"]), st.just(2)),
)
actions = st.one_of(actions, touches)
steps = st.lists(st.tuples(st.sampled_from(USERS), actions), max_size=30)


@given(steps=steps, is_open=st.booleans(), cut=st.integers(0, 30))
def test_state_from_snapshot_and_rest_of_the_log_is_the_state_of_the_whole_log(steps, is_open, cut):
    log = group("bob", is_open=is_open)
    snapshots = {1: log.state.dump()}
    for user, action in steps:
        log.do(user, action)
        snapshots[log.state.version] = log.state.dump()
        owners = [u for u, member in log.state.members.items() if member.role == "owner"]
        assert len(owners) == (1 if log.state.members else 0)
    at = max(v for v in snapshots if v <= max(1, cut))
    restored = ConversationState.load(GROUP, snapshots[at])
    for n, raw in enumerate(log.records[at:], at + 1):
        restored.take(n, raw)
    assert restored.dump() == log.state.dump()


@given(steps=steps, batch=st.integers(1, 7))
def test_deciding_in_batches_gives_the_log_of_deciding_one_by_one(steps, batch):
    single, batched = group("bob", is_open=True), group("bob", is_open=True)
    commands, numbers = [], {"alice": 1}
    for i, (user, action) in enumerate(steps):
        number = numbers.get(user, 0) + 1
        command = Numbered(user, "phone", number, f"t{i}", action)
        (answer,) = single.commit(command)
        if isinstance(answer, Result):
            numbers[user] = number
        commands.append((command, answer))
    for start in range(0, len(commands), batch):
        part = commands[start : start + batch]
        answers = batched.commit(*(command for command, _ in part))
        assert [getattr(a, "code", a) for a in answers] == [getattr(a, "code", a) for _, a in part]
    assert batched.records == single.records
