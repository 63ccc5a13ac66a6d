"""The sizes of the curves, and what their figures are called."""

from __future__ import annotations

from typing import Final

SIZES: Final = tuple(10**power for power in range(2, 7))
TRAFFIC: Final = "traffic_us_{}"
MESSAGE: Final = "message_us_{}"
