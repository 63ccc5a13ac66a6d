from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

import beamish.replay
from beamish.replay.log import Said, parse_log, read_log
from beamish.replay.plan import (
    Create,
    Join,
    Leave,
    Plan,
    Resume,
    Say,
    addressee,
    due_times,
    plan_direct,
    plan_groups,
)

FOLDER = Path(beamish.replay.__file__).parent
SAMPLE = FOLDER / "sample.log"
CROWD = FOLDER / "crowd.log"

# Counted by hand in the sample: (messages, members while they were said) between two changes of
# the members. It begins with Ada, Mira, mira, o_0|work and Passer (who never joins but speaks).
STRETCHES = [
    (10, 5),
    (5, 6),  # Jürgen
    (6, 7),  # ゆき
    (7, 7),  # Mira as Mira|tea
    (3, 8),  # Мария
    (3, 8),  # o_0|work as o_0|home
    (3, 8),  # Mira again
    (4, 9),  # ليلى
    (8, 10),  # [lab] Ada
    (3, 9),  # without Jürgen
    (3, 10),  # Jürgen again
    (2, 10),  # ゆき lost the connection
    (15, 11),  # अनिल
    (4, 12),  # Zoë`
    (3, 11),  # without mira
    (2, 11),  # [lab] Ada as Ada_2
    (7, 11),  # o_0|home lost the connection
    (2, 10),  # without Passer
    (3, 11),  # Passer speaks once more
    (5, 11),  # ليلى as ليلى
    (4, 10),  # Jürgen as Ada_2, who is there already
    (4, 9),  # without Ada
    (11, 10),  # Ada again
    (4, 9),  # without ゆき
]

# The same of the other sample, which begins with Quill, quill, QUILL, Ole Bach, {x}, Σ, tim, 木村,
# __, zoé, 0 and Lurker (who speaks late, and never joins).
CROWD_STRETCHES = [
    (15, 12),
    (3, 13),  # small sigma
    (4, 14),  # final sigma
    (4, 15),  # the other zoé, of one character more
    (4, 16),  # 🐝
    (4, 17),  # a\b
    (2, 17),  # tim as tim|brb
    (8, 18),  # ..
    (2, 17),  # without 0
    (2, 18),  # İnci
    (4, 19),  # inci
    (4, 19),  # quill as quiLL
    (5, 20),  # 1e5
    (3, 21),  # -
    (4, 21),  # tim again
    (4, 22),  # ΔΔ
    (5, 23),  # %41
    (2, 23),  # 🐝 lost the connection
    (4, 24),  # مريم
    (5, 25),  # 0 again
    (2, 24),  # without QUILL
    (4, 24),  # Quill as QUILL
    (3, 25),  # Quill again
    (3, 24),  # without ..
    (14, 25),  # .. speaks, and so is back
    (3, 24),  # without 木村
    (4, 24),  # a\b, - and small sigma lost their connections
    (3, 24),  # quiLL as quill
    (2, 24),  # ΔΔ as ΔΔ
    (2, 24),  # 木村 leaves once more
    (8, 23),  # {x} as Σ, who is there already
    (2, 22),  # without İnci
    (3, 21),  # without inci
    (2, 20),  # without 🐝
    (4, 19),  # without 1e5
    (4, 20),  # 木村 again
    (11, 20),  # Ole Bach with one more blank
    (2, 20),  # Lurker as lurker
    (3, 19),  # without ς
    (3, 17),  # without - and ..
    (2, 17),  # Quill as quill|zzz
    (2, 16),  # QUILL as quill|zzz, who is there already
    (6, 15),  # without a\b
    (6, 16),  # 1e5 again
]


def plan(text: str) -> Plan:
    return plan_groups([parse_log("x", text.encode())])


