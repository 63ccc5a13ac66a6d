"""Foreign text: nothing of it is obeyed by a terminal, and it fits where it is shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from beamish.chat.plain import cut, moment, plain, wrapped

texts = st.text(st.characters(exclude_categories=())) | st.text("ab \n\x1b[31m\x9b\u202e\u0301語🎈")


@given(texts, st.booleans())
def test_no_control_character_and_no_override_of_direction_is_left(text, lines):
    shown = plain(text, lines=lines)
    for character in shown:
        assert (character == "\n" and lines) or unicodedata.category(character) not in ("Cc", "Cs")
        assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    shown.encode()


@pytest.mark.parametrize(
    "hostile",
    ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x1bPq\x1b\\", "a\x08\x08b", "\x0e", "\x7f"],
)
def test_an_escape_sequence_is_shown_and_not_begun(hostile):
    shown = plain(hostile)
    assert len(shown) == len(hostile)
    assert not {"\x1b", "\x9b", "\x07", "\x08", "\x0e", "\x7f"} & set(shown)


@pytest.mark.parametrize("text", ["hello", "Grüße", "שלום", "日本語", "👩‍👩‍👧", "e\u0301", "a\nb"])
def test_honest_text_stays_as_it_is(text):
    assert plain(text) == text


def test_a_pile_of_marks_is_cut_down():
    assert plain("a" + "\u0301" * 100) == "a" + "\u0301" * 8


@given(st.text("ab 語\u0301🎈\n"), st.integers(2, 20))
def test_wrapped_lines_fit_and_lose_nothing_but_blanks(text, width):
    lines = wrapped(text, width)
    assert all(get_cwidth(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")


@given(st.text("ab語🎈"), st.integers(1, 12))
def test_what_is_cut_fits_and_says_so(text, width):
    shown = cut(text, width)
    assert get_cwidth(shown) <= width
    assert shown == text or shown.endswith("…")


def test_a_moment_of_another_day_names_the_day():
    at = 1_760_000_000_000
    assert ":" in moment(at, at)
    assert "," not in moment(at, at)
    assert "2025" in moment(at, at + 3 * 86_400_000)
