"""Commands: proper ones become values, all others a refusal that names the field."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamish.protocol import (
    COMMANDS,
    DEFAULT_LIMITS,
    MAX_INTEGER,
    RETRYABLE,
    Attach,
    CreateGroup,
    ErrorCode,
    Fetch,
    History,
    Limits,
    Refusal,
    Register,
    Send,
    parse,
    reply_id,
    wants_reply,
)

GROUP = "g:" + "a2" * 12
CHANNEL = "c:" + "a2" * 12
NUMBERED = {"number": 1, "tag": "Zk3v9QpL0aXw"}
IN_GROUP = {"conversation": GROUP, **NUMBERED}
ON_ACCOUNT = {"conversation": "@", **NUMBERED}

ATTRIBUTES = {("fetch", "from"): "start", ("name_device", "name"): "shown"}
"""Fields that are called otherwise in Python."""

PROPER = [
    {"command": "hello", "versions": [1]},
    {"command": "hello", "versions": [1, 2], "client": "example/1"},
    {"command": "register", "user": "alice", "password": "correct horse"},
    {
        "command": "register",
        "user": "a.b_c-9",
        "password": "x" * 256,
        "display": "Alice Ä",
        "device_name": "phone",
    },
    {"command": "login", "user": "alice", "password": "correct horse"},
    {"command": "resume", "token": "abc_DEF-123"},
    {"command": "logout"},
    {"command": "ping"},
    {"command": "user", "user": "bob"},
    {"command": "snapshot"},
    {"command": "snapshot", "after": GROUP},
    {"command": "attach", "number": 0},
    {"command": "attach", "number": 5, "epoch": 7},
    {"command": "fetch", "epoch": 7, "from": 1},
    {"command": "fetch", "epoch": 7, "from": 1, "limit": 500},
    {"command": "ack", "number": 9},
    {"command": "send", "conversation": "d:alice:bob", "text": "hello", **NUMBERED},
    {
        "command": "send",
        "conversation": GROUP,
        "text": "waves",
        "reply": 4,
        "mentions": ["bob", "carol"],
        "action": True,
        **NUMBERED,
    },
    {"command": "edit", "target": 4, "text": "wave", **IN_GROUP},
    {"command": "edit", "target": 4, "text": "wave", "mentions": ["bob"], **IN_GROUP},
    {"command": "delete", "target": 4, **IN_GROUP},
    {"command": "react", "target": 4, "emoji": "\U0001f44b\U0001f3fd", **IN_GROUP},
    {"command": "react", "target": 4, "emoji": "", **IN_GROUP},
    {"command": "create_group", "title": "Friends", **NUMBERED},
    {"command": "create_group", "title": "F", "open": True, "members": ["bob"], **NUMBERED},
    {"command": "invite", "user": "bob", **IN_GROUP},
    {"command": "join", **IN_GROUP},
    {"command": "join", "link": "s" * 22, **IN_GROUP},
    {"command": "leave", **IN_GROUP},
    {"command": "remove", "user": "bob", **IN_GROUP},
    {"command": "set_role", "user": "bob", "role": "admin", **IN_GROUP},
    {"command": "set_info", "title": "New", **IN_GROUP},
    {"command": "set_info", "description": "a\nb", "open": True, **IN_GROUP},
    {"command": "set_permissions", "post": "admin", **IN_GROUP},
    {"command": "set_permissions", "invite": "member", "info": "owner", **IN_GROUP},
    {"command": "set_slow_mode", "seconds": 0, **IN_GROUP},
    {"command": "create_link", "link": "s" * 64, **IN_GROUP},
    {"command": "create_link", "link": "s" * 22, "expires_at": 5, "uses": 1, **IN_GROUP},
    {"command": "revoke_link", "link": "i" * 16, **IN_GROUP},
    {"command": "ban", "user": "bob", **IN_GROUP},
    {"command": "unban", "user": "bob", **IN_GROUP},
    {"command": "set_profile", "display": "Alice", "status": "at sea", **ON_ACCOUNT},
    {"command": "set_profile", "status": "", **ON_ACCOUNT},
    {"command": "set_privacy", "last_seen": "shared", "read_marks": False, **ON_ACCOUNT},
    {"command": "set_conversation", "target": GROUP, "muted_until": 0, **ON_ACCOUNT},
    {"command": "set_conversation", "target": GROUP, "archived": True, **ON_ACCOUNT},
    {"command": "set_conversation", "target": GROUP, "pinned": True, **ON_ACCOUNT},
    {"command": "create_channel", "title": "News", **NUMBERED},
    {
        "command": "create_channel",
        "title": "News",
        "description": "x",
        "public": True,
        **NUMBERED,
    },
    {"command": "subscribe", "target": CHANNEL, **ON_ACCOUNT},
    {"command": "subscribe", "target": CHANNEL, "link": "s" * 22, **ON_ACCOUNT},
    {"command": "unsubscribe", "target": CHANNEL, **ON_ACCOUNT},
    {"command": "follow", "channels": []},
    {"command": "block", "user": "eve", **ON_ACCOUNT},
    {"command": "unblock", "user": "eve", **ON_ACCOUNT},
    {"command": "look"},
    {"command": "look", "users": ["bob"], "conversations": [GROUP]},
    {"command": "typing", "conversation": GROUP},
    {"command": "devices"},
    {"command": "name_device", "device": "abc_DEF-123", "name": "phone"},
    {"command": "revoke_device", "device": "abc_DEF-123"},
    {"command": "logout_everywhere"},
    {"command": "logout_everywhere", "except_this": False},
    {"command": "set_password", "old": "correct horse", "new": "battery staple"},
    {"command": "set_password", "old": "x" * 8, "new": "y" * 8, "logout_others": False},
    {"command": "delete_account", "password": "correct horse"},
    {"command": "read", "conversation": GROUP, "upto": 3},
    {"command": "history", "conversation": GROUP},
    {"command": "history", "conversation": GROUP, "before": 9, "limit": 200},
    {"command": "conversation", "conversation": GROUP},
    {"command": "conversation", "conversation": GROUP, "link": "s" * 22},
    {"command": "marks", "conversation": GROUP, "n": 3},
]


@pytest.mark.parametrize("item", PROPER, ids=lambda item: item["command"])
def test_a_proper_command_becomes_a_value_with_its_fields(item):
    command = parse({"id": 7, **item})
    assert type(command) is COMMANDS[item["command"]]
    assert command.id == 7
    for field, given_value in item.items():
        if field != "command":
            held = getattr(command, ATTRIBUTES.get((item["command"], field), field))
            assert held == (tuple(given_value) if isinstance(given_value, list) else given_value)


def test_every_command_is_tried_above():
    assert {item["command"] for item in PROPER} == set(COMMANDS)


def outcome(item):
    """What parsing gives: the command, or the refusal."""
    try:
        return parse(item)
    except Refusal as refusal:
        return refusal


def required(item):
    kind = COMMANDS[item["command"]]
    for field in dataclasses.fields(kind):
        if "check" in field.metadata and field.default is dataclasses.MISSING:
            yield field.metadata.get("wire", field.name)


@pytest.mark.parametrize(
    ("item", "field"), [(item, field) for item in PROPER for field in required(item)]
)
@pytest.mark.parametrize("change", ["left out", "null"])
def test_a_missing_field_is_named(item, field, change):
    item = dict(item)
    if change == "null":
        item[field] = None
    else:
        del item[field]
    with pytest.raises(Refusal, match=f"{item['command']} needs the field {field}") as caught:
        parse(item)
    assert caught.value.body()["field"] == field
    assert caught.value.code is ErrorCode.BAD_REQUEST


MISTYPED = [None, True, 0, 5, "x", b"x", [], [1], {}, {"a": 1}]


@pytest.mark.parametrize(
    ("item", "field"),
    [(item, field) for item in PROPER for field in item if field != "command"],
)
def test_a_mistyped_field_is_refused_and_named_or_absent_or_of_the_right_type(item, field):
    for wrong in MISTYPED:
        command = outcome({**item, field: wrong})
        if isinstance(command, Refusal):
            assert command.code in (ErrorCode.BAD_REQUEST, ErrorCode.BAD_CREDENTIALS)
            if command.code is ErrorCode.BAD_REQUEST:
                assert command.details["field"] == field
        else:
            held = getattr(command, ATTRIBUTES.get((item["command"], field), field))
            if wrong is None:
                left_out = {name: value for name, value in item.items() if name != field}
                assert command == parse(left_out)
            else:
                assert held == (tuple(wrong) if isinstance(wrong, list) else wrong)
                assert type(wrong) is type(item[field])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"conversation": "d:bob:alice"}, "conversation"),
        ({"conversation": "d:alice:alice"}, "conversation"),
        ({"conversation": "d:alice"}, "conversation"),
        ({"conversation": "d:alice:bob:carol"}, "conversation"),
        ({"conversation": "d::bob"}, "conversation"),
        ({"conversation": "d:Alice:bob"}, "conversation"),
        ({"conversation": "g:"}, "conversation"),
        ({"conversation": "g:UPPER"}, "conversation"),
        ({"conversation": "g:" + "a" * 65}, "conversation"),
        ({"conversation": "x:abc"}, "conversation"),
        ({"conversation": ""}, "conversation"),
        ({"number": 0}, "number"),
        ({"number": MAX_INTEGER + 1}, "number"),
        ({"number": True}, "number"),
        ({"tag": ""}, "tag"),
        ({"tag": "x" * 33}, "tag"),
        ({"tag": "ä"}, "tag"),
        ({"tag": "a b"}, "tag"),
        ({"tag": "abc\n"}, "tag"),
        ({"text": ""}, "text"),
    ],
)
def test_a_field_out_of_its_form_is_named(change, field):
    proper = {"command": "send", "conversation": "d:alice:bob", "text": "hello", **NUMBERED}
    with pytest.raises(Refusal) as caught:
        parse({**proper, **change})
    assert caught.value.code is ErrorCode.BAD_REQUEST
    assert caught.value.details == {"field": field}


@pytest.mark.parametrize(
    "name", ["", "a" * 65, "Alice", "a b", "a:b", "a/b", "ä", "a\n", "a\x00", "alice\u200b"]
)
def test_names_of_users_have_one_form(name):
    with pytest.raises(Refusal, match="1 to 64 characters of a-z 0-9"):
        parse({"command": "user", "user": name})


@pytest.mark.parametrize("title", ["", " x", "x ", "x\n", "a\tb", "x" * 129, "\x85", "\u2003x"])
def test_titles_are_one_line_of_text(title):
    with pytest.raises(Refusal) as caught:
        parse({"command": "create_group", "title": title, **NUMBERED})
    assert caught.value.details == {"field": "title"}


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_passwords_have_bounds(password):
    with pytest.raises(Refusal, match="8 to 256 characters"):
        parse({"command": "register", "user": "alice", "password": password})


@pytest.mark.parametrize("token", ["forged token", "", "x" * 129, "../..", "\u0661"])
def test_a_token_that_cannot_be_one_is_a_wrong_one(token):
    with pytest.raises(Refusal) as caught:
        parse({"command": "resume", "token": token})
    assert caught.value.code is ErrorCode.BAD_CREDENTIALS


@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_a_text_is_bounded_in_bytes_and_kept_unaltered(character):
    limit = DEFAULT_LIMITS.text_bytes
    proper = {"command": "send", "conversation": "d:alice:bob", **NUMBERED}
    fits = character * (limit // len(character.encode()))
    command = parse({**proper, "text": fits})
    assert isinstance(command, Send)
    assert command.text == fits
    with pytest.raises(Refusal) as caught:
        parse({**proper, "text": fits + character})
    assert caught.value.code is ErrorCode.TOO_LARGE
    assert caught.value.body()["limit"] == limit


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50))
def test_any_text_is_kept_unaltered(text):
    item = {"command": "send", "conversation": "d:alice:bob", "text": text, **NUMBERED}
    command = parse(item)
    assert isinstance(command, Send)
    assert command.text == text


def test_members_are_distinct_users_within_the_limit():
    proper = {"command": "create_group", "title": "F", **NUMBERED}
    names = [f"user{n}" for n in range(1_024)]
    command = parse({**proper, "members": names})
    assert isinstance(command, CreateGroup)
    assert command.members == tuple(names)
    with pytest.raises(Refusal) as caught:
        parse({**proper, "members": [*names, "one.more"]})
    assert caught.value.code is ErrorCode.TOO_LARGE
    for wrong in (["bob", "bob"], ["Bob"], [1], "bob", {"bob": 1}):
        with pytest.raises(Refusal) as caught:
            parse({**proper, "members": wrong})
        assert caught.value.code is ErrorCode.BAD_REQUEST


def test_mentions_are_distinct_users_within_their_own_limit():
    item = {"command": "send", "conversation": GROUP, "text": "x", **NUMBERED}
    limits = Limits(mentions=2)
    assert parse({**item, "mentions": ["bob", "carol"]}, limits).mentions == ("bob", "carol")
    with pytest.raises(Refusal) as caught:
        parse({**item, "mentions": ["bob", "carol", "dave"]}, limits)
    assert caught.value.code is ErrorCode.TOO_LARGE
    assert caught.value.body()["limit"] == 2
    with pytest.raises(Refusal, match="each user once"):
        parse({**item, "mentions": ["bob", "bob"]})


@pytest.mark.parametrize("emoji", ["+1", "\U0001f469\u200d\U0001f680", "e\u0301", "x" * 16])
def test_a_reaction_is_a_few_visible_characters(emoji):
    assert parse({"command": "react", "target": 4, "emoji": emoji, **IN_GROUP}).emoji == emoji


@pytest.mark.parametrize(
    "emoji", ["x" * 17, "a b", "\u00a0", "a\n", "\x00", "\u2028", "\ud800", "\U0001f600" * 17, 5]
)
def test_anything_else_is_no_reaction(emoji):
    with pytest.raises(Refusal, match="emoji must") as caught:
        parse({"command": "react", "target": 4, "emoji": emoji, **IN_GROUP})
    assert caught.value.body()["field"] == "emoji"


def test_a_new_group_has_no_command_before_its_first():
    with pytest.raises(Refusal, match="number must be 1"):
        parse({"command": "create_group", "title": "F", "number": 2, "tag": "abc"})


def test_history_goes_one_way():
    with pytest.raises(Refusal, match="before or after, not both"):
        parse({"command": "history", "conversation": GROUP, "before": 1, "after": 1})


def test_limits_bound_how_much_may_be_asked_for():
    for command, limit in (("history", 200), ("fetch", 500)):
        item = {"command": command, "conversation": GROUP, "epoch": 1, "from": 1}
        assert parse({**item, "limit": limit})
        for wrong in (0, limit + 1):
            with pytest.raises(Refusal, match=f"from 1 to {limit}"):
                parse({**item, "limit": wrong})
    smaller = Limits(history_records=5)
    with pytest.raises(Refusal, match="from 1 to 5"):
        parse({"command": "history", "conversation": GROUP, "limit": 6}, smaller)


def test_what_is_left_out_has_its_default():
    register = parse({"command": "register", "user": "alice", "password": "correct horse"})
    assert isinstance(register, Register)
    assert (register.id, register.display, register.device_name) == (None, None, None)
    group = parse({"command": "create_group", "title": "F", **NUMBERED})
    assert isinstance(group, CreateGroup)
    assert (group.open, group.members) == (False, ())
    attach = parse({"command": "attach", "number": 0, "epoch": None})
    assert isinstance(attach, Attach)
    assert attach.epoch is None
    fetch = parse({"command": "fetch", "epoch": 1, "from": 2})
    assert isinstance(fetch, Fetch)
    assert (fetch.start, fetch.limit) == (2, 500)
    history = parse({"command": "history", "conversation": GROUP})
    assert isinstance(history, History)
    assert (history.before, history.after, history.limit) == (None, None, 50)


def test_the_default_of_a_page_keeps_to_a_smaller_limit():
    history = parse({"command": "history", "conversation": GROUP}, Limits(history_records=5))
    assert isinstance(history, History)
    assert history.limit == 5


def test_unknown_fields_are_ignored():
    assert parse({"command": "ping", "id": 1, "mood": "fine"}) == parse(
        {"command": "ping", "id": 1}
    )


def test_an_unknown_command_is_named_in_short():
    with pytest.raises(Refusal, match="there is no command 'frobnicate'") as caught:
        parse({"command": "frobnicate"})
    assert caught.value.code is ErrorCode.UNKNOWN_COMMAND
    with pytest.raises(Refusal) as caught:
        parse({"command": "x" * 10_000})
    assert len(caught.value.message) < 80


@pytest.mark.parametrize("name", [None, 1, [], {}, True, b"ping"])
def test_a_command_without_a_proper_name_is_a_bad_request(name):
    with pytest.raises(Refusal) as caught:
        parse({"command": name, "id": 1})
    assert caught.value.details == {"field": "command"}


@pytest.mark.parametrize("number", [0, MAX_INTEGER + 1, True, "1", [], b"1"])
def test_a_wrong_id_is_refused_and_answered_under_null(number):
    item = {"id": number, "command": "ping"}
    with pytest.raises(Refusal) as caught:
        parse(item)
    assert caught.value.details == {"field": "id"}
    assert wants_reply(item)
    assert reply_id(item) is None


def test_a_command_without_an_id_is_not_answered():
    for item in ({"command": "ping"}, {"command": "ping", "id": None}):
        assert parse(item).id is None
        assert not wants_reply(item)


keys = st.sampled_from(["id", "command", "number", "tag", "conversation", "text", "user", "epoch"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(0, MAX_INTEGER) | st.text(max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(keys, anything, max_size=8),
    st.sampled_from(sorted(COMMANDS)),
)
def test_any_item_is_a_command_or_refused(item, name):
    command = outcome({**item, "command": name})
    if isinstance(command, Refusal):
        assert command.code in RETRYABLE
    else:
        assert type(command) is COMMANDS[name]