def shown(plan: Plan) -> list[str]:
    found = []
    for step in plan.logs[0].steps:
        match step:
            case Say(message):
                sender = plan.messages[message].sender
                found.append(f"{plan.nicks[sender]}: {plan.messages[message].text}")
            case Create(user, members):
                names = " ".join(plan.nicks[member] for member in (user, *members))
                found.append(f"create {names}")
            case Join(user) | Leave(user) | Resume(user):
                found.append(f"{type(step).__name__.lower()} {plan.nicks[user]}")
    return found


def test_the_samples_totals_are_those_counted_by_hand() -> None:
    found = plan_groups([read_log(SAMPLE)])
    assert len(found.messages) == sum(messages for messages, _ in STRETCHES) == 121
    by_hand = sum(messages * (members - 1) for messages, members in STRETCHES)
    assert found.expected_deliveries == by_hand == 990
    assert sum(found.recipients()) == by_hand
    assert found.most_members == max(members for _, members in STRETCHES) == 12
    assert len(found.nicks) == 15
    assert found.skipped_lines == 2


def test_the_crowds_totals_are_those_counted_by_hand() -> None:
    found = plan_groups([read_log(CROWD)])
    assert len(found.messages) == sum(messages for messages, _ in CROWD_STRETCHES) == 186
    by_hand = sum(messages * (members - 1) for messages, members in CROWD_STRETCHES)
    assert found.expected_deliveries == by_hand == 3482
    assert sum(found.recipients()) == by_hand
    assert found.most_members == max(members for _, members in CROWD_STRETCHES) == 25
    assert len(found.nicks) == 30
    assert found.skipped_lines == 6


def test_the_crowd_has_what_the_sample_lacks() -> None:
    found = plan_groups([read_log(CROWD)])
    folded = {unicodedata.normalize("NFC", nick).casefold() for nick in found.nicks}
    assert len(folded) <= len(found.nicks) - 6  # nicks that differ by case or by form alone
    assert max(len(message.text.encode()) for message in found.messages) > 3_000
    steps = [type(step) for step in found.logs[0].steps]
    assert steps.count(Resume) == 6  # four lost connections, two new names of people present
    assert steps.count(Join) == 17 + 9 + 1  # came in; a new name; spoke after leaving
    assert steps.count(Leave) == 12 + 11  # went out while there; gave up a name


def test_both_samples_together_are_played_as_two_groups_of_people_who_do_not_meet() -> None:
    assert sorted(FOLDER.glob("*.log")) == [CROWD, SAMPLE]
    found = plan_groups([read_log(CROWD), read_log(SAMPLE)])
    assert (len(found.messages), found.expected_deliveries) == (121 + 186, 990 + 3482)
    assert len(found.nicks) == 15 + 30


def test_members_at_the_start_appear_first_by_neither_joining_nor_being_renamed_to() -> None:
    found = plan(
        "[10:00] <ada> 1\n=== bob [h]  has joined #r\n=== eve is now known as joe\n"
        "=== kim [h]  has left #r\n[10:01] <bob> 2\n[10:01] <joe> 3\n"
    )
    assert shown(found) == [
        "create ada eve kim",
        "ada: 1",
        "join bob",
        "leave eve",
        "join joe",
        "leave kim",
        "bob: 2",
        "joe: 3",
    ]
    assert found.expected_deliveries == 2 + 2 + 2


def test_recipients_are_counted_for_each_message() -> None:
    found = plan(
        "[10:00] <ada> 1\n=== bob [h]  has joined #r\n[10:00] <bob> 2\n[10:00] <ada> 3\n"
        "=== eve [h]  has joined #r\n[10:00] <eve> 4\n=== bob [h]  has left #r\n[10:00] <ada> 5\n"
    )
    assert found.recipients() == [0, 1, 1, 2, 1]


def test_a_log_that_begins_with_a_join_is_made_by_who_joins() -> None:
    found = plan("=== ada [h]  has joined #r\n[10:00] <ada> alone\n")
    assert shown(found) == ["create ada", "ada: alone"]
    assert found.expected_deliveries == 0


