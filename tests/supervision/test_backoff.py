"""Delays between restarts."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.backoff import Backoff, BackoffError


class Middle(Random):
    """A source of randomness that always draws the middle."""

    def uniform(self, a, b):
        return (a + b) / 2


@given(
    st.floats(0.001, 10),
    st.floats(1, 100),
    st.floats(1, 5),
    st.floats(0, 1),
    st.integers(1, 10_000),
    st.integers(),
)
def test_a_delay_is_the_exponential_one_within_its_jitter(  # noqa: PLR0917
    first, ratio, factor, jitter, attempt, seed
):
    backoff = Backoff(first=first, maximum=first * ratio, factor=factor, jitter=jitter)
    exact = backoff.delay(attempt, Middle())
    assert first <= exact <= backoff.maximum
    if attempt > 1 and exact < backoff.maximum:
        assert exact == pytest.approx(backoff.delay(attempt - 1, Middle()) * factor)
    drawn = backoff.delay(attempt, Random(seed))
    assert exact * (1 - jitter) * 0.999999 <= drawn <= exact * (1 + jitter) * 1.000001


def test_delays_double_up_to_the_maximum():
    backoff = Backoff(first=1.0, maximum=10.0)
    assert [backoff.delay(n, Middle()) for n in range(1, 7)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_first_delay_of_zero_never_waits():
    backoff = Backoff(first=0, maximum=0)
    assert [backoff.delay(n, Random(1)) for n in (1, 2, 5_000)] == [0.0, 0.0, 0.0]


def test_children_that_crash_together_do_not_come_back_together():
    source = Random(7)
    delays = {Backoff(first=1.0).delay(1, source) for _ in range(50)}
    assert len(delays) == 50


def test_the_same_seed_gives_the_same_delays():
    first, second = Random(3), Random(3)
    backoff = Backoff()
    for n in range(1, 20):
        assert backoff.delay(n, first) == backoff.delay(n, second)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first", -0.1),
        ("first", "1"),
        ("first", float("nan")),
        ("maximum", 0.01),
        ("maximum", float("inf")),
        ("factor", 0.5),
        ("factor", None),
        ("jitter", -0.1),
        ("jitter", 1.5),
        ("reset_after", 0),
        ("reset_after", True),
    ],
)
def test_a_backoff_refuses_each_wrong_field_and_shows_the_right_code(field, value):
    with pytest.raises(BackoffError, match=rf"^{field}=.* is not .* Backoff\({field}="):
        Backoff(**{field: value})
