from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from storage import MAX_NAME_BYTES, SLOTS, slot_of
from storage.names import name_fault


@given(st.text(), st.text())
def test_a_suffix_behind_the_first_hash_sign_does_not_change_the_slot(name, suffix):
    base = name.partition("#")[0]
    assert slot_of(f"{base}#{suffix}") == slot_of(base)


@given(st.text())
def test_a_slot_lies_in_its_range(name):
    assert 0 <= slot_of(name) < SLOTS
    assert 0 <= slot_of(name, 7) < 7


def test_slots_stay_what_they_were_since_directories_are_indexed_by_them():
    names = ("u/alice", "c/x", "c/x#marks", "")
    assert [slot_of(name) for name in names] == [739, 604, 604, 692]


def test_names_spread_over_the_slots():
    used = {slot_of(f"u/{number}") for number in range(4 * SLOTS)}
    assert len(used) > 0.95 * SLOTS


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "a stream's name is empty; give it at least one character"),
        ("ü" * 201, f"a stream's name has 402 bytes in UTF-8; use at most {MAX_NAME_BYTES}"),
        ("a\0b", "a stream's name holds a NUL character; leave it out"),
        ("\ud800", "a stream's name holds a lone surrogate; use text that UTF-8 can encode"),
    ],
)
def test_a_bad_name_is_refused_with_a_sentence(name, sentence):
    assert name_fault(name) == sentence


def test_the_longest_name_is_good():
    assert name_fault("ü" * 200) is None
