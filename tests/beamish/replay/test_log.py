from __future__ import annotations

from pathlib import Path

import pytest

import beamish.replay
from beamish.replay.log import Joined, Left, Renamed, Said, parse_log, read_log

SAMPLE = Path(beamish.replay.__file__).parent / "sample.log"


def lines(*raw: bytes) -> tuple[object, ...]:
    return parse_log("x", b"\n".join(raw) + b"\n").lines


def test_a_message_keeps_its_text_with_blanks_and_control_characters() -> None:
    text = "  a\tb\x02bold\x0304red\x85\u2028 \x00 end  "
    assert lines(b"[10:00] <ada> " + text.encode()) == (Said(0, "ada", text),)


def test_an_action_is_what_its_author_does() -> None:
    expected = Said(0, "ada", "waves at bob", action=True)
    assert lines(b"[10:00]  * ada waves at bob") == (expected,)


def test_an_action_without_words_is_still_an_action() -> None:
    assert lines(b"[10:00]  * ada") == (Said(0, "ada", " ", action=True),)


def test_what_is_said_in_the_words_of_an_action_is_none() -> None:
    assert lines(b"[10:00] <ada> /me waves") == (Said(0, "ada", "/me waves"),)


def test_an_action_of_a_nick_with_a_space_is_split_behind_the_whole_nick() -> None:
    said, acted = lines(b"[10:00] <[x] ada> hi", b"[10:00]  * [x] ada waves")
    assert said == Said(0, "[x] ada", "hi")
    assert acted == Said(0, "[x] ada", "waves", action=True)


@pytest.mark.parametrize("raw", [b"[10:00] <ada>", b"[10:00] <ada> "])
def test_a_message_without_text_becomes_one_space(raw: bytes) -> None:
    assert lines(raw) == (Said(0, "ada", " "),)


def test_joins_parts_and_nick_changes_are_told_apart_from_other_system_lines() -> None:
    log = parse_log(
        "x",
        b"=== ada [a@host]  has joined #Room\n"
        b'=== ada [a@host]  has left #room ["gone [away]"]\n'
        b"=== ada is now known as bob\n"
        b"=== mode/#room [+o ada]  by eve\n"
        b"no record at all\n",
    )
    assert log.lines == (Joined(0, "ada"), Left(0, "ada"), Renamed(0, "ada", "bob"))
    assert log.skipped == 2


def test_nicks_may_hold_spaces_and_end_in_one() -> None:
    assert lines(
        b"=== [x] ada [a@host]  has joined #r",
        b"=== [x]  [a@host]  has joined #r",
        b"=== [x]  is now known as [y] ",
    ) == (Joined(0, "[x] ada"), Joined(0, "[x] "), Renamed(0, "[x] ", "[y]"))


def test_a_line_of_invalid_utf8_is_read_as_latin1_and_loses_no_byte() -> None:
    every_byte = bytes(set(range(256)) - {10})
    (said,) = lines(b"[10:00] <ada> " + every_byte)
    assert isinstance(said, Said)
    assert said.text.encode("latin-1") == every_byte


def test_a_carriage_return_before_the_line_feed_belongs_to_the_line_end() -> None:
    assert lines(b"[10:00] <ada> a\rb\r") == (Said(0, "ada", "a\rb"),)


def test_minutes_count_from_the_first_timed_line_and_go_on_over_midnight() -> None:
    found = lines(b"[23:58] <a> 1", b"[23:59] <a> 2", b"=== b [h]  has joined #r", b"[00:01] <a> 3")
    assert [line.minute for line in found] == [0, 1, 1, 3]  # type: ignore[attr-defined]


def test_a_clock_that_was_set_back_goes_on_one_minute_later() -> None:
    found = lines(b"[11:55] <a> 1", b"[00:05] <a> 2", b"[00:06] <a> 3")
    assert [line.minute for line in found] == [0, 1, 2]  # type: ignore[attr-defined]


def test_the_shipped_sample_holds_what_it_is_meant_to_hold() -> None:
    log = read_log(SAMPLE)
    said = [line for line in log.lines if isinstance(line, Said)]
    assert len(said) == 121
    assert sum(isinstance(line, Joined) for line in log.lines) == 11
    assert sum(isinstance(line, Left) for line in log.lines) == 5
    assert sum(isinstance(line, Renamed) for line in log.lines) == 6
    assert log.skipped == 2
    assert len(said) + 11 + 5 + 6 + 2 == SAMPLE.read_bytes().count(b"\n") == 145
    assert {"Mira", "mira", "[lab] Ada", "ゆき", "Мария", "ليلى", "अनिल"} <= log.nicks().keys()
    assert any(line.text == "LATIN1: äöü aus einem alten Terminal" for line in said)
    assert any(line.action for line in said)
    assert any("\x02" in line.text for line in said)
