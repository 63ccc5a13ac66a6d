from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from beamish.histogram import Histogram


@given(st.lists(st.floats(0.01, 1e7), min_size=1, max_size=200), st.floats(0.1, 100))
def test_percentiles_are_never_below_and_hardly_above_the_true_ones(
    values: list[float], percent: float
) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    true = sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]
    found = histogram.percentile(percent)
    assert found is not None
    assert true * 0.999999 <= found <= true * 1.012


def test_without_values_there_are_no_percentiles() -> None:
    assert Histogram().summary() == {"p50": None, "p99": None, "p999": None, "max": None}