def test_a_speaker_who_left_joins_first() -> None:
    found = plan("[10:00] <ada> 1\n=== ada [h]  has left #r\n[10:00] <ada> 2\n")
    assert shown(found) == ["create ada", "ada: 1", "leave ada", "join ada", "ada: 2"]


def test_a_join_of_one_present_drops_and_resumes_the_connection() -> None:
    found = plan("[10:00] <ada> 1\n=== ada [h]  has joined #r\n=== bob is now known as ada\n")
    assert shown(found) == ["create ada bob", "ada: 1", "resume ada", "leave bob", "resume ada"]


def test_a_part_of_one_absent_is_nothing() -> None:
    found = plan("[10:00] <ada> 1\n=== ada [h]  has left #r\n=== ada [h]  has left #r\n")
    assert shown(found) == ["create ada", "ada: 1", "leave ada"]


def test_a_nick_change_to_the_same_nick_is_a_leave_and_a_join() -> None:
    found = plan("[10:00] <ada> 1\n[10:00] <bob> 2\n=== ada is now known as ada\n[10:00] <bob> 3\n")
    assert shown(found)[3:5] == ["leave ada", "join ada"]
    assert found.conversations[0].stays[found.nicks.index("ada")] == [(0, 2), (2, 3)]


def test_a_nick_is_one_user_in_all_logs_and_each_log_a_group_of_its_own() -> None:
    logs = [parse_log(name, b"[10:00] <ada> 1\n[10:00] <bob> 2\n") for name in ("a", "b")]
    found = plan_groups(logs)
    assert found.nicks == ["ada", "bob"]
    assert [c.name for c in found.conversations] == ["a", "b"]
    assert found.expected_deliveries == 4


def test_lines_are_spread_evenly_in_their_minute() -> None:
    log = parse_log("x", b"[10:00] <a> 1\n[10:00] <a> 2\n=== b [h]  has joined #r\n[10:02] <a> 3\n")
    assert due_times(log.lines) == [0.0, 20.0, 40.0, 120.0]


def test_an_addressee_is_a_known_nick_before_a_colon_or_comma() -> None:
    known = {"ada": None, "[x] bob": None}
    assert addressee("ada: hi", known) == "ada"
    assert addressee("ada, hi: you", known) == "ada"
    assert addressee("[x] bob: hi", known) == "[x] bob"
    assert addressee("eve: hi", known) is None
    assert addressee("ada hi", known) is None
    assert addressee(": hi", known) is None


def test_direct_mode_plays_addressed_messages_only_and_counts_the_rest() -> None:
    text = (
        "[10:00] <ada> bob: one\n[10:00] <bob> ada, two\n[10:00] <ada> three\n"
        "[10:00] <ada> ada: myself\n=== eve [h]  has joined #r\nrubbish\n[10:01] <bob> eve: four\n"
    )
    found = plan_direct([parse_log("x", text.encode())])
    assert [message.text for message in found.messages] == ["bob: one", "ada, two", "eve: four"]
    assert [c.pair for c in found.conversations] == [(0, 1), (1, 2)]
    assert found.expected_deliveries == 3
    assert found.skipped_lines == 4
    assert all(isinstance(step, Say) for step in found.logs[0].steps)


@pytest.mark.parametrize(
    ("path", "addressed", "lines"), [(SAMPLE, 31, 145), (CROWD, 46, 237)], ids=["sample", "crowd"]
)
def test_direct_mode_of_a_sample_is_what_a_plain_count_says(
    path: Path, addressed: int, lines: int
) -> None:
    log = read_log(path)
    nicks = list(log.nicks())
    said = [line for line in log.lines if isinstance(line, Said)]
    plain = [
        line
        for line in said
        if any(line.text.startswith((f"{nick}:", f"{nick},")) for nick in nicks)
    ]
    found = plan_direct([log])
    assert found.expected_deliveries == len(found.messages) == len(plain) == addressed
    assert found.skipped_lines == lines - addressed
