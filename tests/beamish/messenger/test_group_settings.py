"""What a group agrees on: its info, rights, pace, links and bans, each a function of its log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger import messages as m
from beamish.messenger.conversations.actions import (
    Ban,
    CreateLink,
    Invite,
    Join,
    Leave,
    Remove,
    RevokeLink,
    SendText,
    SetInfo,
    SetPermissions,
    SetRole,
    SetSlowMode,
    Unban,
)
from beamish.messenger.conversations.answers import description
from beamish.messenger.conversations.charter import MAX_LINKS, link_id
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.streams.records import role_change
from tests.beamish.messenger.committed import DIRECT, GROUP, USERS, Log, code, group

SECRET = "s" * 22
OTHER = "o" * 22


def done(answer):
    assert isinstance(answer, Result), answer
    return answer


def with_admin(*members):
    log = group("bob", "carol", *members)
    done(log.do("alice", SetRole("bob", "admin")))
    return log


def described(log, user, link=None):
    return description(log.state, m.Describe(user, link), log.now)


def test_title_description_and_openness_change_one_by_one():
    log = with_admin()
    done(log.do("bob", SetInfo(title="New")))
    done(log.do("alice", SetInfo(description="What for")))
    done(log.do("alice", SetInfo(open=True)))
    done(log.do("alice", SetInfo(title="Newer")))
    assert (log.state.title, log.state.open) == ("Newer", True)
    assert log.state.charter.description == "What for"


def test_members_change_the_info_only_when_they_have_the_right():
    log = group("bob")
    assert code(log.do("bob", SetInfo(title="Mine"))) == "forbidden"
    done(log.do("alice", SetPermissions(info="member")))
    done(log.do("bob", SetInfo(title="Mine")))


def test_only_the_owner_says_who_may_do_what_and_what_is_not_named_stays():
    log = with_admin()
    assert code(log.do("bob", SetPermissions(post="admin"))) == "forbidden"
    done(log.do("alice", SetPermissions(post="admin")))
    assert log.state.charter.permissions == ("admin", "admin", "admin")
    assert code(log.do("carol", SendText("hi"))) == "forbidden"
    done(log.do("bob", SendText("hi")))
    done(log.do("alice", SetPermissions(post="owner")))
    assert code(log.do("bob", SendText("hi"))) == "forbidden"
    done(log.do("alice", SendText("hi")))


def test_invitations_follow_the_right_to_invite():
    log = with_admin()
    assert code(log.do("carol", Invite("dave", "D"))) == "forbidden"
    done(log.do("alice", SetPermissions(invite="member")))
    done(log.do("carol", Invite("dave", "D")))


def test_opening_a_group_lets_members_invite_unless_rights_were_set():
    log = with_admin()
    done(log.do("alice", SetInfo(open=True)))
    done(log.do("carol", Invite("dave", "D")))
    log = with_admin()
    done(log.do("alice", SetPermissions(invite="admin")))
    done(log.do("alice", SetInfo(open=True)))
    assert code(log.do("carol", Invite("dave", "D"))) == "forbidden"


def test_slow_mode_makes_members_wait_and_says_how_long():
    log = with_admin()
    assert code(log.do("carol", SetSlowMode(10))) == "forbidden"
    done(log.do("bob", SetSlowMode(10)))
    done(log.do("carol", SendText("one")))
    log.now += 4_000
    answer = log.do("carol", SendText("two"))
    assert code(answer) == "rate_limited"
    assert answer.retry_after_ms == 6_000
    done(log.do("bob", SendText("admins need not wait")))
    done(log.do("bob", SendText("ever")))
    log.now += 6_000
    done(log.do("carol", SendText("two")))
    done(log.do("bob", SetSlowMode(0)))
    done(log.do("carol", SendText("at once")))


def test_slow_mode_holds_within_one_batch():
    log = with_admin()
    done(log.do("bob", SetSlowMode(10)))
    done(log.do("carol", SendText("one")))
    assert log.state.spoke == {"carol": 1000}
    done(log.do("bob", SetSlowMode(5)))
    assert log.state.spoke == {}


def test_a_link_lets_into_a_closed_group_as_often_as_it_says():
    log = with_admin()
    assert code(log.do("dave", Join("D", SECRET))) == "forbidden"
    done(log.do("bob", CreateLink(SECRET, uses=1)))
    assert code(log.do("dave", Join("D", OTHER))) == "forbidden"
    done(log.do("dave", Join("D", SECRET)))
    assert log.state.members["dave"].role == "member"
    assert code(log.do("erin", Join("E", SECRET))) == "forbidden"


def test_a_link_ends_at_its_time():
    log = with_admin()
    done(log.do("alice", CreateLink(SECRET, expires_at=log.now + 1000)))
    log.now += 1000
    assert code(log.do("dave", Join("D", SECRET))) == "forbidden"
    assert code(log.do("alice", CreateLink(OTHER, expires_at=log.now))) == "bad_request"


def test_a_resent_join_by_a_used_up_link_gets_its_first_result():
    log = with_admin()
    done(log.do("bob", CreateLink(SECRET, uses=1)))
    first = done(log.do("dave", Join("D", SECRET)))
    log.numbers.clear()
    assert log.do("dave", Join("D", SECRET)) == first
    assert log.state.links[link_id(SECRET)].used == 1


def test_a_link_is_revoked_by_admins_and_its_maker():
    log = with_admin("dave")
    done(log.do("alice", SetPermissions(invite="member")))
    done(log.do("carol", CreateLink(SECRET)))
    assert code(log.do("dave", RevokeLink(link_id(SECRET)))) == "forbidden"
    assert code(log.do("dave", RevokeLink("x" * 16))) == "not_found"
    done(log.do("carol", RevokeLink(link_id(SECRET))))
    assert code(log.do("erin", Join("E", SECRET))) == "forbidden"
    done(log.do("carol", CreateLink(SECRET)))
    done(log.do("bob", RevokeLink(link_id(SECRET))))


def test_who_may_not_invite_makes_no_links():
    assert code(with_admin().do("carol", CreateLink(SECRET))) == "forbidden"


def test_links_are_bounded_and_dead_ones_make_room():
    log = with_admin()
    for number in range(MAX_LINKS):
        done(log.do("alice", CreateLink(f"{number:022}", expires_at=log.now + 1000)))
    assert code(log.do("alice", CreateLink(SECRET))) == "forbidden"
    log.now += 1000
    done(log.do("alice", CreateLink(SECRET)))
    assert list(log.state.links) == [link_id(SECRET)]


def test_the_log_does_not_hold_the_secret_of_a_link():
    log = with_admin()
    done(log.do("bob", CreateLink(SECRET)))
    done(log.do("dave", Join("D", SECRET)))
    assert not any(SECRET.encode() in raw for raw in log.records)
    assert SECRET.encode() not in log.state.dump()


def test_a_banned_user_is_out_and_comes_in_by_no_way():
    log = with_admin("dave")
    done(log.do("alice", SetInfo(open=True)))
    done(log.do("bob", CreateLink(SECRET)))
    ban = done(log.do("bob", Ban("dave")))
    assert "dave" not in log.state.members
    assert log.state.former["dave"].last == ban.n
    assert code(log.do("dave", Join("D"))) == "forbidden"
    assert code(log.do("dave", Join("D", SECRET))) == "forbidden"
    assert code(log.do("alice", Invite("dave", "D"))) == "forbidden"
    assert code(described(log, "dave")) == "not_member"
    done(log.do("alice", Unban("dave")))
    done(log.do("dave", Join("D")))


def test_banning_follows_the_rules_of_removing():
    log = with_admin("dave")
    assert code(log.do("carol", Ban("dave"))) == "forbidden"
    assert code(log.do("bob", Ban("alice"))) == "forbidden"
    assert code(log.do("bob", Ban("bob"))) == "bad_request"
    assert code(log.do("carol", Unban("dave"))) == "forbidden"
    assert code(log.do("bob", Unban("dave"))) == "not_found"
    done(log.do("bob", Ban("erin")))
    assert code(log.do("bob", Ban("erin"))) == "exists"


def test_a_ban_of_somebody_who_is_no_member_changes_nobody_else():
    log = with_admin()
    done(log.do("bob", Ban("erin")))
    done(log.do("bob", Ban("carol")))
    assert role_change(log.fields(-2), "erin") == (False, None)
    assert role_change(log.fields(-1), "carol") == (True, None)
    assert role_change(log.fields(-1), "bob") == (False, None)


@pytest.mark.parametrize(
    "action",
    [
        SetInfo(title="x"),
        SetPermissions(post="admin"),
        SetSlowMode(1),
        CreateLink(SECRET),
        RevokeLink("x" * 16),
        Ban("carol"),
        Unban("carol"),
    ],
)
def test_a_direct_conversation_and_a_stranger_have_no_group_settings(action):
    log = Log(DIRECT)
    assert code(log.do("alice", action)) == "forbidden"
    log.do("alice", SendText("hi"))
    assert code(log.do("alice", action)) == "forbidden"
    assert code(with_admin().do("erin", action)) == "not_member"
    assert code(Log(GROUP).do("alice", action)) == "not_found"


def test_members_are_told_what_holds_and_only_admins_who_is_kept_out():
    log = with_admin()
    done(log.do("alice", SetInfo(description="What for")))
    done(log.do("bob", CreateLink(SECRET, uses=3)))
    done(log.do("bob", Ban("dave")))
    told = described(log, "carol")
    assert (told.count, told.charter.description, told.bans, told.links) == (
        3,
        "What for",
        None,
        None,
    )
    told = described(log, "bob")
    assert told.bans == ("dave",)
    assert [name for name, _ in told.links] == [link_id(SECRET)]


def test_who_has_a_link_sees_what_it_leads_to_and_nothing_more():
    log = with_admin()
    done(log.do("bob", CreateLink(SECRET)))
    assert code(described(log, "erin")) == "not_member"
    assert code(described(log, "erin", OTHER)) == "not_member"
    told = described(log, "erin", SECRET)
    assert (told.settings.title, told.count, told.members, told.version) == ("Friends", 3, (), 1)


actions = st.one_of(
    st.builds(SetInfo, st.sampled_from(["a", "b"]), st.none(), st.none() | st.booleans()),
    st.builds(SetPermissions, *[st.sampled_from([None, "member", "admin", "owner"])] * 3),
    st.builds(SetSlowMode, st.integers(0, 3)),
    st.builds(
        CreateLink,
        st.sampled_from([SECRET, OTHER]),
        st.none() | st.just(3000),
        st.none() | st.just(1),
    ),
    st.builds(RevokeLink, st.sampled_from([link_id(SECRET), link_id(OTHER)])),
    st.builds(Ban, st.sampled_from(USERS)),
    st.builds(Unban, st.sampled_from(USERS)),
    st.builds(Join, st.just("X"), st.sampled_from([None, SECRET, OTHER])),
    st.builds(Invite, st.sampled_from(USERS), st.just("X")),
    st.builds(Remove, st.sampled_from(USERS)),
    st.builds(SetRole, st.sampled_from(USERS), st.sampled_from(["admin", "member"])),
    st.just(Leave()),
    st.just(SendText("x")),
)


@given(
    steps=st.lists(st.tuples(st.sampled_from(USERS), actions, st.integers(0, 1500)), max_size=25),
    cut=st.integers(0, 25),
)
def test_a_snapshot_holds_all_that_was_agreed_on_and_the_banned_stay_out(steps, cut):
    log = group("bob", is_open=True)
    for user, action, pause in steps:
        log.now += pause
        log.do(user, action)
        assert not set(log.state.bans) & set(log.state.members)
        owners = [u for u, member in log.state.members.items() if member.role == "owner"]
        assert len(owners) == (1 if log.state.members else 0)
    early = ConversationState(GROUP)
    for n, raw in enumerate(log.records[:cut], 1):
        early.take(n, raw)
    copy = ConversationState.load(GROUP, early.dump())
    for n, raw in enumerate(log.records[cut:], early.version + 1):
        copy.take(n, raw)
    assert copy.dump() == log.state.dump()
