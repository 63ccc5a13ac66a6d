"""The restart budget against the definition of OTP's intensity and period."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.budget import Budget, BudgetError, RestartWindow

moments = st.lists(st.integers(0, 40), max_size=60).map(sorted)


@given(moments, st.integers(0, 5), st.integers(1, 12))
def test_a_restart_is_allowed_as_long_as_fewer_than_the_maximum_lie_in_the_period(
    times, max_restarts, seconds
):
    window = RestartWindow(Budget(max_restarts, seconds))
    counted: list[int] = []
    for now in times:
        recent = [time for time in counted if now - time <= seconds]
        allowed = len(recent) < max_restarts
        assert window.spend(now) is allowed
        if allowed:
            counted.append(now)
        assert window.spent(now) == len([time for time in counted if now - time <= seconds])
        assert window.quiet(now) is (window.spent(now) == 0)


@given(moments, st.integers(0, 5), st.integers(1, 12))
def test_a_window_never_holds_more_times_than_the_budget_allows(times, max_restarts, seconds):
    window = RestartWindow(Budget(max_restarts, seconds))
    for now in times:
        window.spend(now)
        assert len(window._times) <= max_restarts


def test_the_restart_after_the_last_allowed_one_exceeds_the_budget():
    window = RestartWindow(Budget(3, 5.0))
    assert [window.spend(0.0) for _ in range(4)] == [True, True, True, False]


def test_a_restart_counts_until_it_is_older_than_the_period():
    window = RestartWindow(Budget(1, 5.0))
    assert window.spend(0.0)
    assert not window.spend(5.0)
    assert window.spend(5.001)


def test_a_budget_of_zero_allows_no_restart():
    assert not RestartWindow(Budget(0, 1.0)).spend(0.0)


@pytest.mark.parametrize("restarts", [-1, 2.0, "3", True, None])
def test_a_budget_refuses_what_is_no_count_of_restarts(restarts):
    with pytest.raises(BudgetError, match=r"max_restarts=.* is no count.*Budget\(3, 5\.0\)"):
        Budget(restarts, 5.0)


@pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan"), "5", True, None])
def test_a_budget_refuses_what_is_no_span_of_time(seconds):
    with pytest.raises(BudgetError, match=r"seconds=.* is no span.*Budget\(3, 5\.0\)"):
        Budget(3, seconds)
