"""On how many examples a property is tried: the number at each test is the everyday one.

Hypothesis draws other examples in each run, so the everyday runs together try far more than one.
Under `HYPOTHESIS_PROFILE=thorough` (`make test-thorough`, and CI) it is ten times as many, also of
properties that state no number. Programs that run on OTP too are the same ones always: of those
that more of them add, some end by an order of signals that OTP does not promise.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "beamish")
TIMES = {"beamish": 1, "thorough": 10}
UNSTATED = 100


def load_profile() -> None:
    """Set what holds for every property, and the number for those that state none."""
    for name, times in TIMES.items():
        settings.register_profile(
            name, deadline=None, print_blob=True, max_examples=UNSTATED * times
        )
    settings.load_profile(PROFILE)


def examples(everyday: int, **options: Any) -> settings:
    """Settings with this many examples in the everyday run."""
    return settings(max_examples=everyday * TIMES[PROFILE], **options)
