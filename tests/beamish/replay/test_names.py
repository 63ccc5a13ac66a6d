from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamish.replay.names import LONGEST_NAME, escape_nick, fresh_run_tag, user_name

NICKS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40) | st.text(
    "aAbB._-0 _x[]", min_size=1, max_size=60
)


@given(NICKS, NICKS)
def test_different_nicks_have_different_names(a: str, b: str) -> None:
    assert (escape_nick(a) == escape_nick(b)) == (a == b)
    assert (user_name(a, "tag") == user_name(b, "tag")) == (a == b)


@given(NICKS)
def test_names_are_well_formed(nick: str) -> None:
    assert re.fullmatch(r"[a-z0-9._-]{1,64}", user_name(nick, "abc123"))


def test_names_stay_readable() -> None:
    assert user_name("Ada|o_0", "r1") == ".ada_7co__0.r1"


def test_a_nick_that_is_too_long_is_cut_and_told_apart_by_its_digest() -> None:
    a, b = escape_nick("X" * 90 + "a"), escape_nick("X" * 90 + "b")
    assert a != b
    assert len(a) <= LONGEST_NAME
    assert a.startswith(".x.x")


def test_runs_have_different_names_for_the_same_nick() -> None:
    source = random.Random(1)
    first, second = fresh_run_tag(source), fresh_run_tag(source)
    assert user_name("ada", first) != user_name("ada", second)


def test_an_empty_nick_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one character"):
        escape_nick("")
