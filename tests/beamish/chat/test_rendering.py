"""What the model looks like in lines."""

from __future__ import annotations

import pytest
from prompt_toolkit.utils import get_cwidth

from beamish.chat import rendering
from beamish.chat.model import Model
from beamish.client import Presence

ROOM = "g:1"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


@pytest.fixture
def model():
    model = Model("alice")
    model.names |= {"alice": "Alice", "bob": "Bob"}
    return model


def record(n, by="bob", text="hello", **fields):
    return {"n": n, "type": "message", "by": by, "at": n * 1000, "ordinal": n, "text": text,
            **fields}  # fmt: skip


def shown(model, *records, width=40, count=50, waiting=()):
    room = model.get(ROOM)
    for one in records:
        room.put(one)
    lines = rendering.timeline(model, room, list(waiting), width, count)
    return ["".join(text for _, text in line) for line in lines]


def test_a_message_has_its_time_its_number_and_who_said_it(model):
    _, line = shown(model, record(3))
    assert line[:2].isdecimal()
    assert line[5:] == " #3 Bob: hello"


def test_what_happened_to_a_message_is_beside_it(model):
    model.get(ROOM).peer_read = 9
    deleted = {**record(3), "deleted": 8, "deleted_by": "bob"}
    del deleted["text"]
    _, first, reply, second, reactions, gone = shown(
        model,
        record(1),
        record(2, by="alice", text="yes", reply=1, edited=5, rev=6,
               reactions=[["bob", "👍", 6], ["carol", "👍", 7]]),
        deleted,
        {"n": 4, "type": "edit", "by": "alice", "at": 4000, "target": 2},
    )  # fmt: skip
    assert reply.strip() == "↳ #1 Bob: hello"
    assert second.endswith("#2 Alice: yes (edited) ✓")
    assert reactions.strip() == "👍 2"
    assert gone.endswith("#3 Bob (deleted)")
    assert first.endswith("hello")


def test_actions_mentions_and_withheld_texts_look_otherwise(model):
    room = model.get(ROOM)
    withheld = record(3, withheld=True)
    del withheld["text"]
    lines = shown(model, record(1, text="waves", action=True), withheld)
    assert lines[1].endswith("* Bob waves")
    assert lines[2].endswith("Bob (edited later)")
    [line] = rendering.record_lines(model, room, record(5, mentions=["alice"]), 40)
    assert line[-1] == ("class:mention", "hello")


def test_long_texts_go_on_below_and_every_line_fits(model):
    text = "word " * 30 + "語" * 40 + "\nand another line"
    for width in (20, 40, 79):
        lines = shown(model, record(1, text=text), width=width)
        assert all(get_cwidth(line) <= width for line in lines[1:])
        joined = "".join(line.strip() for line in lines[1:]).replace(" ", "")
        assert text.replace(" ", "").replace("\n", "") in joined


def test_the_last_lines_are_shown_and_only_those(model):
    lines = shown(model, *(record(n, text=str(n)) for n in range(1, 200)), count=5)
    assert [line.split()[-1] for line in lines] == ["195", "196", "197", "198", "199"]


def test_days_are_told_apart(model):
    lines = shown(model, record(1), {**record(2), "at": 3 * 86_400_000})
    assert sum(line.startswith("── ") for line in lines) == 2


def test_notices_stand_where_they_were_said_and_waiting_messages_at_the_end(model):
    room = model.get(ROOM)
    room.put(record(1))
    room.notice("a word of the chat")
    lines = shown(model, record(2), waiting=[{"text": "not sent yet"}])
    assert lines[2] == "a word of the chat"
    assert lines[-1] == "…     Alice: not sent yet"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "create"}, "Bob created this"),
        ({"type": "invite", "user": "carol"}, "Bob invited carol"),
        ({"type": "info", "title": "Tea"}, "Bob calls this “Tea”"),
        ({"type": "info", "description": ""}, "Bob changed the description"),
        ({"type": "info", "open": True}, "Bob opened this to all"),
        ({"type": "slow_mode", "seconds": 60}, "Bob lets members write every 60 s"),
        ({"type": "slow_mode", "seconds": 0}, "Bob ended slow mode"),
        ({"type": "role", "user": "carol", "role": "admin"}, "Bob made carol admin"),
        ({"type": "something_later"}, "Bob: something_later"),
    ],
)
def test_changes_are_told_in_words(model, fields, text):
    _, line = shown(model, {"n": 1, "by": "bob", "at": 1000, **fields})
    assert line[6:] == text


def test_nothing_that_anybody_wrote_reaches_the_terminal_as_a_control(model):
    model.names["bob"] = "Bob" + HOSTILE
    room = model.get(ROOM)
    room.title = room.description = HOSTILE
    model.present["bob"] = Presence("bob", True, None, "", HOSTILE)
    room.typing["bob"] = 99.0
    direct = model.get("d:alice:bob")
    hostile = [
        record(1, text=HOSTILE, reactions=[["bob", HOSTILE, 2]]),
        record(2, reply=1),
        {"n": 3, "type": "role", "by": "bob", "at": 3000, "user": HOSTILE, "role": HOSTILE},
        {"n": 4, "type": "info", "by": "bob", "at": 3000, "title": HOSTILE},
        {"n": 5, "type": HOSTILE, "by": "bob", "at": 3000},
    ]
    room.notice(HOSTILE)
    lines = shown(model, *hostile, waiting=[{"text": HOSTILE}])
    others = [
        *rendering.rows(model, room, 24, 5, 0),
        rendering.heading(model, room, 60, 0),
        rendering.heading(model, direct, 60, 0),
        rendering.typing(model, room, 0.0),
    ]
    lines += ["".join(text for _, text in line) for line in others]
    assert len(lines) > 10
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set("".join(lines))


def test_the_list_shows_counts_and_keeps_the_open_one_in_sight(model):
    for n in range(30):
        conversation = model.get(f"g:{n}")
        conversation.title, conversation.at = f"group {n}", 100 - n
    model.get("g:3").unread = 4
    model.get("g:3").mentions = 1
    rows = rendering.rows(model, model.get("g:0"), 24, 5, 0)
    assert "".join(text for _, text in rows[3]) == f"{'# group 3':<19} @1 4"
    rows = rendering.rows(model, model.get("g:29"), 24, 5, 0)
    assert "group 29" in rows[-1][0][1]
