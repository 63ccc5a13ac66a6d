"""The model follows the client's events."""

from __future__ import annotations

import pytest

from beamish.chat.model import HOME, Model
from beamish.client import (
    ChannelRestarted,
    ConversationSettings,
    Edited,
    Followed,
    Marks,
    Presence,
    Reacted,
    Receipt,
    Snapshot,
    Subscription,
    Typing,
    event_of,
)

ROOM = "g:1"


@pytest.fixture
def model():
    return Model("alice")


def record(n, by="bob", text="hello", **fields):
    return {"n": n, "type": "message", "by": by, "at": n * 1000, "ordinal": n, "text": text,
            **fields}  # fmt: skip


def told(model, *records, room=ROOM):
    for one in records:
        model.apply(event_of(room, one), 0.0)
    return model.get(room)


def test_messages_of_others_are_unread_and_mentions_counted(model):
    room = told(model, record(1), record(2, by="alice"), record(3, mentions=["alice", "carol"]))
    assert (room.unread, room.mentions, room.newest) == (2, 1, 3)
    told(model, record(4, mentions=["alice"], mentioned=[], rev=6, edited=6))
    assert (room.unread, room.mentions) == (3, 1)
    model.apply(Marks(ROOM, 1, 3, 1, 1), 0.0)
    assert (room.unread, room.mentions, room.read) == (1, 1, 1)


def test_a_record_that_is_told_again_changes_nothing_and_a_higher_revision_holds(model):
    room = told(model, record(1), record(1))
    assert room.unread == 1
    newer, older = record(1, text="new", rev=5), record(1, text="old", rev=3)
    for now in (newer, older):
        model.apply(Edited(ROOM, 1, 1, "bob", 1000, now["text"], now), 0.0)
    assert room.records[1]["text"] == "new"
    assert room.unread == 1


def test_a_change_of_what_is_older_than_the_window_makes_no_hole(model):
    room = told(model, record(50), record(51))
    changed = record(3, rev=52, reactions=[["bob", "👍", 52]])
    model.apply(Reacted(ROOM, 3, 3, "bob", [], changed), 0.0)
    assert room.order == [50, 51]
    room.older([record(n) for n in (48, 49)], more=True)
    assert room.order == [48, 49, 50, 51]
    assert not room.complete


def test_members_come_and_go_with_the_records(model):
    room = told(
        model,
        {"n": 1, "type": "create", "by": "bob", "at": 1, "kind": "group", "title": "Tea",
         "members": [["bob", "Bob", "owner"], ["alice", "Alice", "member"]]},
        {"n": 2, "type": "invite", "by": "bob", "at": 2, "user": "carol", "display": "Carol"},
        {"n": 3, "type": "role", "by": "bob", "at": 3, "user": "carol", "role": "admin"},
        {"n": 4, "type": "info", "by": "bob", "at": 4, "title": "Cake"},
    )  # fmt: skip
    assert room.members == {"bob": "owner", "alice": "member", "carol": "admin"}
    assert (model.title(room), model.name("carol")) == ("Cake", "Carol")
    told(model, {"n": 5, "type": "remove", "by": "bob", "at": 5, "user": "alice"})
    assert not room.member
    told(model, {"n": 6, "type": "ban", "by": "bob", "at": 6, "user": "dave"})
    assert "carol" in room.members


def test_the_list_has_pinned_ones_first_and_archived_ones_only_with_news(model):
    for n, key in enumerate(("g:1", "g:2", "g:3"), 1):
        told(model, record(n, by="alice"), room=key)
    model.apply(ConversationSettings("g:1", 0, False, True), 0.0)
    model.apply(ConversationSettings("g:3", 0, True, False), 0.0)
    assert [c.id for c in model.listed(0)] == ["g:1", "g:2"]
    told(model, record(9), room="g:3")
    assert [c.id for c in model.listed(0)] == ["g:1", "g:3", "g:2"]
    model.apply(ConversationSettings("g:3", 10, True, False), 0.0)
    assert [c.id for c in model.listed(5)] == ["g:1", "g:2"]


def test_conversations_are_found_by_id_title_user_and_parts_of_them(model):
    model.get("d:alice:bob")
    model.names["bob"] = "Robert"
    model.get("g:1").title = "Tea time"
    for wanted, found in (("g:1", "g:1"), ("tea", "g:1"), ("TIME", "g:1"), ("bob", "d:alice:bob"),
                          ("robert", "d:alice:bob")):  # fmt: skip
        assert model.find(wanted).id == found
    assert model.find("nothing") is None
    assert model.find("") is None


def test_a_subscribed_channel_counts_by_ordinals(model):
    model.apply(Subscription("c:1", True, 3, 3, 1), 0.0)
    model.apply(Followed("c:1", 5, 3, "News"), 0.0)
    channel = model.get("c:1")
    assert (model.waiting(channel), model.title(channel)) == (2, "News")
    told(model, {**record(6), "ordinal": 4}, room="c:1")
    assert model.waiting(channel) == 3
    model.apply(Subscription("c:1", True, 3, 6, 4), 0.0)
    assert model.waiting(channel) == 0
    assert model.subscriptions() == {"c:1": 3}
    model.apply(Subscription("c:1", False, 0, 0, 0), 0.0)
    assert model.subscriptions() == {}


def test_what_was_restored_is_forgotten(model):
    room = told(model, record(1))
    model.apply(ChannelRestarted(ROOM), 0.0)
    assert room.order == []
    told(model, record(1))
    row = {"conversation": ROOM, "title": "Tea", "unread": 7, "mentions": 2, "read": 0}
    model.apply(Snapshot("other_epoch", [row], {"subscriptions": [
        {"channel": "c:1", "since": 1, "read": 2, "ordinal": 1}]}), 0.0)  # fmt: skip
    assert (room.order, room.unread, room.mentions, room.title) == ([], 7, 2, "Tea")
    assert model.get("c:1").subscribed


def test_levels_of_others_are_kept(model):
    model.apply(Receipt(ROOM, "bob", 5, 3), 0.0)
    model.apply(Receipt(ROOM, "carol", 5, 2), 0.0)
    model.apply(Presence("bob", True, None, "Robert", "at sea"), 0.0)
    model.apply(Typing(ROOM, "bob"), 10.0)
    room = model.get(ROOM)
    assert room.peer_read == 3
    assert room.typing == {"bob": 16.0}
    assert model.name("bob") == "Robert"
    told(model, record(1))
    assert room.typing == {}
    model.apply(Presence("bob", False, None, "", ""), 0.0)
    assert model.name("bob") == "Deleted account"


def test_notices_are_bounded(model):
    home = model.get(HOME)
    for i in range(600):
        home.notice(str(i))
    assert len(home.notices) == 500
    assert home.notices[-1].text == "599"
